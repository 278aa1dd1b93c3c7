"""The tab *Compress*: compresses a picture with a codec, next to JPEG."""

from __future__ import annotations

import html
import pathlib
from collections.abc import Mapping, Sequence

import gradio as gr

from data_pipeline import limits
from serving.codec.base import Codec
from serving.codec.container import SUFFIX
from serving.page import actions, widgets
from serving.page.actions import Row, Tools
from serving.png import DECODED, encode_png
from serving.zoo.reader import Reader


def build(codecs: Mapping[str, Codec], tools: Tools, examples: Sequence[str]) -> None:
    """Builds the tab for codecs, by name, from the smallest files to the best pictures.

    Without any it says how to train one.
    """
    if not codecs:
        widgets.no_model(
            "Compressing needs a codec, one for each rate. This trains one on drawn "
            "faces and starts the page with it; the README has the rest.",
            "python -m experiments.portrait_autoencoder --preset=cpu "
            "--workdir=runs/codec",
            "runs/codec/export/1",
        )
        return
    rival, names = tools.rival.name, list(codecs)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=340):
            file = widgets.picker(examples)
            rate = gr.Radio(
                names,
                value=names[len(names) // 2],
                label="Codec",
                info="From the smallest files to the best pictures.",
                visible=len(names) > 1,
            )
            usual = _usual(codecs[rate.value])
            quality = gr.Slider(
                0,
                100,
                value=usual,
                step=1,
                label="Quality",
                info="0 makes the smallest files, 100 the best pictures.",
                visible=usual is not None,
            )
            button = gr.Button("Compress", variant="primary")
            with gr.Accordion(f"Open a {SUFFIX} file", open=False):
                _build_opener(codecs)
        with gr.Column(scale=1, min_width=340, elem_classes="results"):
            nothing = widgets.placeholder(
                f"Choose a picture. The compressed one appears here, next to a {rival} "
                "of as many bytes."
            )
            slider = widgets.pair(f"Left {rival}, right the codec")
            numbers = gr.HTML(visible=False)
            with gr.Row(visible=False) as downloads:
                small = gr.DownloadButton(f"Download {SUFFIX}", size="md")
                decoded = gr.DownloadButton("Download PNG", size="md")
    results = [nothing, slider, numbers, downloads, small, decoded]

    def clear():
        return [*widgets.empty_results(4), None, None]

    def choose(name):
        usual = _usual(codecs[name])
        return gr.update(value=usual, visible=usual is not None)

    def compress(path, name, quality):
        image, codec, label = widgets.read(path), codecs[name], name
        if _usual(codec) is not None:
            codec, label = codec.at(int(quality)), f"{name}, quality {int(quality)}"
        data, ours, theirs = actions.compress(codec, label, image, tools)
        given = Row("as uploaded", {}, image, size=pathlib.Path(path).stat().st_size)
        text = widgets.table([given, ours, theirs], tools.metrics, ours=[label])
        text += widgets.captioned(html.escape(_difference(ours, theirs, tools)))
        return (
            gr.update(visible=False),
            widgets.pair_value(theirs.image, ours.image),
            widgets.show(text),
            gr.update(visible=True),
            widgets.download(widgets.stem(path) + SUFFIX, data),
            _download_png(path, ours.image),
        )

    rate.change(choose, rate, quality, **widgets.SHOW)
    changes = [file.change, rate.change, quality.change]
    gr.on(changes, clear, None, results, **widgets.SHOW)
    given = [file, rate, quality]
    button.click(widgets.show_errors(compress), given, results, **widgets.WORK)


def _usual(codec: Codec) -> int | None:
    """The usual quality of a codec whose files have one."""
    rates = getattr(codec, "rates", None)
    return rates.usual if rates else None


def _difference(ours: Row, theirs: Row, tools: Tools) -> str:
    """The codec against the rival, sentences."""
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
    return f"{text}. A {SUFFIX} file opens only where the model is that wrote it."


def _build_opener(codecs: Mapping[str, Codec]) -> None:
    """Decompresses a file, also of a shipped codec that is not on the page."""
    reader = Reader(codecs.values(), max_pixels=limits.max_padded())
    file = gr.File(label=f"A {SUFFIX} file", file_types=[SUFFIX], height=112)
    picture = gr.Image(label="Decompressed", elem_classes="opened", **widgets.RESULT)
    whole = gr.DownloadButton("Download PNG", size="md", visible=False)

    def show(path):
        if not path:
            return gr.update(value=None, visible=False), gr.update(visible=False)
        image = reader.decompress(pathlib.Path(path).read_bytes())
        return (
            widgets.show(widgets.preview(image)),
            widgets.show(_download_png(path, image)),
        )

    file.change(widgets.show_errors(show), file, [picture, whole], **widgets.WORK)


def _download_png(path: str, image) -> str:
    """Writes a decompressed picture for download, named after the file it was in."""
    data = encode_png(image, DECODED)
    return widgets.download(f"{widgets.stem(path)}-decoded.png", data)
