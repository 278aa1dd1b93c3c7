r"""Compresses pictures with an exported codec.

  facemend compress --quality=60 --input=photos --output=small
  facemend decompress --input=small --output=photos_again

--input is a picture or a folder, which is searched recursively. Pictures of any size
become .fmc files, which only the model that wrote them can read. EXIF orientation is
applied, colors become sRGB, transparency is laid over white, and metadata is dropped.
Files that cannot be read are named and skipped; the command then ends with an error
after the last file.

Without --model it takes the codec of portraits that comes along. --quality is 0 for the
smallest files to 100 for the best pictures; --target_bytes=N takes, for each picture,
the best quality whose file has at most N bytes. With --lossless no file is larger than
a PNG of its picture.

  facemend compress --target_bytes=8000 --input=photos --output=small

Codecs of faces (--model=cvae) encode a picture as some hundred numbers of --bits=4, 6
or 8 each. They resize pictures to the size they were trained on, and results back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tqdm

from data_pipeline import limits, pixels
from data_pipeline.choices import check_choice
from evaluation.metrics.measure import psnr_db_uint8
from evaluation.tables import counted
from experiments.core import command_line, file_jobs, provenance, shards
from experiments.core.command_line import hp, hp_like
from experiments.core.file_jobs import Job
from experiments.core.provenance import Made, Results
from experiments.core.shards import Shard
from models.optional import tensorflow_compression
from serving import engines, png
from serving.codec.base import Codec
from serving.codec.container import SUFFIX
from serving.codec.image_codec import ImageCodec
from serving.export import codec, latents
from serving.export.kinds import CODEC, LATENTS
from serving.zoo import zoo
from serving.zoo.reader import Reader

Makes = Callable[[pathlib.Path], Made]  # a file -> what makes its result

MODEL = "portrait_codec"  # the codec that comes along
_KINDS = (CODEC, LATENTS)  # of models
_FAR = 4  # times; no level of PNG makes as much of a difference


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Flags of the files, and of the model; also of `decompress`."""

    model: str = hp("", zoo.flag_help("Folder of an exported codec", *_KINDS))
    input: str = hp("", "A file, or a folder of files.")
    output: str = hp("", "Folder for the results.")
    overwrite: bool = hp(
        False, "Replace results that are there; inputs are never replaced."
    )
    shard: str = hp("", shards.HELP)

    def __post_init__(self):
        Shard.parse(self.shard)
        command_line.require(input=self.input, output=self.output)
        command_line.check_folder("output", self.output)


@dataclasses.dataclass(frozen=True)
class Options(FileOptions):
    """Flags of the command."""

    model: str = hp_like(FileOptions, "model", MODEL)
    quality: int = hp(
        -1,
        "Quality of the files, with a codec of several rates: 0 makes the smallest "
        "files, 100 the best pictures; -1 takes the codec's default.",
    )
    target_bytes: int = hp(
        0,
        "Instead of --quality, for each picture the best quality whose file has at "
        "most so many bytes.",
    )
    lossless: bool = hp(
        False,
        "Where the codec's file would be no smaller than a PNG of the picture, the "
        ".fmc file is that PNG, which loses nothing.",
    )
    bits: int = hp(
        0,
        "Bits of a latent in the files that a codec of faces writes, such as 4, 6 or "
        f"8; 0 takes {latents.BITS}. Decompressing needs none.",
    )
    levels: tuple[float, ...] = hp_like(file_jobs.RestoreOptions, "levels")
    engine: str = hp(
        engines.TENSORFLOW,
        "The program that computes the codec: tensorflow alone; see docs/codecs.md.",
    )

    def __post_init__(self):
        super().__post_init__()
        file_jobs.check_levels(self.levels)
        check_choice("engine", self.engine, engines.ENGINES)
        if self.engine != engines.TENSORFLOW:
            raise ValueError(
                f"--engine={self.engine} is not of codecs: other engines round "
                "otherwise, and the same picture would become other bytes than on the "
                "page and the server, at no gain in speed (docs/codecs.md). Leave the "
                "flag out; restore and app take it."
            )
        command_line.require(model=self.model)
        command_line.check_at_least("target_bytes", self.target_bytes, 0)
        if self.quality != -1 and self.target_bytes:
            raise ValueError(
                "--quality and --target_bytes each say how large files are; pass one "
                "of them."
            )
        if not -1 <= self.quality <= 100:
            raise ValueError(f"--quality must be 0 to 100; got {self.quality}.")


@dataclasses.dataclass(frozen=True)
class Measured:
    """Measurements of a compressed picture."""

    size: int  # of the compressed file, bytes
    original_size: int  # of the picture's own file, bytes
    pixels: int
    psnr_db: float  # of the decompressed picture, 8-bit
    png_size: int  # of a PNG of the picture, bytes

    def __str__(self):
        rate = 8 * self.size / self.pixels
        text = (
            f"{counted(self.size, 'byte')}, {rate:.3f} bits per pixel, "
            f"{self.psnr_db:.2f} dB"
        )
        if self.png_size < self.size:
            text += (
                f". Warning: a PNG of it, without loss, has "
                f"{counted(self.png_size, 'byte')} only; keep that instead"
            )
        return text


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    # The words are those of before `facemend decompress`.
    actions = {"compress": compress, "decompress": decompress}
    command_line.run(
        lambda action: actions[action](command_line.from_flags(Options)),
        actions=tuple(actions),
        usual="compress",
    )


def compress(options: Options) -> None:
    """Compresses every picture that --input names.

    Raises:
      FileNotFoundError: If there is no picture, or no model.
      ValueError: If a result would replace an input, the model is no codec, or pictures
        were skipped.
    """
    load = functools.cache(lambda: _open(options))

    def convert(path: pathlib.Path) -> tuple[bytes, Measured]:
        codec, image = load(), pixels.read_picture(path, options.levels).image
        data = _encoded(codec, image, options.target_bytes)
        whole = _png(image, len(data))
        lossless = options.lossless and len(whole) <= len(data)
        if lossless:
            data = whole
        if options.target_bytes and len(data) > options.target_bytes:
            raise ValueError(
                f"the smallest file has {len(data):,} bytes, more than --target_bytes="
                f"{options.target_bytes}. Shrink the picture."
            )
        # Of the bytes themselves, so that every written file can be read.
        decoded = image if lossless else codec.decompress(data)
        measured = Measured(
            size=len(data),
            original_size=path.stat().st_size,
            pixels=image.shape[0] * image.shape[1],
            psnr_db=psnr_db_uint8(image, decoded),
            png_size=len(whole),
        )
        if shard.is_part:
            _note(options, path, measured)
        return data, measured

    which = {"model": zoo.fingerprint(options.model, *_KINDS)}

    def makes(path: pathlib.Path) -> Made:
        return provenance.made("compress", provenance.digest_of(path), options, **which)

    shard = Shard.parse(options.shard)
    found, jobs = _jobs(options, "picture", pixels.IMAGE_SUFFIXES, SUFFIX, makes)
    if shard.merges:
        if measured := _noted(options, found):
            print(_total(measured))
        file_jobs.conclude(
            found, 0, verb="compressed", output=options.output, shard=shard
        )
        return
    if shard.is_part:
        pathlib.Path(options.output).mkdir(parents=True, exist_ok=True)
        _notes(options, shard).touch()
    if not jobs:
        return
    load()
    measured = _convert(options, jobs, convert, makes, verb="compress")
    if measured:
        print(_total(measured))
    file_jobs.conclude(
        jobs, len(measured), verb="compressed", output=options.output, shard=shard
    )


def decompress(options: FileOptions) -> None:
    """Decompresses every file that --input names, each by the codec that it names.

    Raises:
      FileNotFoundError: If there is no file, or no model.
      ValueError: As `compress`.
    """

    def convert(path: pathlib.Path) -> tuple[bytes, str]:
        image = reader().decompress(pixels.read_bytes(path))
        height, width = image.shape[:2]
        return png.encode_png(image, png.DECODED), f"{width}x{height} pixels"

    def makes(path: pathlib.Path) -> Made:
        # A file says which model reads it.
        return provenance.made("decompress", provenance.digest_of(path))

    reader = functools.cache(lambda: _reader(options.model))
    shard = Shard.parse(options.shard)
    found, jobs = _jobs(options, "compressed picture", (SUFFIX,), ".png", makes)
    where = {"verb": "decompressed", "output": options.output, "shard": shard}
    if shard.merges:
        file_jobs.conclude(found, 0, **where)
        return
    if not jobs:
        return
    reader()
    done = _convert(options, jobs, convert, makes, verb="decompress")
    file_jobs.conclude(jobs, len(done), **where)


def _open(options: Options) -> Codec:
    """The codec of --model, at --quality."""
    opened = codec.load(
        zoo.resolve(options.model, *_KINDS),
        bits=options.bits,
        max_pixels=limits.max_padded(),
    )
    if isinstance(opened, ImageCodec) and not opened.writes:
        raise ValueError(
            f"--model={options.model} is kept to read its files and writes none. Leave "
            "the flag out, or pass another codec."
        )
    if options.quality == -1:
        return opened
    if not isinstance(opened, ImageCodec):
        raise ValueError(
            f"--quality does not apply to {options.model}, whose files are all of one "
            "size; --bits chooses it."
        )
    return opened.at(options.quality)


def _encoded(codec: Codec, image: np.ndarray, most: int) -> bytes:
    """A picture's file, of at most so many bytes if the codec has such; 0 is any."""
    if most and isinstance(codec, ImageCodec):
        return codec.compress_to(image, most)
    return codec.compress(image)


def _reader(model: str) -> Reader:
    """Of the files of shipped models, which it opens itself, and of another one."""
    most = limits.max_padded()
    others = [] if model in ("", *zoo.names(*_KINDS)) else [model]
    folders = (zoo.resolve(other, *_KINDS) for other in others)
    return Reader(
        [codec.load(folder, max_pixels=most) for folder in folders], max_pixels=most
    )


def _jobs(
    options: FileOptions,
    kind: str,
    suffixes: tuple[str, ...],
    result: str,
    makes: Makes,
) -> tuple[list[Job], list[Job]]:
    """All jobs of the shard, and those that are to be done; see `file_jobs`."""
    found = file_jobs.find(
        pathlib.Path(options.input),
        pathlib.Path(options.output),
        kind=kind,
        suffixes=suffixes,
        result=result,
    )
    shard = Shard.parse(options.shard)
    standing = functools.partial(Results(options.output).standing, makes=makes)
    jobs = file_jobs.pending(found, standing, overwrite=options.overwrite, shard=shard)
    return found if shard.merges else list(shard.of(found)), jobs


def _notes(options: Options, shard: Shard) -> pathlib.Path:
    """Where a shard keeps what it has measured, a line a picture."""
    return pathlib.Path(options.output, f".compressed-{shard.name}.jsonl")


def _name(options: Options, path: pathlib.Path) -> str:
    return os.path.relpath(path, options.input)


def _note(options: Options, path: pathlib.Path, measured: Measured) -> None:
    """Keeps a picture's measurements, before its file: a killed shard goes on after it.

    A line begins with its end, so that one that was cut off spoils no other.
    """
    values = {"name": _name(options, path), **dataclasses.asdict(measured)}
    with _notes(options, Shard.parse(options.shard)).open("a") as lines:
        lines.write("\n" + json.dumps(values))


def _noted(options: Options, jobs: Sequence[Job]) -> list[Measured]:
    """What all shards have measured of the pictures that have results, in their order.

    Raises:
      FileNotFoundError: If a shard has not begun.
      ValueError: If there is a result without measurements.
    """
    found = {}
    for shard in Shard.parse(options.shard).all:
        file = _notes(options, shard)
        if not file.exists():
            raise FileNotFoundError(
                f"{file} is missing: run --shard={shard.number}/{shard.count} first."
            )
        for line in file.read_text().splitlines():
            with contextlib.suppress(ValueError):  # cut off by a kill
                values = json.loads(line)
                name = values.pop("name")
                found[name] = Measured(**values)
    done = [_name(options, path) for path, target in jobs if os.path.exists(target)]
    lacking = [name for name in done if name not in found]
    if lacking:
        raise ValueError(
            f"No shard has measured {counted(len(lacking), 'result')} in "
            f"{options.output}, such as that of {file_jobs.shown(lacking[0])}. Delete "
            "them, and run the shards again."
        )
    return [found[name] for name in done]


def _convert(
    options: FileOptions,
    jobs: Sequence[Job],
    convert: Callable[[pathlib.Path], tuple[bytes, Any]],
    makes: Makes,
    *,
    verb: str,
) -> list:
    """Writes the results of `convert`, and prints and returns its notes on them."""
    tensorflow_compression()  # otherwise each picture would be refused
    results, notes = Results(options.output, Shard.parse(options.shard)), []
    progress = file_jobs.progress(jobs, verb)
    for (path, target), result in file_jobs.in_threads(
        lambda job: (makes(job[0]), *convert(job[0])), progress
    ):
        try:
            made, data, note = result()
        except (ValueError, OSError) as error:
            file_jobs.skip(path, str(error))
            continue
        if file_jobs.write(path, target, data, results, made):
            tqdm.tqdm.write(f"{file_jobs.shown(path)}: {note}")
            notes.append(note)
    return notes


def _png(image: np.ndarray, size: int) -> bytes:
    """A picture's PNG, compressed hard unless it is far larger than `size` anyway."""
    quick = png.encode_png(image, "", level=1)
    return quick if len(quick) > _FAR * size else png.encode_png(image, "", level=6)


def _total(measured: Sequence[Measured]) -> str:
    """The rate over all pixels, and the mean of the pictures' PSNR."""
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
