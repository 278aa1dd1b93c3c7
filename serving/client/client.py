"""A client of TF Serving that restores, compresses and decompresses pictures.

  restorer = Client("http://localhost:8501", model="model3")
  restored = restorer.restore(image, mask)

  codec = Client(
      "localhost:8500", model="lambda_0.01", tables="runs/lambda_0.01/export/1"
  )
  data = codec.compress(image)
  image = codec.decompress(data)

An address with http:// is one of REST, without it one of gRPC. Restoring over REST
needs NumPy, Pillow and requests, and no TensorFlow; gRPC needs tensorflow-serving-api,
which needs TensorFlow. A codec's files are written by the client, from the server's
latents: that needs TensorFlow and tensorflow-compression, and the tables of the export.
"""

from __future__ import annotations

import functools
import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from serving.client import errors
from serving.client.codec import build_codec
from serving.client.errors import STRANGE, Failure, NotServedError
from serving.client.grpc import Grpc
from serving.client.rest import Rest
from serving.codec.container import MAX_PIXELS

# Seconds before an unavailable server is asked again. A model only computes, so asking
# twice does no harm. A request that took too long is not repeated.
_PAUSES = (0.2, 1.0)
_DAY = 86_400.0  # sockets take timeouts of up to some weeks

_Answer = TypeVar("_Answer")


class Client:
    """One model of a server.

    Args:
      address: "http://HOST:8501" or "https://..." for REST; "HOST:8500" for gRPC, which
        is faster for large pictures.
      model: The name that it is served under.
      version: Its number; None takes the newest that is served.
      timeout: Seconds until each answer must be there, to its last byte; above 0, at
        most a day. A picture of more than a megapixel is compressed in several
        requests.
      tables: To compress: the codec's export, or a folder with a copy of two files in
        its assets.extra, entropy_tables.npz and config.json. They must be those of the
        model that is served, which nothing can check: files written with others cannot
        be read again. So pass the version too if models are replaced while the server
        runs.
      max_pixels: Of a picture that is compressed or decompressed, with both sides
        padded to multiples of 16.

    Raises:
      ValueError: If the address or the timeout is not valid, or the tables are damaged.
      FileNotFoundError: If the tables are not there.
      ImportError: If a package that gRPC or compressing needs is not installed.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str,
        version: int | None = None,
        timeout: float = 30.0,
        tables: str | os.PathLike | None = None,
        max_pixels: int = MAX_PIXELS,
    ):
        if timeout is None or not 0 < timeout <= _DAY:
            raise ValueError(
                f"timeout must be seconds above 0, at most {_DAY:.0f}; got {timeout}."
            )
        transport = Grpc if _is_grpc(address) else Rest
        self._transport = transport(address, model, version, timeout)
        self._address, self._model, self._version = address, model, version
        self._timeout, self._max_pixels = timeout, max_pixels
        self._codec = None
        if tables is not None:
            options = {"max_pixels": max_pixels}
            self._codec = build_codec(self._predict, tables, **options)

    def restore(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Restores what is missing.

        Args:
          image: uint8 [H, W, 3] of any size.
          mask: Of 0 and 1, 1 = missing, [H, W] or [H, W, 1].

        Returns:
          uint8 [H, W, 3]; known pixels are the image's own.

        Raises:
          ValueError: If these are not a picture and its mask.
          RefusedError: If the model does not fill the hole.
          NotServedError: If the server does not serve the model.
          UnavailableError: If there is no server.
          DeadlineError: If it takes too long.
          ServerError: If it fails.
        """
        image = check(image)
        mask = np.asarray(mask)
        if mask.shape not in (image.shape[:2], (*image.shape[:2], 1)):
            raise ValueError(
                f"A mask must have its image's size, {list(image.shape[:2])}; got "
                f"{list(mask.shape)}."
            )
        if not np.isin(mask, (0, 1)).all():
            raise ValueError(
                f"A mask must be 1 where the image is missing and 0 elsewhere; got "
                f"values up to {mask.max()}. Pass mask > 127 for one of 0 and 255."
            )
        if mask.all() or not mask.any():
            what = "everything" if mask.any() else "nothing"
            raise ValueError(
                f"A mask must mark a part of its image; {what} is missing."
            )
        white = mask.reshape(image.shape[:2]).astype(np.uint8) * np.uint8(255)
        inputs = {"image_bytes": [encode(image)], "mask_bytes": [encode(white)]}
        answer = self._predict("serving_bytes", inputs)
        try:
            (data,) = answer
            return decode(data, image.shape)
        # Pillow's plugins raise a dozen kinds of errors for damaged pictures.
        except Exception as error:
            why = f"something other than one restored picture ({error})"
            raise self._explained(Failure(STRANGE, why)) from error

    def compress(self, image: np.ndarray, quality: int | None = None) -> bytes:
        """A picture, uint8 [H, W, 3] of any size -> the bytes of a compressed file.

        A codec of several rates has a quality, 0 to 100; None takes its usual one.

        They are the bytes that experiments.compress writes on the same kind of machine
        as the server. Another kind may round a latent differently: the file differs,
        and every machine can read it.

        Raises:
          ValueError: If it is not a picture, without tables, or if the codec has no
            such quality; see also `restore`.
        """
        codec = self._coder()
        codec = codec if quality is None else codec.at(quality)
        return codec.compress(check(image))

    def decompress(self, data: bytes) -> np.ndarray:
        """The bytes of a compressed file -> its picture, uint8 [H, W, 3].

        Files of other codecs that come with the repository are decompressed here,
        without the server.

        Raises:
          CorruptFileError: If the file is damaged.
          ForeignFileError: If it is not a compressed file, or an unknown model's.
          ValueError: Without tables; see also `restore`.
        """
        return self._reader.decompress(data)

    def versions(self) -> dict[int, str]:
        """Version -> its state; an "AVAILABLE" one answers.

        Raises:
          NotServedError: If the server has none; see also `restore`.
        """
        try:
            return self._patiently(self._transport.states)
        except Failure as failure:
            if failure.code != "NOT_FOUND":
                raise self._explained(failure) from failure
            raise NotServedError(
                f"{self._address} serves no model called {self._model!r}. Pass a name "
                "from its models.config."
            ) from failure

    def _predict(
        self, signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]]
    ) -> np.ndarray | list[bytes]:
        try:
            return self._patiently(lambda: self._transport.predict(signature, inputs))
        except Failure as failure:
            if failure.code != "NOT_FOUND":
                raise self._explained(failure) from failure
            states = ", ".join(f"{n} {state}" for n, state in self.versions().items())
            wanted = "" if self._version is None else f" version {self._version} of"
            raise NotServedError(
                f"{self._address} has{wanted} {self._model!r} not ready; its versions: "
                f"{states}. Wait for one to be AVAILABLE; the server's log says why "
                "one is not."
            ) from failure

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Asks, and asks again while the server is unavailable."""
        for pause in _PAUSES:
            try:
                return ask()
            except Failure as failure:
                if failure.code != "UNAVAILABLE":
                    raise
            time.sleep(pause)
        return ask()

    def _explained(self, failure: Failure) -> Exception:
        return errors.explain(
            failure, server=self._address, model=self._model, timeout=self._timeout
        )

    @functools.cached_property
    def _reader(self):
        """What opens the codec of a file, and keeps it for the next."""
        from serving.zoo.reader import Reader  # here, as it needs TensorFlow

        return Reader([self._coder()], max_pixels=self._max_pixels)

    def _coder(self):
        """The codec, if it was given its tables."""
        if self._codec is None:
            raise ValueError(
                "Compressing needs the codec's tables: pass Client(tables=FOLDER), its "
                "export, or a folder with two files of it."
            )
        return self._codec


def _is_grpc(address: str) -> bool:
    host, colon, port = address.rpartition(":")
    port = port if colon and port.isdecimal() else "0"
    return bool(host and 0 < int(port) < 2**16 and "/" not in address)


def check(image: np.ndarray) -> np.ndarray:
    """A picture as an array.

    Raises:
      ValueError: If it is not uint8 [H, W, 3]; the message says how to convert it.
    """
    image = np.asarray(image)
    ways_out = []
    if image.ndim == 4:
        ways_out.append("Pass one picture at a time.")
    elif image.ndim != 3 or image.shape[2] != 3:
        ways_out.append("Convert it to RGB.")
    if image.dtype.kind == "f":
        ways_out.append(
            "(image * 255).round().astype(np.uint8) makes one of values in [0, 1]."
        )
    elif image.dtype != np.uint8:
        ways_out.append("image.astype(np.uint8) makes one of values in 0..255.")
    if not image.size:
        ways_out.append("Pass one that has pixels.")
    if ways_out:
        raise ValueError(
            f"A picture must be uint8 [H, W, 3]; got {image.dtype} "
            f"{list(image.shape)}. {' '.join(ways_out)}"
        )
    return image


def encode(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] -> the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of a PNG -> uint8 of that shape, [H, W, 3].

    Raises:
      ValueError: If it is no PNG, or one of another size.
      Exception: One of Pillow's, if it is damaged.
    """
    try:
        # Pillow knows dozens of formats, and starts other programs for some of them.
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            found = [picture.height, picture.width, 3]
            if found != list(shape):  # before it is decoded, which takes memory
                raise ValueError(f"{found} in place of {list(shape)}")
            return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError("no PNG at all") from error
