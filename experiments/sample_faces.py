r"""Writes pictures of a data set's test split as files, to try a model on.

python -m experiments.sample_faces --count=8 --output=photos
python -m experiments.sample_faces --dataset=lfw --data_dir=DIR --output=photos
"""

from __future__ import annotations

import pathlib
import sys

import tqdm
from absl import flags

from data_pipeline import pixels, sources
from experiments import command

_DATASET = flags.DEFINE_string(
    "dataset", "faces", f"One of {', '.join(sources.DATASETS)}."
)
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Where the data set's files are.")
_COUNT = flags.DEFINE_integer("count", 8, "How many pictures.", lower_bound=1)
_SIZE = flags.DEFINE_integer("image_size", 256, "Side of drawn faces, pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the split.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the pictures.")


def write_pictures() -> None:
    """Writes the pictures."""
    command.require(_OUTPUT)
    source = sources.load(
        _DATASET.value,
        "test",
        data_dir=_DATA_DIR.value,
        seed=_SEED.value,
        limit=_COUNT.value,
        size=_SIZE.value,
    )
    written = 0
    readers = source.readers(range(len(source)))
    for name, reader in tqdm.tqdm(zip(source.names, readers), total=len(source)):
        try:
            element = reader()
        except pixels.UnreadableImageError as error:
            print(f"skipped {error}", file=sys.stderr)
            continue
        path = pathlib.Path(_OUTPUT.value, f"{pathlib.PurePosixPath(name).stem}.png")
        pixels.write_bytes(path, pixels.encode_png(element["image"]))
        written += 1
    print(f"{written} pictures of {source.info.title}: {_OUTPUT.value}")


if __name__ == "__main__":
    command.run(write_pictures)
