r"""Writes pictures of a data set's test split to files, to try a model on.

facemend sample_faces --count=8 --output=photos
facemend sample_faces --dataset=lfw --data_dir=DIR --output=photos
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys

import tqdm

from data_pipeline import pixels, sources
from evaluation.tables import counted
from experiments.core import command_line
from experiments.core.command_line import hp


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the command."""

    dataset: str = hp("faces", f"One of {', '.join(sources.DATASETS)}.")
    data_dir: str = hp("", "Folder of the data set's files.")
    count: int = hp(8, "How many pictures.")
    image_size: int = hp(256, "Side of drawn faces, pixels.")
    seed: int = hp(0, "Of the split.")
    output: str = hp("", "Folder for the pictures.")

    def __post_init__(self):
        command_line.require(output=self.output)
        command_line.check_folder("output", self.output)
        command_line.check_at_least("count", self.count, 1)


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(lambda: write_pictures(command_line.from_flags(Options)))


def write_pictures(options: Options) -> None:
    """Writes the pictures, without those that cannot be read."""
    source = sources.load(
        options.dataset,
        "test",
        data_dir=options.data_dir,
        seed=options.seed,
        limit=options.count,
        size=options.image_size,
    )
    written = 0
    readers = source.readers(range(len(source)))
    progress = tqdm.tqdm(
        zip(source.names, readers), total=len(source), unit="img", desc="sample"
    )
    for name, reader in progress:
        try:
            element = reader()
        except pixels.UnreadableImageError as error:
            tqdm.tqdm.write(f"skipped {error}", file=sys.stderr)
            continue
        path = pathlib.Path(options.output, f"{pathlib.PurePosixPath(name).stem}.png")
        pixels.write_bytes(path, pixels.encode_png(element["image"]))
        written += 1
    print(f"{counted(written, 'picture')} of {source.info.title}: {options.output}")


if __name__ == "__main__":
    main()
