"""The tab *Explore*: interpolates between two faces in a model's latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr
import numpy as np

from data_pipeline import pixels
from serving import png
from serving.codec.latent_codec import LatentCodec
from serving.page import actions, widgets

_STEPS = 7  # of the strip
_SIDE, _SMALL = 256, 128  # pixels, of the face in the middle and of faces in the strip


def build(latents: Mapping[str, LatentCodec], examples: Sequence[str]) -> None:
    """Builds the tab for models, by name; without any it says how to train one."""
    if not latents:
        widgets.no_model(
            "Exploring needs a model that encodes a face as a few hundred numbers. "
            "This trains one on drawn faces and starts the page with it; the README "
            "has the rest.",
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
            nothing = widgets.placeholder(
                "Choose two faces. The faces between them appear here."
            )
            share = gr.Slider(
                0, 100, 50, step=1, label="Share of the second face, %", visible=False
            )
            face = gr.Image(label="Drawn by the model", height=360, **widgets.RESULT)
            strip = gr.Image(show_label=False, **widgets.RESULT)
            caption = widgets.caption(
                "The two originals at the ends, the model's faces between them.",
                visible=False,
            )
            download = gr.DownloadButton("Download the strip", size="md", visible=False)
    results = [nothing, share, face, strip, caption, download]

    def draw(one, other, name, percent):
        ends = [widgets.read_or_none(one), widgets.read_or_none(other)]
        if any(end is None for end in ends):
            return widgets.empty_results(len(results))
        shares = [*np.linspace(0, 1, _STEPS), percent / 100]
        *between, middle = actions.interpolate(latents[name], *ends, shares)
        row = [pixels.resize(i, _SMALL, _SMALL) for i in (ends[0], *between, ends[1])]
        drawn = pixels.tile([np.stack(row)])
        data = png.encode_png(drawn, png.STRIP)
        return (
            gr.update(visible=False),
            gr.update(visible=True),
            widgets.show(pixels.resize(middle, _SIDE, _SIDE)),
            widgets.show(drawn),
            gr.update(visible=True),
            widgets.show(widgets.download("between.png", data)),
        )

    def move(one, other, name, percent):
        ends = [widgets.read(one), widgets.read(other)]
        (middle,) = actions.interpolate(latents[name], *ends, [percent / 100])
        return pixels.resize(middle, _SIDE, _SIDE)

    chosen = [first, second, model, share]
    gr.on(
        [first.change, second.change, model.change],
        widgets.show_errors(draw),
        chosen,
        results,
        **widgets.WORK,
    )
    share.release(
        widgets.show_errors(move), chosen, face, show_progress="hidden", **widgets.WORK
    )
