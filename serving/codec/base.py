"""The interface and the common parts of the image codec and the latent codec."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from serving.codec import container
from serving.codec.container import Header
from serving.codec.entropy import EntropyTables
from serving.codec.hyperprior import Hyperprior, Latents
from serving.codec.quantizer import Quantizer


def identify(
    weights: Iterable[np.ndarray], tables: EntropyTables | Hyperprior | Quantizer
) -> bytes:
    """The identifier of a model, of `container.ID_BYTES`: the start of a SHA-256.

    It covers the weights of encoder and decoder, in a fixed order, and the tables,
    because another machine may build other ones from the same prior.
    """
    digest = hashlib.sha256()
    for array in [*weights, *tables.arrays().values()]:
        array = np.asarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()[: container.ID_BYTES]


class Codec(abc.ABC):
    """A trained autoencoder as an image format.

    A decoded picture equals `reconstruct` exactly, in any process on the same kind of
    machine. On another kind the latents are exact too, but its convolutions may add in
    another order, which can round a pixel to the next level.

    Args:
      tables: Of the latents' channels, or their hyperprior.
      model_id: From `identify`; files of other models are refused.
      max_pixels: Of a picture; see `container.check_size`.

    Raises:
      ValueError: If the identifier has the wrong length.
    """

    def __init__(
        self,
        tables: EntropyTables | Hyperprior,
        model_id: bytes,
        *,
        max_pixels: int,
    ):
        container.check_id(model_id)
        self.tables = tables
        self.model_id = model_id
        self._max_pixels = max_pixels

    @property
    def model_ids(self) -> tuple[bytes, ...]:
        """The identifiers of the files that `decompress` reads."""
        return (self.model_id,)

    def compress(self, image: np.ndarray) -> bytes:
        """Encodes uint8 [H, W, 3] of any size as the bytes of a file.

        A picture with three equal channels stays gray.

        Raises:
          ValueError: If it is no such picture or too large, or the network's latents
            cannot be coded.
        """
        return self._file(image, self.quantize(image))

    def decompress(self, data: bytes) -> np.ndarray:
        """Decodes the bytes of a file to uint8 [H, W, 3].

        Raises:
          CorruptFileError: If the file is not as `compress` made it.
          ForeignFileError: If it is no such file, or another model's.
        """
        header, latents = self.read(data)
        return self._draw(latents, header)

    def read(self, data: bytes) -> tuple[Header, np.ndarray | Latents]:
        """The bytes of a file -> its header, and what `quantize` returned.

        These are the same on every machine. Raises errors as `decompress` does.
        """
        header, payload = container.unpack(
            data, self.model_id, max_pixels=self._max_pixels
        )
        return header, self._read(payload, header)

    def reconstruct(self, image: np.ndarray) -> np.ndarray:
        """Encodes and decodes a picture, as `compress` takes it, without a file."""
        return self._draw(self.quantize(image), _header(image))

    @abc.abstractmethod
    def quantize(self, image: np.ndarray) -> np.ndarray | Latents:
        """Encodes a picture, as `compress` takes it, as int32 [h, w, N].

        `tables.estimated_bits` says how many bits these take.
        """

    @abc.abstractmethod
    def _read(self, payload: bytes, header: Header) -> np.ndarray | Latents:
        """The inverse of the entropy coding: payload -> what `quantize` returned."""

    @abc.abstractmethod
    def _draw(self, quantized: np.ndarray | Latents, header: Header) -> np.ndarray:
        """Decodes what `quantize` returned to uint8 [H, W, 3]."""

    def _file(self, image: np.ndarray, quantized: np.ndarray | Latents) -> bytes:
        """The bytes of a picture's file, of what `quantize` made of it."""
        payload = self.tables.encode(quantized)
        return container.pack(_header(image), payload, self.model_id)

    def _check(self, image: np.ndarray) -> None:
        """Raises a ValueError unless `compress` takes the picture."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"A picture must be uint8 [H, W, 3]; got {image.dtype} "
                f"{list(image.shape)}. Convert it to RGB."
            )
        height, width = image.shape[:2]
        container.check_size(width, height, max_pixels=self._max_pixels)


def apply(network: Callable, inputs: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Applies a network to one image or its latents, without the batch's axis.

    Raises:
      ValueError: If the result is not finite float32 of that shape.
    """
    result = tf.convert_to_tensor(network(inputs[None]))
    if result.dtype != tf.float32 or tuple(result.shape) != (1, *shape):
        raise ValueError(
            f"The network made {result.dtype.name} {list(result.shape)} of "
            f"{[1, *inputs.shape]}; it must be float32 {[1, *shape]}, for the tables "
            "and the size of the image. Are they of one model?"
        )
    if not np.isfinite(result).all():
        raise ValueError(
            "The network gives values that are infinite or not a number. Its weights "
            "are damaged: train it again with a smaller --learning_rate."
        )
    return result[0]


def _header(image: np.ndarray) -> Header:
    gray = bool((image[..., 1:] == image[..., :1]).all())
    return Header(width=image.shape[1], height=image.shape[0], gray=gray)
