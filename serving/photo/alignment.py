"""The affine map between a photograph and the square crop that a network sees.

Points are x, y in pixels, 0 at the center of the first pixel.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from data_pipeline import pixels
from data_pipeline.landmarks import similarity
from serving.photo.framing import Framing, anchors

_CANVAS = 2048  # pixels; larger crops are not resampled at the photograph's full detail
_STAND_IN = 2  # pixels of the crop over which known colors spread into a hole
SEAM = 2  # pixels of a window's border whose antialiasing lacks what is beyond it
_LONGEST = 32_766  # pixels of a side of what OpenCV warps
_MARGIN = 4  # pixels that interpolation reads around each pixel it computes

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@dataclasses.dataclass(frozen=True)
class Alignment:
    """An affine map from a photograph to a crop of it.

    Attributes:
      matrix: float [2, 3], photograph -> crop.
      size: Side S of the crop in pixels.
    """

    matrix: np.ndarray
    size: int

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points of the photograph [N, 2] -> points of the crop."""
        return np.asarray(points) @ self.matrix[:, :2].T + self.matrix[:, 2]

    @property
    def density(self) -> float:
        """Pixels of the crop per pixel of the photograph, along a side."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def zoomed(self, scale: float, center: np.ndarray, to: np.ndarray) -> Alignment:
        """The same map with the crop scaled about `center`, which moves to `to`."""
        matrix = self.matrix * scale
        matrix[:, 2] += np.asarray(to) - scale * np.asarray(center)
        return Alignment(matrix, self.size)

    def from_corner(self, left: int, top: int) -> Alignment:
        """The same map for the part of the photograph that begins at this corner."""
        return Alignment(_after_shift(self.matrix, (left, top)), self.size)

    def to_corner(self, left: int, top: int) -> Alignment:
        """The same map for the part of the crop that begins at this corner."""
        matrix = self.matrix.copy()
        matrix[:, 2] -= (left, top)
        return Alignment(matrix, self.size)

    def crop(
        self, image: np.ndarray, unknown: np.ndarray, window: Box | None = None
    ) -> np.ndarray:
        """The crop of uint8 [H, W, 3], antialiased: float32 [S, S, 3] in [0, 255].

        Beyond its border the photograph is mirrored. Unknown pixels, bool [H, W], have
        no influence: the colors around them take their place. With a window a part of
        the crop is computed, [h, w, 3], as exactly but for `SEAM` pixels at its border.
        """
        box = self._window(*unknown.shape)
        values = part_of(image, box).astype(np.float32)
        hidden = part_of(unknown, box)
        if hidden.any():
            reach = int(np.ceil(_STAND_IN / self.density))
            values = np.where(hidden[..., None], _near(values, hidden, reach), values)
        sampled = self._sample(values, box, cv2.BORDER_REFLECT, window)
        return np.clip(sampled, 0.0, 255.0)

    def crop_mask(self, mask: np.ndarray) -> np.ndarray:
        """The crop of a mask, bool [H, W] -> [S, S]: where at least half is marked."""
        box = self._window(*mask.shape)
        marked = part_of(mask, box).astype(np.float32)[..., None]
        return self._sample(marked, box, cv2.BORDER_CONSTANT)[..., 0] >= 0.5

    def to_photo(self, crop: np.ndarray, box: Box) -> np.ndarray:
        """A part of the photograph from a crop, float32 [S, S, 3] -> [h, w, 3].

        The crop's edge is repeated beyond it.
        """
        if self.density > 1.0:
            # The crop is finer than the photograph: its finest detail would alias.
            sigma = 0.5 * np.sqrt(self.density**2 - 1.0)
            crop = cv2.GaussianBlur(crop, (0, 0), sigma)
        flags, border = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        return self._warp_back(crop, box, flags=flags, borderMode=border)

    def mask_to_photo(self, mask: np.ndarray, height: int, width: int) -> np.ndarray:
        """A mask of the crop, bool [S, S] -> the photograph's, bool [height, width]."""
        box = self._window(height, width)
        whole = np.zeros((height, width), bool)
        part = part_of(whole, box)
        if part.size:
            flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
            part[...] = self._warp_back(mask.astype(np.uint8), box, flags=flags)
        return whole

    def _window(self, height: int, width: int) -> Box:
        """The part of a photograph of this size that the crop is computed from."""
        edge = np.array([-0.5, self.size - 0.5])
        corners = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(4, 2)
        linear, shift = self.matrix[:, :2], self.matrix[:, 2]
        corners = (corners - shift) @ np.linalg.inv(linear).T
        low = np.floor(corners.min(axis=0)).astype(int) - _MARGIN
        high = np.ceil(corners.max(axis=0)).astype(int) + _MARGIN + 1
        left, top = np.clip(low, 0, (width, height))
        right, bottom = np.clip(high, 0, (width, height))
        return int(left), int(top), int(right), int(bottom)

    def _warp_back(self, crop: np.ndarray, box: Box, **options) -> np.ndarray:
        left, top, right, bottom = box
        matrix = _after_shift(self.matrix, (left, top))
        return cv2.warpAffine(crop, matrix, (right - left, bottom - top), **options)

    def _sample(
        self, values: np.ndarray, box: Box, border: int, window: Box | None = None
    ) -> np.ndarray:
        """float32 [h, w, C], a part of a photograph -> [S, S, C], antialiased."""
        left, top, right, bottom = window or (0, 0, self.size, self.size)
        width, height = right - left, bottom - top
        # First at the photograph's resolution, then shrunk as training images are.
        times = int(np.ceil(1.0 / self.density - 1e-6))
        times = min(max(times, 1), max(_CANVAS // self.size, 1))
        matrix = _after_shift(self.matrix, box[:2]) * times
        matrix[:, 2] += (times - 1) / 2 - times * np.array([left, top])
        values, matrix = _shorter(values, matrix)
        side = (width * times, height * times)
        large = cv2.warpAffine(
            values, matrix, side, flags=cv2.INTER_CUBIC, borderMode=border
        ).reshape(*side[::-1], -1)
        planes = [np.ascontiguousarray(large[..., i]) for i in range(large.shape[-1])]
        planes = [pixels.resize(plane, height, width) for plane in planes]
        return np.stack(planes, axis=-1)


def align(landmarks: np.ndarray, framing: Framing, size: int) -> Alignment:
    """The map that lays a face where it lies in a model's training images.

    The similarity that fits the anchors best in the sense of least squares, followed by
    the squeeze into the model's square.

    Args:
      landmarks: Of the face in the photograph, float [5, 2]; see
        `data_pipeline.datasets.elements`.
      framing: Of the model.
      size: Side of the model's images, pixels.

    Raises:
      NoFaceError: If the landmarks do not form a face.
    """
    matrix = similarity(anchors(landmarks), framing.anchors)
    matrix *= np.array([[size / framing.width], [size / framing.height]])
    matrix[:, 2] -= 0.5  # a framing counts from the corner of the first pixel
    return Alignment(matrix, size)


def squeeze(height: int, width: int, size: int) -> Alignment:
    """The map of a whole picture into the square, whatever its shape."""
    scale = np.array([size / width, size / height])
    return Alignment(np.column_stack([np.diag(scale), (scale - 1) / 2]), size)


def bounding_box(mask: np.ndarray, margin: int = 1) -> Box:
    """The box around the marked pixels of bool [H, W], with a margin in pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    height, width = mask.shape
    left, right = max(columns[0] - margin, 0), min(columns[-1] + margin + 1, width)
    top, bottom = max(rows[0] - margin, 0), min(rows[-1] + margin + 1, height)
    return left, top, right, bottom


def part_of(values: np.ndarray, box: Box) -> np.ndarray:
    """[H, W, ...] -> a view of the box."""
    left, top, right, bottom = box
    return values[top:bottom, left:right]


def _shorter(values: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture, float32 [h, w, C], that OpenCV warps, and the map from it.

    What is too long is shrunk: the crop's canvas has a tenth of its pixels at most.
    """
    sides = np.array(values.shape[1::-1])
    if sides.max() <= _LONGEST:
        return values, matrix
    fewer = -(-sides // -(-sides // _LONGEST))
    values = cv2.resize(values, fewer.tolist(), interpolation=cv2.INTER_AREA)
    times = sides / fewer
    shrunk = matrix * np.append(times, 1.0)
    shrunk[:, 2] += matrix[:, :2] @ ((times - 1) / 2)
    return values, shrunk


def _near(values: np.ndarray, hidden: np.ndarray, reach: int) -> np.ndarray:
    """Means of the known pixels up to `reach` away; where there are none, of all."""
    known = (~hidden).astype(np.float32)
    kernel = (2 * reach + 1,) * 2
    weight = cv2.blur(known, kernel)[..., None]
    near = cv2.blur(values * known[..., None], kernel)
    seen = weight > 1e-4 / reach**2  # sums of a running mean are not exactly zero
    total = max(float(known.sum()), 1.0)
    mean = (values * known[..., None]).sum(axis=(0, 1), dtype=np.float64) / total
    return np.where(seen, near / np.where(seen, weight, 1.0), mean.astype(np.float32))


def _after_shift(matrix: np.ndarray, corner: tuple) -> np.ndarray:
    """The map of points that are counted from this corner."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.asarray(corner, np.float64)
    return shifted
