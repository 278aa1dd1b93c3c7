"""The exported models of a web page, sorted by what they are for."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from serving.codec.base import Codec
from serving.codec.latent_codec import LatentCodec
from serving.export import codec, saved_model
from serving.export import latents as export_latents
from serving.export.kinds import CODEC, INPAINTING, KINDS, kind_of
from serving.page import uploads
from serving.page.actions import Restorer
from serving.photo import masks
from serving.photo.blending import seamless
from serving.photo.faces import FaceRestorer
from serving.photo.restorer import PhotoRestorer

_SHARES = {1 / 4: "a quarter", 1 / 3: "a third", 1 / 2: "half"}
# What an upload of the most pixels has at most when codecs have padded its sides.
_PADDED = uploads.MAX_PIXELS * 11 // 10


@dataclasses.dataclass(frozen=True)
class Models:
    """What was loaded, by what tables and menus call it.

    Attributes:
      restorers: Models that fill holes.
      codecs: Models that make files, from small files to good pictures.
      latents: Models that make a face of some hundred numbers.
    """

    restorers: Mapping[str, Restorer] = dataclasses.field(default_factory=dict)
    codecs: Mapping[str, Codec] = dataclasses.field(default_factory=dict)
    latents: Mapping[str, LatentCodec] = dataclasses.field(default_factory=dict)


def load(folders: Sequence[str | os.PathLike]) -> Models:
    """Opens exported models.

    Args:
      folders: Such as `runs/NAME/export/1`, of any of the five systems.

    Raises:
      FileNotFoundError: If a folder is not one of our exports.
      ValueError: If a model is of no system that is known here, or is damaged, or is
        given twice.
    """
    found = [
        (pathlib.Path(folder), saved_model.read_config(folder)) for folder in folders
    ]
    for folder, config in found:
        if kind_of(config) not in KINDS:
            raise ValueError(
                f"{folder} was exported by {config.get('paper')!r}, which this page "
                f"has no use for. It shows models of the kinds {', '.join(KINDS)}."
            )
    found.sort(key=lambda pair: pair[1].get("config", {}).get("lmbda") or 0)
    restorers, codecs, latents = {}, {}, {}
    for label, folder, config in _named(found):
        if kind_of(config) == INPAINTING:
            restorers[label] = _open_restorer(folder)
        elif kind_of(config) == CODEC:
            codecs[label] = codec.load_image_codec(folder, max_pixels=_PADDED)
        else:
            latents[label] = export_latents.load(folder, max_pixels=_PADDED)
    return Models(restorers, codecs, latents)


def _named(found: list[tuple[pathlib.Path, dict]]) -> Iterator[tuple]:
    """(label, folder, config): the model's name, and what tells it from its namesakes.

    That is the data it learned from; where this is the same, its run; then its folder.
    """
    names = [str(config.get("name") or folder) for folder, config in found]
    data = [str(config.get("config", {}).get("dataset", "")) for _, config in found]
    learned = [f"{name}, {d}" if d else name for name, d in zip(names, data)]
    runs = [f"{name} ({_run(folder)})" for name, (folder, _) in zip(learned, found)]
    places = [str(folder) for folder, _ in found]
    kinds = (names, learned, runs, places)
    for number, (folder, config) in enumerate(found):
        labels = (kind[number] for kind in kinds if kind.count(kind[number]) == 1)
        label = next(labels, None)
        if label is None:
            raise ValueError(f"{folder} is given twice. Leave one out.")
        yield label, folder, config


def _run(folder: pathlib.Path) -> str:
    """NAME of an export in NAME/export/1 or NAME/1."""
    place = folder.resolve().parent
    return (place.parent if place.name == "export" else place).name


def _open_restorer(folder: pathlib.Path) -> Restorer:
    model = PhotoRestorer(folder)
    size, fills = model.facts["image_size"], model.facts.get("fills")
    fill_faces, parts = None, masks.REGIONS
    if fills and fills["centered"]:
        parts = ()
    with contextlib.suppress(ValueError):  # of data whose faces lie nobody knows where
        fill_faces = FaceRestorer(model)
        parts = fill_faces.regions()
    seen = f"It sees pictures at {size}×{size} pixels"
    said = _fills(size, fills)
    return Restorer(
        functools.partial(_fill, model),
        fill_faces,
        model.hole,
        f"{seen} and fills {said}.{_named_parts(parts)}" if said else f"{seen}.",
        said,
        parts,
    )


def _fill(model: PhotoRestorer, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return seamless(model([image], [mask])[0], mask, model.size)


def _fills(size: int, fills: Mapping | None) -> str:
    """Which holes a model fills, in words; empty where it does not say."""
    if fills is None:
        return ""
    if not fills["side"]:
        return "any hole"
    share = fills["side"] / size
    words = (word for part, word in _SHARES.items() if abs(share - part) < 0.01)
    share = f"{next(words, f'{share:.0%}')} of each side"
    if fills["centered"]:
        return f"one hole: {share}, in the center"
    return f"one hole of up to {share}"


def _named_parts(parts: Collection[str]) -> str:
    """Which parts of a face a model fills, a sentence, unless it fills all."""
    if len(parts) == len(masks.REGIONS):
        return ""
    names = [name.replace("_", " ") for name in parts] or ["none"]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f" Of the parts of a face it fills: {listed}."
