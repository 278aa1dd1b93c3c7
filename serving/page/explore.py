"""The tab *Explore*: what a model draws between two faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np

from data_pipeline import pixels
from serving import png
from serving.codec.latent_codec import LatentCodec
from serving.page import actions, widgets

_STEPS = 7  # of the walk
_SIDE, _SMALL = 256, 128  # pixels, of a face on the page and in the walk


def build(latents: Mapping[str, LatentCodec], examples: Sequence[str]) -> None:
    """Puts the tab's contents where it is called.

    Args:
      latents: Models, by name; without one it says how to get one.
      examples: Paths of pictures to try.
    """
    if not latents:
        widgets.missing(
            "Exploring needs a model that makes a face of some hundred numbers. This "
            "trains one on drawn faces and starts the page with it; the README has the "
            "rest.",
            "python -m experiments.cvae_dcgan --preset=cpu --workdir=runs/latents",
            "runs/latents/export/1",
        )
        return
    names = list(latents)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=340):
            first = widgets.picker(examples, label="First face")
            second = widgets.picker(examples, label="Second face")
            model = gr.Dropdown(
                names, value=names[0], label="Model", visible=len(names) > 1
            )
        with gr.Column(scale=1, min_width=340, elem_classes="results"):
            nothing = widgets.empty(
                "Choose two faces. What the model draws between them appears here."
            )
            share = gr.Slider(
                0, 100, 50, step=1, label="How much of the second, %", visible=False
            )
            face = gr.Image(
                label="Drawn by the model",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                height=360,
            )
            strip = gr.Image(
                show_label=False,
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
            )
            said = gr.HTML(
                '<p class="said">At the ends the two as given, between them what the '
                "model draws.</p>",
                visible=False,
            )
            download = gr.DownloadButton("Download the strip", size="md", visible=False)
    results = [nothing, share, face, strip, said, download]

    def draw(one, other, name, percent):
        ends = [widgets.readable(one), widgets.readable(other)]
        if any(end is None for end in ends):
            return [gr.update(visible=True), *[gr.update(visible=False)] * 5]
        shares = [*np.linspace(0, 1, _STEPS), percent / 100]
        *walk, middle = actions.walk(latents[name], *ends, shares)
        row = [pixels.resize(i, _SMALL, _SMALL) for i in (ends[0], *walk, ends[1])]
        drawn = pixels.tile([np.stack(row)])
        data = png.encode_png(drawn, png.STRIP)
        return (
            gr.update(visible=False),
            gr.update(visible=True),
            gr.update(value=pixels.resize(middle, _SIDE, _SIDE), visible=True),
            gr.update(value=drawn, visible=True),
            gr.update(visible=True),
            gr.update(value=widgets.offer("between.png", data), visible=True),
        )

    def move(one, other, name, percent):
        ends = [widgets.read(one), widgets.read(other)]
        (middle,) = actions.walk(latents[name], *ends, [percent / 100])
        return pixels.resize(middle, _SIDE, _SIDE)

    chosen = [first, second, model, share]
    gr.on(
        [first.change, second.change, model.change],
        widgets.told(draw),
        chosen,
        results,
        **widgets.WORK,
    )
    share.release(
        widgets.told(move), chosen, face, show_progress="hidden", **widgets.WORK
    )
