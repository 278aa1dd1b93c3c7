"""Masks of what is missing from an image: float32 [S, S, 1], 1 = missing.

Each kind is a function of a stateless key (integer [2]) and the image's position in its
set, in TensorFlow operations only, so that a mask depends on nothing but its key.
`build` makes one from a specification such as "random_square".
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import mask_pictures, pixels

KINDS = (
    "center", "random_square", "random_rectangle", "free_form", "border", "mixed",
)  # fmt: skip

# key [2] int32, index [] int64 -> mask [S, S, 1]
MaskFn = "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]"

STROKES = 3  # of a free-form hole
STROKE_POINTS = 5  # of each stroke

# Parts of an aligned face as CelebA frames it, with the eyes 43% down and 24% of the
# side apart: left, top, right, bottom as shares of the side. They are the boxes around
# what `experiments.restore --align --mask=eyes` and so on cuts out.
REGIONS = {
    "eyes": (0.28, 0.34, 0.72, 0.51),
    "nose": (0.41, 0.44, 0.59, 0.65),
    "mouth": (0.36, 0.63, 0.64, 0.82),
    "left_half": (0.18, 0.12, 0.50, 0.92),
    "right_half": (0.50, 0.12, 0.82, 0.92),
}


@dataclasses.dataclass(frozen=True)
class Mixture:
    """How "mixed" draws a hole.

    Attributes:
      shares: How often it is a square, a rectangle, strokes, the center square, and one
        of `REGIONS`; only their proportions count.
      sides: Smallest and largest side of squares and rectangles, over the image's.
      jitter: How far each edge of a region is moved at most, over the image's side.

    Raises:
      ValueError: If a number is out of range.
    """

    shares: tuple[float, ...] = (0.2, 0.2, 0.2, 0.15, 0.25)
    sides: tuple[float, ...] = (0.3, 0.65)
    jitter: float = 0.04

    def __post_init__(self):
        if len(self.shares) != 5 or min(self.shares) < 0 or not sum(self.shares) > 0:
            raise ValueError(
                "--mixed_shares takes five numbers of at least 0, how often a hole is "
                "a square, a rectangle, strokes, the center and a region of the face; "
                f"got {','.join(map(str, self.shares))}."
            )
        if len(self.sides) != 2 or not 0 < self.sides[0] <= self.sides[1] <= 1:
            raise ValueError(
                "--mixed_sides must be two numbers 0 < low <= high <= 1, shares of the "
                f"image's side; got {','.join(map(str, self.sides))}."
            )
        if not 0 <= self.jitter <= 0.05:  # more would close the narrowest region
            raise ValueError(f"--region_jitter must be in 0..0.05; got {self.jitter}.")


MIXTURE = Mixture()


def build(
    kind: str,
    *,
    image_size: int,
    hole_size: int,
    hole_ratio: tuple[float, float] = (0.1, 0.4),
    names: Sequence[str] = (),
    missing_is_black: bool = False,
    mixture: Mixture = MIXTURE,
) -> MaskFn:
    """Makes a mask function.

    Args:
      kind: One of `KINDS`, or the path of a mask picture or of a folder of them.
      image_size: S in pixels.
      hole_size: Side of a square hole; the longest side of a random rectangle (the
        shortest is 3/4 of it); of what stays known under "border"; of the center square
        of "mixed".
      hole_ratio: Smallest and largest share of the image that a free-form hole takes.
      names: Of the images, in order; a folder's mask that has an image's name (without
        its suffix) is that image's, the others are drawn at random.
      missing_is_black: Of mask pictures: black marks what is missing, not white.
      mixture: Of "mixed".

    Returns:
      (key, index) -> float32 [S, S, 1].

    Raises:
      ValueError: If the kind is unknown or the hole does not fit.
      FileNotFoundError: If a folder holds no mask.
    """
    if kind in KINDS and not 0 < hole_size <= image_size:
        raise ValueError(
            f"--hole_size must be in 1..{image_size}, the side of the image; "
            f"got {hole_size}."
        )
    if kind == "center":
        return lambda key, index: center(image_size, hole_size)
    if kind == "border":
        return lambda key, index: 1.0 - center(image_size, hole_size)
    if kind == "random_square":
        return lambda key, index: random_rectangle(
            key, image_size, hole_size, hole_size
        )
    if kind == "random_rectangle":
        shortest = max(hole_size * 3 // 4, 1)
        return lambda key, index: random_rectangle(key, image_size, shortest, hole_size)
    if kind in ("free_form", "mixed"):
        low, high = hole_ratio
        if not 0 < low <= high < 1:
            raise ValueError(
                "--hole_ratio must be two numbers 0 < low <= high < 1, the share of "
                f"the image that is missing; got {low}, {high}."
            )
        if kind == "mixed":
            return lambda key, index: mixed(
                key, image_size, hole_size, (low, high), mixture
            )
        return lambda key, index: free_form(key, image_size, low, high)
    path = pathlib.Path(kind)
    if not path.exists():
        raise ValueError(
            f"--mask must be one of {', '.join(KINDS)} or the path of a mask picture "
            f"or of a folder of them; got {kind!r}."
        )
    return from_files(path, image_size, names, missing_is_black)


def rectangle(size: int, top, left, height, width) -> tf.Tensor:
    """A rectangular hole. All in pixels; returns float32 [size, size, 1]."""
    position = tf.range(size)
    rows = (position >= top) & (position < top + height)
    columns = (position >= left) & (position < left + width)
    return tf.cast(rows[:, None] & columns[None, :], tf.float32)[..., None]


def center(size: int, hole_size: int) -> tf.Tensor:
    """A square hole in the middle. [size, size, 1]."""
    start = (size - hole_size) // 2
    return rectangle(size, start, start, hole_size, hole_size)


def random_rectangle(
    key: tf.Tensor, size: int, shortest: int, longest: int
) -> tf.Tensor:
    """A rectangle with sides uniform in shortest..longest, anywhere inside the image.

    A square of `shortest` where both are equal. [size, size, 1].
    """
    keys = tf.random.experimental.stateless_split(key, 2)
    sides = tf.random.stateless_uniform(
        [2], keys[0], shortest, longest + 1, dtype=tf.int32
    )
    corner = _uniform_below(keys[1], size - sides + 1)
    return rectangle(size, corner[0], corner[1], sides[0], sides[1])


def _uniform_below(key: tf.Tensor, limits: tf.Tensor) -> tf.Tensor:
    """Integers uniform in 0..limit-1, one for each limit."""
    drawn = tf.random.stateless_uniform(tf.shape(limits), key)
    below = tf.cast(tf.floor(drawn * tf.cast(limits, tf.float32)), tf.int32)
    return tf.minimum(below, limits - 1)


def free_form(key: tf.Tensor, size: int, low: float, high: float) -> tf.Tensor:
    """Brush strokes that cover a share of the image uniform in low..high.

    Each stroke is a random walk of straight pieces. The brush is as wide as the share
    needs, so the share is met to a pixel: the pixels nearest to the strokes' lines are
    missing. [size, size, 1].
    """
    keys = tf.random.experimental.stateless_split(key, 4)
    start = tf.random.stateless_uniform([STROKES, 1, 2], keys[0], 0.1, 0.9)
    turn = tf.random.stateless_normal([STROKES, STROKE_POINTS, 1], keys[1])
    # A direction that wanders by about 60 degrees a piece.
    heading = tf.cumsum(turn, axis=1) + 6.28 * start[..., :1]
    length = tf.random.stateless_uniform(
        [STROKES, STROKE_POINTS, 1], keys[2], 0.05, 0.2
    )
    step = length * tf.concat([tf.cos(heading), tf.sin(heading)], axis=-1)
    points = tf.clip_by_value(start + tf.cumsum(step, axis=1), 0.0, 1.0)
    points = tf.concat([start, points], axis=1) * size
    distance = _squared_distance(points[:, :-1], points[:, 1:], size)

    share = tf.random.stateless_uniform([], keys[3], low, high)
    count = tf.maximum(tf.cast(tf.round(share * size * size), tf.int32), 1)
    # Counted, not compared with a distance: many pixels are equally far from a piece
    # that runs along the border.
    nearest = tf.argsort(tf.reshape(distance, [-1]))[:count]
    missing = tf.scatter_nd(nearest[:, None], tf.ones([count]), [size * size])
    return tf.reshape(missing, [size, size, 1])


def _squared_distance(start: tf.Tensor, end: tf.Tensor, size: int) -> tf.Tensor:
    """Of each pixel's center to the nearest line piece, in pixels. [size, size].

    With p a pixel relative to a piece's start, d its direction and t its position
    along the piece, |p - t d|^2 = |p|^2 + t (t |d|^2 - 2 p.d); |p|^2 and p.d are sums
    of a term of the row and one of the column, which keeps the work per pixel small.
    """
    start, end = tf.reshape(start, [-1, 2]), tf.reshape(end, [-1, 2])
    along = end - start  # [P, 2]
    length = tf.reduce_sum(along**2, axis=-1)[:, None, None] + 1e-6
    center = tf.range(size, dtype=tf.float32) + 0.5
    offset = center - start[..., None]  # [P, 2, S]
    product = offset * along[..., None]
    dot = product[:, 0, :, None] + product[:, 1, None, :]  # [P, S, S]
    norm = offset[:, 0, :, None] ** 2 + offset[:, 1, None, :] ** 2
    position = tf.clip_by_value(dot / length, 0.0, 1.0)
    return tf.reduce_min(norm + position * (position * length - 2.0 * dot), axis=0)


def mixed(
    key: tf.Tensor,
    size: int,
    hole_size: int,
    hole_ratio: tuple[float, float],
    mixture: Mixture = MIXTURE,
) -> tf.Tensor:
    """A hole of any kind, drawn by the key: see `Mixture`. [size, size, 1].

    Args:
      key: Integer [2].
      size: Of the image, pixels.
      hole_size: Of the center square, pixels.
      hole_ratio: Of `free_form`.
      mixture: How often which.
    """
    keys = tf.random.experimental.stateless_split(key, 3)
    shortest, longest = (max(round(share * size), 1) for share in mixture.sides)

    def square() -> tf.Tensor:
        side = tf.random.stateless_uniform([], keys[1], shortest, longest + 1, tf.int32)
        return random_rectangle(keys[2], size, side, side)

    kinds = (
        square,
        lambda: random_rectangle(keys[1], size, shortest, longest),
        lambda: free_form(keys[1], size, *hole_ratio),
        lambda: center(size, hole_size),
        lambda: random_region(keys[1], size, mixture.jitter),
    )
    ends = np.cumsum(mixture.shares) / np.sum(mixture.shares)
    drawn = tf.random.stateless_uniform([], keys[0])
    kind = tf.reduce_sum(tf.cast(drawn >= np.float32(ends[:-1]), tf.int32))
    return tf.ensure_shape(tf.switch_case(kind, kinds), [size, size, 1])


def random_region(key: tf.Tensor, size: int, jitter: float) -> tf.Tensor:
    """A part of a face in CelebA's framing, each edge moved. [size, size, 1].

    Args:
      key: Integer [2].
      size: Of the image, pixels.
      jitter: How far an edge is moved at most, over the image's side.
    """
    keys = tf.random.experimental.stateless_split(key, 2)
    which = tf.random.stateless_uniform([], keys[0], 0, len(REGIONS), tf.int32)
    moved = tf.random.stateless_uniform([4], keys[1], -jitter, jitter)
    box = tf.gather(tf.constant(list(REGIONS.values())), which) + moved
    left, top, right, bottom = tf.unstack(tf.cast(tf.round(box * size), tf.int32))
    height, width = (tf.maximum(length, 1) for length in (bottom - top, right - left))
    return rectangle(size, top, left, height, width)


def _own(
    root: pathlib.Path, files: Sequence[pathlib.Path], names: Sequence[str]
) -> list[int]:
    """Of each image the row of the file that is called like it, or -1.

    That is the one of its folder and name, or else the only one of its name.
    """
    placed = [file.relative_to(root).with_suffix("").as_posix() for file in files]
    rows = {place: row for row, place in enumerate(placed)}
    named = collections.defaultdict(list)
    for row, file in enumerate(files):
        named[file.stem].append(row)
    own = []
    for name in names:
        path = pathlib.PurePosixPath(name).with_suffix("")
        found = named.get(path.name, [])
        if str(path) in rows:
            found = [rows[str(path)]]
        if len(found) > 1:
            raise ValueError(
                f"{root} has several masks for {name}: "
                f"{', '.join(str(files[row].relative_to(root)) for row in found[:4])}. "
                "Put them into folders named as those of the images, or keep one."
            )
        own += found or [-1]
    return own


def from_files(
    path: pathlib.Path, size: int, names: Sequence[str], missing_is_black: bool
) -> MaskFn:
    """Masks from pictures of any size, squeezed into the image's; see `build`.

    Says what they were taken for.
    """
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in pixels.IMAGE_SUFFIXES
        )
    else:
        files = [path]
    if not files:
        raise FileNotFoundError(
            f"{path} holds no mask pictures ({', '.join(pixels.IMAGE_SUFFIXES)})."
        )
    masks, kinds = [], collections.Counter()
    for file in files:
        picture = mask_pictures.read_marked(file, missing_is_black)
        white = picture.marked.astype(np.uint8) * np.uint8(255)
        missing = pixels.resize(white, size, size) >= 128
        mask_pictures.check(missing, file, missing_is_black)
        masks.append(missing.astype(np.uint8)[..., None])
        kinds[picture.taken_for] += 1
    masks = np.stack(masks)
    shares = masks.mean(axis=(1, 2, 3))
    taken = "; ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    told = f"{path}: {taken}; {shares.min():.1%} to {shares.max():.1%} missing"
    if np.median(shares) > mask_pictures.MOST and not missing_is_black:
        told += mask_pictures.INVERTED
    print(told, file=sys.stderr)
    masks = tf.constant(masks)
    root = path if path.is_dir() else path.parent
    own = tf.constant(_own(root, files, names) or [-1], tf.int32)

    def pick(key: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        drawn = tf.random.stateless_uniform([], key, 0, len(files), dtype=tf.int32)
        matched = own[tf.minimum(index, len(own) - 1)]
        chosen = tf.where(matched >= 0, matched, drawn)
        return tf.cast(masks[chosen], tf.float32)

    return pick
