"""Face masks for the images of any source, 1 = face.

  finder = build("auto", split.source, folder="CelebAMask-HQ-mask-anno")
  found = find(split, finder, crop="center")

In order of quality: the masks that come with drawn faces, files made by hand,
MediaPipe's face mesh, and an ellipse fitted to landmarks.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import sys
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from data_pipeline import decoded, pixels
from data_pipeline.choices import check_choice
from data_pipeline.datasets.elements import Source
from data_pipeline.decoded import DecodedSplit
from data_pipeline.face_masks import ellipse, files
from data_pipeline.face_mesh import FaceMesh

KINDS = ("auto", "own", "files", "mediapipe", "landmarks")

_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel


@dataclasses.dataclass(frozen=True)
class Finder:
    """A way to find the face in an image.

    Attributes:
      description: The source of the masks and what counts as face, for reports.
      locate: Element -> uint8 [H, W, 1] of its image's size, 1 = face, or None where
        it finds no face. May be called from any thread; raises
        `pixels.UnreadableImageError` for a mask file that cannot be used.
      needs_file: Whether it needs the image as it is in its file, or the image of a
        decoded split is enough.
    """

    description: str
    locate: Callable[[dict], np.ndarray | None]
    needs_file: bool

    def __call__(self, element: dict) -> np.ndarray | None:
        """The face of an element of a source; see `locate`."""
        return self.locate(element)


@dataclasses.dataclass(frozen=True)
class FoundMasks:
    """The face masks of a split.

    Attributes:
      masks: uint8 [N, S, S, 1], 1 = face; all zero where no face was found.
      found: bool [N], whether a face was found.
      without: Names of the images without one.
      description: The finder's.
    """

    masks: np.ndarray
    found: np.ndarray
    without: tuple[str, ...]
    description: str


def build(kind: str, source: Source, *, folder: str = "") -> Finder:
    """Makes a finder for the faces of a source.

    Args:
      kind: "own": the masks that come with the images (drawn faces); "files": masks
        in `folder`, see `files.match`; "mediapipe": the oval of MediaPipe's face
        mesh, an extra to install; "landmarks": an ellipse, see `ellipse.mask`;
        "auto": the best of these that is available.
      source: Of the images.
      folder: Of mask files. "auto" prefers it to everything else.

    Raises:
      ValueError: If the kind is unknown, the source lacks what it needs, or an image
        has several mask files.
      FileNotFoundError: If the folder is not there or has no mask for the images.
      ImportError: If MediaPipe is not installed.
    """
    check_choice("face_masks", kind, KINDS)
    if folder and kind not in ("auto", "files"):
        raise ValueError(
            f"--face_mask_dir={folder} is not read with --face_masks={kind}; leave it "
            "out, or pass --face_masks=files."
        )
    if kind == "auto":
        return _best(source, folder)
    if kind == "own":
        _check_field(kind, source, "face_mask", "face masks")
        return Finder("the data set's own face masks", _own, False)
    if kind == "files":
        return _from_files(source, folder)
    if kind == "mediapipe":
        mesh = FaceMesh()
        return Finder(
            "MediaPipe face mesh, face oval",
            lambda element: _inside_oval(mesh, element["image"]),
            True,
        )
    _check_field(kind, source, "landmarks", "landmarks")
    return Finder("ellipse fitted to five landmarks, approximate", _ellipse, False)


def _best(source: Source, folder: str) -> Finder:
    if folder:
        return build("files", source, folder=folder)
    if "face_mask" in source.fields:
        return build("own", source)
    try:
        return build("mediapipe", source)
    except ImportError:
        if "landmarks" not in source.fields:
            raise
    return build("landmarks", source)


def _check_field(kind: str, source: Source, field: str, words: str) -> None:
    if field not in source.fields:
        raise ValueError(
            f"--face_masks={kind} needs {words} that come with the images, and "
            f"{source.info.title} has none ({source.info.notes}). Pass "
            "--face_masks=mediapipe, or files with --face_mask_dir=DIR."
        )


def _own(element: dict) -> np.ndarray:
    return element["face_mask"]


def _ellipse(element: dict) -> np.ndarray | None:
    height, width = element["image"].shape[:2]
    return ellipse.mask(element["landmarks"], height, width)


def _from_files(source: Source, folder: str) -> Finder:
    if not folder:
        raise ValueError(
            "--face_masks=files needs --face_mask_dir=DIR, the folder with the masks."
        )
    root = pathlib.Path(folder).expanduser()
    matched = files.match(root, source.names)
    about = f"mask files in {root.name}"
    if matched.are_parts:
        about += ", parts named as in CelebAMask-HQ: skin, features, glasses, hair, hat"
    return Finder(about, matched, True)


def find(split: DecodedSplit, finder: Finder, *, crop: str) -> FoundMasks:
    """Finds the face in every image of a split.

    Files and MediaPipe need the images as they are in their files, so these are read
    again. On one core MediaPipe takes 5 to 10 ms per image (two minutes for 13,000),
    the parts of CelebAMask-HQ about 50 ms, the others less than one.

    Images without a face are counted, and the first ones named on the screen.

    Args:
      split: The masks have the size of its images.
      finder: From `build`.
      crop: Of the split; see `pixels.crop_box`.
    """
    size = split.images.shape[1]
    masks = np.zeros((len(split), size, size, 1), np.uint8)
    found = np.zeros(len(split), bool)
    # Images of a split are cropped already.
    options = {"size": size, "crop": crop if finder.needs_file else "none"}
    faces = decoded.map_in_order(
        functools.partial(_face_of, finder=finder, options=options),
        _readers(split, finder.needs_file),
        total=len(split),
        description=f"faces of {split.source.info.name} {split.source.split}",
    )
    without = []
    for row, ((face, reason), name) in enumerate(zip(faces, split.names)):
        if face is None:
            without.append(name)
            if len(without) <= decoded.NAMED:
                print(f"no face in {name}{reason}", file=sys.stderr)
        else:
            masks[row], found[row] = face, True
    if without:
        print(
            f"{len(without)} of {len(split)} images of the {split.source.split} split "
            f"have no face mask ({finder.description}); they are left out where masks "
            "are used.",
            file=sys.stderr,
        )
    return FoundMasks(masks, found, tuple(without), finder.description)


def _readers(split: DecodedSplit, needs_file: bool) -> Iterator[Callable[[], dict]]:
    """One function per image that returns its element."""
    if needs_file:
        position = {name: i for i, name in enumerate(split.source.names)}
        yield from split.source.readers([position[name] for name in split.names])
        return
    for row, name in enumerate(split.names):
        fields = {key: values[row] for key, values in split.fields.items()}
        element = {"image": split.images[row], "name": name, **fields}
        yield functools.partial(dict, element)


def _face_of(
    read: Callable[[], dict], *, finder: Finder, options: dict
) -> tuple[np.ndarray | None, str]:
    """The mask cropped and resized, or None and the reason if an error is one."""
    try:
        element = read()
        face = finder(element)
    except pixels.UnreadableImageError as error:
        return None, f" ({error})"
    if face is None:
        return None, ""
    element = {"image": element["image"], "face_mask": face}
    face = pixels.fit(element, **options)["face_mask"]
    return (face if face.any() else None), ""


def _inside_oval(mesh: FaceMesh, image: np.ndarray) -> np.ndarray | None:
    """uint8 [H, W, 3] -> uint8 [H, W, 1], 1 in the face oval; None without a face."""
    points = mesh(image)
    if points is None:
        return None
    mask = np.zeros(image.shape[:2], np.uint8)
    corners = np.rint(points[mesh.oval] * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, cv2.LINE_8, _SHIFT)
    return mask[..., None]
