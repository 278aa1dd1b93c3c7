"""Restorers without a network, as baselines for inpainting and reconstruction.

A restorer is a callable `inputs -> images`, float32 [B, H, W, 3] in [0, 1]. For
inpainting, inputs hold "image", float32 [B, H, W, 3] in [-1, 1], and "mask", float32
[B, H, W, 1] with 1 = missing. Known pixels are returned unchanged, and what is in the
hole has no influence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit

Restorer = Callable[[Mapping[str, np.ndarray]], np.ndarray]

_GRAY = 0.5  # of an image without any known pixel
_EDGE = 2  # pixels around the hole whose colors the mean face takes


def inpainting(mean_image: np.ndarray, *, faces: bool = True) -> dict[str, Restorer]:
    """The baselines of inpainting by display name.

    `mean_image` is the mean of the training set, float32 [H, W, 3] in [0, 1]; `faces`
    says whether the images are faces.
    """
    return {
        "mean color": mean_color(),
        f"mean {'face' if faces else 'image'}": mean_face(mean_image),
        "Telea": telea(),
        "Navier–Stokes": navier_stokes(),
    }


def mean_color() -> Restorer:
    """Fills the hole with the mean color of the image's known pixels."""
    return _restorer(lambda image, known: image)


def mean_face(mean_image: np.ndarray) -> Restorer:
    """Fills the hole with the training set's mean image in the colors of the image.

    Each channel of the mean image is shifted by the offset that fits the known pixels
    at the hole's edge best (least squares). PSNR in the hole on LFW (512 faces, center
    hole): 14.3 dB; 13.7 with an offset fitted to all known pixels, 12.9 with a gain as
    well, 14.2 without a fit. Images must have the size of mean_image.
    """
    mean_image = np.asarray(mean_image, np.float32)

    def fill(image, known):
        if image.shape != mean_image.shape:
            raise ValueError(
                f"The mean face is {mean_image.shape[0]}×{mean_image.shape[1]} and the "
                f"image {image.shape[0]}×{image.shape[1]}. Compute the mean image from "
                "training images of the evaluated size."
            )
        reach = np.ones([2 * _EDGE + 1, 2 * _EDGE + 1], np.uint8)
        edge = known & (cv2.dilate((~known).astype(np.uint8), reach) == 1)
        offset = (image - mean_image)[edge].mean(axis=0) if edge.any() else 0.0
        return np.clip(mean_image + offset, 0, 1)

    return _restorer(fill)


def telea(radius: float = 3) -> Restorer:
    """OpenCV's fast-marching inpainting (Telea 2004); radius in pixels."""
    return _opencv(radius, cv2.INPAINT_TELEA)


def navier_stokes(radius: float = 3) -> Restorer:
    """OpenCV's Navier–Stokes inpainting (Bertalmio et al. 2001), as `telea`."""
    return _opencv(radius, cv2.INPAINT_NS)


def _opencv(radius: float, method: int) -> Restorer:
    """Inpaints the 8-bit image."""

    def fill(image, known):
        missing = (~known).astype(np.uint8)
        levels = pixels.unit_to_bytes(image).numpy()
        return cv2.inpaint(levels, missing, radius, method) / np.float32(255)

    return _restorer(fill)


def _restorer(fill: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Restorer:
    """Applies `fill(image [H, W, 3], known bool [H, W])` to each image of a batch.

    The hole is first filled with the known pixels' mean color, because OpenCV reads its
    content: results differed by up to 13 of 255 levels at the image's border.
    """

    def restore(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        images = np.asarray(pixels.signed_to_unit(inputs["image"]), np.float32)
        known = np.asarray(inputs["mask"]) < 0.5
        filled = []
        for image, k in zip(images, known[..., 0]):
            color = image[k].mean(axis=0) if k.any() else np.float32(_GRAY)
            filled.append(fill(np.where(k[..., None], image, color), k))
        return np.where(known, images, np.stack(filled)).astype(np.float32)

    return restore


FACTORS = (2, 4, 8)


def rescaling() -> dict[str, Restorer]:
    """The baselines of reconstruction by display name, one for each of `FACTORS`."""
    return {f"bicubic {factor}×": bicubic(factor) for factor in FACTORS}


def bicubic(factor: int) -> Restorer:
    """Shrinks images by a factor and enlarges them again.

    A shrunk side is rounded to whole pixels, halves up: 250 px become 63 at a factor of
    4.
    """

    def rescaled(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        shrunk = [max((side + factor // 2) // factor, 1) for side in (height, width)]
        return pixels.resize(pixels.resize(image, *shrunk), height, width)

    def restore(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        levels = pixels.unit_to_bytes(inputs["image"]).numpy()
        images = np.stack([rescaled(image) for image in levels])
        return pixels.bytes_to_unit(images).numpy()

    return restore


class Eigenfaces:
    """Principal component analysis: the best linear autoencoder of k numbers.

    A face is the mean face plus k weighted components (Turk & Pentland 1991). A network
    of as many numbers should restore faces better, because it may bend what these keep
    flat.

    Args:
      mean: float32 [S, S, 3] in [0, 1].
      components: Orthonormal rows, float32 [k, S * S * 3]. Fewer than were asked for if
        the images have no more.
      variances: Of the training images along each, [k]; 1 by default.
      rest: Mean variance of a value that the components leave.
    """

    def __init__(
        self,
        mean: np.ndarray,
        components: np.ndarray,
        variances: np.ndarray | None = None,
        rest: float = 0.0,
    ):
        self.mean = np.asarray(mean, np.float32)
        self.components = np.asarray(components, np.float32)
        self.variances = np.ones(len(components)) if variances is None else variances
        self.rest = rest

    @classmethod
    def fit(cls, split: DecodedSplit, numbers: int, *, side: int = 0) -> Eigenfaces:
        """Fits the components to a training split; every n-th image of a large one.

        A randomized block iteration (Halko, Martinsson & Tropp 2011), which never holds
        the covariance, has them in a minute or two at 64 px on two cores. The same
        images give the same components.

        Args:
          split: The training images.
          numbers: k.
          side: S, which must divide theirs; each pixel is the mean of theirs. 0 leaves
            them.

        Raises:
          ValueError: If there are fewer than two images, or k is less than 1.
        """
        if numbers < 1 or len(split) < 2:
            raise ValueError(
                "Eigenfaces need at least two images and one number; got "
                f"{len(split)} and {numbers}."
            )
        images = split.images[:: -(-len(split) // _MOST_IMAGES)]
        shape = (side, side, 3) if side else images.shape[1:]
        size, mean, squares = int(np.prod(shape)), 0.0, 0.0
        for part in _parts(images, shape):
            mean += part.sum(axis=0, dtype=np.float64)
            squares += np.square(part, dtype=np.float64).sum()
        total = squares / len(images) - np.square(mean / len(images)).sum()
        mean = (mean / len(images)).astype(np.float32)
        # Of N images less their mean N - 1 can differ.
        wanted = min(numbers + _SPARE, len(images) - 1, size)
        start = np.random.default_rng(0).standard_normal([size, wanted])
        basis = np.linalg.qr(start.astype(np.float32))[0]
        for _ in range(_PASSES):
            image_of_basis = np.zeros_like(basis)
            for part in _parts(images, shape):
                part -= mean
                image_of_basis += part.T @ (part @ basis)
            basis = np.linalg.qr(image_of_basis)[0]
        inside = np.zeros([wanted, wanted])
        for part in _parts(images, shape):
            weights = (part - mean) @ basis
            inside += weights.T @ weights
        variances, turns = np.linalg.eigh(inside)  # ascending
        kept = variances[::-1] > _NOTHING * variances[-1]
        turns = turns[:, ::-1][:, kept][:, :numbers]
        variances = variances[::-1][kept][:numbers] / len(images)
        components = (basis @ turns.astype(np.float32)).T
        rest = max(total - variances.sum(), 0.0) / max(size - len(components), 1)
        return cls(mean.reshape(shape), components, variances, rest)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """float32 [B, S, S, 3] in [0, 1] -> k numbers each, float32 [B, k]."""
        images = np.asarray(images, np.float32)
        if images.shape[1:] != self.mean.shape:
            raise ValueError(
                f"The eigenfaces are {list(self.mean.shape)} and the images "
                f"{list(images.shape[1:])}. Fit them to images of the evaluated size."
            )
        return (images - self.mean).reshape(len(images), -1) @ self.components.T

    def decode(self, numbers: np.ndarray) -> np.ndarray:
        """[B, k] -> float32 [B, S, S, 3], clipped to [0, 1]."""
        numbers = np.asarray(numbers, np.float32)
        flat = numbers @ self.components + self.mean.ravel()
        return np.clip(flat, 0, 1).reshape(-1, *self.mean.shape)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Encodes and decodes, as a restorer."""
        return self.decode(self.encode(inputs["image"]))


_MOST_IMAGES = 10_000  # that eigenfaces are fitted to
_SPARE = 128  # components beyond k, so that the last ones of k converge
_PASSES = 4
_NOTHING = 1e-7  # of the largest variance: float32's rounding
_AT_ONCE = 512  # images, a bound on memory


def _parts(images: np.ndarray, shape: tuple[int, ...]):
    """Batches of images uint8 [N, H, W, 3] as float32 [B, h * w * 3] in [0, 1].

    `shape` is [h, w, 3], of which H and W are multiples.
    """
    height, width, _ = shape
    blocks = (height, images.shape[1] // height, width, images.shape[2] // width, 3)
    for start in range(0, len(images), _AT_ONCE):
        part = np.asarray(images[start : start + _AT_ONCE], np.float32)
        part = part.reshape(len(part), *blocks).mean(axis=(2, 4))
        yield part.reshape(len(part), -1) / np.float32(255)


def eigenfaces_name(numbers: int) -> str:
    """The name in tables."""
    return f"eigenfaces, {numbers}"
