"""The tab *Compare*: one hole in one picture, by every restorer, with numbers."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np

from serving.page import actions, widgets
from serving.page.actions import Restorer, Tools
from serving.page.canvas import Faces
from serving.photo import masks

_HIDDEN = 200  # of 255, the gray of a hole


def build(
    models: Mapping[str, Restorer],
    tools: Tools,
    faces: Faces,
    examples: Sequence[str],
) -> None:
    """Puts the tab's contents where it is called.

    Args:
      models: By name; without one the others are compared.
      tools: Restorers that are no models, and the measures.
      faces: Where the faces of pictures are.
      examples: Paths of pictures to try.
    """
    restorers = {**models, **tools.plain}
    # The smallest, which most of them fill.
    hole = max(restorer.hole for restorer in restorers.values())
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=340):
            file = widgets.picker(examples, label="Picture without damage")
            editor = widgets.painter(
                file,
                faces,
                lambda _: hole,
                lambda _: masks.REGIONS,  # some of the restorers fill any
                gr.State(""),
            )
            button = gr.Button("Compare", variant="primary")
        with gr.Column(scale=3, min_width=380, elem_classes="results"):
            nothing = widgets.empty(
                "Choose a whole picture and hide a part of it. Every restorer fills "
                "the same hole, and what it hides tells how far off each of them is."
            )
            gallery = gr.Gallery(
                show_label=False,
                format="png",
                columns=4,
                object_fit="contain",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                elem_classes="pictures",
            )
            table = gr.HTML(visible=False)
    results = [nothing, gallery, table]

    def clear():
        return [gr.update(visible=True), *[gr.update(visible=False)] * 2]

    def compare(path, drawn, progress=gr.Progress()):  # noqa: B008
        image = widgets.read(path)
        mask = widgets.mask_of(drawn, image.shape[:2])
        image, mask = actions.fit_to_compare(image, mask)
        found = actions.compare(
            restorers, image, mask, faces(image), tools.measure_hole
        )
        rows = [*progress.tqdm(found, total=len(restorers), unit="restorers")]
        hidden = np.where(mask, np.uint8(_HIDDEN), image)
        shown = [(image, "original"), (hidden, "hidden")]
        shown += [(row.image, row.label) for row in rows if row.image is not None]
        refused = [row.label for row in rows if row.image is None]
        text = widgets.table(rows, tools.metrics, ours=models)
        height, width = image.shape[:2]
        if refused:
            named = html.escape(", ".join(refused))
            text += f'<p class="said">Without a picture: {named}; see the table.</p>'
        text += (
            f'<p class="said">In the hole ({mask.mean():.1%} of {width:,} × {height:,} '
            "pixels), against what it hides. The best is bold. One picture says "
            "little: reports measure hundreds, with intervals.</p>"
        )
        return (
            gr.update(visible=False),
            gr.update(value=shown, visible=True),
            gr.update(value=text, visible=True),
        )

    gr.on([file.change, editor.change], clear, None, results, **widgets.SHOW)
    button.click(clear, None, results, **widgets.SHOW).then(
        widgets.told(compare), [file, editor], results, **widgets.WORK
    )
