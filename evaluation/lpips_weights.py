"""The weights file of LPIPS: finding it, making it, fetching what it is made of."""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
import tempfile
import urllib.request

import numpy as np
import tqdm

from data_pipeline import pixels
from evaluation import torch_files

CACHE = pathlib.Path("~/.cache/facemend/lpips_alex.npz")

# (address, sha256). The first name carries the first digits of its checksum.
ALEXNET = (
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
HEADS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/"
    "lpips/weights/v0.1/alex.pth",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)

# Convolution -> (its place in torchvision's `features`, HWIO shape).
CONVOLUTIONS = {
    1: (0, (11, 11, 3, 64)),
    2: (3, (5, 5, 64, 192)),
    3: (6, (3, 3, 192, 384)),
    4: (8, (3, 3, 384, 256)),
    5: (10, (3, 3, 256, 256)),
}


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], str]:
    """Reads a weights file.

    Args:
      path: A file that `convert` wrote.

    Returns:
      The arrays by name, and the file's sha256.

    Raises:
      ValueError: a key is missing or has another shape.
    """
    with np.load(path) as file:
        weights = {key: file[key] for key in file.files}
    _check(weights, path)
    return weights, _sha256(path)


def resolve(path: str) -> pathlib.Path | None:
    """Finds the weights: the given file, else the cached one, else None.

    Args:
      path: Value of the flag --lpips_weights; empty where it is not given.

    Returns:
      An existing file, or None, in which case reports leave LPIPS out.

    Raises:
      FileNotFoundError: a path is given and nothing is there.
    """
    if path:
        given = pathlib.Path(path).expanduser()
        if not given.is_file():
            raise FileNotFoundError(
                f"--lpips_weights={path}: there is no such file. Make it with `python "
                "-m evaluation.lpips --download`, or leave the flag out to do without "
                "LPIPS."
            )
        return given
    cached = CACHE.expanduser()
    return cached if cached.is_file() else None


def convert(
    torchvision_path: str | os.PathLike,
    heads_path: str | os.PathLike,
    out_path: str | os.PathLike,
) -> pathlib.Path:
    """Makes one `.npz` of torchvision's AlexNet and the LPIPS heads.

    Args:
      torchvision_path: `alexnet-owt-7be5be79.pth`; its classifier is not kept.
      heads_path: `alex.pth`, version 0.1.
      out_path: Written whole or not at all.

    Returns:
      out_path.

    Raises:
      ValueError: one of the files is not what it should be.
    """
    alexnet, heads = torch_files.read(torchvision_path), torch_files.read(heads_path)
    weights = {}
    for layer, (place, _) in CONVOLUTIONS.items():
        kernel = _take(alexnet, f"features.{place}.weight", torchvision_path)
        weights[f"conv{layer}_w"] = kernel.transpose(2, 3, 1, 0)  # OIHW -> HWIO
        bias = _take(alexnet, f"features.{place}.bias", torchvision_path)
        weights[f"conv{layer}_b"] = bias
        head = _take(heads, f"lin{layer - 1}.model.1.weight", heads_path)
        weights[f"lin{layer}"] = head.reshape(-1)
    _check(weights, f"{torchvision_path} with {heads_path}")
    out_path = pathlib.Path(out_path).expanduser()
    buffer = io.BytesIO()
    np.savez(buffer, **weights)
    pixels.write_bytes(out_path, buffer.getvalue())
    return out_path


def download() -> pathlib.Path:
    """Fetches both published files (245 MB), checks them and writes the cache.

    Returns:
      The cache file.

    Raises:
      OSError: a file cannot be fetched.
      ValueError: a file is not the published one.
    """
    cache = CACHE.expanduser()
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        paths = []
        for address, sha256 in (HEADS, ALEXNET):
            paths.append(pathlib.Path(folder) / address.rsplit("/", 1)[1])
            _fetch(address, sha256, paths[-1])
        heads, alexnet = paths
        return convert(alexnet, heads, cache)


def _fetch(address: str, sha256: str, path: pathlib.Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=30) as source:
            total = int(source.headers.get("Content-Length") or 0) or None
            bar = tqdm.tqdm(total=total, desc=path.name, unit="B", unit_scale=True)
            with path.open("wb") as file, bar:
                while block := source.read(1 << 20):
                    file.write(block)
                    bar.update(len(block))
    except OSError as error:
        raise OSError(
            f"{address} could not be fetched ({error}). Fetch it by other means, and "
            "convert it with `python -m evaluation.lpips --alexnet=FILE --heads=FILE "
            "--output=lpips_alex.npz`."
        ) from error
    if (got := _sha256(path)) != sha256:
        raise ValueError(
            f"{address} gave a file with sha256 {got} instead of {sha256}: it was "
            "damaged or replaced on the way. Nothing was kept; try again."
        )


def _take(tensors: dict[str, np.ndarray], key: str, path) -> np.ndarray:
    if key not in tensors:
        raise ValueError(f"{path} has no {key}; it has {', '.join(list(tensors)[:8])}.")
    return tensors[key].astype(np.float32)


def _check(weights: dict[str, np.ndarray], path) -> None:
    expected = {}
    for layer, (_, shape) in CONVOLUTIONS.items():
        expected[f"conv{layer}_w"] = shape
        expected[f"conv{layer}_b"] = expected[f"lin{layer}"] = shape[-1:]
    for key, shape in expected.items():
        got = weights[key].shape if key in weights else "nothing"
        if got != shape:
            raise ValueError(
                f"{path}: {key} must be of shape {shape}; got {got}. These are not the "
                "weights of AlexNet v0.1; `python -m evaluation.lpips` makes the file."
            )


def _sha256(path: str | os.PathLike) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
