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
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from evaluation.tables import counted
from experiments.core import command_line, file_jobs
from experiments.core.command_line import hp
from serving import png
from serving.export.kinds import INPAINTING
from serving.photo import masks
from serving.photo.blending import seamless
from serving.photo.faces import BeyondFacesError, FaceRestorer
from serving.photo.finder import FaceFinder
from serving.photo.framing import NoFaceError
from serving.photo.restorer import PhotoRestorer, UnfillableHoleError
from serving.zoo import zoo

# What is wrong with one picture and not with the next.
_SKIPPED = (
    pixels.UnreadableImageError,
    FileNotFoundError,
    masks.EmptyMaskError,
    NoFaceError,
    UnfillableHoleError,
)


@dataclasses.dataclass(frozen=True)
class Options:
    """What to restore, and how."""

    model: str = hp("", zoo.flag_help("Folder of an exported model", INPAINTING))
    input: str = hp("", "A picture, or a folder of pictures.")
    output: str = hp("", "Folder for the restored pictures.")
    mask: str = hp(
        "center",
        "A mask picture, a folder of them, rect:x,y,w,h, center, or random; with "
        f"--align also {', '.join(masks.REGIONS)}.",
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
        command_line.require(model=self.model, input=self.input, output=self.output)
        command_line.check_folder("output", self.output)
        command_line.check_at_least("batch_size", self.batch_size, 1)
        check_choice("face", self.face, FACES)
        if self.mask.startswith(masks.RECTANGLE):
            masks.rectangle(self.mask)
        elif not pathlib.Path(self.mask).exists():
            files = ("rect:x,y,w,h", "a mask picture or a folder of them")
            check_choice(
                "mask",
                self.mask,
                (*masks.DRAWN, *masks.REGIONS, *files),
            )
        if len(self.landmarks) not in (0, 10):
            raise ValueError(
                "--landmarks takes ten numbers, x and y of left eye, right eye, nose, "
                "left and right corner of the mouth, such as 69,111,107,111,88,135,"
                f"72,152,105,152; got {len(self.landmarks)}."
            )
        if not self.align:
            for flag, given in (
                ("mask", self.mask if self.mask in masks.REGIONS else ""),
                ("face", self.face if self.face != "largest" else ""),
                ("landmarks", ",".join(f"{value:g}" for value in self.landmarks)),
            ):
                if given:
                    raise ValueError(f"--{flag}={given} needs --align; add it.")


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(lambda: restore(command_line.from_flags(Options)))


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
                pixels.write_bytes(target, png.encode_png(image, png.RESTORED))
                restored += 1
            progress.update(len(batch))
    file_jobs.conclude(jobs, restored, verb="restored", output=options.output)


def _aligned(model: PhotoRestorer, options: Options) -> Callable:
    """Batch -> (where to, restored image) of the pictures whose faces are restored."""
    restorer = PictureRestorer(
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
    return masks.mask_for(
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


FACES = ("largest", "all")


class PictureRestorer:
    """Restores the faces of pictures.

    Args:
      model: That fills holes of aligned faces.
      which: One of `FACES`.
      landmarks: Of the face, x and y of five points; empty lets MediaPipe find it.
      mask: See `experiments.restore`.
      seed: Of random holes.

    Raises:
      ValueError: If the model does not say where it has met faces, or MediaPipe is
        needed and not installed.
    """

    def __init__(
        self,
        model: PhotoRestorer,
        *,
        which: str,
        landmarks: Sequence[float],
        mask: str,
        seed: int,
    ):
        self._restore, self._hole = FaceRestorer(model), model.hole
        self._regions = self._restore.regions()
        self._which, self._mask, self._seed = which, mask, seed
        self._find = _finder(landmarks)

    def __call__(
        self,
        picture: pathlib.Path,
        image: np.ndarray,
        mask_for: Callable[[], np.ndarray],
    ) -> np.ndarray:
        """Restores one picture, and says how many faces it has.

        Args:
          picture: Its file.
          image: uint8 [H, W, 3].
          mask_for: Gives the mask where that does not depend on the faces, uint8
            [H, W, 1]; may raise errors of its own.

        Returns:
          uint8 [H, W, 3].

        Raises:
          NoFaceError: If it has none, or landmarks make none.
          EmptyMaskError: If the hole lies outside the picture.
          UnfillableHoleError: If the model cannot fill it.
        """
        faces = self._find(image)
        tqdm.tqdm.write(f"{picture}: {counted(len(faces), 'face')}")
        if not faces:
            raise NoFaceError(
                "no face found; what is missing may hide it. Say where it is with "
                "--landmarks, or leave out --align: then the picture is restored as a "
                "whole."
            )
        if self._which == "largest":
            faces = faces[:1]
        if self._mask in (*masks.DRAWN, *masks.REGIONS):
            mask = self._on_faces(faces, picture.name, image.shape[:2])
        else:
            mask = mask_for()
        try:
            return self._restore(image, mask, faces)
        except BeyondFacesError as error:
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} --face=all restores every face; "
                "without --align the picture is restored as a whole."
            ) from error
        except UnfillableHoleError as error:
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} {self._fits()}"
            ) from error

    def _fits(self) -> str:
        """Which masks the model fills, and what to do about the others."""
        *others, last = ("--mask=center", *map("--mask={}".format, self._regions))
        fit = f"{', '.join(others)} and {last} fit" if others else f"{last} fits"
        return f"Of a face {fit} this model; others need one that fills any hole."

    def _on_faces(
        self, faces: Sequence[np.ndarray], name: str, size: tuple[int, int]
    ) -> np.ndarray:
        """A hole on each face, uint8 [H, W, 1]."""
        missing = np.zeros(size, bool)
        for number, face in enumerate(faces):
            if self._mask in masks.REGIONS:
                missing |= masks.mask(self._mask, face, *size)
                continue
            # In what the model sees of the face.
            crop = masks.draw(
                self._mask,
                f"{name}/{number}",
                (self._restore.size, self._restore.size),
                hole=self._hole,
                seed=self._seed,
            )
            missing |= self._restore.hole(face, crop[..., 0] > 0, *size)
        if not missing.any():
            raise masks.EmptyMaskError(f"--mask={self._mask} lies outside the picture.")
        return missing.astype(np.uint8)[..., None]


def _finder(landmarks: Sequence[float]) -> Callable[[np.ndarray], list]:
    """Image -> the landmarks of its faces, the largest first."""
    if landmarks:
        given = np.reshape(landmarks, (5, 2))
        return lambda image: [given]
    try:
        return FaceFinder()
    except ImportError as error:
        raise ValueError(f"--align: {error}") from error


if __name__ == "__main__":
    main()
