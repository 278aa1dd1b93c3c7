r"""Restores pictures with an exported model.

  python -m experiments.restore --model=runs/NAME/export/1 --input=photos \
      --mask=masks --output=restored

--input is a picture or a folder of them (searched recursively); --mask says what is
missing: a picture (white = missing), a folder with a mask of each picture's name, a
rectangle (rect:x,y,w,h, in pixels of the upright picture), or center or random, as
large a part of the picture as the model was trained on. What is drawn there is fitted
to the colors around it, so that no seam shows; all other pixels stay as they are.
Results are PNGs that keep the names of their inputs and say in a text chunk that they
are restored. What cannot be restored is named and skipped; the command then ends with
an error after the last picture.

Of pictures that are not framed as those the model was trained on, such as photographs,

  python -m experiments.restore --align --mask=mouth ...

finds the faces, restores each as the model has met faces, and fits it into the picture.
There a mask may also be a part of the face: eyes, nose, mouth, left_half, right_half;
center and random are those of what the model sees of the face.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tqdm

from data_pipeline import pixels
from experiments import command, file_jobs, restore_faces, restore_masks
from experiments import config as configs
from experiments.config import check_choice, hp
from serving import labeled, zoo
from serving.framing import NoFaceError
from serving.photo import PhotoRestorer, UnfillableHoleError
from serving.seamless import seamless

# The systems that fill holes.
_PAPERS = ("skip_inpainting", "multiscale_context_encoder", "pyramid_cgan")
# What is wrong with one picture and not with the next.
_SKIPPED = (
    pixels.UnreadableImageError,
    FileNotFoundError,
    restore_masks.EmptyMaskError,
    NoFaceError,
    UnfillableHoleError,
)


@dataclasses.dataclass(frozen=True)
class Options:
    """What to restore, and how."""

    model: str = hp("", zoo.flag_help("Folder of an exported model", *_PAPERS))
    input: str = hp("", "A picture, or a folder of pictures.")
    output: str = hp("", "Folder for the restored pictures.")
    mask: str = hp(
        "center",
        "A mask picture, a folder of them, rect:x,y,w,h, center, or random; with "
        f"--align also {', '.join(restore_masks.REGIONS)}.",
    )
    align: bool = hp(False, "Find the faces, and restore each as the model met faces.")
    face: str = hp("largest", "Which of several faces, with --align: largest or all.")
    landmarks: tuple[float, ...] = hp(
        (),
        "Where the face is, instead of finding it: x and y of left eye, right eye, "
        "nose, left and right corner of the mouth, pixels.",
    )
    missing_is_black: bool = hp(False, "In mask pictures black marks what is missing.")
    batch_size: int = hp(8, "Pictures at once.")
    seed: int = hp(0, "Of --mask=random.")
    overwrite: bool = hp(
        False, "Replace results that are there; inputs are never replaced."
    )

    def __post_init__(self):
        command.require(model=self.model, input=self.input, output=self.output)
        command.check_folder("output", self.output)
        configs.check_at_least("batch_size", self.batch_size, 1)
        check_choice("face", self.face, restore_faces.FACES)
        if self.mask.startswith(restore_masks.RECTANGLE):
            restore_masks.rectangle(self.mask)
        elif not pathlib.Path(self.mask).exists():
            files = ("rect:x,y,w,h", "a mask picture or a folder of them")
            check_choice(
                "mask",
                self.mask,
                (*restore_masks.DRAWN, *restore_masks.REGIONS, *files),
            )
        if len(self.landmarks) not in (0, 10):
            raise ValueError(
                "--landmarks takes ten numbers, x and y of left eye, right eye, nose, "
                "left and right corner of the mouth, such as 69,111,107,111,88,135,"
                f"72,152,105,152; got {len(self.landmarks)}."
            )
        if not self.align:
            for flag, given in (
                ("mask", self.mask if self.mask in restore_masks.REGIONS else ""),
                ("face", self.face if self.face != "largest" else ""),
                ("landmarks", ",".join(f"{value:g}" for value in self.landmarks)),
            ):
                if given:
                    raise ValueError(f"--{flag}={given} needs --align; add it.")


def main() -> None:
    """The command line."""
    configs.define_flags(Options)
    command.run(lambda: restore(configs.from_flags(Options)))


def restore(options: Options) -> None:
    """Restores everything that --input names.

    Raises:
      FileNotFoundError: If there is no picture, or no model.
      ValueError: If a result would replace an input, or pictures were skipped.
    """
    jobs = file_jobs.find(
        pathlib.Path(options.input),
        pathlib.Path(options.output),
        kind="picture",
        suffixes=pixels.IMAGE_SUFFIXES,
        result=".png",
    )
    jobs = file_jobs.pending(jobs, overwrite=options.overwrite)
    model = PhotoRestorer(zoo.resolve(options.model))
    fill = _aligned(model, options) if options.align else _whole(model, options)
    restored = 0
    with tqdm.tqdm(total=len(jobs), unit="img", desc="restore") as progress:
        for start in range(0, len(jobs), options.batch_size):
            batch = jobs[start : start + options.batch_size]
            for target, image in fill(batch):
                pixels.write_bytes(target, labeled.encode_png(image, labeled.RESTORED))
                restored += 1
            progress.update(len(batch))
    file_jobs.conclude(jobs, restored, verb="restored", output=options.output)


def _aligned(model: PhotoRestorer, options: Options) -> Callable:
    """Batch -> (where to, restored image) of the pictures whose faces are restored."""
    restorer = restore_faces.PictureRestorer(
        model,
        which=options.face,
        landmarks=options.landmarks,
        mask=options.mask,
        seed=options.seed,
    )

    def fill(batch: list) -> Iterator[tuple]:
        for picture, target in batch:
            try:
                image = pixels.read(picture)
                mask_for = functools.partial(_mask, picture, image, options, model)
                yield target, restorer(picture, image, mask_for)
            except _SKIPPED as error:
                file_jobs.skip(picture, str(error))

    return fill


def _whole(model: PhotoRestorer, options: Options) -> Callable:
    """Batch -> (where to, restored image) of the pictures that are restored."""

    def fill(batch: list) -> Iterator[tuple]:
        ready = []
        for picture, target in batch:
            try:
                image = pixels.read(picture)
                mask = _mask(picture, image, options, model)
            except _SKIPPED as error:
                file_jobs.skip(picture, str(error))
            else:
                ready.append(_Ready(picture, target, image, mask))
        yield from _fill(model, ready)

    return fill


def _mask(
    picture: pathlib.Path, image: np.ndarray, options: Options, model: PhotoRestorer
) -> np.ndarray:
    """What is missing of a picture, uint8 [H, W, 1]."""
    return restore_masks.mask_for(
        picture,
        image.shape[:2],
        mask=options.mask,
        root=pathlib.Path(options.input),
        hole=model.hole,
        seed=options.seed,
        missing_is_black=options.missing_is_black,
    )


@dataclasses.dataclass(frozen=True)
class _Ready:
    """A picture that has been read: image uint8 [H, W, 3], mask uint8 [H, W, 1]."""

    picture: pathlib.Path
    target: pathlib.Path
    image: np.ndarray
    mask: np.ndarray


def _fill(model: PhotoRestorer, ready: list) -> Iterator[tuple]:
    """(where to, restored image) of the pictures whose holes the model can fill."""
    if not ready:
        return
    try:
        restored = model([one.image for one in ready], [one.mask for one in ready])
    except UnfillableHoleError as error:
        if len(ready) == 1:
            file_jobs.skip(
                ready[0].picture, f"its hole {_span(ready[0].mask)}. {error}"
            )
            return
        # It may be any picture's of the batch. Alone, each is restored or named.
        for one in ready:
            yield from _fill(model, [one])
    else:
        for one, image in zip(ready, restored):
            yield one.target, seamless(image, one.mask, model.size)


def _span(mask: np.ndarray) -> str:
    """How large a hole is, such as "spans 60x50 of 90x90 pixels"."""
    if not mask.any():
        return "is empty"
    sides = (np.flatnonzero(mask.any(axis=(axis, 2))) for axis in (0, 1))
    width, height = (np.ptp(side) + 1 for side in sides)
    return f"spans {width}x{height} of {mask.shape[1]}x{mask.shape[0]} pixels"


if __name__ == "__main__":
    main()
