"""The tab *Compress*: a picture's file by one of several codecs, beside JPEG's."""

from __future__ import annotations

import html
import pathlib
from collections.abc import Mapping, Sequence

import gradio as gr

from serving.codec.base import Codec
from serving.page import actions, uploads, widgets
from serving.page.actions import Row, Tools
from serving.png import DECODED, encode_png

SUFFIX = ".fmc"


def build(codecs: Mapping[str, Codec], tools: Tools, examples: Sequence[str]) -> None:
    """Puts the tab's contents where it is called.

    Args:
      codecs: By name, from small files to good pictures; without one it says how to
        get one.
      tools: The format to compare with, and the measures.
      examples: Paths of pictures to try.
    """
    if not codecs:
        widgets.missing(
            "Compressing needs a codec, one for each rate. This trains one on drawn "
            "faces and starts the page with it; the README has the rest.",
            "python -m experiments.portrait_autoencoder --preset=cpu "
            "--workdir=runs/codec",
            "runs/codec/export/1",
        )
        return
    rival = tools.rival.name
    names = list(codecs)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=340):
            file = widgets.picker(examples)
            rate = gr.Radio(
                names,
                value=names[len(names) // 2],
                label="Codec",
                info="From small files to good pictures.",
            )
            button = gr.Button("Compress", variant="primary")
            with gr.Accordion(f"Open a {SUFFIX} file", open=False):
                _opener(codecs)
        with gr.Column(scale=1, min_width=340, elem_classes="results"):
            nothing = widgets.empty(
                f"Choose a picture. Its file appears here, beside a {rival} of as many "
                "bytes."
            )
            slider = gr.ImageSlider(
                label=f"Left {rival}, right the codec",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                max_height=560,
                elem_classes="pair",
            )
            said = gr.HTML(visible=False)
            with gr.Row(visible=False) as downloads:
                small = gr.DownloadButton(f"Download {SUFFIX}", size="md")
                decoded = gr.DownloadButton("Download PNG", size="md")
    results = [nothing, slider, said, downloads, small, decoded]

    def clear(_):
        return [gr.update(visible=True), *[gr.update(visible=False)] * 3] + [None] * 2

    def compress(path, name):
        image = widgets.read(path)
        data, ours, theirs = actions.compress(codecs[name], name, image, tools)
        given = Row("as uploaded", {}, image, size=pathlib.Path(path).stat().st_size)
        text = widgets.table([given, ours, theirs], tools.metrics, ours=[name])
        text += f'<p class="said">{html.escape(_difference(ours, theirs, tools))}</p>'
        pair = [uploads.shrink(r.image, widgets.SHOWN) for r in (theirs, ours)]
        png = encode_png(ours.image, DECODED)
        stem = widgets.stem(path)
        return (
            gr.update(visible=False),
            gr.update(value=tuple(pair), visible=True),
            gr.update(value=text, visible=True),
            gr.update(visible=True),
            widgets.offer(stem + SUFFIX, data),
            widgets.offer(f"{stem}-decoded.png", png),
        )

    gr.on([file.change, rate.change], clear, file, results, **widgets.SHOW)
    button.click(widgets.told(compress), [file, rate], results, **widgets.WORK)


def _difference(ours: Row, theirs: Row, tools: Tools) -> str:
    """The codec against the rival, in words."""
    rival = tools.rival.name
    parts = []
    for metric in tools.metrics:
        if metric.name in ours.values and metric.name in theirs.values:
            gain = ours.values[metric.name] - theirs.values[metric.name]
            number = f"{gain:+.{metric.digits}f}".replace("-", "−")
            parts.append(f"{metric.label} {number}")
    text = f"The codec against {rival}: {', '.join(parts)}"
    more = theirs.size - ours.size
    if more > ours.size / 50:
        text += f", though the {rival} is {more:,} bytes larger"
    return f"{text}. A {SUFFIX} file is read only by the model that wrote it."


def _opener(codecs: Mapping[str, Codec]) -> None:
    """Reads a file again."""
    file = gr.File(label=f"A {SUFFIX} file", file_types=[SUFFIX], height=112)
    picture = gr.Image(
        label="What it holds",
        format="png",
        interactive=False,
        visible=False,
        buttons=["fullscreen"],
        elem_classes="opened",
    )
    whole = gr.DownloadButton("Download PNG", size="md", visible=False)

    def show(path):
        if not path:
            return gr.update(value=None, visible=False), gr.update(visible=False)
        image = actions.decompress(codecs, pathlib.Path(path).read_bytes())
        png = encode_png(image, DECODED)
        offered = widgets.offer(f"{widgets.stem(path)}-decoded.png", png)
        small = uploads.shrink(image, widgets.SHOWN)
        return (
            gr.update(value=small, visible=True),
            gr.update(value=offered, visible=True),
        )

    file.change(widgets.told(show), file, [picture, whole], **widgets.WORK)
