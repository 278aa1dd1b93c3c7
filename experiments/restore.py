r"""Restores pictures with an exported model.

  python -m experiments.restore --model=runs/NAME/export/1 --input=photos \
      --mask=masks --output=restored

--input is a picture or a folder of them (searched recursively). --mask is a picture
(white = missing), a folder with a mask of each picture's name, a rectangle
(rect:x,y,w,h, in pixels of the upright picture), or center or random: a hole of the
size that the model was trained on. Restored pixels are blended with those around them,
so that no seam shows; all other pixels are unchanged. Results are PNGs with the names
of their inputs; a text chunk marks them as restored. Pictures that cannot be restored
are named and skipped; the command then ends with an error.

The models were trained on upright, aligned faces. For other photographs,

  python -m experiments.restore --align --mask=mouth ...

finds the faces, aligns and restores each, and pastes it back into the picture. A mask
may then also be a part of the face: eyes, nose, mouth, left_half, right_half; center
and random are holes in the aligned face.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import tqdm

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from evaluation.tables import counted
from experiments.core import command_line, file_jobs
from experiments.core.command_line import hp
from experiments.core.file_jobs import Job
from serving import png
from serving.export.kinds import INPAINTING
from serving.photo import masks
from serving.photo.blending import blend
from serving.photo.faces import BeyondFacesError, FaceRestorer
from serving.photo.finder import FaceFinder
from serving.photo.framing import NoFaceError
from serving.photo.restorer import PhotoRestorer, UnfillableHoleError
from serving.zoo import zoo

FACES = ("largest", "all")

Result = tuple[pathlib.Path, np.ndarray]  # where it goes, and the restored picture

# Errors of one picture, after which the next one is tried.
_SKIPPED = (
    pixels.UnreadableImageError,
    FileNotFoundError,
    masks.EmptyMaskError,
    NoFaceError,
    UnfillableHoleError,
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Which pictures to restore, and how."""

    model: str = hp("", zoo.flag_help("Folder of an exported model", INPAINTING))
    input: str = hp("", "A picture, or a folder of pictures.")
    output: str = hp("", "Folder for the restored pictures.")
    mask: str = hp(
        "center",
        "A mask picture, a folder of them, rect:x,y,w,h, center, or random; with "
        f"--align also {', '.join(masks.REGIONS)}.",
    )
    align: bool = hp(False, "Find the faces, and align each as in training.")
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
            check_choice("mask", self.mask, (*masks.DRAWN, *masks.REGIONS, *files))
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
    restorer = (AlignedFaces if options.align else WholePictures)(model, options)
    restored = 0
    with tqdm.tqdm(total=len(jobs), unit="img", desc="restore") as progress:
        for start in range(0, len(jobs), options.batch_size):
            batch = jobs[start : start + options.batch_size]
            for target, image in restorer(batch):
                pixels.write_bytes(target, png.encode_png(image, png.RESTORED))
                restored += 1
            progress.update(len(batch))
    file_jobs.conclude(jobs, restored, verb="restored", output=options.output)


@contextlib.contextmanager
def _skipping(picture: pathlib.Path) -> Iterator[None]:
    """Names a picture that cannot be restored, and goes on after the block."""
    try:
        yield
    except _SKIPPED as error:
        file_jobs.skip(picture, str(error))


class WholePictures:
    """Restores pictures without looking for faces in them."""

    def __init__(self, model: PhotoRestorer, options: Options):
        self._model, self._options = model, options

    def __call__(self, batch: Sequence[Job]) -> Iterator[Result]:
        """Yields the pictures that are restored; the others are named and skipped."""
        ready = []
        for picture, target in batch:
            with _skipping(picture):
                image = pixels.read(picture)
                mask = _mask(picture, image, self._options, self._model)
                ready.append((picture, target, image, mask))
        if ready:
            yield from self._fill(ready)

    def _fill(self, ready: Sequence[tuple]) -> Iterator[Result]:
        pictures, targets, images, holes = zip(*ready)
        try:
            restored = self._model(images, holes)
        except UnfillableHoleError as error:
            if len(ready) > 1:
                # It may be any picture's. Alone, each is restored or named.
                for one in ready:
                    yield from self._fill([one])
                return
            (width, height), (tall, wide, _) = masks.span(holes[0]), holes[0].shape
            span = f"spans {width}x{height} of {wide}x{tall} pixels"
            span = span if width else "is empty"
            file_jobs.skip(pictures[0], f"its hole {span}. {error}")
        else:
            for target, image, hole in zip(targets, restored, holes):
                yield target, blend(image, hole, self._model.size)


class AlignedFaces:
    """Finds the faces of pictures, and restores each as the model was trained.

    Raises:
      ValueError: If it is not known how the model's faces are aligned, or MediaPipe is
        needed and not installed.
    """

    def __init__(self, model: PhotoRestorer, options: Options):
        self._model, self._options = model, options
        self._restorer = FaceRestorer(model)
        self._regions = self._restorer.regions()
        if options.landmarks:
            given = np.reshape(options.landmarks, (5, 2))
            self._find = lambda image: [given]
            return
        try:
            self._find = FaceFinder()
        except ImportError as error:
            raise ValueError(f"--align: {error}") from error

    def __call__(self, batch: Sequence[Job]) -> Iterator[Result]:
        """Yields the pictures that are restored; the others are named and skipped."""
        for picture, target in batch:
            with _skipping(picture):
                yield target, self._restored(picture)

    def _restored(self, picture: pathlib.Path) -> np.ndarray:
        """A picture, restored; says how many faces it has."""
        image = pixels.read(picture)
        faces = self._find(image)
        tqdm.tqdm.write(f"{picture}: {counted(len(faces), 'face')}")
        if not faces:
            raise NoFaceError(
                "no face found; what is missing may hide it. Say where it is with "
                "--landmarks, or leave out --align to restore the picture as a whole."
            )
        if self._options.face == "largest":
            faces = faces[:1]
        if self._options.mask in (*masks.DRAWN, *masks.REGIONS):
            mask = self._on_faces(faces, picture.name, image.shape[:2])
        else:
            mask = _mask(picture, image, self._options, self._model)
        try:
            return self._restorer(image, mask, faces)
        except BeyondFacesError as error:
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} --face=all restores every face; "
                "without --align the picture is restored as a whole."
            ) from error
        except UnfillableHoleError as error:
            *others, last = ("center", *self._regions)
            fit = ", ".join(f"--mask={name}" for name in others)
            fit = f"{fit} and --mask={last} fit" if others else f"--mask={last} fits"
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} Of a face {fit} this model; "
                "others need one that fills any hole."
            ) from error

    def _on_faces(
        self, faces: Sequence[np.ndarray], name: str, size: tuple[int, int]
    ) -> np.ndarray:
        """The part of each face, or the center or a random hole of the model's view."""
        kind, side = self._options.mask, self._restorer.size
        missing = np.zeros(size, bool)
        for number, face in enumerate(faces):
            if kind in masks.REGIONS:
                missing |= masks.region(kind, face, *size)
                continue
            key = f"{self._options.seed}/{name}/{number}"
            crop = masks.drawn(kind, (side, side), self._model.hole, key=key)
            missing |= self._restorer.hole(face, crop[..., 0] > 0, *size)
        if not missing.any():
            raise masks.EmptyMaskError(f"--mask={kind} lies outside the picture.")
        return missing.astype(np.uint8)[..., None]


def _mask(
    picture: pathlib.Path, image: np.ndarray, options: Options, model: PhotoRestorer
) -> np.ndarray:
    """The mask of a picture, uint8 [H, W, 1]."""
    return masks.mask_for(
        picture,
        image.shape[:2],
        mask=options.mask,
        root=pathlib.Path(options.input),
        hole=model.hole,
        seed=options.seed,
        missing_is_black=options.missing_is_black,
    )


if __name__ == "__main__":
    main()
