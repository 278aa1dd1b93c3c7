"""Drawn faces: a data set that needs no download and knows everything about itself.

Face number `index` of a seed is always the same person in the same pose, light and
place, at any size. Each comes with attributes (names as in CelebA), five landmarks
and a mask of the face, all taken from the numbers that drew it.

  element = synthetic_faces.draw(7, seed=0, size=128)
  sheet = synthetic_faces.contact_sheet(4, 8)
"""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline import drawing
from data_pipeline.drawing import Canvas
from data_pipeline.drawn_faces import clothing, features, light
from data_pipeline.drawn_faces import traits as drawn_faces_traits
from data_pipeline.drawn_faces.hair import (
    draw_beard,
    draw_behind,
    draw_hair,
    draw_mustache,
    kind_of_strands,
    strands,
)
from data_pipeline.drawn_faces.head import Head
from data_pipeline.drawn_faces.traits import (
    COVERS_EARS,
    Traits,
    attributes,
    has_necklace,
    sample,
)

ATTRIBUTES: tuple[str, ...] = drawn_faces_traits.ATTRIBUTES
MIN_SIZE, MAX_SIZE = 32, 512  # pixels
_LEAST_SIDE = 192  # smaller pictures are shrunk from this: no line is thinner than 1


def draw(index: int, *, seed: int = 0, size: int = 128) -> dict:
    """Draws one face.

    Args:
      index: Which face; not negative.
      seed: Which data set; not negative.
      size: Side S of the picture in pixels, 32 to 512.

    Returns:
      An element:
        image: uint8 [S, S, 3], RGB.
        name: "face_000007" for index 7.
        attributes: bool [len(ATTRIBUTES)].
        landmarks: float32 [5, 2], x and y in pixels, counted from 0 at the center of
          the first: left eye, right eye, nose, left and right corner of the mouth,
          where left is left in the picture.
        face_mask: uint8 [S, S, 1], 1 where the face is: skin and features from the
          hairline to the chin; not ears, neck, hair or hat.

    Raises:
      ValueError: if index or seed is negative, or size out of range.
    """
    for name, value in (("index", index), ("seed", seed)):
        if value < 0:
            raise ValueError(f"{name} must not be negative; got {value}.")
    traits = sample(int(seed), int(index))
    return {"name": f"face_{index:06d}", **render(traits, size)}


def render(traits: Traits, size: int) -> dict:
    """Draws the face of these traits; an element as from `draw`, without a name."""
    if not MIN_SIZE <= size <= MAX_SIZE:
        nearest = min(max(size, MIN_SIZE), MAX_SIZE)
        raise ValueError(
            f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, because the drawing's "
            f"lines are made for these; got {size}. Try {nearest} and resize."
        )
    head = Head(traits)
    layout = features.Layout(traits, head)
    canvas = _paint(traits, head, layout, max(size, _LEAST_SIDE)).resized(size)
    canvas.multiply_figure(light.light(head, traits, size))
    grain = _noise(traits, "grain").standard_normal((size, size), np.float32)
    grain = np.rint(traits.grain * grain).astype(np.int16)
    image = cv2.add(canvas.image, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
    return {
        "image": image,
        "attributes": attributes(traits),
        # A pixel's number is that of its center, as in the other data sets.
        "landmarks": layout.landmarks(head) * np.float32(size) - np.float32(0.5),
        "face_mask": (canvas.face > 127).astype(np.uint8)[:, :, None],
    }


def _noise(traits, purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose: no trait moves another one's texture."""
    key = ("background", "hair", "beard", "freckles", "grain").index(purpose)
    return np.random.Generator(np.random.PCG64([traits.texture, key]))


def _paint(traits, head, layout, side):
    t = traits
    skin = drawing.skin(t.skin_tone, t.undertone)
    hair = drawing.hair(t.hair_color, t.hair_lightness)
    canvas = Canvas(light.background(t, _noise(t, "background"), side))
    kind = kind_of_strands(t)
    layer = strands(head, t, _noise(t, "hair"), side, hair, kind=kind)

    draw_behind(canvas, head, t, layer)
    clothing.draw_body(canvas, head, t, skin)
    if has_necklace(t):
        clothing.draw_necklace(canvas, head, t)
    if t.hair_style not in COVERS_EARS:
        features.draw_ears(canvas, head, t, skin)
    canvas.fill(head.outline, skin, role="face")
    canvas.multiply(light.skin_relief(head, t, side))
    if t.freckles:
        features.draw_freckles(canvas, head, _noise(t, "freckles"), skin)
    if t.beard != "none" or t.mustache:
        rng = _noise(t, "beard")
        beard = strands(head, t, rng, side, 0.95 * hair, kind="short")
    if t.beard != "none":
        draw_beard(canvas, head, t, layout, beard, skin)
    features.draw_mouth(canvas, head, t, layout, skin)
    features.draw_nose(canvas, head, t, layout, skin)
    if t.mustache:
        draw_mustache(canvas, head, t, layout, beard)
    features.draw_eyes(canvas, head, t, layout, skin)
    brow = drawing.mix(hair, skin * 0.35, 0.35)
    features.draw_brows(canvas, head, t, layout, brow)
    if t.glasses != "none":
        clothing.draw_glasses(canvas, head, t, layout)
    if t.hair_style != "bald":
        draw_hair(canvas, head, t, layer)
    if t.hat != "none":
        clothing.draw_hat(canvas, head, t)
    if t.earrings:
        clothing.draw_earrings(canvas, head, t)
    return canvas


def contact_sheet(
    rows: int, columns: int, *, seed: int = 0, size: int = 128
) -> np.ndarray:
    """The first rows * columns faces, uint8 [rows * size, columns * size, 3]."""
    lines = [
        np.concatenate(
            [
                draw(row * columns + column, seed=seed, size=size)["image"]
                for column in range(columns)
            ],
            axis=1,
        )
        for row in range(rows)
    ]
    return np.concatenate(lines)
