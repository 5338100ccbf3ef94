"""The ten digits, written with a pen, many times one digit at once.

A digit is a list of strokes, and a stroke the knots through which the pen runs smoothly; a knot given twice makes a
corner. Places are in about -1..1: x to the right, y downwards, each a number or one number per image, (n,). Every image
has numbers of its own, drawn from `rng`, and some parts may be of no length: the foot of a 1, the bar of a 7.
A sloppy hand makes a 9 that looks like a 4, a 7 like a 1, a 6 like a 0, a 5 like a 3.
"""

from collections.abc import Iterator
from itertools import chain

import numpy as np

Stroke = list[tuple[np.ndarray | float, np.ndarray | float]]
Range = tuple[float, float]

SIDE = 28


def _numbers(rng: np.random.Generator, n: int, *ranges: Range) -> np.ndarray:
    """Draw one number per range and image, (range, n)."""
    return rng.uniform(*np.transpose(ranges), (n, len(ranges))).astype(np.float32).T


def _often(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    """Draw for which share of the images something holds, as 0 or 1, (n,)."""
    return (rng.random(n) < share).astype(np.float32)


def _zero(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, start, end, low, tilt = _numbers(rng, n, (0.4, 0.8), (-0.1, 0.4), (-0.25, 0.4), (-1.1, -0.6), (-0.12, 0.12))
    return [[
        (start, -0.95), (-wide * 0.7, -0.7 + tilt), (-wide, tilt), (-wide * 0.7, 0.7 + tilt), (0, 1),
        (wide * 0.7, 0.7 - tilt), (wide, -tilt), (wide * 0.7, -0.7 - tilt), (end, low),
    ]]


def _one(rng: np.random.Generator, n: int) -> list[Stroke]:
    bend, flag, drop, foot = _numbers(rng, n, (-0.08, 0.08), (0.15, 0.6), (0.2, 1), (0.2, 0.5))
    flag *= _often(rng, n, 0.35)
    foot *= _often(rng, n, 0.15)
    # The foot belongs to the line: on its own, one of no length would be a dot, which a sloppy hand puts elsewhere.
    return [[(-flag, -1 + drop * flag), (0, -1), (0, -1), (bend, 0), (0, 1), (-foot, 1), (foot, 1)]]


def _two(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, start, right, loop, rise, end, base = _numbers(
        rng, n, (0.45, 0.7), (-0.8, -0.35), (-0.6, -0.3), (0.1, 0.4), (0.25, 0.9), (0.5, 1), (0.75, 1.05)
    )
    loop *= _often(rng, n, 0.4)
    rise *= loop
    left = -wide * 0.9
    return [[
        (-wide, start), (-0.05, -1), (wide, right), (wide * 0.3, 0.25), (left, 0.9), (left - loop * 0.3, 0.9 - rise),
        (left + loop, 0.9 - rise), (left + loop * 1.3, 0.9), (end, base),
    ]]


def _three(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, start, middle, height, belly, end = _numbers(
        rng, n, (0.4, 0.65), (-0.95, -0.6), (-0.3, 0.15), (-0.25, 0.1), (0.45, 0.7), (0.5, 0.95)
    )
    return [[
        (-wide, start), (0, -1), (wide, -0.6), (middle, height), (middle, height), (belly, height + 0.45),
        (0, 1), (-wide, end),
    ]]


def _four(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, gap, bar, over, stem, lean, low = _numbers(
        rng, n, (0.5, 0.7), (0.35, 0.95), (-0.05, 0.3), (0, 0.4), (0.15, 0.45), (-0.15, 0.15), (0.8, 1.05)
    )
    closed = _often(rng, n, 0.2)
    top = stem - gap * (1 - closed)
    return [
        [(top, -0.95), (-wide * 0.9, bar - 0.1), (-wide * 0.8, bar), (stem, bar - 0.05), (stem + over, bar - 0.08)],
        [(stem, -0.95 + 0.2 * (1 - closed)), (stem + lean * 0.5, 0), (stem + lean, low)],
    ]


def _five(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, reach, tilt, gap, neck, belly, end = _numbers(
        rng, n, (0.35, 0.55), (0.2, 0.8), (-0.2, 0.15), (-0.05, 0.1), (-0.25, 0.1), (0.4, 0.7), (0.5, 0.95)
    )
    return [
        [(-wide + gap, -0.9), (-wide * 1.1, neck), (-wide * 1.1, neck), (0.1, neck - 0.1), (belly, 0.4), (0, 1),
         (-wide - 0.15, end)],
        [(-wide, -0.9), (reach, -0.9 + tilt)],
    ]


def _six(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, start, high, top, belly, end = _numbers(
        rng, n, (0.4, 0.65), (-0.1, 0.6), (-1, -0.8), (-0.3, 0.3), (0.35, 0.6), (0.3, 0.8)
    )
    return [[
        (start, high), (-wide * 0.6, -0.4), (-wide, 0.35), (-wide * 0.4, 0.95), (belly * 0.5, 0.9), (belly, 0.5),
        (belly * 0.3, top), (-wide * 0.7, end),
    ]]


def _seven(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, tilt, serif, bend, foot, bar = _numbers(
        rng, n, (0.35, 0.7), (-0.15, 0.15), (0, 0.3), (-0.1, 0.3), (-0.35, 0.15), (0.2, 0.45)
    )
    serif *= _often(rng, n, 0.3)
    bar *= _often(rng, n, 0.25)
    middle = (wide + foot) / 2 + bend * 0.5
    return [
        [(-wide, -0.85 + serif), (-wide, -0.85), (0, -0.9), (wide, -0.9 + tilt), (wide, -0.9 + tilt), (middle, 0),
         (foot, 1)],
        [(middle - bar, 0.05), (middle + bar, 0)],
    ]


def _eight(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, head, waist, start, end = _numbers(rng, n, (0.4, 0.65), (0.3, 0.55), (-0.2, 0.1), (0, 0.5), (0.1, 0.5))
    return [[
        (start, -0.85), (0, -1), (-head, -0.6), (0, waist), (wide, 0.5), (0, 1), (-wide, 0.5), (0, waist),
        (head, -0.5), (end, -0.9),
    ]]


def _nine(rng: np.random.Generator, n: int) -> list[Stroke]:
    wide, start, high, low, foot, hook = _numbers(
        rng, n, (0.4, 0.65), (0.1, 0.5), (-0.95, -0.6), (-0.15, 0.2), (-0.3, 0.4), (0, 0.5)
    )
    hook *= _often(rng, n, 0.3)
    return [[
        (start, high), (-0.05, -0.95), (-wide, -0.4), (-0.1, low), (0.45, -0.5), (0.5, -0.7), (0.45, -0.1),
        (foot + 0.1, 0.9), (foot - hook, 1),
    ]]


DRAWINGS = (_zero, _one, _two, _three, _four, _five, _six, _seven, _eight, _nine)


def _by_hand(rng: np.random.Generator, strokes: list[Stroke], n: int) -> list[np.ndarray]:
    """Give each image a hand of its own; return the knots of every stroke, in pixels, (knot, 2, n)."""
    knots = np.empty((sum(map(len, strokes)), 2, n), dtype=np.float32)
    for knot, (x, y) in zip(knots, chain.from_iterable(strokes), strict=True):
        knot[0], knot[1] = x, y

    # Most hands are steady, a few are very sloppy.
    sloppiness = np.square(np.square(rng.random(n).astype(np.float32)))
    wobble = rng.uniform(-1, 1, knots.shape).astype(np.float32)
    x, y = (knots + wobble * (0.04 + 0.3 * sloppiness)).transpose(1, 0, 2)

    slant, tilt, bow, taper, sag, swell, width, height, right, down = _numbers(
        rng, n, (-0.25, 0.55), (-0.2, 0.2), (-0.2, 0.2), (-0.25, 0.25), (-0.25, 0.25), (-0.25, 0.25), (0.75, 1.25),
        (7.5, 10), (-1.3, 1.3), (-1.3, 1.3),
    )
    x, y = x - slant * y + bow * y * y + taper * x * y, y + tilt * x + sag * x * x + swell * x * y
    knots = np.stack([x * width, y], axis=1) * height
    middle = (knots.min(axis=0) + knots.max(axis=0)) / 2
    knots += SIDE / 2 - middle + np.stack([right, down])
    return np.split(knots, np.cumsum([len(stroke) for stroke in strokes[:-1]]))


def _dots(knots: np.ndarray) -> Iterator[np.ndarray]:
    """Run smoothly through the knots, (knot, 2, n), along Catmull and Rom's spline: yield the places passed, (2, n)."""
    yield knots[0]
    around = np.concatenate([knots[:1], knots, knots[-1:]])
    for before, start, end, after in zip(around[:-3], around[1:-2], around[2:-1], around[3:], strict=True):
        # About one dot per pixel: the pen is wider, and the dots become a line.
        steps = int(np.ceil(np.abs(end - start).max()))
        for t in (step / steps for step in range(1, steps + 1)):
            yield (
                start
                + (end - start) * (t * t * (3 - 2 * t))
                + (end - before) * (t * (1 - t) * (1 - t) / 2)
                - (after - start) * (t * t * (1 - t) / 2)
            )


def write(rng: np.random.Generator, digit: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Write a digit n times, white on black: uint8 (n, 28, 28), and where its line is, bool (n, 28, 28)."""
    pixels = (np.arange(SIDE) + 0.5).astype(np.float32)
    # Squared distance from each pixel to the closest dot.
    nearest = np.full((n, SIDE, SIDE), np.inf, dtype=np.float32)
    for x, y in chain.from_iterable(map(_dots, _by_hand(rng, DRAWINGS[digit](rng, n), n))):
        across, along = np.square(pixels - x[:, None]), np.square(pixels - y[:, None])
        np.minimum(nearest, along[:, :, None] + across[:, None], out=nearest)
    radius, brightness = _numbers(rng, n, (0.8, 2), (210, 255))[..., None, None]
    # The edge of a line is as wide as a pixel.
    cover = np.clip(radius + 0.5 - np.sqrt(nearest), 0, 1)
    return (cover * brightness).astype(np.uint8), cover >= 0.5
