"""The web page: restore, compress, compare and explore with exported models.

Needs Gradio, the optional extra `app`. Everything stays on this computer: the page
loads nothing from elsewhere, and uploads are deleted after an hour and when the server
stops.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import warnings

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from serving.page import compare, compress, explore, restore, style, uploads
from serving.page.actions import Tools
from serving.page.canvas import Faces, Find
from serving.page.models import Models

MAX_REQUEST = uploads.MAX_BYTES + 2**20  # bytes: an upload, and the form around it
MAX_CALL = 2**18  # bytes of any other request, which may wait in the queue
# Everything comes from this server or is made in the page, from fonts to statistics,
# and no other page may frame this one. Gradio's own scripts are partly inline, and its
# editor compiles the code of its shaders.
POLICY = "; ".join(
    (
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
# Requests that may wait, each told its place. MAX_CALL limits the memory they take.
QUEUE = 1000
_TOLD = 1  # seconds after which those who wait are told again
_SESSIONS = 32  # visitors whose changed components Gradio keeps, not needed here
_FREE = 2**30  # bytes of the disk that uploads leave
_KEPT = 3600  # seconds that visitors' files are kept
_EXAMPLES = "examples"  # folder
_FACES = (3, 7, 12, 18, 21, 26)  # indices of drawn faces that look different
_TOP = """<div class="top"><h1>facemend</h1>
<p>Restores and compresses faces with trained models. Everything happens on the computer
that serves this page.</p>
<div class="safety"><b>What a model restores or draws is invented.</b> It is not
evidence of what was there, and must not be used to identify anybody. Ask people before
you restore and show pictures of them.</div></div>"""


def start(
    models: Models,
    tools: Tools,
    folder: str | os.PathLike,
    *,
    host: str,
    port: int,
    find: Find | None = None,
) -> gr.Blocks:
    """Serves the page in the background; `close()` ends that.

    Args:
      models: To restore, compress and explore with.
      tools: To compare the models with.
      folder: An empty folder for everything that visitors upload and download.
      host: The address to listen on.
      port: 0 takes the first free one from 7860.
      find: Finds faces, such as a `photo.finder.FaceFinder`.

    Returns:
      The page; its address is `local_url`.

    Raises:
      OSError: If the port is taken.
    """
    # Gradio reads it whenever a component is made. The examples lie elsewhere, because
    # files in there are deleted after a while.
    os.environ["GRADIO_TEMP_DIR"] = str(pathlib.Path(folder, "files"))
    # Otherwise Gradio keeps 10,000 events, and computes a table of them after each one,
    # for a view that is off.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(2**31)
    # Pillow refuses pictures of twice as many; Gradio opens painted layers with it.
    Image.MAX_IMAGE_PIXELS = uploads.MAX_PIXELS // 2
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    page = build(models, tools, folder, find)
    # Told at each change, hundreds who wait would keep the server busy.
    page.queue(status_update_rate=_TOLD, max_size=QUEUE)
    page.launch(
        server_name=host,
        server_port=port or None,
        theme=style.theme(),
        css=style.CSS,
        allowed_paths=[str(pathlib.Path(folder, _EXAMPLES))],
        max_file_size=uploads.MAX_BYTES,
        state_session_capacity=_SESSIONS,
        app_kwargs={"middleware": [Middleware(Guard, folder=folder)]},
        prevent_thread_lock=True,
        quiet=True,
        # Environment variables change the defaults of all of these.
        share=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
    )
    return page


def build(
    models: Models, tools: Tools, folder: str | os.PathLike, find: Find | None = None
) -> gr.Blocks:
    """The page without its server; see `start`."""
    examples, faces = _draw_examples(folder, find)
    with gr.Blocks(
        title="facemend", analytics_enabled=False, delete_cache=(_KEPT, _KEPT)
    ) as page:
        gr.HTML(_TOP)
        with gr.Tabs(overflow_behavior="wrap"):
            with gr.Tab("Restore"):
                restore.build(models.restorers, faces, examples)
            with gr.Tab("Compress"):
                compress.build(models.codecs, tools, examples)
            with gr.Tab("Compare"):
                compare.build(models.restorers, tools, faces, examples)
            with gr.Tab("Explore"):
                explore.build(models.latents, examples)
    return page


def _draw_examples(
    folder: str | os.PathLike, find: Find | None
) -> tuple[list[str], Faces]:
    """Draws faces to try the page with: their paths, and where the faces are."""
    paths, known = [], []
    for number, index in enumerate(_FACES, start=1):
        path = pathlib.Path(folder, _EXAMPLES, f"face-{number}.png")
        face = draw.draw(index, size=256)
        pixels.write_bytes(path, pixels.encode_png(face["image"]))
        paths.append(str(path))
        known.append((face["image"], face["landmarks"]))
    return paths, Faces(known, find)


class Guard:
    """ASGI middleware that limits requests and adds security headers.

    Args:
      app: The application behind it.
      folder: Where uploads go.
    """

    def __init__(self, app, folder: str | os.PathLike):
        self._app, self._folder = app, folder

    async def __call__(self, scope, receive, send):
        """Answers a request, or passes it on."""

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), *_HEADERS]
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif refusal := self._refusal(scope):
            status, text = refusal
            headers = [(b"content-type", b"text/plain")]
            start = {"type": "http.response.start", "status": status}
            await send_with_headers({**start, "headers": headers})
            await send({"type": "http.response.body", "body": text.encode()})
        else:
            await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope) -> tuple[int, str] | None:
        """The status and the text that refuse a request; None accepts it.

        The header is enough: the server reads no more of a body than it announces. A
        body without the header may have any length.
        """
        headers, path = dict(scope["headers"]), scope["path"].rstrip("/")
        most = _MOST.get(path.rpartition("/")[2], MAX_CALL)
        text = f"This request may have at most {most} bytes."
        length = headers.get(b"content-length")
        if length is None:
            return (411, text) if b"transfer-encoding" in headers else None
        if int(length) > most:
            return 413, text
        if most == MAX_REQUEST and shutil.disk_usage(self._folder).free < _FREE:
            return 507, "The server's disk is full: no more pictures can be uploaded."
        return None


# By the last part of a path; others have MAX_CALL. The editor sends its picture, too.
_MOST = {"upload": MAX_REQUEST, "component_server": MAX_REQUEST}
