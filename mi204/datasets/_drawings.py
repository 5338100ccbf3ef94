"""Line drawings of the ten classes of CIFAR-10, and of clutter of no class.

A drawing is a sequence of strokes painted one over the other, each a paint and a shape: a window of a grid, and the
distance of each of its cells to the shape's outline, negative inside, in units of half the drawing. Numbers drawn from
`rng` vary it.
"""

from collections.abc import Iterator

import numpy as np

Window = tuple[slice, slice]
Shape = tuple[Window, np.ndarray]
Strokes = Iterator[tuple[int, Shape]]
Point = tuple[float, float]

GRID = 64
BODY, SECOND, DARK, LIGHT = range(4)

# Centres of the cells along one side of a drawing, in -1..1: x to the right, y downwards.
PLACES = ((np.arange(GRID) + 0.5) * 2 / GRID - 1).astype(np.float32)
# An edge is as wide as a pixel of the image, so that looking up one cell per pixel leaves no stairs.
EDGE = 1 / 12


def _window(left: float, top: float, right: float, bottom: float) -> Window:
    """Return the window of all cells that a shape within these bounds covers, its edge included."""
    first_column, first_row = (max(0, int((low - EDGE / 2 + 1) * GRID / 2)) for low in (left, top))
    columns, rows = (max(0, int((high + EDGE / 2 + 1) * GRID / 2) + 1) for high in (right, bottom))
    return slice(first_row, rows), slice(first_column, columns)


def _segments(
    points: tuple[Point, ...], closed: bool, margin: float
) -> tuple[Window, tuple[np.ndarray, ...], np.ndarray]:
    """Measure cells by segments: their offsets from the starts, the extents of the segments, the least distances."""
    across, down = zip(*points, strict=True)
    window = _window(min(across) - margin, min(down) - margin, max(across) + margin, max(down) + margin)
    rows, columns = window
    starts = np.array(points if closed else points[:-1], dtype=np.float32)
    ends = np.array((*points[1:], points[0]) if closed else points[1:], dtype=np.float32)
    along_x, along_y = (ends - starts).T[..., None, None]
    x, y = PLACES[columns] - starts[:, :1, None], PLACES[rows, None] - starts[:, 1:, None]
    position = ((x * along_x + y * along_y) / (along_x**2 + along_y**2)).clip(0, 1)
    squares = (x - position * along_x) ** 2 + (y - position * along_y) ** 2
    return window, (x, y, along_x, along_y), np.sqrt(squares.min(axis=0))


def _line(radius: float, *points: Point) -> Shape:
    window, _, distances = _segments(points, False, radius)
    return window, distances - np.float32(radius)


def _polygon(*points: Point, rounding: float = 0.02) -> Shape:
    window, (x, y, along_x, along_y), distances = _segments(points, True, rounding)
    # A cell is inside when a ray from it to the right crosses an odd number of sides.
    beside = (y > 0) != (y > along_y)
    crossed = beside & ((x * along_y < y * along_x) == (along_y > 0))
    inside = np.logical_xor.reduce(crossed)
    return window, np.where(inside, -distances, distances) - np.float32(rounding)


def _ellipse(x: float, y: float, width: float, height: float) -> Shape:
    small = min(width, height)
    # Measured along the small axis: the edge is wider along the other.
    right, down = width * (1 + EDGE / 2 / small), height * (1 + EDGE / 2 / small)
    rows, columns = window = _window(x - right, y - down, x + right, y + down)
    x, y, width, height, small = np.array((x, y, width, height, small), dtype=np.float32)
    across, along = (PLACES[columns] - x) / width, (PLACES[rows, None] - y) / height
    return window, (np.sqrt(across**2 + along**2) - 1) * small


def _box(left: float, top: float, right: float, bottom: float) -> Shape:
    return _polygon((left, top), (right, top), (right, bottom), (left, bottom))


def _plane(rng: np.random.Generator) -> Strokes:
    span, far, sweep, nose, tail = rng.uniform((0.4, 0.15, 0.1, 0.7, 0.25), (0.8, 0.7, 0.5, 0.9, 0.5))
    yield SECOND, _polygon((-0.05, 0), (0.25, 0), (0.05 - sweep, -far), (-0.1 - sweep, -far))
    yield SECOND, _polygon((-0.55, 0), (-0.75, -tail), (-0.92, -tail), (-0.85, 0))
    yield BODY, _line(0.13, (-0.75, -0.02), (nose - 0.15, 0.02))
    yield BODY, _line(0.06, (-0.85, -0.04), (nose, 0.03))
    yield SECOND, _polygon((-0.6, 0), (-0.75, 0), (-0.93, 0.22), (-0.8, 0.22))
    for x in np.arange(-0.4, nose - 0.3, 0.16):
        yield DARK, _ellipse(x, -0.04, 0.04, 0.04)
    yield LIGHT, _polygon((nose - 0.22, -0.08), (nose - 0.1, -0.06), (nose - 0.06, 0), (nose - 0.22, 0))
    yield SECOND, _polygon((-0.1, 0.06), (0.28, 0.06), (0.05 - sweep, span), (-0.12 - sweep, span))
    yield DARK, _line(0.06, (0.02 - sweep / 2, 0.5 * span), (0.18 - sweep / 2, 0.5 * span))


def _wheels(bottom: float, radius: float, *places: float) -> Strokes:
    for x in places:
        yield DARK, _ellipse(x, bottom - radius, radius, radius)
        yield LIGHT, _ellipse(x, bottom - radius, 0.45 * radius, 0.45 * radius)


def _car(rng: np.random.Generator) -> Strokes:
    back, front, roof, wheel = rng.uniform((-0.85, 0.15, -0.5, 0.16), (-0.4, 0.5, -0.3, 0.22))
    yield BODY, _polygon((back, 0), (back + 0.2, roof), (front - 0.3, roof), (front, 0))
    yield LIGHT, _polygon((back + 0.12, -0.03), (back + 0.24, roof + 0.08), (-0.2, roof + 0.08), (-0.2, -0.03))
    yield LIGHT, _polygon((-0.12, -0.03), (-0.12, roof + 0.08), (front - 0.33, roof + 0.08), (front - 0.1, -0.03))
    yield BODY, _polygon((-0.9, 0), (0.55, 0), (0.9, 0.1), (0.9, 0.3), (-0.9, 0.3), rounding=0.05)
    yield SECOND, _line(0.04, (-0.88, 0.24), (0.88, 0.24))
    yield LIGHT, _ellipse(0.86, 0.12, 0.06, 0.06)
    yield from _wheels(0.3 + wheel, wheel, -0.52, 0.52)


def _truck(rng: np.random.Generator) -> Strokes:
    top, gap, wheel, cab = rng.uniform((-0.75, 0.15, 0.13, -0.4), (-0.35, 0.4, 0.19, -0.1))
    yield DARK, _box(-0.9, 0.3, 0.85, 0.4)
    yield SECOND, _box(-0.92, top, gap, 0.3)
    for x in np.arange(-0.7, gap - 0.05, 0.25):
        yield DARK, _line(0.012, (x, top + 0.08), (x, 0.22))
    yield BODY, _polygon((gap + 0.1, cab), (gap + 0.38, cab), (0.88, 0.05), (0.88, 0.38), (gap + 0.1, 0.38))
    yield LIGHT, _polygon((gap + 0.2, cab + 0.08), (gap + 0.36, cab + 0.08), (gap + 0.46, 0.04), (gap + 0.2, 0.04))
    yield from _wheels(0.38 + wheel, wheel, -0.68, -0.68 + 2.3 * wheel, 0.62)


def _ship(rng: np.random.Generator) -> Strokes:
    deck, cabin, left, funnel = rng.uniform((0.1, 0.2, -0.6, 0.35), (0.3, 0.45, -0.1, 0.6))
    if rng.random() < 0.4:  # a sailing boat
        yield DARK, _line(0.03, (0, deck), (0, -0.9))
        yield LIGHT, _polygon((0.07, -0.85), (0.07, deck - 0.1), (0.2 + cabin, deck - 0.1))
        yield SECOND, _polygon((-0.07, -0.7), (-0.07, deck - 0.1), (left - 0.1, deck - 0.1))
    else:
        yield SECOND, _box(left + 0.12, deck - cabin - funnel, left + 0.34, deck - cabin)
        yield DARK, _box(left + 0.12, deck - cabin - funnel, left + 0.34, deck - cabin - funnel + 0.1)
        yield LIGHT, _box(left, deck - cabin, left + 0.8, deck)
        for x in left + np.array([0.15, 0.4, 0.65]):
            yield DARK, _ellipse(x, deck - cabin / 2, 0.07, 0.07)
    yield BODY, _polygon((-0.85, deck), (0.95, deck - 0.08), (0.65, 0.6), (-0.7, 0.6))
    yield DARK, _polygon((-0.73, 0.5), (0.73, 0.5), (0.65, 0.6), (-0.7, 0.6))


def _bird(rng: np.random.Generator) -> Strokes:
    rise, size, reach, lift, tail = rng.uniform((-0.4, 0.16, 0.3, -0.9, -0.15), (-0.2, 0.22, 0.55, -0.5, 0.3))
    yield BODY, _polygon((-0.3, 0), (-0.3, 0.2), (-0.92, tail + 0.14), (-0.9, tail - 0.05))
    if rng.random() < 0.5:  # on the wing
        yield SECOND, _polygon((-0.25, 0), (0.25, 0), (0.1 - reach, lift), (-0.2 - reach, lift + 0.1))
        yield SECOND, _polygon((0, 0), (0.3, 0.05), (reach + 0.1, lift), (reach - 0.1, lift - 0.05))
        yield BODY, _ellipse(0, 0.08, 0.48, 0.2)
    else:
        for x in (-0.05, 0.12):
            yield DARK, _line(0.03, (x, 0.3), (x, 0.75), (x + 0.12, 0.78))
        yield BODY, _ellipse(0, 0.08, 0.46, 0.3)
        yield SECOND, _polygon((0.2, 0), (0.1, 0.25), (-0.55, 0.18), (-0.3, -0.02), rounding=0.05)
    yield BODY, _line(0.14, (0.3, 0), (0.48, rise))
    yield BODY, _ellipse(0.48, rise, size, size)
    yield LIGHT, _polygon((0.48 + size, rise - 0.06), (0.5 + size, rise + 0.1), (0.72 + size, rise + 0.05))
    yield DARK, _ellipse(0.54, rise - 0.04, 0.05, 0.05)


def _legs(rng: np.random.Generator, hip: float, floor: float, radius: float, places: tuple[float, ...]) -> Strokes:
    for number, x in enumerate(places):
        step = rng.uniform(-0.14, 0.14)
        yield (DARK if number % 2 == 0 else BODY), _line(radius, (x, hip), (x + step / 2, floor / 2), (x + step, floor))


def _cat(rng: np.random.Generator) -> Strokes:
    tall, tip, back, size = rng.uniform((0.3, -0.95, -0.05, 0.22), (0.55, -0.65, 0.3, 0.3))
    if rng.random() < 0.5:  # the face
        for sign in (-1, 1):
            yield BODY, _polygon((0.15 * sign, -0.3), (0.62 * sign, tip), (0.66 * sign, 0.1))
            yield SECOND, _polygon((0.34 * sign, -0.35), (0.56 * sign, tip + 0.22), (0.58 * sign, -0.15))
        yield BODY, _ellipse(0, 0.1, 0.72, 0.62)
        yield LIGHT, _ellipse(0, 0.4, 0.28, 0.2)
        for sign in (-1, 1):
            yield LIGHT, _ellipse(0.3 * sign, 0, 0.15, 0.13)
            yield DARK, _ellipse(0.3 * sign, 0, 0.06, 0.13)
            yield DARK, _line(0.015, (0.2 * sign, 0.35), (0.9 * sign, 0.2 + back))
            yield DARK, _line(0.015, (0.2 * sign, 0.42), (0.85 * sign, 0.45 + back / 2))
        yield DARK, _polygon((-0.09, 0.24), (0.09, 0.24), (0, 0.34))
        return
    yield BODY, _line(0.06, (-0.45, 0.1), (-0.75, back), (-0.8, tip + 0.4), (-0.6, tip + 0.2))
    yield from _legs(rng, 0.1, 0.35 + tall / 2, 0.075, (-0.42, -0.3, 0.2, 0.34))
    yield BODY, _line(0.21, (-0.36, 0.06), (0.3, 0.04))
    for x in (-0.4, -0.2, 0.0, 0.2):
        yield SECOND, _line(0.035, (x, -0.16), (x + 0.03, 0.08))
    for x in (0.3, 0.68):
        yield BODY, _polygon((x, -0.25), (x + 0.14, -0.25), (1.7 * x - 0.26, -0.42 - size))
    yield BODY, _ellipse(0.54, -0.2, 0.04 + size, size)
    for x in (0.48, 0.7):
        yield DARK, _ellipse(x, -0.22, 0.045, 0.06)
    yield LIGHT, _ellipse(0.62, -0.07, 0.1, 0.06)


def _dog(rng: np.random.Generator) -> Strokes:
    drop, snout, tall, tail, size = rng.uniform((0.1, 0.1, 0.6, -0.6, 0.19), (0.5, 0.3, 0.8, -0.1, 0.25))
    if rng.random() < 0.5:  # the face
        yield BODY, _ellipse(0, -0.05, 0.56, 0.66)
        for sign in (-1, 1):
            yield SECOND, _line(0.17, (0.48 * sign, -0.5), (0.7 * sign, -0.2), (0.7 * sign, drop))
            yield DARK, _ellipse(0.24 * sign, -0.2, 0.09, 0.1)
        yield LIGHT, _ellipse(0, 0.3, 0.36, 0.2 + snout)
        yield DARK, _ellipse(0, 0.16, 0.16, 0.11)
        yield DARK, _line(0.025, (-0.2, 0.42), (0, 0.36), (0.2, 0.42))
        yield SECOND, _ellipse(0, 0.52, 0.1, 0.12)
        return
    yield BODY, _line(0.055, (-0.45, 0), (-0.75, -0.15), (-0.88, tail))
    yield from _legs(rng, 0.1, tall, 0.08, (-0.44, -0.32, 0.22, 0.34))
    yield BODY, _line(0.21, (-0.38, 0.02), (0.3, 0.04))
    yield BODY, _line(0.14, (0.3, 0), (0.48, -0.3))
    yield BODY, _line(0.1, (0.5, -0.3), (0.62 + snout, -0.22))
    yield BODY, _ellipse(0.5, -0.36, size, size)
    yield DARK, _ellipse(0.68 + snout, -0.26, 0.06, 0.06)
    yield SECOND, _line(0.09, (0.4, -0.46), (0.32, -0.3), (0.34, drop - 0.35))
    yield DARK, _ellipse(0.58, -0.4, 0.05, 0.05)


def _deer(rng: np.random.Generator) -> Strokes:
    height, spread, tips, floor = rng.uniform((-0.55, 0.1, -0.97, 0.75), (-0.35, 0.3, -0.85, 0.95))
    yield LIGHT, _line(0.07, (-0.5, -0.02), (-0.66, 0.1))
    yield from _legs(rng, 0.1, floor, 0.045, (-0.42, -0.33, 0.22, 0.32))
    yield BODY, _line(0.18, (-0.38, 0.02), (0.28, 0.04))
    yield BODY, _line(0.09, (0.32, 0), (0.55, height))
    for lean in (-spread, spread):
        yield SECOND, _line(0.035, (0.55, height), (0.52 + lean / 2, height - 0.2), (0.5 + 1.6 * lean, tips))
        yield SECOND, _line(0.03, (0.52 + lean / 2, height - 0.2), (0.52 + 1.8 * lean, height - 0.15))
    yield BODY, _polygon((0.5, height), (0.3, height - 0.1), (0.48, height + 0.1))
    yield BODY, _line(0.09, (0.55, height), (0.78, height + 0.1))
    yield DARK, _ellipse(0.86, height + 0.12, 0.05, 0.05)
    yield DARK, _ellipse(0.6, height - 0.02, 0.04, 0.04)
    for x, y in ((-0.4, -0.04), (-0.22, -0.08), (-0.3, 0.08), (-0.05, -0.05), (-0.1, 0.1), (0.12, -0.02)):
        yield LIGHT, _ellipse(x, y, 0.045, 0.045)


def _horse(rng: np.random.Generator) -> Strokes:
    height, nose, floor, swish = rng.uniform((-0.65, -0.4, 0.75, -0.95), (-0.4, -0.1, 0.95, -0.7))
    yield SECOND, _line(0.08, (-0.48, -0.08), (-0.7, 0.05), (swish, 0.5))
    yield from _legs(rng, 0.1, floor, 0.065, (-0.46, -0.34, 0.24, 0.36))
    yield BODY, _line(0.24, (-0.36, 0), (0.28, 0.02))
    yield SECOND, _line(0.12, (0.2, -0.2), (0.46, height))
    yield BODY, _line(0.15, (0.34, -0.05), (0.56, height + 0.05))
    yield BODY, _polygon((0.48, height), (0.5, height - 0.25), (0.64, height))
    yield BODY, _line(0.1, (0.58, height), (0.84, nose))
    yield DARK, _ellipse(0.66, height + 0.05, 0.045, 0.045)


def _frog(rng: np.random.Generator) -> Strokes:
    wide, high, knee, eye = rng.uniform((0.5, 0.35, 0.0, 0.15), (0.62, 0.48, 0.25, 0.22))
    for sign in (-1, 1):
        yield SECOND, _ellipse(0.66 * sign, 0.15 + knee, 0.24, 0.4)
        yield BODY, _line(0.06, (0.66 * sign, 0.7), (0.95 * sign, 0.74))
    yield BODY, _ellipse(0, 0.15, wide, high)
    yield LIGHT, _ellipse(0, 0.38, 0.7 * wide, 0.5 * high)
    for sign in (-1, 1):
        yield BODY, _line(0.08, (0.32 * sign, 0.4), (0.36 * sign, 0.72), (0.22 * sign, 0.76))
        yield BODY, _ellipse(0.36 * sign, -0.3, eye + 0.05, eye + 0.05)
        yield LIGHT, _ellipse(0.36 * sign, -0.32, eye, eye)
        yield DARK, _ellipse(0.36 * sign, -0.32, 0.5 * eye, 0.5 * eye)
    yield DARK, _line(0.03, (-0.8 * wide, 0.02), (0, 0.14), (0.8 * wide, 0.02))


DRAWINGS = (_plane, _car, _bird, _cat, _deer, _dog, _frog, _horse, _ship, _truck)


def clutter(rng: np.random.Generator) -> Strokes:
    """Draw a thing of no class: bush, tree, house, fence, rock or ball."""
    kind = rng.integers(6)
    bumps = rng.uniform(-0.5, 0.5, (5, 2))
    if kind == 0:
        for x, y in bumps:
            yield BODY, _ellipse(x, y, 0.42, 0.38)
    elif kind == 1:
        yield DARK, _line(0.09, (0, 0), (0.1, 0.95))
        for x, y in bumps:
            yield SECOND, _ellipse(x, 0.5 * y - 0.4, 0.36, 0.36)
    elif kind == 2:
        yield BODY, _box(-0.6, -0.2, 0.6, 0.8)
        yield SECOND, _polygon((-0.8, -0.2), (0.8, -0.2), (bumps[0, 0], -0.9))
        yield LIGHT, _box(bumps[1, 0] - 0.15, 0.1, bumps[1, 0] + 0.15, 0.5)
    elif kind == 3:
        for x in (-0.7, 0, 0.7):
            yield BODY, _line(0.09, (x, -0.7), (x + 0.2 * bumps[0, 0], 0.9))
        yield SECOND, _line(0.07, (-0.95, bumps[1, 1]), (0.95, bumps[1, 1]))
    elif kind == 4:
        yield BODY, _polygon((-0.9, 0.6), *np.sort(bumps, axis=0), (0.9, 0.6), rounding=0.1)
    else:
        yield BODY, _ellipse(0, 0, 0.8, 0.8)
        yield LIGHT, _line(0.12, (-0.6, bumps[0, 0]), (0.6, bumps[1, 0]))


def picture(strokes: Strokes) -> np.ndarray:
    """Paint the strokes one over the other; return the shares of the four paints in 0..255, (GRID, GRID).

    The four shares of a cell are the bytes of one unsigned integer, the first paint in the lowest.
    """
    shares = np.zeros((4, GRID, GRID), dtype=np.float32)
    # Light comes from above: going down, more and more of the paint turns dark.
    shade = 0.18 + 0.18 * PLACES[:, None]
    for part, (window, distance) in strokes:
        cover = (0.5 - distance / EDGE).clip(0, 1)
        shaded = cover * shade[window[0]]
        seen = shares[:, *window]
        seen *= 1 - cover
        seen[part] += cover - shaded
        seen[DARK] += shaded
    # The border stays empty: every pixel outside the drawing looks it up.
    shares[:, [0, -1]] = shares[:, :, [0, -1]] = 0
    return sum(share << (8 * paint) for paint, share in enumerate((shares * 255).astype(np.uint32)))
