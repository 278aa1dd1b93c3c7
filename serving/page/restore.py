"""The tab *Restore*: fills what is painted with one model."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence

import gradio as gr

from serving import png
from serving.page import actions, widgets
from serving.page.actions import Restorer
from serving.page.canvas import Faces


def build(
    restorers: Mapping[str, Restorer], faces: Faces, examples: Sequence[str]
) -> None:
    """Builds the tab for restorers, by name; without any it says how to train one."""
    if not restorers:
        widgets.no_model(
            "Restoring needs a model that fills holes. This trains a small one on "
            "drawn faces in minutes, and starts the page with it; the README has the "
            "rest.",
            "python -m experiments.skip_inpainting --preset=cpu --workdir=runs/demo",
            "runs/demo/export/1",
        )
        return
    names = list(restorers)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=340):
            file = widgets.picker(examples)
            model = gr.Dropdown(
                names,
                value=names[0],
                label="Model",
                info=restorers[names[0]].limits,
                render=False,
            )
            editor = widgets.painter(
                file,
                faces,
                lambda name: restorers[name].hole,
                lambda name: restorers[name].parts,
                model,
            )
            model.render()
            align = gr.Checkbox(
                True,
                label="Align faces first",
                info="The models were trained on upright, aligned faces.",
            )
            button = gr.Button("Restore", variant="primary")
        with gr.Column(scale=1, min_width=340, elem_classes="results"):
            results = [
                widgets.placeholder(
                    "Choose a picture and paint over what is missing or damaged. The "
                    "restored picture appears here."
                ),
                widgets.pair("Left original, right restored"),
                gr.HTML(visible=False),
                gr.DownloadButton("Download", size="md", visible=False),
                gr.DownloadButton(
                    "Download which pixels are invented", size="sm", visible=False
                ),
            ]

    def describe(name):
        return gr.update(info=restorers[name].limits)

    def clear():
        return widgets.empty_results(len(results))

    def restore(path, drawn, name, align):
        image = widgets.read(path)
        mask = widgets.mask_of(drawn, image.shape[:2])
        start = time.monotonic()
        found = faces(image) if align else []
        restored, aligned = actions.restore(
            restorers[name],
            image,
            mask,
            found,
            advice=_advice(align, len(found), faces.installed),
        )
        seconds = time.monotonic() - start
        height, width = image.shape[:2]
        text = (
            f"<b>{html.escape(name)}</b> invented {mask.mean():.1%} of {width:,} × "
            f"{height:,} pixels in {seconds:.1f} s. All other pixels are unchanged. "
            f"{_alignment(align, len(found), aligned, faces.installed)} The downloaded "
            "file is marked as restored."
        )
        stem, data = widgets.stem(path), png.encode_png(restored, png.RESTORED)
        invented = png.encode_invented(mask)
        return (
            gr.update(visible=False),
            widgets.pair_value(image, restored),
            widgets.show(widgets.captioned(text)),
            widgets.show(widgets.download(f"{stem}-restored.png", data)),
            widgets.show(widgets.download(f"{stem}-invented.png", invented)),
        )

    model.change(describe, model, model, **widgets.SHOW)
    # A result disappears when what it was made from changes.
    changes = [each.change for each in (file, editor, model, align)]
    gr.on(changes, clear, None, results, **widgets.SHOW)
    button.click(clear, None, results, **widgets.SHOW).then(
        widgets.show_errors(restore),
        [file, editor, model, align],
        results,
        **widgets.WORK,
    )


def _advice(align: bool, found: int, installed: bool) -> str:
    """Advice for a hole that the model does not fill."""
    if found:
        return "Press Center, or choose a model that fills other holes."
    if not align:
        return "Press Center, or have faces aligned first."
    if installed:
        return "No face was found that could be aligned. Press Center."
    return (
        "Press Center, or install MediaPipe (make extras), which finds the face to "
        "align."
    )


def _alignment(align: bool, found: int, aligned: bool, installed: bool) -> str:
    """Whether the faces were aligned, or why not."""
    if aligned and found == 1:
        return "The face was aligned first."
    if aligned:
        return f"Of {found} faces, those painted over were aligned first."
    if not align:
        why = ""
    elif found:
        why = ": the hole reaches beyond the faces, or the model's own are unknown"
    elif installed:
        why = ": no face was found"
    else:
        why = ": finding faces needs MediaPipe"
    return f"The picture was restored as a whole{why}."
