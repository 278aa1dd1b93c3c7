r"""Encodes faces as latents with an exported autoencoder, and decodes latents.

  facemend latents interpolate --model=runs/NAME/export/1 \
      --input=a.png,b.png --output=between.png
  facemend latents traverse --model=runs/NAME/export/1 \
      --input=a.png --output=moved.png
  facemend latents encode --model=runs/NAME/export/1 \
      --input=photos --output=latents.npz
  facemend latents decode --model=runs/NAME/export/1 \
      --input=latents.npz --output=drawn

interpolate draws faces between two, with the originals at both ends. traverse draws a
face with one latent moved by -3 to +3 standard deviations, a row for each of those that
vary most in the training set. encode writes the latents of pictures of any size,
float32 [N, L], and their names; decode draws latents, with or without names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import pathlib
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np

from data_pipeline import disk, limits, pixels
from evaluation.tables import counted
from experiments.core import command_line, file_jobs, provenance
from experiments.core.command_line import check_at_least, hp
from experiments.core.provenance import Made, Results
from serving import png
from serving.codec import latent_codec
from serving.codec.entropy import npz
from serving.codec.latent_codec import LatentCodec
from serving.export import latents
from serving.export.kinds import LATENTS
from serving.zoo import zoo

_LATENTS = "latents.npy"  # in a file of them
# Of a file of latents that is unpacked: those of 200,000 faces with 512 each pass.
_MOST_BYTES = 2**29


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the command."""

    model: str = hp("", zoo.flag_help("Folder of an exported autoencoder", LATENTS))
    input: str = hp(
        "",
        "Two pictures A,B (interpolate), a picture (traverse), a picture or a folder "
        "of them (encode), or what encode wrote (decode).",
    )
    output: str = hp("", "A .png, a .npz (encode), or a folder (decode).")
    steps: int = hp(9, "Pictures that interpolate draws.")
    count: int = hp(8, "Latents that traverse moves.")
    overwrite: bool = hp(
        False, "Replace results that are there; inputs are never replaced."
    )

    def __post_init__(self):
        command_line.require(model=self.model, input=self.input, output=self.output)
        check_at_least("steps", self.steps, 2)
        check_at_least("count", self.count, 1)


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    actions = {
        "interpolate": interpolate,
        "traverse": traverse,
        "encode": encode,
        "decode": decode,
    }
    command_line.run(
        lambda action: actions[action](command_line.from_flags(Options)),
        actions=tuple(actions),
    )


def interpolate(options: Options) -> None:
    """Draws faces between the two pictures of --input.

    Raises:
      FileNotFoundError: If there is no model.
      ValueError: If --input is not two pictures, or --output may not be written.
    """
    paths = options.input.split(",")
    if len(paths) != 2:
        raise ValueError(
            f"--input takes two pictures, such as a.png,b.png; got {options.input!r}."
        )
    target = _target(options, ".png", *paths)
    codec = _load(options)
    images = [pixels.read(path) for path in paths]
    ends = [codec.encode(image) for image in images]
    walk = latent_codec.interpolate(_decoder(codec), *ends, options.steps)
    first, last = (codec.seen(image) for image in images)
    row = np.stack([first, *(image for _, image in walk), last])
    pixels.write_bytes(target, png.encode_png(pixels.tile([row]), png.STRIP))
    print(f"{target}: original, {counted(options.steps, 'picture')}, original")


def traverse(options: Options) -> None:
    """Draws the picture of --input with the latents moved that vary most.

    Raises:
      FileNotFoundError: If there is no model.
      ValueError: If --input is no picture, or --output may not be written.
    """
    target = _target(options, ".png", options.input)
    codec = _load(options)
    latents = codec.encode(pixels.read(options.input))
    deviations, rows = codec.deviations(), []
    for number in latent_codec.most_used(deviations, options.count):
        walk = latent_codec.traverse(
            _decoder(codec), latents, number, deviations[number]
        )
        rows.append(np.stack([image for _, image in walk]))
        print(f"row {len(rows)}: latent {number}, σ = {deviations[number]:.3g}")
    pixels.write_bytes(target, png.encode_png(pixels.tile(rows), png.DRAWN))
    print(f"{target}: from {walk[0][0]} to {walk[-1][0]}")


def encode(options: Options) -> None:
    """Writes the latents of every picture that --input names.

    Raises:
      FileNotFoundError: If there is no picture, or no model.
      ValueError: If --output may not be written, or pictures were skipped.
    """
    target = _target(options, ".npz", options.input)
    jobs = file_jobs.find(
        pathlib.Path(options.input),
        target,
        kind="picture",
        suffixes=pixels.IMAGE_SUFFIXES,
        result="",  # names as those of files that `decode` writes, without .png
    )
    codec = _load(options)
    found = {}
    for path, relative in file_jobs.progress(jobs, "encode"):
        try:
            latents = codec.encode(pixels.read(path))
        except (ValueError, OSError) as error:
            file_jobs.skip(path, str(error))
            continue
        found[relative.relative_to(target).as_posix()] = latents
    if found:
        write(target, found, codec.model_id)
    file_jobs.conclude(jobs, len(found), verb="encoded", output=options.output)


def decode(options: Options) -> None:
    """Draws the latents in the file of --input, each as a PNG of its name.

    Raises:
      FileNotFoundError: If there is no file, or no model.
      ValueError: If the file holds no latents of this model, or some were skipped.
    """
    command_line.check_folder("output", options.output)
    codec = _load(options)
    found = read(pathlib.Path(options.input), codec.model_id, codec.tables.channels)
    folder = pathlib.Path(options.output)
    jobs = [(pathlib.Path(name), folder / f"{name}.png") for name in found]
    results, done = Results(folder), 0

    def makes(name: pathlib.Path) -> Made:
        source = provenance.digest(found[name.as_posix()].tobytes())
        return provenance.made("decode", source, model=codec.model_id.hex())

    standing = functools.partial(results.standing, makes=makes)
    jobs = file_jobs.pending(jobs, standing, overwrite=options.overwrite)
    for name, target in file_jobs.progress(jobs, "decode"):
        try:
            image = codec.decode(found[name.as_posix()])
        except ValueError as error:
            file_jobs.skip(name, str(error))
            continue
        data = png.encode_png(image, png.DECODED)
        done += file_jobs.write(name, target, data, results, makes(name))
    file_jobs.conclude(jobs, done, verb="decoded", output=options.output)


def _load(options: Options) -> LatentCodec:
    return latents.load(
        zoo.resolve(options.model, LATENTS), max_pixels=limits.max_padded()
    )


def _decoder(codec: LatentCodec) -> latent_codec.Decode:
    return lambda latents: np.stack([codec.decode(each) for each in latents])


def _target(options: Options, suffix: str, *inputs: str) -> pathlib.Path:
    """Checks and returns the path of --output."""
    target = pathlib.Path(options.output)
    if target.suffix.lower() != suffix or target.is_dir():
        raise ValueError(
            f"--output must be a file that ends in {suffix}; got {options.output}."
        )
    if target.resolve() in [pathlib.Path(path).resolve() for path in inputs]:
        raise ValueError(f"--output={target} would replace an input; pass another.")
    if target.exists() and not options.overwrite:
        raise ValueError(
            f"--output={target} is there already; --overwrite replaces it."
        )
    return target


def write(
    path: pathlib.Path, latents: Mapping[str, np.ndarray], model_id: bytes
) -> None:
    """Writes an .npz file with names [N], latents float32 [N, L] and the model."""
    arrays = {
        "names": list(latents),
        "latents": np.stack(list(latents.values())),
        "model": model_id.hex(),
    }
    pixels.write_bytes(path, npz(arrays))


def read(path: pathlib.Path, model_id: bytes, length: int = 0) -> dict[str, np.ndarray]:
    """Reads what `write` wrote, or any .npz file with an array `latents`, [N, L].

    Args:
      path: Of the file.
      model_id: Of the model that draws the latents.
      length: L of that model; 0 takes any.

    Returns:
      {name: float32 [L]}; a name is a relative path. Without names they are numbered.

    Raises:
      FileNotFoundError: If there is no file.
      ValueError: If it holds no latents, too many, or those of another model.
    """
    with _opened(path) as file:
        stated = _stated_length(path, file.zip)
        said = str(file["model"]) if "model" in file else model_id.hex()
        if said != model_id.hex():
            raise ValueError(
                f"{path} holds latents of the model {zoo.named(said)}; this one is "
                f"{zoo.named(model_id.hex())}. Pass the model that encoded them."
            )
        if length and stated != length:
            raise ValueError(
                f"{path} holds latents of {counted(stated, 'number')}; those of this "
                f"model have {length}. Pass the model that encoded them."
            )
        latents = file[_LATENTS].astype(np.float32)
        names = [f"{number:06d}" for number in range(len(latents))]
        names = [str(name) for name in file["names"]] if "names" in file else names
    paths = [pathlib.PurePosixPath(name) for name in names]
    outside = any(path.is_absolute() or ".." in path.parts for path in paths)
    if len(set(paths)) != len(latents) or len(paths) != len(latents) or outside:
        raise ValueError(
            f"{path} must have a name for each of its {len(latents)} latents, no two "
            "alike, that is a path within a folder. Encode the pictures again."
        )
    return {path.as_posix(): row for path, row in zip(paths, latents)}


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Opens an .npz file; errors of its reader become ValueErrors that name it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except FileNotFoundError:
        raise
    # NumPy and zipfile raise a dozen kinds of errors on other files.
    except Exception as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(
            f"{path} holds no latents ({type(error).__name__}: {error}). Pass what "
            "encode wrote, or an .npz file with an array `latents`, [N, L]."
        ) from error


def _stated_length(path: pathlib.Path, file: zipfile.ZipFile) -> int:
    """L of an .npz file's latents, [N, L], as its header states it.

    Raises:
      ValueError: If they are no such table, or what a small file may become is large.
    """
    _check_size(path, sum(member.file_size for member in file.infolist()))
    with file.open(_LATENTS) as member:
        version = np.lib.format.read_magic(member)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, _ = read_header(member)
    if len(shape) != 2:
        raise ValueError(
            f"{path} must hold latents [N, L]; it has {list(shape)}. For a single "
            "picture N is 1."
        )
    _check_size(path, math.prod(shape) * np.dtype(np.float32).itemsize)
    return shape[1]


def _check_size(path: pathlib.Path, size: int) -> None:
    """Raises a ValueError if a file takes too much memory."""
    if size > _MOST_BYTES:
        raise ValueError(
            f"{path} takes {disk.in_bytes(size)} when it is read, more than "
            f"{disk.in_bytes(_MOST_BYTES)}. Divide its latents among several files."
        )


if __name__ == "__main__":
    main()
