"""The same faces by every codec, at about equal bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_pipeline.decoded import DecodedSplit
from evaluation.codec_comparison import OURS, Comparison
from evaluation.image_formats import ImageFormat
from evaluation.rate_distortion import BITS
from serving.codec import Codec

_SHOWN = 4


def gather(
    found: Comparison,
    codecs: Mapping[str, Codec],
    formats: Mapping[str, ImageFormat],
    split: DecodedSplit,
) -> tuple[str, dict[str, list[dict]]]:
    """Compresses typical faces once more.

    Of each format the quality is taken whose file is nearest in bytes to ours.

    Args:
      found: The comparison.
      codecs: Ours, by setting.
      formats: By name.
      split: The images that were compared.

    Returns:
      Our setting that is shown, and pictures as a report takes them.
    """
    setting = low_rate_setting(found)
    rows = []
    for index in typical(found, setting):
        image = np.asarray(split.images[index])
        data = codecs[setting].compress(image)
        images = [
            ("Original", image),
            (_label(f"{OURS}, {setting}", data), codecs[setting].decompress(data)),
        ]
        for name, form in formats.items():
            quality, file = form.nearest(image, len(data))
            images.append((_label(f"{name} {quality}", file), form.decode(file)))
        rows.append({"name": split.names[index], "note": "", "images": images})
    return setting, {"Typical faces at about equal bytes": rows}


def low_rate_setting(found: Comparison) -> str:
    """Our setting of the smallest files that no format is too large for.

    Where all formats' smallest files are larger than ours, that of our largest files.
    """
    least = max(
        (found.summary[found.by_rate(name)[0]][BITS]["mean"] for name in found.formats),
        default=0.0,
    )
    ours = found.by_rate(OURS)
    fitting = (s for s in ours if found.summary[s][BITS]["mean"] >= least)
    return next(fitting, ours[-1])


def typical(found: Comparison, setting: str) -> list[int]:
    """The images whose MS-SSIM is in the middle of all."""
    order = np.argsort(found.evaluation.values[setting][found.keys[1]], kind="stable")
    start = max(0, (len(order) - _SHOWN) // 2)
    return [int(index) for index in order[start : start + _SHOWN]]


def _label(what: str, data: bytes) -> str:
    return f"{what}: {len(data):,} bytes"
