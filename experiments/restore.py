r"""Restores pictures with an exported model.

  facemend restore --align --mask=mouth --input=photos --output=restored

finds the faces in each photograph (which needs MediaPipe), aligns and restores each,
and pastes it back: the models were trained on upright faces of one size at one place of
the picture. Pictures that are such faces already are restored as a whole by

  facemend restore --noalign --model=runs/NAME/export/1 --input=faces \
      --mask=masks --output=restored

With neither flag, pictures of the model's own size are taken as such faces, and others
are refused: in them the network would paint a face over whatever is there. A model
whose config.json does not say where faces lie takes any picture.

--input is a picture or a folder of them (searched recursively). --mask is a picture, a
folder with a mask of each picture's name, a rectangle (rect:x,y,w,h, in pixels of the
upright picture), alpha (what is transparent), or center or random: a hole of the size
that the model was trained on, with --align in the aligned face. With --align it may
also be a part of the face: eyes, nose, mouth, left_half or right_half. A mask picture
is white where something is missing, or has strokes on a transparent layer; the command
says what it took it for. Restored pixels are blended with those around them, so that no
seam shows; all other pixels are unchanged. Results are PNGs with the names of their
inputs, or what --format says; they keep the inputs' EXIF data and transparency and are
marked as restored; --invented=DIR writes which of their pixels a network made up.
Pictures that cannot be restored are named and skipped; the command then ends with an
error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tqdm
from PIL import Image

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from data_pipeline.mask_pictures import MaskError
from evaluation.tables import counted
from experiments.core import command_line, file_jobs, shards
from experiments.core.command_line import hp
from experiments.core.file_jobs import Job
from experiments.core.provenance import Made, Results
from experiments.core.shards import Shard
from serving import engines, png
from serving.export import saved_model
from serving.export.fillable import UnfillableHoleError
from serving.export.kinds import INPAINTING
from serving.photo import framing, masks, output
from serving.photo.blending import blend
from serving.photo.faces import BeyondFacesError, FaceRestorer
from serving.photo.finder import FaceFinder
from serving.photo.framing import NoFaceError
from serving.photo.restorer import PhotoRestorer
from serving.zoo import zoo

MODEL = "skip_inpainting_restorer"  # the restorer that comes along
FACES = ("largest", "all")

# A batch has at most so many pixels, or one picture: the memory that it takes is about
# 100 bytes a pixel.
_BATCH_PIXELS = 4_000_000

# Errors of one picture, after which the next one is tried.
_SKIPPED = (
    pixels.UnreadableImageError,
    FileNotFoundError,
    MaskError,
    output.UnwritableError,
    NoFaceError,
    UnfillableHoleError,
)


@dataclasses.dataclass(frozen=True)
class Options(file_jobs.RestoreOptions):
    """Which pictures to restore, and how."""

    model: str = hp(MODEL, zoo.flag_help("Folder of an exported model", INPAINTING))
    input: str = hp("", "A picture, or a folder of pictures.")
    output: str = hp("", "Folder for the restored pictures.")
    mask: str = hp(
        "center",
        "A mask picture, a folder of them, rect:x,y,w,h, alpha (what is transparent), "
        "center, or random; with "
        f"--align also {', '.join(masks.REGIONS)}.",
    )
    # None if neither --align nor --noalign was given.
    align: bool = hp(
        None,
        "Find the faces in each picture, and align each as in training. --noalign "
        "takes each picture as one face that is framed as in training. With neither, "
        "only pictures of the model's own size are taken so, and others are refused.",
    )
    face: str = hp("largest", "Which of several faces, with --align: largest or all.")
    landmarks: tuple[float, ...] = hp(
        (),
        "Where the face is, instead of finding it: x and y of left eye, right eye, "
        "nose, left and right corner of the mouth, pixels.",
    )
    engine: str = hp(engines.TENSORFLOW, engines.ENGINE_HELP)
    precision: str = hp(engines.FLOAT32, engines.PRECISION_HELP)
    batch_size: int = hp(8, "Pictures at once, fewer if they are large.")
    seed: int = hp(0, "Another number moves the holes of --mask=random.")
    invented: str = hp(
        "",
        "Folder for a PNG of each result that is white where a network made up the "
        "pixels and black where they are the picture's own.",
    )
    overwrite: bool = hp(
        False, "Replace results that are there; inputs are never replaced."
    )
    shard: str = hp("", shards.HELP)

    def __post_init__(self):
        super().__post_init__()
        Shard.parse(self.shard)
        command_line.require(model=self.model, input=self.input, output=self.output)
        command_line.check_folder("output", self.output)
        if self.invented:
            command_line.check_folder("invented", self.invented)
            folders = [pathlib.Path(self.invented), pathlib.Path(self.output)]
            if pathlib.Path(self.input).is_dir():
                folders.append(pathlib.Path(self.input))
            if len({folder.resolve() for folder in folders}) < len(folders):
                raise ValueError(
                    f"--invented={self.invented} must be another folder than --input "
                    "and --output: the files in it have the names of the results."
                )
        self.check_folder_of_masks("output", self.output)
        self.check_folder_of_masks("invented", self.invented)
        command_line.check_at_least("batch_size", self.batch_size, 1)
        engines.check(self.engine, self.precision)
        check_choice("face", self.face, FACES)
        if self.mask.startswith(masks.RECTANGLE):
            masks.rectangle(self.mask)
        elif not pathlib.Path(self.mask).exists():
            words = (*masks.DRAWN, masks.ALPHA, *masks.REGIONS)
            files = ("rect:x,y,w,h", "a mask picture or a folder of them")
            check_choice("mask", self.mask, (*words, *files))
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

    def mask_path(self) -> pathlib.Path | None:
        """The mask picture, or the folder of them; None if --mask names no file."""
        return None if self.mask in masks.REGIONS else super().mask_path()

    def aside(self) -> list[pathlib.Path]:
        """What may lie in the input folder and is no picture to restore."""
        invented = [pathlib.Path(self.invented)] if self.invented else []
        return [*super().aside(), *invented]


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
    shard = Shard.parse(options.shard)
    found = file_jobs.find(
        pathlib.Path(options.input),
        pathlib.Path(options.output),
        kind="picture",
        suffixes=pixels.IMAGE_SUFFIXES,
        result=options.suffix,
        aside=options.aside(),
    )
    places = {"output": [target for _, target in found]}
    if options.invented:
        places["invented"] = [_place(target, options) for _, target in found]
    options.check_places(found, **places)
    results, invented = Results(options.output, shard), Results(options.invented, shard)
    # Whether the whole picture was asked for or is the default makes no difference.
    fixed = {"align": bool(options.align)}
    fixed["model"] = zoo.fingerprint(options.model, INPAINTING)
    if options.mask in masks.REGIONS:
        fixed["mask"] = options.mask  # and not a folder of that name
    makes = functools.partial(options.made, "restore", **fixed)

    def standing(jobs: Sequence[Job]) -> set[pathlib.Path]:
        done = results.standing(jobs, makes)
        if options.invented:
            places = [(path, _place(target, options)) for path, target in jobs]
            done &= invented.standing(places, makes)
        return done

    jobs = file_jobs.pending(found, standing, overwrite=options.overwrite, shard=shard)
    if shard.merges:
        file_jobs.conclude(
            found, 0, verb="restored", output=options.output, shard=shard
        )
        return
    if not jobs:
        return
    # What is wrong is told before the model is loaded, which takes long.
    find = _finder(options) if options.align else None
    folder = zoo.resolve(options.model, INPAINTING)
    if not options.align:
        _check_framing(options, folder, [path for path, _ in jobs])
    model = PhotoRestorer(folder, options.engine, options.precision)
    restorer = (
        AlignedFaces(model, options, makes, find)
        if find
        else WholePictures(model, options, makes)
    )

    def finish(result: Result) -> bool:
        task, restored = result
        image = restored()
        data = options.encode(
            task.path, image, task.picture, task.mask, task.target.suffix
        )
        written = file_jobs.write(task.path, task.target, data, results, task.made)
        if written and options.invented:
            place = _place(task.target, options)
            data = png.encode_invented(task.mask)
            written = file_jobs.write(task.path, place, data, invented, task.made)
        return written

    restored = 0
    progress = file_jobs.progress(jobs, "restore")
    for (task, _), written in file_jobs.in_threads(finish, restorer(progress)):
        with _skipping(task.path):
            restored += written()
    file_jobs.conclude(
        jobs, restored, verb="restored", output=options.output, shard=shard
    )


Find = Callable[[np.ndarray], Sequence[np.ndarray]]  # a picture -> landmarks of faces


def _finder(options: Options) -> Find:
    """Finds the faces of a picture, or says where --landmarks has its face.

    Raises:
      ValueError: If MediaPipe is needed and not installed.
    """
    if options.landmarks:
        given = np.reshape(options.landmarks, (5, 2))
        return lambda image: [given]
    try:
        return FaceFinder()
    except ImportError as error:
        raise ValueError(f"--align: {error}") from error


def _check_framing(
    options: Options, folder: pathlib.Path, pictures: Iterable[pathlib.Path]
) -> None:
    """Says that whole pictures are taken as aligned faces, if the model needs such.

    Raises:
      ValueError: If nobody has said that they are, and their size shows nothing either.
    """
    try:
        facts = saved_model.read_config(folder)
        framing.of(facts)
    except (FileNotFoundError, ValueError):  # the latter is told when it is opened
        return
    side = facts.get("image_size", 0)
    for path in pictures if options.align is None else ():
        size = _size(path)
        if size in (None, (side, side)):
            continue
        seen = f" in {side}x{side} pixels" if side else ""
        raise ValueError(
            f"{file_jobs.shown(path)} has {size[0]}x{size[1]} pixels. The model "
            f"{options.model} sees the whole picture as one face{seen}, framed as in "
            "its training, and in any other picture paints a face over what is there. "
            "Add --align, which finds and aligns the faces; or --noalign, if each "
            "picture is one face that is framed as in training."
        )
    print(
        "Each picture is taken as one face that is framed as in the training of "
        f"{options.model}. Other photographs need --align.",
        file=sys.stderr,
    )


def _size(path: pathlib.Path) -> tuple[int, int] | None:
    """Width and height by a file's header; None if it is no picture."""
    if not pixels.is_image(path):
        return None
    with Image.open(path, formats=pixels.installed_formats()) as image:
        return image.size


def _place(target: pathlib.Path, options: Options) -> pathlib.Path:
    """Where the PNG of --invented of a result is: under its name."""
    name = target.relative_to(options.output)
    name = name if name.suffix == ".png" else name.with_name(f"{name.name}.png")
    return pathlib.Path(options.invented) / name


@dataclasses.dataclass(frozen=True)
class Task:
    """A picture to restore.

    Attributes:
      path: Of its file.
      target: Of the result.
      picture: As it was read.
      mask: uint8 [H, W, 1], 1 = missing.
      made: What makes the result; see `provenance.made`.
    """

    path: pathlib.Path
    target: pathlib.Path
    picture: pixels.Picture
    mask: np.ndarray
    made: Made


@contextlib.contextmanager
def _skipping(picture: pathlib.Path) -> Iterator[None]:
    """Names a picture that cannot be restored, and goes on after the block."""
    try:
        yield
    except _SKIPPED as error:
        file_jobs.skip(picture, str(error))


Result = tuple[Task, Callable[[], np.ndarray]]  # with what makes the restored picture
Makes = Callable[[pathlib.Path], Made]  # a picture -> what makes its result


class WholePictures:
    """Restores pictures without looking for faces in them."""

    def __init__(self, model: PhotoRestorer, options: Options, makes: Makes):
        self._model, self._options, self._makes = model, options, makes

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Result]:
        """Yields the pictures that are restored; the others are named and skipped."""
        batch, room = [], _BATCH_PIXELS
        for (path, _), read in file_jobs.in_threads(self._read, jobs):
            task = None
            with _skipping(path):
                task = read()
            if task is None:
                continue
            if batch and (
                task.mask.size > room or len(batch) == self._options.batch_size
            ):
                yield from self._fill(batch)
                batch, room = [], _BATCH_PIXELS
            batch.append(task)
            room -= task.mask.size
        if batch:
            yield from self._fill(batch)

    def _read(self, job: Job) -> Task:
        path, target = job
        made, picture = self._makes(path), self._options.read(path)
        drawn = {"hole": self._model.hole, "seed": self._options.seed}
        mask = self._options.mask_of(path, picture, **drawn)
        return Task(path, target, picture, mask, made)

    def _fill(self, batch: Sequence[Task]) -> Iterator[Result]:
        holes = [task.mask for task in batch]
        try:
            restored = self._model([task.picture.image for task in batch], holes)
        except UnfillableHoleError as error:
            if len(batch) > 1:
                # It may be any picture's. Alone, each is restored or named.
                for task in batch:
                    yield from self._fill([task])
                return
            (width, height), (tall, wide, _) = masks.span(holes[0]), holes[0].shape
            span = f"spans {width}x{height} of {wide}x{tall} pixels"
            file_jobs.skip(batch[0].path, f"its hole {span}. {error}")
        else:
            for task, image in zip(batch, restored):
                size = self._model.size
                yield task, functools.partial(blend, image, task.mask, size)


class AlignedFaces:
    """Finds the faces of pictures, and restores each as the model was trained.

    Raises:
      ValueError: If it is not known how the model's faces are aligned.
    """

    def __init__(
        self, model: PhotoRestorer, options: Options, makes: Makes, find: Find
    ):
        self._model, self._options, self._makes = model, options, makes
        self._find, self._restorer = find, FaceRestorer(model)
        self._regions = self._restorer.regions()

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Result]:
        """Yields the pictures that are restored; the others are named and skipped."""
        for path, target in jobs:
            result = None
            with _skipping(path):
                result = self._restored(path, target)
            if result:
                yield result

    def _restored(self, path: pathlib.Path, target: pathlib.Path) -> Result:
        """A picture, restored; says how many faces it has."""
        made, picture = self._makes(path), self._options.read(path)
        image = picture.image
        faces = self._find(image)
        tqdm.tqdm.write(f"{file_jobs.shown(path)}: {counted(len(faces), 'face')}")
        if not faces:
            raise NoFaceError(
                "no face found; what is missing may hide it. Say where it is with "
                "--landmarks, or pass --noalign if the picture is one face that is "
                "framed as in training."
            )
        if self._options.face == "largest":
            faces = faces[:1]
        if self._options.mask in (*masks.DRAWN, *masks.REGIONS):
            mask = self._on_faces(faces, path.name, image.shape[:2])
        else:
            mask = self._options.mask_of(path, picture)
        restored = self._fill(image, mask, faces)
        return Task(path, target, picture, mask, made), lambda: restored

    def _fill(
        self, image: np.ndarray, mask: np.ndarray, faces: Sequence[np.ndarray]
    ) -> np.ndarray:
        try:
            return self._restorer(image, mask, faces)
        except BeyondFacesError as error:
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} --face=all restores every face."
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
            raise MaskError(f"--mask={kind} lies outside the picture.")
        return missing.astype(np.uint8)[..., None]


if __name__ == "__main__":
    main()
