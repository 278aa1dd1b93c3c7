"""Face masks in files: CelebAMask-HQ's parts of a face, or one mask per image.

CelebAMask-HQ names its files `<0..14>/<00000>_<part>.png`, 512x512, white where the
part is; parts that an image does not show have none. Its numbers are those of
CelebA-HQ's 30,000 images, whose files are called `123.jpg` or `00123.png`. Masks in
other folders are named alike, or each like its image (one mask, white = face).
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np

from data_pipeline import mask_pictures, pixels
from data_pipeline.datasets import folder

# Parts that count as face, and parts that do not. Left and right are the person's.
KEPT = (
    *("skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "nose"),
    *("mouth", "u_lip", "l_lip", "hair", "hat"),
)
DROPPED = ("l_ear", "r_ear", "ear_r", "neck", "neck_l", "cloth", "background")

_PART = re.compile(rf"(.+?)_({'|'.join(KEPT + DROPPED)})")
_PADDED = 5  # digits of an image's number in CelebAMask-HQ

# Stem -> folder below the root -> files there.
_Index = Mapping[str, Mapping[str, Sequence[str]]]


@dataclasses.dataclass(frozen=True)
class MaskFiles:
    """The mask files of a source's images.

    Attributes:
      root: Their folder.
      files: Image name -> its files, relative to `root`, for images that have some.
      are_parts: Whether they are named as CelebAMask-HQ's parts; otherwise an image
        has one file.
    """

    root: pathlib.Path
    files: Mapping[str, Sequence[str]]
    are_parts: bool

    def __call__(self, element: dict) -> np.ndarray | None:
        """The union of what an image's files mark; see `mask_pictures`.

        Args:
          element: With "image", uint8 [H, W, 3], and "name".

        Returns:
          uint8 [H, W, 1], 1 = face; None for an image without files.

        Raises:
          UnreadableImageError: If a file is no picture, or not of the image's shape.
        """
        files = self.files.get(element["name"])
        if not files:
            return None
        face = _marked(self.root / files[0])
        for file in files[1:]:
            part = _marked(self.root / file)
            if part.shape != face.shape:
                size = face.shape[::-1]
                part = cv2.resize(part, size, interpolation=cv2.INTER_NEAREST)
            np.maximum(face, part, out=face)
        height, width = element["image"].shape[:2]
        rows, columns = face.shape
        # A pixel of rounding is no other shape.
        if abs(rows * width - columns * height) > max(height, width, rows, columns):
            raise pixels.UnreadableImageError(
                f"{self.root / files[0]}: {columns}x{rows} is not the shape of its "
                f"image, which is {width}x{height}."
            )
        return (pixels.resize(face, height, width) >= 128).astype(np.uint8)[..., None]


def match(root: pathlib.Path, names: Iterable[str]) -> MaskFiles:
    """Finds each image's mask files by its name without folder and suffix.

    If any image has parts, only parts are masks: the images themselves may be in the
    folder as well. If several subfolders have files for a name, they must be called as
    the images' folders. A name of up to five digits is also looked for with five and
    without leading zeros; CelebA's own, of six, are other numbers.

    Args:
      root: Is searched with its subfolders.
      names: Of the images, as in `Source.names`.

    Raises:
      FileNotFoundError: If `root` is no folder, or has files for none of the images.
      ValueError: If an image has several masks.
    """
    names = list(names)
    if not root.is_dir():
        raise FileNotFoundError(f"--face_mask_dir={root} is not a folder.")
    parts, whole = _index(folder.image_names(root))
    files = _matched(names, parts)
    are_parts = bool(files)
    files = files or _matched(names, whole)
    if not files:
        stem = _spellings(pathlib.PurePosixPath(names[0]).stem)[-1]
        raise FileNotFoundError(
            f"--face_mask_dir={root} has no mask for any of the {len(names)} images. "
            f"For {names[0]} it was searched for {stem}_skin.png (and other parts "
            f"named as in CelebAMask-HQ) and for {stem}.png (white = face)."
        )
    for name, found in files.items():
        masks = {pathlib.PurePosixPath(f).parent for f in found} if are_parts else found
        if len(masks) > 1:
            raise ValueError(
                f"--face_mask_dir={root} has several masks for {name}: "
                f"{', '.join(sorted(found)[:4])}. Keep one, or put masks into folders "
                "called as those of the images."
            )
    return MaskFiles(root, files, are_parts)


def _index(files: Iterable[str]) -> tuple[_Index, _Index]:
    """Files of kept parts, and all files that are no parts."""
    parts = collections.defaultdict(lambda: collections.defaultdict(list))
    whole = collections.defaultdict(lambda: collections.defaultdict(list))
    for file in files:
        path = pathlib.PurePosixPath(file)
        part = _PART.fullmatch(path.stem)
        if part is None:
            whole[path.stem][str(path.parent)].append(file)
        elif part[2] in KEPT:
            parts[part[1]][str(path.parent)].append(file)
    return parts, whole


def _spellings(stem: str) -> tuple[str, ...]:
    """Names of an image's mask: the image's, and its number with other zeros."""
    if stem.isascii() and stem.isdigit() and len(stem) <= _PADDED:
        return stem, str(int(stem)), stem.zfill(_PADDED)
    return (stem,)


def _matched(names: Iterable[str], index: _Index) -> dict[str, Sequence[str]]:
    """Image name -> its files in a folder called as the image's, or in any."""
    matched = {}
    for name in names:
        path = pathlib.PurePosixPath(name)
        stem = next((stem for stem in _spellings(path.stem) if stem in index), None)
        if stem is not None:
            places = index[stem]
            everywhere = [file for files in places.values() for file in files]
            matched[name] = places.get(str(path.parent), everywhere)
    return matched


def _marked(path: pathlib.Path) -> np.ndarray:
    """What a mask picture marks, uint8 [H, W] of 0 and 255."""
    try:
        return mask_pictures.read_marked(path).marked * np.uint8(255)
    except mask_pictures.MaskError as error:
        raise pixels.UnreadableImageError(error) from error
