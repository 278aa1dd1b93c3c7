"""Files of latents: what `experiments.latents` encodes pictures to and decodes from."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Mapping

import numpy as np

from data_pipeline import pixels
from serving.codec_names import named


def write(
    path: pathlib.Path, latents: Mapping[str, np.ndarray], model_id: bytes
) -> None:
    """Writes an .npz file with names [N], latents float32 [N, L] and the model.

    Args:
      path: Of the file.
      latents: {name of a picture, without its suffix: [L]}, at least one.
      model_id: Of the codec whose encoder made them.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=list(latents),
        latents=np.stack(list(latents.values())),
        model=model_id.hex(),
    )
    pixels.write_bytes(path, buffer.getvalue())


def read(path: pathlib.Path, model_id: bytes) -> dict[str, np.ndarray]:
    """Reads what `write` wrote, or any .npz file with an array `latents`, [N, L].

    Args:
      path: Of the file.
      model_id: Of the codec whose decoder is to draw them.

    Returns:
      {name: float32 [L]}; what has no names is numbered. A name is a relative path.

    Raises:
      FileNotFoundError: If there is no file.
      ValueError: If it holds no latents, or those of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            latents = file["latents"].astype(np.float32)
            said = str(file["model"]) if "model" in file else model_id.hex()
            names = [f"{number:06d}" for number in range(len(latents))]
            names = [str(name) for name in file["names"]] if "names" in file else names
    except FileNotFoundError:
        raise
    # NumPy and zipfile raise a dozen kinds of errors on other files.
    except Exception as error:
        raise ValueError(
            f"{path} holds no latents ({type(error).__name__}: {error}). Pass what "
            "encode wrote, or an .npz file with an array `latents`, [N, L]."
        ) from error
    if latents.ndim != 2:
        raise ValueError(
            f"{path} must hold latents [N, L]; its are {list(latents.shape)}. Of a "
            "single picture too N is there, 1."
        )
    if said != model_id.hex():
        raise ValueError(
            f"{path} holds latents of the model {named(said)}; this one is "
            f"{named(model_id.hex())}. Pass the model that encoded them."
        )
    paths = [pathlib.PurePosixPath(name) for name in names]
    outside = any(path.is_absolute() or ".." in path.parts for path in paths)
    if len(set(paths)) != len(latents) or len(paths) != len(latents) or outside:
        raise ValueError(
            f"{path} must have a name for each of its {len(latents)} latents, no two "
            "alike, that is a path within a folder. Encode the pictures again."
        )
    return {path.as_posix(): row for path, row in zip(paths, latents)}
