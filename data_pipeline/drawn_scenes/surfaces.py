"""Random colors and textures of drawn scenes, and the scenes of a single surface.

Textures are random grids enlarged to the picture, so that a scene is the same at
every size.
"""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline.drawing import Canvas, ellipse, hsv, mix, moved

Rng = np.random.Generator

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
FLAT = 256  # pixels along a picture that is drawn flat and then laid over something


def chance(rng: Rng, probability: float) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def pick(rng: Rng, options):
    """One of the options."""
    return options[rng.integers(len(options))]


def tint(
    rng: Rng, hue=(0.0, 1.0), saturation=(0.1, 0.7), value=(0.3, 0.95)
) -> np.ndarray:
    """A random color within ranges of hue, saturation and value; RGB, 0 to 255."""
    return hsv(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def brighter(color, factor: float) -> np.ndarray:
    """A color times a factor; darker below 1."""
    return np.minimum(np.asarray(color) * factor, 255)


def field(rng: Rng, side: int, cells=(3, 3), octaves: int = 4, gain: float = 0.55):
    """A cloudy random texture, float32 [side, side] in [0, 1].

    It is the sum of `octaves` grids. The first has `cells` rows and columns; each other
    one is twice as fine as the one before, with `gain` times its amplitude.
    """
    total, weight, sum_of_weights = 0.0, 1.0, 0.0
    for octave in range(octaves):
        shape = [(count << octave) + 1 for count in cells]
        grid = rng.random(shape, np.float32)
        grid = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
        total = total + weight * grid
        sum_of_weights += weight
        weight *= gain
    # The mean of several random numbers hardly ever comes near 0 or 1.
    return np.clip(1.7 * (total / sum_of_weights - 0.5) + 0.5, 0.0, 1.0)


def mixed(one, other, share) -> np.ndarray:
    """Two colors or pictures mixed pixel by pixel; uint8 [side, side, 3].

    `share` is that of the other one, float [side, side] or [side, 1], in [0, 1].
    """
    one, other = (np.asarray(part, np.float32) for part in (one, other))
    share = np.asarray(share, np.float32)
    share = np.broadcast_to(share, (len(share), len(share)))[:, :, None]
    return (one + (other - one) * share).astype(np.uint8)


def rough(rng: Rng, side: int, color, strength: float, cells=(5, 5), octaves: int = 5):
    """A picture of a surface whose color varies by a share of `strength`."""
    low, high = brighter(color, 1.0 - strength), brighter(color, 1.0 + strength)
    return mixed(low, high, field(rng, side, cells, octaves, gain=0.75))


def wood(rng: Rng, side: int, color, boards: int) -> np.ndarray:
    """A picture of horizontal boards with grain along them."""
    share = field(rng, side, (12, 1), octaves=4, gain=0.8)
    rows = np.arange(side) * boards // side
    share = np.clip(share + rng.uniform(-0.3, 0.3, boards)[rows][:, None], 0.0, 1.0)
    picture = mixed(brighter(color, 0.62), brighter(color, 1.15), share)
    ends = np.linspace(0, side, boards + 1)[1:-1].astype(int)
    picture[ends] = (picture[ends] * 0.5).astype(np.uint8)
    return picture


def rect(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The corners of an upright rectangle, clockwise from the upper left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def lay(canvas: Canvas, picture: np.ndarray, corners) -> None:
    """Lays a flat picture, uint8 [N, N, 3], over a quadrilateral in perspective.

    The corners, [4, 2], are clockwise from the picture's upper left.
    """
    target = (np.asarray(corners) * canvas.side - 0.5).astype(np.float32)
    source = (rect(0.0, 0.0, 1.0, 1.0) * len(picture) - 0.5).astype(np.float32)
    # Shrinking without a blur before it would alias.
    sides = np.linalg.norm(target - np.roll(target, 1, axis=0), axis=1)
    shrunk = len(picture) / max(sides.min(), 1.0)
    if shrunk > 1.3:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrunk)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (canvas.side, canvas.side)
    warped = cv2.warpPerspective(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    canvas.blend(corners, warped)


def defocused(canvas: Canvas, sigma: float) -> None:
    """Blurs everything so far; sigma is in picture widths."""
    canvas.image = cv2.GaussianBlur(canvas.image, (0, 0), max(sigma * canvas.side, 0.3))


def pattern(canvas: Canvas, rng: Rng) -> None:
    """A pattern in perspective, folded if it is on cloth, perhaps with a shadow."""
    color = tint(rng, saturation=(0.05, 0.7), value=(0.35, 0.95))
    cloth = chance(rng, 0.5)
    ground = color if cloth else mix(color, (90, 86, 80), 0.6)  # joints between stones
    flat = Canvas(rough(rng, FLAT, ground, 0.1, (32, 32), 2))
    pick(rng, _ON_CLOTH if cloth else _ON_WALLS)(flat, rng, color)
    _spread(canvas, rng, flat.image, tilt=0.12 if cloth else 0.5)
    if cloth:
        _fold(canvas, rng)
    if chance(rng, 0.4):
        _blinds(canvas, rng)


def _spread(canvas, rng, picture, tilt):
    """Lays a flat picture over the whole frame, turned and in perspective."""
    angle = rng.uniform(-0.8, 0.8) if chance(rng, 0.4) else rng.uniform(-0.05, 0.05)
    # Large enough to reach the corners of the frame.
    zoom = (np.cos(angle) + abs(np.sin(angle))) * rng.uniform(1.02, 1.4) + 0.5 * tilt
    corners = rect(-0.5, -0.5, 0.5, 0.5) * zoom
    cos, sin = np.cos(angle), np.sin(angle)
    corners = corners @ np.array([[cos, sin], [-sin, cos]])
    # Farther at the top: narrower there.
    corners[:, 0] *= 1.0 + tilt * rng.random() * (corners[:, 1] + 0.1)
    lay(canvas, picture, corners + 0.5)


def _fold(canvas, rng):
    """Soft folds that shift the pattern and shade it."""
    side = canvas.side
    cells = pick(rng, ((1, 3), (2, 2), (3, 1)))
    height = field(rng, side, cells, octaves=2, gain=0.35)
    slope_y, slope_x = np.gradient(height)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    shift = (height - 0.5) * np.float32(rng.uniform(0.02, 0.08) * side)
    moves = (x + shift, y + shift, cv2.INTER_LINEAR)
    canvas.image = cv2.remap(canvas.image, *moves, borderMode=cv2.BORDER_REFLECT)
    light = 1.0 + rng.uniform(8.0, 20.0) * (side / 192) * (slope_x + 0.7 * slope_y)
    factors = np.clip(light, 0.45, 1.4)[:, :, None]
    canvas.image = np.clip(canvas.image * factors, 0, 255).astype(np.uint8)


def _blinds(canvas, rng):
    """The shadow of slats before a window; a single one is a wall's."""
    count, slant = int(rng.integers(1, 9)), rng.uniform(-0.3, 0.3)
    slat = rect(-0.1, 0.0, 1.1, 0.45 / count)
    slat[1:3, 1] += slant
    slats = [moved(slat, 0.0, top) for top in np.arange(-1, count + 1) / count]
    canvas.shade(slats, rng.uniform(0.2, 0.4), blur=0.006)


def _plaid(flat, rng, color):
    """Bands that cross, in colors of their own."""
    period = 1.0 / rng.integers(2, 6)
    for _ in range(int(rng.integers(2, 5))):
        start, width = rng.random(), rng.uniform(0.08, 0.35)
        band, opacity = tint(rng), rng.uniform(0.4, 0.75)
        for left in np.arange(start - 1, 1 / period + 1) * period:
            right = left + width * period
            flat.blend(rect(left, 0.0, right, 1.0), band, opacity)
            flat.blend(rect(0.0, left, 1.0, right), band, opacity)


def _stripes(flat, rng, color):
    count = int(rng.integers(4, 15))
    colors = [tint(rng) for _ in range(int(rng.integers(1, 4)))]
    for number in range(count):
        left = number / count
        band = rect(left, 0.0, left + rng.uniform(0.2, 0.8) / count, 1.0)
        flat.blend(band, colors[number % len(colors)], 0.85)


def _dots(flat, rng, color):
    count, size = int(rng.integers(6, 12)), rng.uniform(0.15, 0.32)
    other = mix(color, pick(rng, (WHITE, (30, 30, 40))), 0.8)
    for x, y in _staggered(count, count + 1):
        flat.fill(ellipse(x, y, size / count, size / count, 16), other)


def _diamonds(flat, rng, color):
    """Argyle, without its thin lines."""
    count = int(rng.integers(3, 7))
    shape = np.array([(0.0, -1.0), (0.5, 0.0), (0.0, 1.0), (-0.5, 0.0)]) / count
    colors = (tint(rng), tint(rng), color)
    for x, y in _staggered(count, count + 1):
        flat.fill(moved(shape, x, y), colors[round(y * count) % 3])


def _bricks(flat, rng, color):
    rows = int(rng.integers(7, 17))
    long, bond = rng.uniform(1.6, 3.2) / rows, pick(rng, (0.5, 0.5, 0.33, 0.0))
    gap = rng.uniform(0.05, 0.12) / rows
    for row in range(rows):
        for left in np.arange(-1, 1 / long + 1) * long + (bond * row % 1.0) * long:
            brick = rect(left, row / rows, left + long - gap, (row + 1) / rows - gap)
            flat.fill(brick, brighter(color, rng.uniform(0.7, 1.15)))
            light = rect(left, row / rows, left + long - gap, (row + 0.1) / rows)
            flat.blend(light, WHITE, 0.15)


def _hexagons(flat, rng, color):
    count = int(rng.integers(5, 10))
    angle = np.arange(6) * (np.pi / 3) + np.pi / 6
    shape = np.stack([np.cos(angle), np.sin(angle)], 1) * (0.54 / count)
    other = tint(rng)
    for x, y in _staggered(count, int(count * 1.2) + 2, 0.87):
        base = other if chance(rng, 0.15) else color
        flat.fill(moved(shape, x, y), brighter(base, rng.uniform(0.85, 1.1)))


def _mosaic(flat, rng, color):
    """Irregular four-cornered stones."""
    count = int(rng.integers(6, 14))
    palette = [tint(rng) for _ in range(4)] if chance(rng, 0.5) else [color]
    steps = np.arange(count + 1) / count
    grid = np.stack(np.meshgrid(steps, steps), -1)
    grid = grid + rng.uniform(-0.25, 0.25, grid.shape) / count
    for row in range(count):
        for column in range(count):
            four = grid[row : row + 2, column : column + 2].reshape(4, 2)[[0, 1, 3, 2]]
            stone = (four - four.mean(0)) * 0.88 + four.mean(0)
            flat.fill(stone, brighter(pick(rng, palette), rng.uniform(0.65, 1.2)))


def _boards(flat, rng, color):
    flat.image = wood(rng, FLAT, color, int(rng.integers(4, 10)))


def _staggered(count, rows, step=1.0):
    """Points in rows of `count`, every second row moved by half a step."""
    for row in range(rows):
        for column in range(count + 1):
            yield (column + 0.5 * (row % 2)) / count, row * step / count


_ON_CLOTH = (_plaid, _plaid, _stripes, _dots, _diamonds)
_ON_WALLS = (_bricks, _bricks, _hexagons, _mosaic, _boards)
