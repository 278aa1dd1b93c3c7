r"""Compresses pictures with an exported codec, and decompresses what it made.

  python -m experiments.compress compress --model=runs/NAME/export/1 \
      --input=photos --output=small
  python -m experiments.compress decompress --model=runs/NAME/export/1 \
      --input=small --output=photos_again

--input is a file or a folder (searched recursively). Pictures of any size become files
that end in .fmc, which only the model that wrote them can read, and these become PNGs.
They are 8-bit pictures, gray or color, as they would be looked at: turned as the camera
says, transparency laid over white, without metadata. What cannot be read is named and
skipped; the command then ends with an error after the last file.

A model that makes some hundred numbers of a face (cvae_dcgan) writes --bits=4, 6 or 8
of each; it resizes pictures to the faces it was trained on, and its results back.
"""

from __future__ import annotations

import dataclasses
import pathlib
import statistics
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

import tqdm

from data_pipeline import pixels as data_pipeline_pixels
from data_pipeline.pixels import IMAGE_SUFFIXES, write_bytes
from evaluation.metrics.measure import psnr_db_uint8
from evaluation.tables import counted
from experiments.core import command_line, file_jobs
from experiments.core.command_line import hp
from experiments.core.file_jobs import Job
from serving import png
from serving.codec import container
from serving.codec.container import SUFFIX
from serving.export import codec as export_codec
from serving.export import latents
from serving.export.codec import AnyCodec
from serving.zoo import zoo

_PAPERS = ("portrait_autoencoder", "cvae_dcgan")  # whose models are codecs


@dataclasses.dataclass(frozen=True)
class Options:
    """What to compress or decompress."""

    model: str = hp("", zoo.flag_help("Folder of an exported codec", *_PAPERS))
    input: str = hp("", "A file, or a folder of files.")
    output: str = hp("", "Folder for the results.")
    bits: int = hp(
        0,
        "What a latent takes in files of a model that has a choice, such as 4, 6 or "
        f"8; 0 takes {latents.BITS}. Decompressing needs none.",
    )
    overwrite: bool = hp(
        False, "Replace results that are there; inputs are never replaced."
    )

    def __post_init__(self):
        command_line.require(model=self.model, input=self.input, output=self.output)
        command_line.check_folder("output", self.output)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What became of a picture.

    Attributes:
      size: Of the compressed file, bytes.
      original_size: Of the picture's own file, bytes.
      pixels: How many the picture has.
      psnr_db: Of what the file is decompressed to, as an 8-bit picture.
    """

    size: int
    original_size: int
    pixels: int
    psnr_db: float

    def __str__(self):
        rate = 8 * self.size / self.pixels
        return (
            f"{counted(self.size, 'byte')}, {rate:.3f} bits per pixel, "
            f"{self.psnr_db:.2f} dB"
        )


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    actions = {"compress": compress, "decompress": decompress}
    command_line.run(
        lambda action: actions[action](command_line.from_flags(Options)),
        actions=tuple(actions),
    )


def compress(options: Options) -> None:
    """Compresses every picture that --input names.

    Raises:
      FileNotFoundError: If there is no picture, or no model.
      ValueError: If a result would replace an input, the model is no codec, or pictures
        were skipped.
    """

    def convert(codec: AnyCodec, path: pathlib.Path) -> tuple[bytes, Measured]:
        image = data_pipeline_pixels.read(path)
        data = codec.compress(image)
        return data, Measured(
            size=len(data),
            original_size=path.stat().st_size,
            pixels=image.shape[0] * image.shape[1],
            # Of the bytes themselves: what is written can be read.
            psnr_db=psnr_db_uint8(image, codec.decompress(data)),
        )

    found = _find(options, "picture", IMAGE_SUFFIXES, SUFFIX)
    jobs = file_jobs.pending(found, overwrite=options.overwrite)
    codec = _load(options)
    _tell_of_others(codec, {job[1] for job in found} - {job[1] for job in jobs})
    measured = _convert(codec, jobs, convert, verb="compress")
    if measured:
        print(_total(measured))
    file_jobs.conclude(jobs, len(measured), verb="compressed", output=options.output)


def decompress(options: Options) -> None:
    """Decompresses every file that --input names.

    Raises:
      FileNotFoundError: If there is no file, or no model.
      ValueError: If a result would replace an input, the model is no codec, or files
        were skipped.
    """

    def convert(codec: AnyCodec, path: pathlib.Path) -> tuple[bytes, str]:
        image = codec.decompress(path.read_bytes())
        height, width = image.shape[:2]
        return png.encode_png(image, png.DECODED), f"{width}x{height} pixels"

    found = _find(options, "compressed picture", (SUFFIX,), ".png")
    jobs = file_jobs.pending(found, overwrite=options.overwrite)
    done = len(_convert(_load(options), jobs, convert, verb="decompress"))
    file_jobs.conclude(jobs, done, verb="decompressed", output=options.output)


def _find(
    options: Options, kind: str, suffixes: tuple[str, ...], result: str
) -> list[Job]:
    return file_jobs.find(
        pathlib.Path(options.input),
        pathlib.Path(options.output),
        kind=kind,
        suffixes=suffixes,
        result=result,
    )


def _load(options: Options) -> AnyCodec:
    return export_codec.load(zoo.resolve(options.model), bits=options.bits)


def _tell_of_others(codec: AnyCodec, left: Collection[pathlib.Path]) -> None:
    """Says how many results that are left alone are not what this codec would write."""
    others = sum(_writer(path) != codec.model_id for path in left)
    if others:
        print(
            f"Of these, {others:,} by another model, or with other --bits.",
            file=sys.stderr,
        )


def _writer(path: pathlib.Path) -> bytes:
    """The model that a file names."""
    with path.open("rb") as file:
        return container.claimed_id(file.read(container.HEADER_BYTES))


def _convert(
    codec: AnyCodec,
    jobs: Sequence[Job],
    convert: Callable[[AnyCodec, pathlib.Path], tuple[bytes, Any]],
    *,
    verb: str,
) -> list:
    """Writes what becomes of each file and prints what is said of it.

    Args:
      codec: Which does it.
      jobs: To be done.
      convert: Codec, path -> a result's bytes and what to say of it.
      verb: Of the progress bar.

    Returns:
      What was said, of all but skipped files.
    """
    told = []
    for path, target in tqdm.tqdm(jobs, unit="img", desc=verb):
        try:
            data, of_it = convert(codec, path)
        except (ValueError, OSError) as error:
            file_jobs.skip(path, str(error))
            continue
        write_bytes(target, data)
        tqdm.tqdm.write(f"{path}: {of_it}")
        told.append(of_it)
    return told


def _total(measured: Sequence[Measured]) -> str:
    """The rate is that of all pixels, the PSNR the mean of pictures."""
    size = sum(one.size for one in measured)
    share = size / sum(one.original_size for one in measured)
    rate = 8 * size / sum(one.pixels for one in measured)
    mean = statistics.fmean(one.psnr_db for one in measured)
    return (
        f"in all {counted(size, 'byte')}, {share:.1%} of the pictures' files; "
        f"{rate:.3f} bits per pixel, mean PSNR {mean:.2f} dB"
    )


if __name__ == "__main__":
    main()
