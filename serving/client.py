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

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from serving import client_codec, client_errors, client_pictures
from serving.client_errors import STRANGE, Failure, NotServedError
from serving.client_grpc import Grpc
from serving.client_rest import Rest

if TYPE_CHECKING:
    from serving.codec import Codec

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
            self._codec = client_codec.build(self._predict, tables)

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
        image = client_pictures.check(image)
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
            "image_bytes": [client_pictures.encode(image)],
            "mask_bytes": [client_pictures.encode(white)],
        }
        answer = self._predict("serving_bytes", inputs)
        try:
            (data,) = answer
            return client_pictures.decode(data, image.shape)
        # Pillow's plugins raise a dozen kinds of errors for damaged pictures.
        except Exception as error:
            why = f"something else than one restored picture ({error})"
            raise self._explained(Failure(STRANGE, why)) from error

    def compress(self, image: np.ndarray) -> bytes:
        """A picture -> the bytes of a file, as `serving.codec.Codec.compress`.

        These are the bytes that experiments.compress writes on the server's kind of
        machine. Another kind may round a latent otherwise, which makes another file,
        as good and readable by all.

        Args:
          image: uint8 [H, W, 3] of any size.

        Raises:
          ValueError: If it is no such picture, or without tables; see also `restore`.
        """
        return self._coder().compress(client_pictures.check(image))

    def decompress(self, data: bytes) -> np.ndarray:
        """The bytes of a file -> uint8 [H, W, 3], as `serving.codec.Codec.decompress`.

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
        return client_errors.explain(
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
