"""Opening an exported codec, whichever system it is of."""

from __future__ import annotations

import os
import pathlib
from typing import Union

from data_pipeline import pixels
from serving import codec_export, latent_export, opening
from serving.codec import Codec
from serving.latent_codec import LatentCodec

AnyCodec = Union[Codec, LatentCodec]


def load(
    folder: str | os.PathLike, *, bits: int = 0, max_pixels: int = pixels.MAX_PIXELS
) -> AnyCodec:
    """Opens what `codec_export.save` or `latent_export.save` wrote.

    Args:
      folder: As they returned it.
      bits: Of a latent, in files that are written: of a codec with quantizers alone;
        0 takes `latent_export.BITS`. Files of any are read.
      max_pixels: As the codecs take it.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it holds no codec, or one that has no such bits, or is damaged.
    """
    folder = pathlib.Path(folder)
    if latent_export.QUANTIZERS in opening.config(folder):
        bits = bits or latent_export.BITS
        return latent_export.load(folder, bits=bits, max_pixels=max_pixels)
    codec = codec_export.load(folder, max_pixels=max_pixels)
    if bits:
        raise ValueError(
            f"--bits is for models with quantizers, such as exports of cvae_dcgan; "
            f"{folder} learned how large its files are. Leave it out."
        )
    return codec
