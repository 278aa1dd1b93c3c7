"""Components and helpers that several tabs of the web page share."""

from __future__ import annotations

import functools
import html
import math
import pathlib
import uuid
from collections.abc import Callable, Collection, Sequence

import gradio as gr
import numpy as np

from data_pipeline.pixels import FORMATS, encode_png, installed_formats, write_bytes
from serving.page import canvas, uploads
from serving.page.actions import Metric, Row
from serving.page.canvas import Faces
from serving.page.editor import limited
from serving.zoo import zoo

# Options of events. One model works at a time; other visitors wait their turn.
WORK = {"concurrency_id": "models", "concurrency_limit": 1, "api_visibility": "private"}
# Events that only read and show: the editor's progress bar sometimes never ends. A few
# at a time, because each may decode a picture.
SHOW = {
    "concurrency_id": "pictures",
    "concurrency_limit": 4,
    "show_progress": "hidden",
    "api_visibility": "private",
}
# Options of components for a result, which is hidden until there is one.
RESULT = {
    "format": "png",
    "interactive": False,
    "buttons": ["fullscreen"],
    "visible": False,
}

_SHOWN = 1024  # pixels, the longer side of a result on the page
_CLEAR = "Clear"
_BRUSH = "rgba({}, {}, {}, {:.1f})".format(*canvas.PAINT[:3], canvas.PAINT[3] / 255)
_NO_NUMBER = "–"


def show(value) -> dict:
    """Shows a component with this value."""
    return gr.update(value=value, visible=True)


def empty_results(count: int) -> list[dict]:
    """Shows the first of so many results, `placeholder`, and hides the others."""
    return [gr.update(visible=number == 0) for number in range(count)]


def show_errors(function: Callable) -> Callable:
    """Makes errors of visitors messages on the page, without a traceback."""

    @functools.wraps(function)
    def run(*args):
        try:
            return function(*args)
        except ValueError as error:
            text = html.escape(str(error))
            raise gr.Error(text, print_exception=False) from None

    return run


def read(path: str | None) -> np.ndarray:
    """Reads the chosen picture.

    Raises:
      ValueError: If none is chosen, or it cannot be read.
    """
    if not path:
        raise ValueError("Choose a picture first.")
    return uploads.read(path)


def read_or_none(path: str | None) -> np.ndarray | None:
    """Reads the chosen picture, or returns None: the picker shows the error."""
    try:
        return read(path)
    except ValueError:
        return None


def download(name: str, data: bytes) -> str:
    """Writes a file for its visitor to download; Gradio deletes it after a while."""
    path = pathlib.Path(gr.utils.get_upload_folder(), uuid.uuid4().hex, name)
    write_bytes(path, data)
    return str(path)


def stem(path: str) -> str:
    """The file name of a picture without its suffix; results are named after it."""
    return pathlib.Path(path).stem


def picker(examples: Sequence[str], *, label: str = "Picture") -> gr.File:
    """A place to drop a picture, and drawn faces, given by paths, to choose from."""
    file = gr.File(
        label=label,
        file_types=[suffix for form in installed_formats() for suffix in FORMATS[form]],
        height=116,
        elem_classes="drop",
    )
    *formats, last = uploads.format_names()
    caption(
        f"{', '.join(formats)} or {last}, up to {uploads.MAX_BYTES >> 20} MB. Or a "
        "drawn face:"
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
    # A file that cannot be read causes one message and is taken away.
    checked = file.change(show_errors(check), file, None, **SHOW)
    checked.failure(lambda: None, None, file, **SHOW)
    return file


def painter(
    file: gr.File,
    faces: Faces,
    hole: Callable[[str], tuple],
    parts: Callable[[str], Collection[str]],
    chosen,
) -> gr.ImageEditor:
    """An editor in which visitors paint over what is missing of a picture.

    Args:
      file: Of the picker.
      faces: Finds the faces of pictures.
      hole: The chosen model's label -> its center hole; see `photo.masks.center`.
      parts: The chosen model's label -> the parts of a face that can be marked.
      chosen: The component that holds that label.
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
    editor = limited(editor)
    with gr.Row(visible=False, elem_classes="regions") as row:
        buttons = [
            gr.Button(
                name, size="sm", min_width=60, interactive=offered(name, chosen.value)
            )
            for name in (*canvas.REGIONS, _CLEAR)
        ]

    def show_picture(path):
        image = read_or_none(path)
        if image is None:
            return gr.update(value=None, visible=False), gr.update(visible=False)
        return show(_editor_value(image)), gr.update(visible=True)

    def offer_parts(label):
        return [gr.update(interactive=offered(b.value, label)) for b in buttons]

    def mark(name, path, label):
        image = read(path)
        if name == _CLEAR:
            return _editor_value(image)
        return _editor_value(image, faces.region(name, image, hole(label)))

    file.change(show_picture, file, [editor, row], **SHOW)
    chosen.change(offer_parts, chosen, buttons, **SHOW)
    for button in buttons:
        mark_part = show_errors(functools.partial(mark, button.value))
        button.click(mark_part, [file, chosen], editor, **SHOW)
    return editor


def _editor_value(image: np.ndarray, mask: np.ndarray | None = None) -> dict:
    """The editor's value: a picture, and the layer that marks what is missing.

    There is always a layer, because without one the editor keeps what was painted. The
    files are new each time, because Gradio would share one among equal pictures and
    write it while it is read.
    """
    if mask is None:
        mask = np.zeros((*image.shape[:2], 1), np.uint8)
    picture, layer = canvas.fit(image), canvas.paint(mask)
    files = [download("picture.png", encode_png(each)) for each in (picture, layer)]
    return {"background": files[0], "layers": files[1:], "composite": None}


def mask_of(editor: dict | None, size: tuple[int, int]) -> np.ndarray:
    """The mask that is painted in an editor; see `canvas.painted`."""
    return canvas.painted((editor or {}).get("layers") or [], size)


def placeholder(text: str) -> gr.HTML:
    """Takes the place of results until there are some."""
    return gr.HTML(f'<div class="empty">{html.escape(text)}</div>')


def caption(text: str, **options) -> gr.HTML:
    """A small line of text."""
    return gr.HTML(captioned(text), **options)


def captioned(markup: str) -> str:
    """The HTML of a caption."""
    return f'<p class="remark">{markup}</p>'


def pair(label: str) -> gr.ImageSlider:
    """Two pictures on top of each other, for `pair_value`."""
    return gr.ImageSlider(label=label, max_height=560, elem_classes="pair", **RESULT)


def pair_value(*images: np.ndarray) -> dict:
    """Shows the left and the right picture, at the size of the page."""
    return show(tuple(preview(image) for image in images))


def preview(image: np.ndarray) -> np.ndarray:
    """A picture at the size of the page."""
    return uploads.shrink(image, _SHOWN)


def no_model(need: str, command: str, export: str) -> None:
    """Fills a tab for which there is no model.

    Args:
      need: What the tab needs, sentences.
      command: Which trains a model.
      export: The folder that the command exports to.
    """
    start = f"make app MODELS={','.join((*zoo.names(), export))}"
    lines = html.escape(f"{command}\n{start}")
    gr.HTML(
        f'<div class="missing"><h3>No model yet</h3>{html.escape(need)}'
        f"<pre>{lines}</pre></div>",
    )


def table(
    rows: Sequence[Row], metrics: Sequence[Metric], *, ours: Collection[str] = ()
) -> str:
    """The HTML of a table, with the best value of each metric in bold.

    Args:
      rows: Its lines; sizes get columns of their own if there are any.
      metrics: Its columns; those that no row has are left out.
      ours: Labels of the rows that are models.
    """
    columns = [m for m in metrics if any(m.name in row.values for row in rows)]
    sized = any(row.size for row in rows)
    heads = ["", *(["Bytes", "Bits/pixel"] if sized else [])]
    arrows = {True: " ↑", False: " ↓", None: ""}
    heads += [f"{m.label}{arrows[m.higher_is_better]}" for m in columns]
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    bests = [_best(rows, m) for m in columns]
    lines = []
    for row in rows:
        cells = [_number(row.values.get(m.name), m, b) for m, b in zip(columns, bests)]
        if row.image is not None and sized:
            bits = 8 * row.size / np.prod(row.image.shape[:2])
            cells = [f"{row.size:,}", f"{bits:.3f}", *cells]
        cells = "".join(f"<td>{cell}</td>" for cell in cells)
        if row.image is None:
            width = len(columns) + 2 * sized
            cells = f'<td class="note" colspan="{width}">{html.escape(row.note)}</td>'
        label = f'<th scope="row">{html.escape(row.label)}</th>'
        kind = "ours" if row.label in ours else ""
        lines.append(f'<tr class="{kind}">{label}{cells}</tr>')
    return (
        f'<div class="numbers"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _best(rows: Sequence[Row], metric: Metric) -> float:
    """The best value of a metric; NaN if there are not two to choose from."""
    values = [row.values.get(metric.name, math.nan) for row in rows]
    values = [value for value in values if math.isfinite(value)]
    if metric.higher_is_better is None or len(values) < 2:
        return math.nan
    return (max if metric.higher_is_better else min)(values)


def _number(value: float | None, metric: Metric, best: float) -> str:
    if value is None or not math.isfinite(value):
        return _NO_NUMBER
    text = f"{value:.{metric.digits}f}"
    return f"<b>{text}</b>" if text == f"{best:.{metric.digits}f}" else text
