"""Pictures to compressed files and back by an encoder of one image size.

A face becomes L numbers, whatever the picture's size: resized to S x S, encoded,
quantized to k bits each, coded with tables of the training set. A file is a `container`
whose header has the picture's own size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from data_pipeline import pixels
from serving.codec import container
from serving.codec.container import CorruptFileError, Header
from serving.codec.quantizer import Quantizer


class LatentCodec:
    """An auto-encoder with a vector of latents as an image format.

    A decoded picture has the size of the original, as users of an image format expect;
    the detail is that of S x S pixels. It is resized bilinearly to S x S, averaging
    over what becomes one pixel and not keeping the aspect, and back bicubically, which
    restores the aspect. Pictures of S x S pixels are not resized.

    What is decoded equals `reconstruct` exactly, in any process on the same kind of
    machine, as `codec.Codec` explains.

    Args:
      encoder: image [1, S, S, 3] in [0, 1] -> latents [1, L], float32: the means of a
        variational auto-encoder.
      decoder: latents -> image, float32, clipped to [0, 1] here.
      quantizer: Of the L latents; `compress` takes it.
      model_id: From `codec.identify(weights, quantizer)`; files of other models are
        refused.
      image_size: S, in pixels.
      others: {model_id: quantizer} of the same networks with other quantizers, whose
        files `decompress` reads too: a file says which one wrote it.
      max_pixels: Of a picture; see `container.check_size`. A small file may claim so
        many, and takes the memory.

    Attributes:
      tables: Those of the quantizer.
      model_id: As given.
      image_size: As given.

    Raises:
      ValueError: If an identifier has the wrong length.
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
        max_pixels: int = pixels.MAX_PIXELS,
    ):
        self._quantizers = {**(others or {}), model_id: quantizer}
        for each in self._quantizers:
            container.check_id(each)
        self._encoder, self._decoder = encoder, decoder
        self._quantizer = quantizer
        self.tables = quantizer.tables
        self.model_id = model_id
        self.image_size = image_size
        self._max_pixels = max_pixels

    def compress(self, image: np.ndarray) -> bytes:
        """A picture -> a file's bytes.

        Args:
          image: uint8 [H, W, 3] of any size. One with three equal channels stays gray.

        Raises:
          ValueError: If it is no such picture or too large, or the network's latents
            are infinite or no numbers.
        """
        payload = self.tables.encode(self.quantize(image))
        return container.pack(_header(image), payload, self.model_id)

    def decompress(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3].

        Raises:
          CorruptFileError: If the file is not as `compress` made it.
          ForeignFileError: If it is no such file, or another model's.
        """
        model_id = container.claimed_id(data)
        if model_id not in self._quantizers:
            model_id = self.model_id  # which `unpack` names
        header, payload = container.unpack(data, model_id, max_pixels=self._max_pixels)
        quantizer = self._quantizers[model_id]
        levels = quantizer.tables.decode(payload, 1, 1)
        if (levels < 0).any() or (levels >= quantizer.levels).any():
            raise CorruptFileError(
                "The file's latents are beyond the levels of its model. Compress the "
                "picture again."
            )
        return self._draw(quantizer.dequantize(levels[0, 0]), header)

    def reconstruct(self, image: np.ndarray) -> np.ndarray:
        """The network's own picture of its quantized latents.

        Args:
          image: As `compress` takes it.

        Returns:
          uint8 [H, W, 3].

        Raises:
          ValueError: As `compress`.
        """
        levels = self.quantize(image)[0, 0]
        return self._draw(self._quantizer.dequantize(levels), _header(image))

    def quantize(self, image: np.ndarray) -> np.ndarray:
        """Levels of the latents; `tables.estimated_bits` says what they take.

        Args:
          image: As `compress` takes it.

        Returns:
          int32 [1, 1, L], as the tables code it.

        Raises:
          ValueError: As `compress`.
        """
        return self._quantizer.quantize(self.encode(image))[None, None]

    def encode(self, image: np.ndarray) -> np.ndarray:
        """The network's latents of a picture, as they are before they are quantized.

        Args:
          image: As `compress` takes it.

        Returns:
          float32 [L].

        Raises:
          ValueError: As `compress`.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"A picture must be uint8 [H, W, 3]; got {image.dtype} "
                f"{list(image.shape)}. Convert it to RGB."
            )
        height, width = image.shape[:2]
        container.check_size(width, height, max_pixels=self._max_pixels)
        seen = pixels.bytes_to_unit(self.seen(image))
        return _run(self._encoder, seen, (self.tables.channels,))

    def seen(self, image: np.ndarray) -> np.ndarray:
        """What the encoder is given of a picture: uint8 [H, W, 3] -> [S, S, 3]."""
        size = (self.image_size, self.image_size)
        resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        return np.asarray(resized)

    def deviations(self) -> np.ndarray:
        """About the latents' standard deviations in the training set, float32 [L]."""
        return self._quantizer.deviations()

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """The network's picture of latents: float32 [L] -> uint8 [S, S, 3].

        Raises:
          ValueError: If there are not L finite ones, or a drawn value is not finite.
        """
        expected = (self.tables.channels,)
        if latents.shape != expected:
            raise ValueError(
                f"Latents must be {list(expected)} numbers, because the model has so "
                f"many; got {list(latents.shape)}. Are they of this model?"
            )
        if not np.isfinite(latents).all():
            raise ValueError(
                "Latents must be finite; some are infinite or no numbers. Encode the "
                "picture again."
            )
        return pixels.unit_to_bytes(self._decode(latents)).numpy()

    def _decode(self, latents: np.ndarray) -> np.ndarray:
        """float32 [L] -> float32 [S, S, 3], not clipped."""
        shape = (self.image_size, self.image_size, 3)
        return _run(self._decoder, tf.constant(latents, tf.float32), shape)

    def _draw(self, latents: np.ndarray, header: Header) -> np.ndarray:
        """float32 [L] -> uint8 [H, W, 3]."""
        drawn = self._decode(latents)
        if header.gray:
            drawn = np.repeat(drawn.mean(axis=-1, keepdims=True), 3, axis=-1)
        drawn = pixels.unit_to_bytes(drawn).numpy()
        return pixels.resize(drawn, header.height, header.width)


def _run(network: Callable, given: tf.Tensor, shape: tuple) -> np.ndarray:
    """A network's result for one image, which must have that shape."""
    result = tf.convert_to_tensor(network(given[None]))
    if result.dtype != tf.float32 or tuple(result.shape) != (1, *shape):
        raise ValueError(
            f"The network made {result.dtype.name} {list(result.shape)} of "
            f"{[1, *given.shape]}; it must be float32 {[1, *shape]}, for the image "
            "size and the quantizer. Are they of one model?"
        )
    if not np.isfinite(result).all():
        raise ValueError(
            "The network gives values that are infinite or no numbers. Its weights are "
            "damaged: train it again with a smaller --learning_rate."
        )
    return result[0].numpy()


def _header(image: np.ndarray) -> Header:
    """Of a picture, uint8 [H, W, 3]."""
    gray = bool((image[..., 1:] == image[..., :1]).all())
    return Header(width=image.shape[1], height=image.shape[0], gray=gray)


Walk = list[tuple[str, np.ndarray]]
Decode = Callable[[np.ndarray], np.ndarray]  # [N, L] -> uint8 [N, S, S, 3]

DEVIATIONS = (-3, -2, -1, 0, 1, 2, 3)


def interpolate(
    decode: Decode, first: np.ndarray, second: np.ndarray, steps: int
) -> Walk:
    """What lies between two faces, linear in their means.

    Args:
      decode: Of the network.
      first: Latents [L].
      second: Others.
      steps: Pictures, of which the first and the last are of the latents themselves.
    """
    shares = np.linspace(0, 1, steps, dtype=np.float32)
    latents = first + shares[:, None] * (second - first)
    labels = [f"{100 * share:.0f}%" for share in shares]
    return list(zip(labels, decode(latents)))


def traverse(decode: Decode, latents: np.ndarray, which: int, deviation: float) -> Walk:
    """A face with one latent moved by `DEVIATIONS`, the others as they are.

    Args:
      decode: Of the network.
      latents: Of the face, [L].
      which: The latent that is moved.
      deviation: Its standard deviation.
    """
    moved = np.tile(latents, [len(DEVIATIONS), 1])
    moved[:, which] += np.float32(deviation) * np.float32(DEVIATIONS)
    labels = [f"{d:+.0f} σ".replace("-", "−") if d else "0 σ" for d in DEVIATIONS]
    return list(zip(labels, decode(moved)))


def most_used(use: Sequence[float], count: int) -> list[int]:
    """The numbers of the latents with the largest values, largest first."""
    order = np.argsort(-np.asarray(use), kind="stable")
    return [int(number) for number in order[:count]]
