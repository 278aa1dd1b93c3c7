"""A codec whose networks run on a server; the client writes and reads its files."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable

import numpy as np

from serving.client.errors import ServerError
from serving.codec.container import CELL, MAX_PIXELS

_TABLES, _CONFIG = "entropy_tables.npz", "config.json"


def build_codec(
    predict: Callable, folder: str | os.PathLike, *, max_pixels: int = MAX_PIXELS
):
    """Builds a codec from a server's signatures and an export's tables.

    Args:
      predict: Signature, {name: array} -> its output, numbers or bytes.
      folder: The export, or any folder with the two files.
      max_pixels: Of a picture; see `container.check_size`.

    Returns:
      A `serving.codec.image_codec.Codec`, which raises a ServerError for answers that
      are not of the network's shape.

    Raises:
      ValueError: If the files are damaged.
      FileNotFoundError: If one of them is missing.
      ImportError: If tensorflow-compression is not installed.
    """
    place = pathlib.Path(folder)
    place = place / "assets.extra" if (place / "assets.extra").is_dir() else place
    for name in (_TABLES, _CONFIG):
        if not (place / name).exists():
            raise FileNotFoundError(
                f"{place} has no {name}. Pass an export of portrait_autoencoder that "
                "was trained with --entropy=factorized or hyperprior, or a folder with "
                f"its {_TABLES} and {_CONFIG}. For cvae_dcgan use "
                "`facemend compress`, which needs no server."
            )
    # Imported here because they need TensorFlow, and restoring does not.
    try:
        from serving.codec import hyperprior
        from serving.codec.hyperprior import REDUCTION, Hyperprior
        from serving.codec.image_codec import ImageCodec
    except ImportError as error:
        raise ImportError(
            "Compressing needs tensorflow 2.14 and tensorflow-compression 2.14 "
            f"({error}); restoring does not. Install facemend with what it requires."
        ) from error

    tables = hyperprior.load(place / _TABLES)
    whole = not isinstance(tables, Hyperprior)

    def analyze(image) -> np.ndarray:
        _, height, width, _ = image.shape
        shape = (1, height // CELL, width // CELL, tables.channels)
        latents = predict("analysis", {"image": np.asarray(image)})
        return _checked(latents, shape).astype(np.float32)

    def synthesize(latents) -> np.ndarray:
        _, height, width, _ = latents.shape
        shape = (1, height * CELL, width * CELL, 3)
        latents = np.asarray(latents).astype(np.int32 if whole else np.float32)
        drawn = predict("synthesis", {"latents": latents})
        return _checked(drawn, shape).astype(np.float32)

    def hyper_analyze(latents) -> np.ndarray:
        _, height, width, _ = latents.shape
        sides = (-(-side // REDUCTION) for side in (height, width))
        shape = (1, *sides, tables.hyper_channels)
        found = predict("hyper_analysis", {"latents": np.asarray(latents)})
        return _checked(found, shape).astype(np.float32)

    model_id = _model_id(place / _CONFIG)
    options = {"hyper_analysis": hyper_analyze, "max_pixels": max_pixels}
    return ImageCodec(analyze, synthesize, tables, model_id, **options)


def _checked(answer: np.ndarray | list[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """A network's answer, if it is numbers of this shape."""
    found = np.asarray(answer)
    if found.dtype.kind not in "iuf" or found.shape != shape:
        raise ServerError(
            f"The server answers with {found.dtype} {list(found.shape)}, expected "
            f"numbers of {list(shape)}. Pass Client(tables=FOLDER) of the model that "
            "it serves."
        )
    return found


def _model_id(path: pathlib.Path) -> bytes:
    try:
        return bytes.fromhex(json.loads(path.read_text())["model_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} has no model_id ({error}). Copy it from the export again."
        ) from error
