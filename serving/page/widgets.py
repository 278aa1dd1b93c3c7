"""Parts that several tabs of the web page are made of."""

from __future__ import annotations

import functools
import html
import math
import pathlib
import uuid
from collections.abc import Callable, Collection, Sequence

import gradio as gr
import numpy as np

from data_pipeline.pixels import IMAGE_SUFFIXES, encode_png, write_bytes
from serving.page import canvas, uploads
from serving.page.actions import Metric, Row, best
from serving.page.canvas import Faces
from serving.zoo import zoo

SHOWN = 1024  # pixels, the longer side of a result on the page

_CLEAR = "Clear"

# One model works at a time; the others' users wait their turn.
WORK = {"concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private"}
# What is only read and shown. Without progress: the editor's goes on for ever at times.
SHOW = {"show_progress": "hidden", "api_visibility": "private"}

_BRUSH = "rgba({}, {}, {}, {:.1f})".format(*canvas.PAINT[:3], canvas.PAINT[3] / 255)


def told(function: Callable) -> Callable:
    """Shows what a user can mend as a message on the page, without its traceback."""

    @functools.wraps(function)
    def run(*args):
        try:
            return function(*args)
        except ValueError as error:
            said = html.escape(str(error))
            raise gr.Error(said, print_exception=False) from None

    return run


def read(path: str | None) -> np.ndarray:
    """The picture that was chosen.

    Raises:
      ValueError: If there is none, or it cannot be read.
    """
    if not path:
        raise ValueError("Choose a picture first.")
    return uploads.read(path)


def readable(path: str | None) -> np.ndarray | None:
    """The same, or None: what is wrong with it is said elsewhere."""
    try:
        return read(path)
    except ValueError:
        return None


def offer(name: str, data: bytes) -> str:
    """Writes a file for its user to download; Gradio deletes it after a while.

    Args:
      name: Of the file.
      data: Its bytes.
    """
    folder = pathlib.Path(gr.utils.get_upload_folder(), uuid.uuid4().hex)
    write_bytes(folder / name, data)
    return str(folder / name)


def stem(path: str) -> str:
    """What a picture's results are called after."""
    return pathlib.Path(path).stem


def picker(examples: Sequence[str], *, label: str = "Picture") -> gr.File:
    """A place to drop a picture, with drawn faces beside it to try.

    Args:
      examples: Paths of pictures.
      label: Of the place.
    """
    file = gr.File(
        label=label,
        file_types=list(IMAGE_SUFFIXES),
        height=116,
        elem_classes="drop",
    )
    limit = f"{uploads.MAX_BYTES >> 20} MB"
    gr.HTML(
        '<p class="said">JPEG, PNG, WebP, AVIF, TIFF, GIF or BMP, '
        f"up to {limit}. Or a drawn face:</p>"
    )
    faces = gr.Gallery(
        list(examples),
        label="Drawn faces",
        show_label=False,
        columns=len(examples),
        object_fit="cover",
        allow_preview=False,
        interactive=False,
        buttons=[],
        elem_classes="faces",
    )

    def choose(event: gr.SelectData):
        return examples[event.index]

    def check(path):
        if path:
            read(path)

    faces.select(choose, None, file, **SHOW)
    # Whatever cannot be read is said once, and is not there any more.
    checked = file.change(told(check), file, None, **SHOW)
    checked.failure(lambda: None, None, file, **SHOW)
    return file


def painter(
    file: gr.File,
    faces: Faces,
    hole: Callable[[str], tuple],
    parts: Callable[[str], Collection[str]],
    chosen,
) -> gr.ImageEditor:
    """The picture of a picker, to paint on what is missing.

    Args:
      file: Of the picker.
      faces: Where the faces of pictures are.
      hole: What is chosen -> the center hole; see `app_canvas.center`.
      parts: What is chosen -> the parts of a face that can be chosen; see
        `face_regions`.
      chosen: The component that says what is chosen.
    """

    def offered(name, label):
        return canvas.PARTS.get(name) in (None, *parts(label))

    editor = gr.ImageEditor(
        label="Paint over what is missing",
        type="numpy",
        format="png",
        canvas_size=(canvas.SIDE, canvas.SIDE),
        sources=(),
        transforms=(),
        layers=False,
        buttons=[],
        brush=gr.Brush(default_size=20, colors=[_BRUSH], color_mode="fixed"),
        height=430,
        visible=False,
        elem_classes="painter",
    )
    with gr.Row(visible=False, elem_classes="regions") as row:
        buttons = [
            gr.Button(
                name, size="sm", min_width=60, interactive=offered(name, chosen.value)
            )
            for name in (*canvas.REGIONS, _CLEAR)
        ]

    def show(path):
        image = readable(path)
        if image is None:
            return gr.update(value=None, visible=False), gr.update(visible=False)
        return gr.update(value=_value(image), visible=True), gr.update(visible=True)

    def offer_parts(label):
        return [gr.update(interactive=offered(b.value, label)) for b in buttons]

    file.change(show, file, [editor, row], **SHOW)
    chosen.change(offer_parts, chosen, buttons, **SHOW)

    def take(name, path, label):
        image = read(path)
        if name == _CLEAR:
            return _value(image)
        return _value(image, faces.region(name, image, hole(label)))

    for button in buttons:
        fixed = functools.partial(take, button.value)
        button.click(told(fixed), [file, chosen], editor, **SHOW)
    return editor


def _value(image: np.ndarray, mask: np.ndarray | None = None) -> dict:
    """What the editor shows: a picture, and what is missing of it.

    Always a layer, because without any the editor keeps what was painted before, and
    files that nobody else has: Gradio gives equal pictures the same one, and writes it
    again while it is read.
    """
    if mask is None:
        mask = np.zeros((*image.shape[:2], 1), np.uint8)
    picture, layer = canvas.fit(image), canvas.paint(mask)
    files = [offer("picture.png", encode_png(each)) for each in (picture, layer)]
    return {"background": files[0], "layers": files[1:], "composite": None}


def mask_of(editor: dict | None, size: tuple[int, int]) -> np.ndarray:
    """What is painted in an editor; see `app_canvas.painted`."""
    return canvas.painted((editor or {}).get("layers") or [], size)


def empty(text: str) -> gr.HTML:
    """What stands where results will be."""
    return gr.HTML(f'<div class="empty">{html.escape(text)}</div>')


def missing(what: str, command: str, export: str) -> None:
    """What stands in a tab without a model.

    Args:
      what: Is needed, a sentence.
      command: That makes one.
      export: Where it is then; the page is started with it and with those that come
        with the repository.
    """
    start = f"make app MODELS={','.join((*zoo.names(), export))}"
    lines = html.escape(f"{command}\n{start}")
    gr.HTML(
        f'<div class="missing"><h3>No model yet</h3>{html.escape(what)}'
        f"<pre>{lines}</pre></div>",
    )


_DASH = "–"


def table(
    rows: Sequence[Row], metrics: Sequence[Metric], *, ours: Collection[str] = ()
) -> str:
    """A table with a line a row, the best of each metric marked.

    Args:
      rows: What it shows; sizes have columns of their own where there are any.
      metrics: Its columns; those that no row has are left out.
      ours: Labels of the rows that are models.

    Returns:
      HTML, in which every word of the rows is escaped.
    """
    columns = [m for m in metrics if any(m.name in row.values for row in rows)]
    sized = any(row.size for row in rows)
    heads = ["", *(["Bytes", "Bits/pixel"] if sized else [])]
    heads += [f"{m.label} {_arrow(m)}".strip() for m in columns]
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(_line(row, rows, columns, sized, row.label in ours) for row in rows)
    return (
        f'<div class="numbers"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _line(row: Row, rows, columns, sized: bool, ours: bool) -> str:
    cells = []
    if row.image is None:
        width = len(columns) + 2 * sized
        cells = [f'<td class="note" colspan="{width}">{html.escape(row.note)}</td>']
    else:
        if sized:
            pixels = row.image.shape[0] * row.image.shape[1]
            cells += [_cell(f"{row.size:,}"), _cell(f"{8 * row.size / pixels:.3f}")]
        cells += [_number(row.values.get(m.name), m, best(rows, m)) for m in columns]
    label = f'<th scope="row">{html.escape(row.label)}</th>'
    return f'<tr class="{"ours" if ours else ""}">{label}{"".join(cells)}</tr>'


def _number(value: float | None, metric: Metric, most: float) -> str:
    if value is None or not math.isfinite(value):
        return _cell(_DASH)
    text = f"{value:.{metric.digits}f}"
    return _cell(f"<b>{text}</b>" if text == f"{most:.{metric.digits}f}" else text)


def _cell(text: str) -> str:
    return f"<td>{text}</td>"


def _arrow(metric: Metric) -> str:
    return {True: "↑", False: "↓", None: ""}[metric.higher_is_better]
