"""The record of an evaluation: every value of every image, and the fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data_pipeline import pixels

FORMAT = 1


class Fingerprint:
    """Identifies an evaluation set: a hash over names, in order, and masks."""

    def __init__(self):
        self._hash = hashlib.sha256()

    def update(self, name: str, mask: np.ndarray) -> None:
        """Adds one image; `mask` [H, W] or [H, W, 1] is 1 where pixels are missing."""
        mask = np.asarray(mask) > 0.5
        # Packed bits alone would not tell the shape.
        self._hash.update(json.dumps([str(name), *mask.shape[:2]]).encode())
        self._hash.update(np.packbits(mask).tobytes())

    def hexdigest(self) -> str:
        """The first 16 hex digits of the SHA-256."""
        return self._hash.hexdigest()[:16]


def fingerprint(names: Iterable[str], masks: Iterable[np.ndarray]) -> str:
    """The fingerprint of a whole set."""
    result = Fingerprint()
    names, masks = list(names), iter(masks)
    for position, name in enumerate(names):
        mask = next(masks, None)
        if mask is None:
            raise ValueError(f"{len(names)} names but only {position} masks.")
        result.update(name, mask)
    if next(masks, None) is not None:
        raise ValueError(f"More masks than the {len(names)} names.")
    return result.hexdigest()


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Every metric of every restorer on every image; NaN where it is undefined.

    Attributes:
      names: Of the N images, in order.
      values: {restorer: {"region/metric": float64 [N]}}.
      hole_ratio: float64 [N], the missing share of each image, in 0..1.
      fingerprint: Of names and masks. Evaluations of equal fingerprints are comparable.
    """

    names: Sequence[str]
    values: Mapping[str, Mapping[str, np.ndarray]]
    hole_ratio: np.ndarray
    fingerprint: str

    def joined(self, values: Mapping[str, Mapping[str, np.ndarray]]) -> Evaluation:
        """Adds values of these restorers or of others."""
        merged = dict(self.values)
        for restorer, keys in values.items():
            merged[restorer] = {**merged.get(restorer, {}), **keys}
        return dataclasses.replace(self, values=merged)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an .npz file, whole or not at all."""
        index = [(r, key) for r in self.values for key in self.values[r]]
        columns = [self.values[r][key] for r, key in index]
        header = {
            "format": FORMAT,
            "names": list(self.names),
            "restorers": list(self.values),
            "index": index,
            "fingerprint": self.fingerprint,
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            header=np.frombuffer(json.dumps(header).encode(), np.uint8),
            hole_ratio=np.asarray(self.hole_ratio, np.float64),
            values=np.reshape(columns, [len(index), len(self.names)]),
        )
        pixels.write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Evaluation:
        """Reads what `save` wrote."""
        try:
            with np.load(pathlib.Path(path), allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                if header["format"] != FORMAT:
                    raise ValueError(f"format {header['format']}, not {FORMAT}")
                values = {restorer: {} for restorer in header["restorers"]}
                columns = file["values"]
                for position, (restorer, key) in enumerate(header["index"]):
                    values[restorer][key] = columns[position]
                return cls(
                    tuple(header["names"]),
                    values,
                    file["hole_ratio"],
                    header["fingerprint"],
                )
        except FileNotFoundError:
            raise
        # NumPy and zipfile raise many kinds of errors on a damaged file.
        except Exception as error:
            raise ValueError(
                f"{path}: not an evaluation written by this version ({error}). "
                "Delete it and evaluate again."
            ) from error


def merge(first: Evaluation, *others: Evaluation) -> Evaluation:
    """Joins the restorers of several runs in one evaluation of the same images.

    Raises:
      ValueError: If the sets differ, or a name stands for different results.
    """
    values = {restorer: dict(keys) for restorer, keys in first.values.items()}
    for other in others:
        if other.fingerprint != first.fingerprint:
            raise ValueError(
                f"Fingerprints {first.fingerprint} and {other.fingerprint} differ: "
                "other images, another order or other masks. Evaluate both on one set."
            )
        for restorer, keys in other.values.items():
            known = values.setdefault(restorer, dict(keys))
            # One run may have more metrics, such as LPIPS.
            shared = known.keys() & keys.keys()
            values[restorer] = {**keys, **known}
            if not all(
                np.allclose(known[key], keys[key], equal_nan=True) for key in shared
            ):
                raise ValueError(
                    f"Two different results are called {restorer!r}; rename one."
                )
    return dataclasses.replace(first, values=values)


def concatenate(
    parts: Sequence[Evaluation], fingerprints: Sequence[str], fingerprint: str
) -> Evaluation:
    """Joins evaluations of the same restorers on consecutive parts of a set.

    Args:
      parts: In the set's order.
      fingerprints: What each of them should have.
      fingerprint: Of the whole set.

    Raises:
      ValueError: If a part is of other images or masks, or of other restorers.
    """
    first = parts[0]
    for number, (part, expected) in enumerate(zip(parts, fingerprints), 1):
        if part.fingerprint != expected:
            raise ValueError(
                f"Part {number} has fingerprint {part.fingerprint} and not {expected}: "
                "other images, another order or other masks. Measure it again."
            )
        if list(part.values) != list(first.values):
            raise ValueError(
                f"Part {number} is of {', '.join(part.values)}, the first one of "
                f"{', '.join(first.values)}. Measure both with the same flags."
            )

    def column(restorer: str, key: str) -> np.ndarray:
        # Images of other sizes may lack a metric.
        columns = (
            part.values[restorer].get(key, np.full(len(part.names), np.nan))
            for part in parts
        )
        return np.concatenate([*columns])

    values = {
        restorer: {
            key: column(restorer, key)
            for key in dict.fromkeys(k for part in parts for k in part.values[restorer])
        }
        for restorer in first.values
    }
    names = tuple(name for part in parts for name in part.names)
    ratio = np.concatenate([part.hole_ratio for part in parts])
    return Evaluation(names, values, ratio, fingerprint)
