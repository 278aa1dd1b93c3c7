"""The tab *Restore*: fills what is painted, with one model."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence

import gradio as gr

from serving import png
from serving.page import actions, uploads, widgets
from serving.page.actions import Restorer
from serving.page.canvas import Faces

_NOT_FOUND = {
    True: "no face was found in it",
    False: "finding faces needs MediaPipe",
}


def build(
    restorers: Mapping[str, Restorer], faces: Faces, examples: Sequence[str]
) -> None:
    """Puts the tab's contents where it is called.

    Args:
      restorers: By name; without one it says how to get one.
      faces: Where the faces of pictures are.
      examples: Paths of pictures to try.
    """
    if not restorers:
        widgets.missing(
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
            place = gr.Checkbox(
                True,
                label="Bring faces into place first",
                info="Models have met faces upright, at one place and of one size.",
            )
            button = gr.Button("Restore", variant="primary")
        with gr.Column(scale=1, min_width=340, elem_classes="results"):
            nothing = widgets.empty(
                "Choose a picture and paint over what is missing or damaged. The "
                "restored picture appears here."
            )
            slider = gr.ImageSlider(
                label="Left as given, right restored",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                max_height=560,
                elem_classes="pair",
            )
            said = gr.HTML(visible=False)
            download = gr.DownloadButton("Download", size="md", visible=False)
    results = [nothing, slider, said, download]

    def describe(name):
        return gr.update(info=restorers[name].limits)

    def clear():
        return [gr.update(visible=True), *[gr.update(visible=False)] * 3]

    def restore(path, drawn, name, place):
        image = widgets.read(path)
        mask = widgets.mask_of(drawn, image.shape[:2])
        start = time.monotonic()
        found = faces(image) if place else []
        restored, placed = actions.restore(
            restorers[name],
            image,
            mask,
            found,
            otherwise=_way_out(place, found, faces.installed),
        )
        seconds = time.monotonic() - start
        data = png.encode_png(restored, png.RESTORED)
        pair = [uploads.shrink(side, widgets.SHOWN) for side in (image, restored)]
        height, width = image.shape[:2]
        how = _how(place, found, placed, faces.installed)
        text = (
            f'<p class="said"><b>{html.escape(name)}</b> invented {mask.mean():.1%} of '
            f"{width:,} × {height:,} pixels in {seconds:.1f} s. All others are the "
            f"picture's own. {how} The downloaded file says in itself that it is "
            "restored.</p>"
        )
        return (
            gr.update(visible=False),
            gr.update(value=tuple(pair), visible=True),
            gr.update(value=text, visible=True),
            gr.update(
                value=widgets.offer(f"{widgets.stem(path)}-restored.png", data),
                visible=True,
            ),
        )

    model.change(describe, model, model, **widgets.SHOW)
    # What is shown is always of what is chosen.
    changes = [each.change for each in (file, editor, model, place)]
    gr.on(changes, clear, None, results, **widgets.SHOW)
    button.click(clear, None, results, **widgets.SHOW).then(
        widgets.told(restore), [file, editor, model, place], results, **widgets.WORK
    )


def _way_out(place: bool, found: list, installed: bool) -> str:
    """What to do where the model does not fill the hole."""
    if found:
        return "Press Center, or choose a model that fills other holes."
    if not place:
        return "Press Center, or have faces brought into place first."
    if installed:
        return "No face was found that could be brought into place. Press Center."
    return (
        "Press Center, or install MediaPipe (pip install '.[face]'), which finds the "
        "face to bring it into place."
    )


def _how(place: bool, found: list, placed: bool, installed: bool) -> str:
    """What was done with the picture's faces."""
    if placed:
        return (
            "The face was brought into place first."
            if len(found) == 1
            else f"Of {len(found)} faces those painted over were brought into place."
        )
    whole = "The picture was restored as a whole"
    if not place:
        return f"{whole}."
    if not found:
        return f"{whole}: {_NOT_FOUND[installed]}."
    return f"{whole}: the hole goes beyond its faces, or the model's own are unknown."
