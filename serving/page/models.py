"""Opens the exported models of the web page and sorts them by kind."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from serving import engines
from serving.codec.base import Codec
from serving.codec.latent_codec import LatentCodec
from serving.export import codec, latents, saved_model
from serving.export.kinds import CODEC, INPAINTING, KINDS, LATENTS, kind_of
from serving.page import uploads
from serving.page.actions import Restorer
from serving.photo import masks
from serving.photo.blending import blend
from serving.photo.faces import FaceRestorer
from serving.photo.restorer import PhotoRestorer

_SHARES = {1 / 4: "a quarter", 1 / 3: "a third", 1 / 2: "half"}
# The most pixels of an upload, and what codecs add to pad its sides.
_PADDED = uploads.MAX_PIXELS * 11 // 10


@dataclasses.dataclass(frozen=True)
class Models:
    """Opened models by their labels in tables and menus.

    Attributes:
      restorers: Fill holes; first those that fill any, and learned on the most kinds.
      codecs: Compress pictures; from the smallest files to the best pictures.
      latents: Encode a face as a few hundred numbers.
    """

    restorers: Mapping[str, Restorer] = dataclasses.field(default_factory=dict)
    codecs: Mapping[str, Codec] = dataclasses.field(default_factory=dict)
    latents: Mapping[str, LatentCodec] = dataclasses.field(default_factory=dict)


def load(
    folders: Sequence[str | os.PathLike],
    engine: str = engines.TENSORFLOW,
    precision: str = engines.FLOAT32,
) -> Models:
    """Opens exported models.

    Args:
      folders: Exports of any kind, such as `runs/NAME/export/1`.
      engine: The program that computes those that fill holes; see `engines`.
      precision: In which it computes.

    Raises:
      FileNotFoundError: If a folder is not one of our exports.
      ValueError: If a model is of an unknown kind, is damaged, or is given twice.
    """
    found = [
        (pathlib.Path(folder), saved_model.read_config(folder)) for folder in folders
    ]
    load_kind = {
        INPAINTING: functools.partial(
            _load_restorer, engine=engine, precision=precision
        ),
        CODEC: functools.partial(codec.load_image_codec, max_pixels=_PADDED),
        LATENTS: functools.partial(latents.load, max_pixels=_PADDED),
    }
    for folder, config in found:
        if kind_of(config) not in load_kind:
            raise ValueError(
                f"{folder} was exported by {config.get('paper')!r}, which this page "
                f"has no use for. It shows models of the kinds {', '.join(KINDS)}."
            )
    found.sort(key=lambda pair: pair[1].get("config", {}).get("lmbda") or 0)
    found.sort(key=lambda pair: _breadth(pair[1]), reverse=True)
    loaded: dict[str, dict] = {kind: {} for kind in load_kind}
    for label, folder, config in _labeled(found):
        kind = kind_of(config)
        loaded[kind][label] = load_kind[kind](folder)
    return Models(loaded[INPAINTING], loaded[CODEC], loaded[LATENTS])


def _breadth(config: Mapping) -> int:
    """Ranks restorers by the holes that they fill, by their config.json."""
    fills = config.get("fills")
    if not fills or fills["side"]:
        return 1 if fills and not fills["centered"] else 0
    learned = config.get("config", {}).get("train_mask")
    return {"center": 2, "mixed": 4}.get(learned, 3)


def _labeled(found: list[tuple[pathlib.Path, dict]]) -> Iterator[tuple]:
    """(label, folder, config): the shortest label that is unique.

    The model's name; with the data it was trained on; with its run; or its folder.
    """
    names = [str(config.get("name") or folder) for folder, config in found]
    data = [str(config.get("config", {}).get("dataset", "")) for _, config in found]
    trained = [f"{name}, {d}" if d else name for name, d in zip(names, data)]
    runs = [f"{name} ({_run(folder)})" for name, (folder, _) in zip(trained, found)]
    candidates = (names, trained, runs, [str(folder) for folder, _ in found])
    for number, (folder, config) in enumerate(found):
        labels = (each[number] for each in candidates if each.count(each[number]) == 1)
        label = next(labels, None)
        if label is None:
            raise ValueError(f"{folder} is given twice. Leave one out.")
        yield label, folder, config


def _run(folder: pathlib.Path) -> str:
    """NAME of an export in NAME/export/1 or NAME/1."""
    place = folder.resolve().parent
    return (place.parent if place.name == "export" else place).name


def _load_restorer(folder: pathlib.Path, *, engine: str, precision: str) -> Restorer:
    model = PhotoRestorer(folder, engine, precision)
    size, fills = model.facts["image_size"], model.facts.get("fills")
    fill_faces, parts = None, masks.REGIONS
    if fills and fills["centered"]:
        parts = ()
    with contextlib.suppress(ValueError):  # the alignment of its faces is unknown
        fill_faces = FaceRestorer(model)
        parts = fill_faces.regions()

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return blend(model([image], [mask])[0], mask, model.size)

    holes, limits = _holes(size, fills), f"It sees pictures at {size}×{size} pixels"
    limits += f" and fills {holes}.{_listed(parts)}" if holes else "."
    return Restorer(fill, fill_faces, model.hole, limits, holes, parts)


def _holes(size: int, fills: Mapping | None) -> str:
    """Which holes a model fills, in words; empty if it does not say."""
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


def _listed(parts: Collection[str]) -> str:
    """Which parts of a face a model fills, a sentence, unless it fills all."""
    if len(parts) == len(masks.REGIONS):
        return ""
    names = [name.replace("_", " ") for name in parts] or ["none"]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f" Of the parts of a face it fills: {listed}."
