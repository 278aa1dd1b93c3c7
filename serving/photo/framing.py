"""Framing: where the face is in the images that a model was trained on.

A model restores faces best in that place. An export's `assets.extra/config.json` names
its training data: "dataset" and "crop" (and "image_size", for drawn faces) within
"config". For the published data sets that is enough, because their alignment is known.
An export that was trained on anything else may have "landmarks" there, the usual five
points as shares of the image's sides.

Faces are aligned by three anchors: both eyes and the middle of the mouth. The tip of
the nose is not used, because it moves when the head turns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw

# Each data set's anchors: left eye, right eye, middle of the mouth, as x, y in pixels
# of its files, counted from the corner of the first pixel. CelebA's are the points to
# which its faces were aligned, from its Matlab function align_face_celeba; Matlab's
# first pixel has its center at 1.
_CELEBA = np.array([(70.745, 112.0), (108.237, 112.0), (89.432, 153.514)]) - 0.5

# The mean over 147 faces of the deep-funneled images, every 90th, found by MediaPipe;
# single faces lie within some 5 pixels of it.
_LFW = np.array([(104.6, 113.3), (146.2, 112.7), (126.0, 157.9)])

# CelebA-HQ's crops are squares of max(4.0 |x|, 3.6 |y|), with x from eye to eye and y
# from the eyes to the mouth, whose center lies 0.1 y below the eyes (Karras et al.,
# Progressive Growing of GANs, Appendix C); here for CelebA's face. 1 = the side.
_CELEBA_HQ = np.array([(0.375, 0.472), (0.625, 0.472), (0.5, 0.749)])

# The mean over drawn faces; 1 = the side.
_DRAWN = np.array([(0.3915, 0.4157), (0.6085, 0.4157), (0.5, 0.6546)])

# The tip of the nose on the way from the eyes to the mouth, and half the mouth's width
# as a share of the distance between the eyes; means over drawn faces.
_NOSE, _MOUTH = 0.65, 0.43

# The distance between the eyes times that from the eyes to the mouth, as a share of
# the sum of their squares: 0.5 for a face seen from the front, 0 for a line.
_LEAST_AREA = 0.02


class NoFaceError(ValueError):
    """There is no face where one is needed; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Framing:
    """Where the face is in a model's images.

    Attributes:
      anchors: float [3, 2], x and y of left eye, right eye and the middle of the mouth,
        in units in which a face is not distorted, from the corner of the image.
      width: Of the image in these units; it is squeezed into the network's square.
      height: Of the image in these units.
    """

    anchors: np.ndarray
    width: float
    height: float


def anchors(landmarks: np.ndarray) -> np.ndarray:
    """Five landmarks [5, 2] (`data_pipeline.datasets.elements`) -> anchors [3, 2].

    Raises:
      NoFaceError: If they are on a line, mirrored, or not finite.
    """
    landmarks = np.asarray(landmarks, np.float64)
    left, right, mouth = landmarks[0], landmarks[1], landmarks[3:].mean(axis=0)
    across, down = right - left, mouth - (left + right) / 2
    area = across[0] * down[1] - across[1] * down[0]
    # Written so that NaN fails it.
    if not area > _LEAST_AREA * (across @ across + down @ down):
        raise NoFaceError(
            "the landmarks do not form a face. They are x and y of left eye, right "
            "eye, nose, left and right corner of the mouth, left meaning left in the "
            f"picture of an upright head; got {landmarks.round(1).tolist()}."
        )
    return np.stack([left, right, mouth])


def typical(framing: Framing) -> np.ndarray:
    """The five landmarks [5, 2] of a face with exactly these anchors."""
    left, right, mouth = framing.anchors
    across, eyes = right - left, (left + right) / 2
    nose = eyes + _NOSE * (mouth - eyes)
    corners = mouth - _MOUTH * across, mouth + _MOUTH * across
    return np.stack([left, right, nose, *corners])


def of(facts: Mapping[str, Any]) -> Framing:
    """The framing of an exported model.

    Args:
      facts: Its config.json; see `saved_model.read_config`.

    Raises:
      ValueError: If it names neither landmarks nor an aligned data set.
    """
    if "landmarks" in facts:
        landmarks = np.asarray(facts["landmarks"], np.float64)
        if landmarks.shape != (5, 2):
            raise ValueError(
                '"landmarks" in the model\'s config.json must be five [x, y]: left '
                "eye, right eye, nose, left and right corner of the mouth, as shares "
                f"of the picture's sides; it has the shape {landmarks.shape}."
            )
        return Framing(anchors(landmarks), 1.0, 1.0)
    config = facts.get("config", {})
    dataset, crop = config.get("dataset"), config.get("crop", "none")
    if dataset == "lfw":
        return _cropped(_LFW, 250, 250, crop)
    if dataset == "celeb_a":
        return _cropped(_CELEBA, 218, 178, crop)
    if dataset == "faces":
        low, high = draw.MIN_SIZE, draw.MAX_SIZE
        side = min(max(config["image_size"], low), high)
        return _cropped(_DRAWN * side, side, side, crop)
    # Its files have several sizes, so a crop in pixels leaves an unknown part.
    if dataset == "celeb_a_hq" and crop in pixels.CROPS:
        return Framing(_CELEBA_HQ, 1.0, 1.0)
    said = "does not say what it was trained on"
    if dataset:
        said = f"was trained on --dataset={dataset} with --crop={crop}"
    raise ValueError(
        f"the model {said}, so it is not known where faces are in its pictures. Write "
        'it as "landmarks" into its assets.extra/config.json: five [x, y], left eye, '
        "right eye, nose, left and right corner of the mouth, as shares of the "
        "picture's sides."
    )


def _cropped(points: np.ndarray, height: int, width: int, crop: str) -> Framing:
    """The framing of a file with these anchors after a crop; see `pixels.crop_box`."""
    left, top, right, bottom = pixels.crop_box(height, width, crop)
    return Framing(points - (left, top), right - left, bottom - top)
