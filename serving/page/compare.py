"""The tab *Compare*: fills one hole with every restorer and measures the results."""

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
    """Builds the tab for models, by name, and for the restorers that are not models."""
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
            results = [
                widgets.placeholder(
                    "Choose a whole picture and hide a part of it. Every restorer "
                    "fills the same hole, and is measured against the original."
                ),
                gr.Gallery(
                    label="Results",
                    show_label=False,
                    columns=4,
                    object_fit="contain",
                    elem_classes="pictures",
                    **widgets.RESULT,
                ),
                gr.HTML(visible=False),
            ]

    def clear():
        return widgets.empty_results(len(results))

    def compare(path, drawn, progress=gr.Progress()):  # noqa: B008
        image = widgets.read(path)
        mask = widgets.mask_of(drawn, image.shape[:2])
        image, mask = actions.fit_to_compare(image, mask)
        found = actions.compare(
            restorers, image, mask, faces(image), tools.measure_hole
        )
        rows = [*progress.tqdm(found, total=len(restorers), unit="restorers")]
        hidden = np.where(mask, np.uint8(_HIDDEN), image)
        pictures = [(image, "original"), (hidden, "hidden")]
        pictures += [(row.image, row.label) for row in rows if row.image is not None]
        text = widgets.table(rows, tools.metrics, ours=models)
        refused = ", ".join(row.label for row in rows if row.image is None)
        if refused:
            text += widgets.captioned(
                f"Without a picture: {html.escape(refused)}; see the table."
            )
        height, width = image.shape[:2]
        text += widgets.captioned(
            f"Measured in the hole ({mask.mean():.1%} of {width:,} × {height:,} "
            "pixels) against the original. The best values are bold. One picture "
            "proves little: the reports measure hundreds, with intervals."
        )
        return gr.update(visible=False), widgets.show(pictures), widgets.show(text)

    gr.on([file.change, editor.change], clear, None, results, **widgets.SHOW)
    button.click(clear, None, results, **widgets.SHOW).then(
        widgets.show_errors(compare), [file, editor], results, **widgets.WORK
    )
