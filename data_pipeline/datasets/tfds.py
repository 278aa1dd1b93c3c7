"""Data sets prepared by tensorflow-datasets (TFDS), read offline.

A folder with a `dataset_info.json` is opened as it is (`tfds.builder_from_directory`),
so that nothing reaches the network; without one TFDS is not even imported.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from data_pipeline.datasets import elements

_INFO = "dataset_info.json"
DEFAULT_DIR = "~/tensorflow_datasets"
_UNSET = ", which is looked in because --data_dir is not set"
_LAYOUTS = ("{name}/*", "{name}/*/*", "", "*", "*/*")  # version, or config and version


def find(data_dir: str, name: str, *, size: int = 0) -> pathlib.Path | None:
    """The folder of one prepared version of a data set, or None.

    Args:
      data_dir: TFDS's data_dir, or the folder of the set or of one version; empty
        means TFDS's own default.
      name: Of the set, as TFDS calls it.
      size: Of several configurations named by their resolution, the smallest with
        at least so many pixels is taken, or else the largest.

    Returns:
      The latest version.
    """
    # Not Path.expanduser, which raises an error for a user without a home.
    root = pathlib.Path(os.path.expanduser(data_dir or DEFAULT_DIR))
    found = []
    for layout in _LAYOUTS:
        for path in root.glob(os.path.join(layout.format(name=name), _INFO)):
            info = _read_info(path)
            if info.get("name") == name and "incomplete" not in path.parent.name:
                resolution = _number(info.get("configName", ""))
                version = tuple(map(_number, str(info.get("version")).split(".")))
                # Too small is the worst; otherwise the closer to the size the better.
                rank = resolution >= size, -abs(resolution - size), version
                found.append((rank, path.parent))
    return max(found)[1] if found else None


def where(data_dir: str) -> str:
    """Where `find` looked, for errors."""
    return f"in {data_dir or DEFAULT_DIR}" + ("" if data_dir else _UNSET)


def split_names(path: pathlib.Path, split: str) -> list[str]:
    """Names of the records of a prepared split, in their order.

    They are TFDS's own ids, `<shard>__<number>`: prepared sets do not keep the names
    of the files.

    Raises:
      FileNotFoundError: If a shard is missing.
      ValueError: If there is no such split.
    """
    known = _builder(path).info.splits
    if split not in known:
        raise elements.no_such_split(str(path), split, tuple(known))
    names = []
    for shard in known[split].file_instructions:
        if not os.path.exists(shard.filename):
            raise FileNotFoundError(
                f"the prepared data in {path} is incomplete: {shard.filename} is "
                f"missing. Copy it again, or prepare it again with TFDS."
            )
        first = shard.skip
        names += [
            f"{os.path.basename(shard.filename)}__{first + number}"
            for number in range(shard.examples_in_shard)
        ]
    return names


def text_of(path: pathlib.Path, split: str, feature: str) -> list[str]:
    """One text feature of every record; images are not decoded."""
    import tensorflow_datasets as tfds

    wanted = tfds.decode.PartialDecoding({feature: True})
    records = _builder(path).as_dataset(
        split, decoders=wanted, read_config=_in_order(tfds)
    )
    return [record[feature].decode() for record in tfds.as_numpy(records)]


def load(
    info: elements.SourceInfo,
    split: str,
    path: pathlib.Path,
    stored_split: str,
    *,
    rows: np.ndarray | None = None,
    annotate: Mapping[str, Callable[[dict], np.ndarray]] | None = None,
) -> elements.Source:
    """A source of prepared records.

    Args:
      info: Of the set.
      split: Of the source.
      path: From `find`.
      stored_split: TFDS's name of the split that is read.
      rows: Numbers of its records, ascending; None means all. They are read in the
        order of the file, which TFDS shuffled when it prepared them.
      annotate: Optional keys of the elements -> functions of the TFDS record.
    """
    stored = split_names(path, stored_split)
    rows = np.arange(len(stored)) if rows is None else rows
    names = tuple(stored[row] for row in rows)
    annotate = dict(annotate or {})

    def readers(positions: Sequence[int]) -> Iterator[Callable[[], dict]]:
        wanted = [int(rows[position]) for position in positions]
        records = _records(path, stored_split, wanted)
        for position, record in zip(positions, records):
            name = names[position]
            if record["tfds_id"].decode() != name:
                raise RuntimeError(
                    f"TFDS read {record['tfds_id'].decode()} from {path} where {name} "
                    f"was due."
                )
            element = {key: value(record) for key, value in annotate.items()}
            read = functools.partial(bytes, record["image"])
            yield functools.partial(
                elements.decode, {"name": name, **element}, f"{name} in {path}", read
            )

    return elements.Source(info, split, names, readers, tuple(annotate))


def _records(path: pathlib.Path, split: str, rows: Sequence[int]) -> Iterator[dict]:
    """Records at ascending rows in one pass, images undecoded."""
    import tensorflow_datasets as tfds

    if not rows:
        return
    records = _builder(path).as_dataset(
        f"{split}[{rows[0]}:{rows[-1] + 1}]",
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=_in_order(tfds),
    )
    wanted = set(rows)
    for row, record in enumerate(tfds.as_numpy(records), rows[0]):
        if row in wanted:
            yield record


def _in_order(tfds):
    """Shard after shard, as `split_names` lists them."""
    return tfds.ReadConfig(
        interleave_cycle_length=1, add_tfds_id=True, try_autocache=False
    )


@functools.lru_cache(maxsize=4)
def _builder(path: pathlib.Path):
    import tensorflow_datasets as tfds  # takes seconds

    return tfds.builder_from_directory(path)


def _read_info(path: pathlib.Path) -> dict:
    try:
        info = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
