"""Drawn faces with exact attributes, landmarks and face masks.

Face number `index` of a seed is the same at every size. What the element says of it is
computed from the numbers that draw it; attributes are named as in CelebA.

  element = draw(7, seed=0, size=128)
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from data_pipeline import drawing
from data_pipeline.drawing import MAX_SIZE, MIN_SIZE, Canvas, ellipse, hsv, mix, moved
from data_pipeline.drawn_faces import clothing, features, hair, light
from data_pipeline.drawn_faces.head import Head
from data_pipeline.drawn_faces.traits import (
    ATTRIBUTES,
    COVERS_EARS,
    Traits,
    attributes,
    has_necklace,
    sample,
)

__all__ = ["ATTRIBUTES", "MAX_SIZE", "MIN_SIZE", "draw", "render"]


def draw(index: int, *, seed: int = 0, size: int = 128) -> dict:
    """Draws one face.

    Args:
      index: Number of the face.
      seed: Number of the data set.
      size: Side S of the picture in pixels, 32 to 512.

    Returns:
      An element; see `elements`. It has ATTRIBUTES and landmarks; its face mask is 1 on
      skin and features from hairline to chin, not on ears, neck, hair or hat.

    Raises:
      ValueError: If index or seed is negative, or size out of range.
    """
    drawing.check_not_negative(index=index, seed=seed)
    traits = sample(int(seed), int(index))
    return {"name": f"face_{index:06d}", **render(traits, size)}


def render(traits: Traits, size: int) -> dict:
    """Draws the face of these traits; an element as from `draw`, without a name."""
    drawing.check_size(size)
    head = Head(traits)
    layout = features.Layout(traits, head)
    canvas = _paint(traits, head, layout, max(size, drawing.LEAST_SIDE)).resized(size)
    canvas.multiply_figure(light.light(head, traits, size))
    grain = _noise(traits, "grain")
    return {
        "image": drawing.add_grain(canvas.image, traits.grain, grain),
        "attributes": attributes(traits),
        # A pixel's number is that of its center, as in the other data sets.
        "landmarks": layout.landmarks(head) * np.float32(size) - np.float32(0.5),
        "face_mask": (canvas.face > 127).astype(np.uint8)[:, :, None],
    }


def _noise(traits, purpose: str) -> np.random.Generator:
    """A stream for each purpose, so that no trait changes another one's texture."""
    key = ("background", "hair", "beard", "freckles", "grain").index(purpose)
    return np.random.Generator(np.random.PCG64([traits.texture, key]))


def _paint(traits, head, layout, side):
    t = traits
    skin = light.skin_color(t.skin_tone, t.undertone)
    color = hair.hair_color(t.hair_color, t.hair_lightness)
    canvas = Canvas(_background(t, _noise(t, "background"), side))
    kind = hair.kind_of_strands(t)
    strands = hair.strands(head, t, _noise(t, "hair"), side, color, kind=kind)

    hair.draw_behind(canvas, head, t, strands)
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
        beard = hair.strands(head, t, rng, side, 0.95 * color, kind="short")
    if t.beard != "none":
        hair.draw_beard(canvas, head, t, layout, beard, skin)
    features.draw_mouth(canvas, head, t, layout, skin)
    features.draw_nose(canvas, head, t, layout, skin)
    if t.mustache:
        hair.draw_mustache(canvas, head, t, layout, beard)
    features.draw_eyes(canvas, head, t, layout, skin)
    brow = mix(color, skin * 0.35, 0.35)
    features.draw_brows(canvas, head, t, layout, brow)
    if t.glasses != "none":
        clothing.draw_glasses(canvas, head, t, layout)
    if t.hair_style != "bald":
        hair.draw_hair(canvas, head, t, strands)
    if t.hat != "none":
        clothing.draw_hat(canvas, head, t)
    if t.earrings:
        clothing.draw_earrings(canvas, head, t)
    return canvas


def _background(traits, rng: np.random.Generator, side: int) -> np.ndarray:
    """A background out of focus, uint8 [side, side, 3]."""
    t = traits
    near = hsv(t.background_hue, t.background_saturation, t.background_value)
    far = hsv(
        t.background_hue + 0.08 * t.background_contrast,
        t.background_saturation * 0.8,
        t.background_value * (1.0 - 0.55 * t.background_contrast),
    )
    coarse = 64  # pixels; drawn at this size for every other
    cells = 9 if t.background == "clouds" else 4
    share = 0.8 * rng.random((cells, cells)) + np.linspace(0.0, 0.5, cells)[:, None]
    share = cv2.resize(share, (coarse, coarse), interpolation=cv2.INTER_CUBIC)
    share = np.clip(share, 0.0, 1.0)[:, :, None]
    canvas = Canvas((near * (1.0 - share) + far * share).astype(np.uint8))
    if t.background in _PATTERNS:
        _PATTERNS[t.background](canvas, t, rng, near, far)
    image = canvas.image
    sigma = 0.5 + 2.0 * t.background_blur
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)


def _lights(canvas, traits, rng, near, far):
    """Lamps out of focus."""
    for x, y, size, shade, strength in rng.random((14, 5)):
        color = hsv(traits.background_hue + 0.3 * shade, 0.35, 1.0)
        radius = 0.03 + 0.07 * size
        disk = ellipse(1.2 * x - 0.1, 1.2 * y - 0.1, radius, radius)
        canvas.blend(disk, color, 0.15 + 0.5 * strength)


def _leaves(canvas, traits, rng, near, far):
    """Foliage: many small leaves, lighter and darker."""
    for x, y, size, turn, shade in rng.random((46, 5)):
        leaf = ellipse(0.0, 0.0, 0.04 + 0.06 * size, 0.02 + 0.025 * size, 10)
        cos, sin = math.cos(turn * math.pi), math.sin(turn * math.pi)
        leaf = moved(leaf @ np.array([[cos, sin], [-sin, cos]]), x, y)
        green = hsv(0.24 + 0.12 * shade, 0.45, 0.25 + 0.5 * shade)
        canvas.fill(leaf, mix(green, near, 0.35))


def _wall(canvas, traits, rng, near, far):
    """Bricks or tiles with joints."""
    canvas.image[:] = np.clip(near * 0.6 + 70, 0, 255)
    brick = [(0.0, 0.0), (0.15, 0.0), (0.15, 0.12), (0.0, 0.12)]
    for row, shades in enumerate(rng.random((7, 7))):
        for column, shade in enumerate(shades):
            place = moved(brick, (column - 0.5 * (row % 2)) / 6, row / 7)
            canvas.fill(place, mix(near, far, shade))


def _stripes(canvas, traits, rng, near, far):
    """A curtain or a paneled wall."""
    count = 5 + int(7 * rng.random())
    slant, wide = 0.25 * (rng.random() - 0.5), 0.5 / count
    band = [(0.0, 0.0), (wide, 0.0), (wide + slant, 1.0), (slant, 1.0)]
    bands = [moved(band, stripe / count, 0.0) for stripe in range(-1, count + 1)]
    canvas.blend(bands, far, 0.75)


_PATTERNS = {"lights": _lights, "leaves": _leaves, "wall": _wall, "stripes": _stripes}
