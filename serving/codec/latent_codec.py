"""The codec of an autoencoder that encodes an image of one size as a vector of latents.

A picture is resized to S x S pixels and encoded as L numbers of k bits each, whatever
its size. The file's header has the size of the original.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from data_pipeline import pixels
from serving.codec import container
from serving.codec.base import Codec, apply
from serving.codec.container import CorruptFileError, Header
from serving.codec.quantizer import Quantizer

DEVIATIONS = (-3, -2, -1, 0, 1, 2, 3)

Walk = list[tuple[str, np.ndarray]]  # labels and pictures
Decode = Callable[[np.ndarray], np.ndarray]  # [N, L] -> uint8 [N, S, S, 3]


class LatentCodec(Codec):
    """An autoencoder with a vector of latents as an image format.

    A decoded picture has the size of the original and the detail of S x S pixels.
    Pictures are resized bilinearly to S x S, which averages and does not keep the
    aspect, and back bicubically, which restores it; those of S x S pixels are not.

    Args:
      encoder: image [1, S, S, 3] in [0, 1] -> latents [1, L], float32: the means of a
        variational autoencoder.
      decoder: latents -> image, float32, clipped to [0, 1] here.
      quantizer: Of the L latents.
      model_id: From `identify(weights, quantizer)`; see `Codec`.
      image_size: S, in pixels.
      others: {model_id: quantizer} of the same networks with other quantizers, whose
        files `decompress` reads too.
      max_pixels: As `Codec` takes it. A small file may claim so many.
    """

    def __init__(
        self,
        encoder: Callable,
        decoder: Callable,
        quantizer: Quantizer,
        model_id: bytes,
        *,
        image_size: int,
        others: Mapping[bytes, Quantizer] | None = None,
        max_pixels: int = container.MAX_PIXELS,
    ):
        super().__init__(quantizer.tables, model_id, max_pixels=max_pixels)
        self._encoder, self._decoder = encoder, decoder
        self._quantizer = quantizer
        self.image_size = image_size
        options = {"image_size": image_size, "max_pixels": max_pixels}
        self._others = {
            other_id: LatentCodec(encoder, decoder, other, other_id, **options)
            for other_id, other in (others or {}).items()
        }

    @property
    def model_ids(self) -> tuple[bytes, ...]:
        """The identifiers of the files that `decompress` reads."""
        return (self.model_id, *self._others)

    def read(self, data: bytes) -> tuple[Header, np.ndarray]:
        """Reads a file of this quantizer or one of the others; see `Codec`."""
        other = self._others.get(container.claimed_id(data))
        return other.read(data) if other else super().read(data)

    def decompress(self, data: bytes) -> np.ndarray:
        """Decodes a file of this quantizer or one of the others; see `Codec`."""
        other = self._others.get(container.claimed_id(data))
        return other.decompress(data) if other else super().decompress(data)

    def quantize(self, image: np.ndarray) -> np.ndarray:
        """Levels of the latents of a picture: int32 [1, 1, L]."""
        return self._quantizer.quantize(self.encode(image))[None, None]

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Encodes a picture, as `compress` takes it, as float32 [L], not quantized."""
        self._check(image)
        seen = pixels.bytes_to_unit(self.seen(image))
        return apply(self._encoder, seen, (self.tables.channels,)).numpy()

    def seen(self, image: np.ndarray) -> np.ndarray:
        """Resizes a picture to what the encoder takes: uint8 [S, S, 3]."""
        size = (self.image_size, self.image_size)
        resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        return np.asarray(resized)

    def deviations(self) -> np.ndarray:
        """About the latents' standard deviations in the training set, float32 [L]."""
        return self._quantizer.deviations()

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decodes float32 [L] to uint8 [S, S, 3].

        Raises:
          ValueError: If there are not L finite numbers, or the image is not finite.
        """
        expected = (self.tables.channels,)
        if latents.shape != expected:
            raise ValueError(
                f"Latents must be {list(expected)} numbers, because the model has so "
                f"many; got {list(latents.shape)}. Are they of this model?"
            )
        if not np.isfinite(latents).all():
            raise ValueError(
                "Latents must be finite; some are infinite or not a number. Encode the "
                "picture again."
            )
        return pixels.unit_to_bytes(self._decode(latents)).numpy()

    def _decode(self, latents: np.ndarray) -> np.ndarray:
        """float32 [L] -> float32 [S, S, 3], not clipped."""
        shape = (self.image_size, self.image_size, 3)
        return apply(self._decoder, tf.constant(latents, tf.float32), shape).numpy()

    def _read(self, payload: bytes, header: Header) -> np.ndarray:
        levels = self.tables.decode(payload, 1, 1)
        if (levels < 0).any() or (levels >= self._quantizer.levels).any():
            raise CorruptFileError(
                "The file's latents are beyond the levels of its model. Compress the "
                "picture again."
            )
        return levels

    def _draw(self, quantized: np.ndarray, header: Header) -> np.ndarray:
        drawn = self._decode(self._quantizer.dequantize(quantized[0, 0]))
        if header.gray:
            drawn = np.repeat(drawn.mean(axis=-1, keepdims=True), 3, axis=-1)
        drawn = pixels.unit_to_bytes(drawn).numpy()
        return pixels.resize(drawn, header.height, header.width)


def interpolate(
    decode: Decode, first: np.ndarray, second: np.ndarray, steps: int
) -> Walk:
    """Decodes a straight line between the latents [L] of two faces, ends included."""
    shares = np.linspace(0, 1, steps, dtype=np.float32)
    latents = first + shares[:, None] * (second - first)
    labels = [f"{100 * share:.0f}%" for share in shares]
    return list(zip(labels, decode(latents)))


def traverse(decode: Decode, latents: np.ndarray, which: int, deviation: float) -> Walk:
    """Decodes latents [L], one of which is moved by `DEVIATIONS` of a given size."""
    moved = np.tile(latents, [len(DEVIATIONS), 1])
    moved[:, which] += np.float32(deviation) * np.float32(DEVIATIONS)
    labels = [f"{d:+.0f} σ".replace("-", "−") if d else "0 σ" for d in DEVIATIONS]
    return list(zip(labels, decode(moved)))


def most_used(use: Sequence[float], count: int) -> list[int]:
    """The indices of the `count` largest values, largest first."""
    order = np.argsort(-np.asarray(use), kind="stable")
    return [int(number) for number in order[:count]]
