r"""Restores, compresses or decompresses pictures with a model on a server.

  facemend request restore --server=http://localhost:8501 --model=model3 \
      --input=photos --mask=masks --output=restored
  facemend request compress --server=localhost:8500 --model=lambda_0.01 \
      --tables=runs/lambda_0.01/export/1 --input=photos --output=small
  facemend request decompress --server=localhost:8500 --model=lambda_0.01 \
      --tables=runs/lambda_0.01/export/1 --input=small --output=photos_again

Does what `facemend restore` and `facemend compress` do, with a model that `facemend
serve` serves; --model is its name there. Restored pixels are the network's own:
`facemend restore` fits them to those around them, and this does not, so a seam may
show. The server looks for no faces: it takes each picture as one face that is framed as
in the model's training, and in any other picture it paints a face over what is there.
Photographs need `facemend restore --align`. Files that cannot be read, or are refused,
are named and skipped; the command then ends with an error.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping

from data_pipeline import limits, pixels
from experiments.core import command_line, file_jobs
from experiments.core.command_line import hp
from experiments.core.provenance import Results
from serving import png
from serving.client.client import Client
from serving.client.errors import LASTING
from serving.codec.container import SUFFIX
from serving.export.kinds import CODEC
from serving.photo import masks
from serving.zoo import zoo

_PICTURES = {"kind": "picture", "suffixes": pixels.IMAGE_SUFFIXES}
_COMPRESSED = {"kind": "compressed picture", "suffixes": (SUFFIX,)}


@dataclasses.dataclass(frozen=True)
class Options(file_jobs.RestoreOptions):
    """The server, the model and the files."""

    server: str = hp(
        "http://localhost:8501", "Its address; without http:// it is one of gRPC."
    )
    model: str = hp("", "Name of the model on the server.")
    tables: str = hp(
        "",
        zoo.flag_help(
            "For compress and decompress, folder of the codec's export",
            CODEC,
        ),
    )
    input: str = hp("", "A file, or a folder of files.")
    output: str = hp("", "Folder for the results.")
    mask: str = hp(
        "",
        "For restore, a mask picture, a folder of them, or alpha: what is transparent.",
    )
    codec_quality: int = hp(
        -1,
        "For compress with a codec of several rates: 0 makes the smallest files, 100 "
        "the best pictures; -1 takes the codec's default.",
    )
    timeout: float = hp(30.0, "Seconds to wait for each answer.")
    overwrite: bool = hp(
        False, "Replace results that are there; inputs are never replaced."
    )

    def __post_init__(self):
        super().__post_init__()
        command_line.require(model=self.model, input=self.input, output=self.output)
        command_line.check_folder("output", self.output)
        if not -1 <= self.codec_quality <= 100:
            raise ValueError(
                f"--codec_quality must be 0 to 100; got {self.codec_quality}."
            )
        if self.timeout <= 0:
            raise ValueError(f"--timeout must be above 0; got {self.timeout}.")


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    actions = {"restore": restore, "compress": compress, "decompress": decompress}
    command_line.run(
        lambda action: actions[action](command_line.from_flags(Options)),
        actions=tuple(actions),
    )


def restore(options: Options) -> None:
    """Restores every picture that --input names."""
    command_line.require(mask=options.mask)
    if options.mask != masks.ALPHA and not pathlib.Path(options.mask).exists():
        raise FileNotFoundError(
            f"--mask={options.mask} is neither a picture nor a folder of pictures."
        )

    options.check_folder_of_masks("output", options.output)

    def convert(client: Client, path: pathlib.Path) -> bytes:
        picture = options.read(path)
        mask = options.mask_of(path, picture)
        restored = client.restore(picture.image, mask[..., 0])
        return options.encode(path, restored, picture, mask, options.suffix(path))

    _convert(options, convert, "restore", _PICTURES, options.suffix)


def compress(options: Options) -> None:
    """Compresses every picture that --input names."""
    command_line.require(tables=options.tables)

    def convert(client: Client, path: pathlib.Path) -> bytes:
        quality = None if options.codec_quality == -1 else options.codec_quality
        return client.compress(options.read(path).image, quality)

    _convert(options, convert, "compress", _PICTURES, SUFFIX)


def decompress(options: Options) -> None:
    """Decompresses every file that --input names."""
    command_line.require(tables=options.tables)

    def convert(client: Client, path: pathlib.Path) -> bytes:
        return png.encode_png(client.decompress(pixels.read_bytes(path)), png.DECODED)

    _convert(options, convert, "decompress", _COMPRESSED, ".png")


def _convert(
    options: Options,
    convert: Callable[[Client, pathlib.Path], bytes],
    verb: str,
    inputs: Mapping,
    result: str | Callable[[pathlib.Path], str],
) -> None:
    """Writes the server's result of each file; `inputs` goes to `file_jobs.find`.

    Raises:
      FileNotFoundError: If there are no inputs, or no tables.
      ValueError: If a result would replace an input, the server does not serve the
        model, or files were skipped.
      OSError: If the server does not answer.
    """
    source, output = pathlib.Path(options.input), pathlib.Path(options.output)
    aside = options.aside()
    jobs = file_jobs.find(source, output, result=result, aside=aside, **inputs)
    options.check_places(jobs, output=[target for _, target in jobs])
    results = Results(options.output)
    makes = functools.partial(options.made, f"request {verb}")
    standing = functools.partial(results.standing, makes=makes)
    jobs = file_jobs.pending(jobs, standing, overwrite=options.overwrite)
    if not jobs:
        return
    try:
        client = Client(
            options.server,
            model=options.model,
            timeout=options.timeout,
            tables=zoo.resolve(options.tables, CODEC) if options.tables else None,
            max_pixels=limits.max_padded(),
        )
    except ImportError as error:
        raise ValueError(error) from error
    done = 0
    for path, target in file_jobs.progress(jobs, verb):
        try:
            made, data = makes(path), convert(client, path)
        except LASTING:
            raise
        except (ValueError, OSError) as error:
            file_jobs.skip(path, zoo.named(str(error)))
            continue
        done += file_jobs.write(path, target, data, results, made)
    verb = f"{verb.rstrip('e')}ed"  # "restored", "compressed"
    file_jobs.conclude(jobs, done, verb=verb, output=options.output)


if __name__ == "__main__":
    main()
