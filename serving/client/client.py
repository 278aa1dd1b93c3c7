"""A client of models that TF Serving serves: pictures in, pictures or files out.

  restorer = Client("http://localhost:8501", model="model3")
  restored = restorer.restore(image, mask)

  codec = Client(
      "localhost:8500", model="lambda_0.01", tables="runs/lambda_0.01/export/1"
  )
  data = codec.compress(image)
  image = codec.decompress(data)

An address with http:// is REST's, without it gRPC's. REST needs neither TensorFlow nor
the networks' code, and nothing but NumPy and Pillow to restore; gRPC needs
tensorflow-serving-api (and that TensorFlow). A codec's files are made here, of numbers
that the server makes: it needs TensorFlow and tensorflow-compression, and the tables
that lie in the export.
"""

from __future__ import annotations

import io
import os
import time
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from serving.client import codec, errors
from serving.client.errors import STRANGE, Failure, NotServedError
from serving.client.grpc import Grpc
from serving.client.rest import Rest

if typing.TYPE_CHECKING:
    from serving.codec.base import Codec

# Seconds before a server that does not answer is asked again. A model only computes, so
# that asking it twice does no harm; what took too long once is not tried again.
_PAUSES = (0.2, 1.0)
_DAY = 86_400.0  # sockets count no more than some weeks

_Answer = TypeVar("_Answer")


class Client:
    """One model of a server.

    Args:
      address: "http://HOST:8501" or "https://...", for REST; "HOST:8500" for gRPC,
        which is faster for large pictures.
      model: The name that it is served under.
      version: Its number; None takes the newest that is served.
      timeout: Seconds until each answer must be there, to its last byte; above 0, at
        most a day. A picture of more than a megapixel is compressed with several
        requests.
      tables: Of a codec: its export, or a copy of the two files in assets.extra that
        compressing needs, entropy_tables.npz and config.json. They must be of the very
        model that is served: nothing that a server tells gives away others, and files
        made with them could not be read again. Give the version too where models are
        replaced as the server runs.

    Raises:
      ValueError: If the address or the timeout is none, or the tables are damaged.
      FileNotFoundError: If the tables are not where they should be.
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
    ):
        if timeout is None or not 0 < timeout <= _DAY:
            raise ValueError(
                f"timeout must be seconds above 0, at most {_DAY:.0f}; got {timeout}."
            )
        transport = Grpc if _is_grpc(address) else Rest
        self._transport = transport(address, model, version, timeout)
        self._address, self._model, self._version = address, model, version
        self._timeout = timeout
        self._codec: Codec | None = None
        if tables is not None:
            self._codec = codec.build(self._predict, tables)

    def restore(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Restores what is missing.

        Args:
          image: uint8 [H, W, 3] of any size.
          mask: Of 0 and 1, 1 = missing, [H, W] or [H, W, 1].

        Returns:
          uint8 [H, W, 3]; known pixels are the image's own.

        Raises:
          ValueError: If these are no picture and its mask.
          RefusedError: If the hole is not one that the model fills.
          NotServedError: If the model is not there.
          UnavailableError: If the server is not there.
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
        white = mask.reshape(image.shape[:2]).astype(np.uint8) * np.uint8(255)
        inputs = {
            "image_bytes": [encode(image)],
            "mask_bytes": [encode(white)],
        }
        answer = self._predict("serving_bytes", inputs)
        try:
            (data,) = answer
            return decode(data, image.shape)
        # Pillow's plugins raise a dozen kinds of errors for damaged pictures.
        except Exception as error:
            why = f"something else than one restored picture ({error})"
            raise self._explained(Failure(STRANGE, why)) from error

    def compress(self, image: np.ndarray) -> bytes:
        """A picture -> the bytes of a file, as the codec's `compress`.

        These are the bytes that experiments.compress writes on the server's kind of
        machine. Another kind may round a latent otherwise, which makes another file,
        as good and readable by all.

        Args:
          image: uint8 [H, W, 3] of any size.

        Raises:
          ValueError: If it is no such picture, or without tables; see also `restore`.
        """
        return self._coder().compress(check(image))

    def decompress(self, data: bytes) -> np.ndarray:
        """The bytes of a file -> uint8 [H, W, 3], as the codec's `decompress`.

        Raises:
          CorruptFileError: If the file is not as `compress` made it.
          ForeignFileError: If it is no such file, or another model's.
          ValueError: Without tables; see also `restore`.
        """
        return self._coder().decompress(data)

    def versions(self) -> dict[int, str]:
        """Version -> its state; "AVAILABLE" is one that answers.

        Raises:
          NotServedError: If the server has none.
          UnavailableError: If the server is not there.
          DeadlineError: If it takes too long.
          ServerError: If it fails.
        """
        try:
            return self._patiently(self._transport.states)
        except Failure as failure:
            if failure.code != "NOT_FOUND":
                raise self._explained(failure) from failure
            raise NotServedError(
                f"{self._address} serves no model called {self._model!r}. Pass a name "
                "that stands in its models.config."
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
        """Asks, and asks again while the server is not there."""
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

    def _coder(self) -> Codec:
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
    """What is passed for a picture, as an array.

    Raises:
      ValueError: Unless it is uint8 [H, W, 3]; the message says how to make it that.
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
    """The bytes of a picture -> uint8 of that shape, [H, W, 3].

    Raises:
      ValueError: If it is no picture, or one of another size.
      Exception: Any that Pillow has for damaged ones.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            decoded = np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError("no picture at all") from error
    if decoded.shape != shape:
        raise ValueError(f"{list(decoded.shape)} in place of {list(shape)}")
    return decoded
