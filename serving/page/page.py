"""The web page: restore, compress, compare and explore with exported models.

Needs Gradio, the optional extra `app`. Everything stays on this machine: the page
fetches nothing from elsewhere, and what is uploaded is deleted after an hour and when
the server stops.
"""

from __future__ import annotations

import os
import pathlib
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
from serving.page.uploads import Guard

QUEUE = 16  # requests that may wait
KEPT = 3600  # seconds that files of visitors are kept

_EXAMPLES = "examples"  # folder
_FACES = (3, 7, 12, 18, 21, 26)  # of the drawn ones, of different looks
_TOP = """<div class="top"><h1>facemend</h1>
<p>Restores and compresses faces with trained models. Everything happens on the computer
that serves this page.</p>
<div class="safety"><b>What a model restores or draws is invented.</b> It is not
evidence of what was there, and must not be used to identify anybody. Ask people before
you restore and show pictures of them.</div></div>"""


def build(
    models: Models, tools: Tools, place: str | os.PathLike, find: Find | None = None
) -> gr.Blocks:
    """The page; see `start`."""
    examples, faces = draw_examples(place, find)
    with gr.Blocks(
        title="facemend", analytics_enabled=False, delete_cache=(KEPT, KEPT)
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


def draw_examples(
    place: str | os.PathLike, find: Find | None
) -> tuple[list[str], Faces]:
    """Draws faces to try, which are nobody's: their paths, and where they are."""
    paths, known = [], []
    for number, index in enumerate(_FACES, start=1):
        path = pathlib.Path(place, _EXAMPLES, f"face-{number}.png")
        face = draw.draw(index, size=256)
        pixels.write_bytes(path, pixels.encode_png(face["image"]))
        paths.append(str(path))
        known.append((face["image"], face["landmarks"]))
    return paths, Faces(known, find)


def start(
    models: Models,
    tools: Tools,
    place: str | os.PathLike,
    *,
    host: str,
    port: int,
    find: Find | None = None,
) -> gr.Blocks:
    """Serves the page, and returns while it does; `close()` ends it.

    Args:
      models: What it shows.
      tools: What it compares them with.
      place: An empty folder for all that visitors upload and download.
      host: The address that it listens on.
      port: 0 takes the first free one from 7860.
      find: Looks for faces, such as a `face_finder.FaceFinder`.

    Returns:
      The page; `local_url` says where it is.

    Raises:
      OSError: If the port is taken.
    """
    # Gradio asks for it whenever a component is made. The pictures to try lie
    # elsewhere, because what is in there is deleted after a while.
    os.environ["GRADIO_TEMP_DIR"] = str(pathlib.Path(place, "files"))
    # Pillow refuses twice as many; Gradio opens what is painted with it.
    Image.MAX_IMAGE_PIXELS = uploads.MAX_PIXELS // 2
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    page = build(models, tools, place, find)
    page.queue(max_size=QUEUE)
    page.launch(
        server_name=host,
        server_port=port or None,
        theme=style.theme(),
        css=style.CSS,
        allowed_paths=[str(pathlib.Path(place, _EXAMPLES))],
        max_file_size=uploads.MAX_BYTES,
        app_kwargs={"middleware": [Middleware(Guard)]},
        prevent_thread_lock=True,
        quiet=True,
        # All of these have defaults that environment variables change.
        share=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
    )
    return page
