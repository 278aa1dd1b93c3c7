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
    """The folder of the latest prepared version of a data set, or None.

    Args:
      data_dir: TFDS's data_dir, or the folder of the set or of one version; empty
        means TFDS's own default.
      name: As TFDS calls it.
      size: Of several configurations named by their resolution, the smallest with
        at least so many pixels is taken, or else the largest.
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

    decoders = tfds.decode.PartialDecoding({feature: True})
    return [record[feature].decode() for record in _read(path, split, decoders)]


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
      stored_split: TFDS's name for the split.
      rows: Of its records, ascending; None means all. TFDS shuffled them.
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
    wanted, span = set(rows), f"{split}[{rows[0]}:{rows[-1] + 1}]"
    records = _read(path, span, {"image": tfds.decode.SkipDecoding()})
    for row, record in enumerate(records, rows[0]):
        if row in wanted:
            yield record


def _read(path: pathlib.Path, split: str, decoders) -> Iterator[dict]:
    """Records shard after shard, as `split_names` lists them."""
    import tensorflow_datasets as tfds

    config = tfds.ReadConfig(
        interleave_cycle_length=1, add_tfds_id=True, try_autocache=False
    )
    builder, options = _builder(path), {"decoders": decoders, "read_config": config}
    return tfds.as_numpy(builder.as_dataset(split, **options))


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
