"""Drawings of the ten classes of Fashion-MNIST, of many garments at once.

A drawing is a sequence of layers laid one over the other, each a paint and the share of every pixel that it covers,
(n, h, w). Places are in -1..1: `x` to the right, (n, 1, w), and `y` downwards, (n, h, 1). Every garment has numbers of
its own, drawn from `rng`. Classes that are hard to tell apart in the real images are here the same drawing, with ranges
that overlap: the tops, the coats and the dresses; the shoes.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

Layers = Iterator[tuple[int, np.ndarray]]
Range = tuple[float, float]

SIDE = 28
BODY, SECOND, DARK, LIGHT = range(4)


def numbers(rng: np.random.Generator, like: np.ndarray, *ranges: Range) -> np.ndarray:
    """Draw one number per range and garment, (range, n, 1, 1)."""
    return rng.uniform(*np.transpose(ranges), (len(like), len(ranges))).astype(np.float32).T[..., None, None]


def _often(rng: np.random.Generator, like: np.ndarray, share: float) -> np.ndarray:
    """Draw for which share of the garments something holds, as 0 or 1, (n, 1, 1)."""
    return (rng.random((len(like), 1, 1)) < share).astype(np.float32)


def _cover(*depths: np.ndarray) -> np.ndarray:
    """Return how much of each pixel lies inside all of these edges, from its depth inside of each."""
    depth = depths[0]
    for other in depths[1:]:
        depth = np.minimum(depth, other)
    # Depths are in halves of the image; an edge is as wide as a pixel.
    return np.clip(depth * (SIDE / 2) + 0.5, 0, 1)


def _bend(at: np.ndarray, *knots: tuple) -> np.ndarray:
    """Run smoothly through knots (position, value), each a number or an array."""
    values = knots[0][1]
    for (left, low), (right, high) in pairwise(knots):
        share = np.clip((at - left) / (right - left), 0, 1)
        values = values + (high - low) * share * share * (3 - 2 * share)
    return values


def _wave(at: np.ndarray) -> np.ndarray:
    """Return a triangle wave of period 1 between -1 and 1."""
    return np.abs(at - np.floor(at) - 0.5) * 4 - 1


def _pattern(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, inside: np.ndarray, share: float) -> Layers:
    """Lay stripes across, stripes along, or both as checks, over a share of the garments."""
    period_x, period_y, shift_x, shift_y, width, strength = numbers(
        rng, x, (0.2, 0.6), (0.2, 0.6), (0, 1), (0, 1), (-0.4, 0.4), (0.2, 1)
    )
    across, along = _often(rng, x, share), _often(rng, x, share / 2)
    for on, wave in ((across, _wave(y / period_y + shift_y)), (along, _wave(x / period_x + shift_x))):
        yield SECOND, on * strength * inside * np.clip((wave + width) * 3 + 0.5, 0, 1)


def _top(
    rng: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    *,
    chest: Range,
    waist: Range,
    hem: Range,
    flare: Range,
    tail: Range,
    neck: Range,
    sleeve: np.ndarray,
    prints: float,
    opening: float,
    collar: float,
    cuffs: float,
    pattern: float,
) -> Layers:
    """Draw what covers the trunk: torso, sleeves of the given length, neckline, and what may be on it."""
    across = np.abs(x)
    wide, narrow, bottom, spread, round_hem, neck_width, depth, slope, thick = numbers(
        rng, x, chest, waist, hem, flare, tail, (0.14, 0.28), neck, (0.15, 0.45), (0.13, 0.2)
    )
    edge = -0.95 + depth * np.clip(1 - (across / neck_width) ** 2, 0, 1) + slope * np.clip(across - neck_width, 0, 1)
    sides = _bend(y, (-0.75, wide), (0, wide * narrow), (bottom, wide * spread))
    bottom = bottom - round_hem * (across / wide) ** 2

    # A short sleeve stands off, a long one hangs down.
    off, hang = numbers(rng, x, (0.5, 0.9), (0.12, 0.3))
    down = y + 0.95 - slope * (wide - neck_width)
    axis = wide - thick + _bend(down, (0, 0), (0.35, 0.35 * off), (1.7, 0.35 * off + 1.35 * (hang - 0.12)))
    tip = sleeve - 0.25 * (across - axis)
    girth = thick * _bend(down, (0, 1.15), (1.5, 0.75))
    arms = _cover(girth - np.abs(across - axis), y - edge, tip - down, sleeve - 0.05)
    yield BODY, arms
    yield SECOND, _often(rng, x, cuffs) * arms * _cover(down - tip + 0.14)
    torso = _cover(sides - across, y - edge, bottom - y)
    yield DARK, arms * _cover(sides + 0.07 - across, y - edge - 0.25)
    yield BODY, torso
    yield SECOND, _often(rng, x, cuffs) * torso * _cover(y - bottom + 0.14)
    yield from _pattern(rng, x, y, np.maximum(arms, torso), pattern)

    left, right, high, low = numbers(rng, x, (-0.35, -0.1), (0.1, 0.35), (-0.5, -0.2), (-0.1, 0.2))
    yield SECOND, _often(rng, x, prints) * _cover(x - left, right - x, y - high, low - y)
    line, strength = numbers(rng, x, (0.01, 0.07), (0.1, 1))
    yield SECOND, _often(rng, x, opening) * strength * torso * _cover(line - across)
    height, strength = numbers(rng, x, (0.15, 0.35), (0.2, 1))
    # Two flaps beside the neckline, which they make higher and pointed.
    flaps = _cover(neck_width + 0.1 - across, y + 1, height - 1 - y + across * 0.5)
    yield LIGHT, _often(rng, x, collar) * strength * flaps


def _length(rng: np.random.Generator, x: np.ndarray, *kinds: tuple[float, Range]) -> np.ndarray:
    """Draw lengths, each from one of several ranges with their shares."""
    shares, ranges = zip(*kinds, strict=True)
    kind = rng.choice(len(ranges), size=len(x), p=shares)
    lows, highs = np.array(ranges, dtype=np.float32)[kind].T
    return rng.uniform(lows, highs).astype(np.float32)[:, None, None]


# Lengths of sleeves.
NONE, SHORT, HALF, LONG = (-0.2, 0.0), (0.3, 0.6), (0.6, 1.1), (1.3, 1.75)


def _t_shirt(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    sleeve = _length(rng, x, (0.17, NONE), (0.73, SHORT), (0.08, HALF), (0.02, LONG))
    yield from _top(
        rng, x, y, sleeve=sleeve, chest=(0.38, 0.56), waist=(0.85, 1), hem=(0.8, 0.98), flare=(0.85, 1.1),
        tail=(0, 0.08), neck=(0.05, 0.35), prints=0.35, opening=0.04, collar=0.02, cuffs=0.15, pattern=0.2,
    )


def _pullover(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    sleeve = _length(rng, x, (0.06, HALF), (0.94, LONG))
    yield from _top(
        rng, x, y, sleeve=sleeve, chest=(0.42, 0.58), waist=(0.9, 1.05), hem=(0.65, 0.97), flare=(0.85, 1.03),
        tail=(-0.03, 0.05), neck=(-0.05, 0.22), prints=0.25, opening=0.06, collar=0.1, cuffs=0.4, pattern=0.25,
    )


def _coat(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    sleeve = _length(rng, x, (0.03, HALF), (0.97, LONG))
    yield from _top(
        rng, x, y, sleeve=sleeve, chest=(0.36, 0.52), waist=(0.85, 1.02), hem=(0.78, 1), flare=(0.95, 1.2),
        tail=(-0.05, 0.03), neck=(-0.05, 0.3), prints=0.02, opening=0.8, collar=0.4, cuffs=0.1, pattern=0.1,
    )


def _shirt(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    sleeve = _length(rng, x, (0.05, NONE), (0.25, SHORT), (0.15, HALF), (0.55, LONG))
    yield from _top(
        rng, x, y, sleeve=sleeve, chest=(0.38, 0.54), waist=(0.82, 1), hem=(0.8, 1), flare=(0.85, 1.08),
        tail=(0, 0.2), neck=(0, 0.32), prints=0.05, opening=0.55, collar=0.5, cuffs=0.15, pattern=0.4,
    )


def _dress(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    sleeve = _length(rng, x, (0.5, NONE), (0.25, SHORT), (0.1, HALF), (0.15, LONG))
    yield from _top(
        rng, x, y, sleeve=sleeve, chest=(0.24, 0.42), waist=(0.7, 1), hem=(0.9, 1), flare=(0.85, 2),
        tail=(-0.05, 0.05), neck=(0.05, 0.4), prints=0.02, opening=0.08, collar=0.05, cuffs=0.05, pattern=0.15,
    )


def _trouser(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    across = np.abs(x)
    waist, hips, crotch, outside, inside, bottom = numbers(
        rng, x, (0.22, 0.34), (0.28, 0.44), (-0.6, -0.1), (0.24, 0.5), (0.02, 0.16), (0.85, 1)
    )
    outer = _bend(y, (-0.95, waist), (-0.5, hips), (bottom, outside))
    inner = _bend(y, (crotch, -0.03), (crotch + 0.2, 0.02), (bottom, inside))
    legs = _cover(outer - across, across - inner, y + 0.96, bottom - y)
    yield BODY, legs
    yield DARK, legs * _cover(0.03 - across, y + 0.9)
    yield SECOND, _often(rng, x, 0.4) * legs * _cover(-0.82 - y)
    yield from _pattern(rng, x, y, legs, 0.05)
    yield LIGHT, _often(rng, x, 0.4) * legs * 0.6 * _cover(0.07 - np.abs(across - (outer + inner) / 2), y + 0.3)


def _bag(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    wide, taper, top, bottom, handle, reach, thick = numbers(
        rng, x, (0.5, 1.05), (0.7, 1.15), (-0.65, 0.1), (0.5, 0.9), (0.25, 0.8), (0.15, 0.8), (0.05, 0.1)
    )
    # A few fill the image, to its corners: no pixel is the same in all images, so that each can be standardised.
    full = _often(rng, x, 0.05)
    wide, top, bottom = wide + full, top - full, bottom + full
    across = np.abs(x)
    ring = np.sqrt((x / (wide * handle)) ** 2 + ((y - top) / reach) ** 2)
    yield DARK, _often(rng, x, 0.8) * _cover(thick - np.abs(ring - 1) * np.minimum(wide * handle, reach), top + 0.1 - y)
    sides = _bend(y, (top, wide * taper), (bottom, wide))
    body = _cover(sides - across, y - top, bottom - y)
    yield BODY, body
    yield from _pattern(rng, x, y, body, 0.12)
    flap, clasp = numbers(rng, x, (0.2, 0.7), (0.03, 0.12))
    line = top + flap * (bottom - top)
    yield DARK, _often(rng, x, 0.5) * body * _cover(0.04 - np.abs(y - line))
    yield LIGHT, _often(rng, x, 0.5) * body * _cover(clasp - across, clasp - np.abs(y - line))


def _shoe(
    rng: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    *,
    shaft: Range,
    rise: Range,
    dip: Range,
    heel: np.ndarray,
    straps: float,
) -> Layers:
    """Draw a shoe that points to the left, with a shaft of some height, on a heel, whole or made of straps."""
    toe, instep, front, steep, low, tab, height, sole, back = numbers(
        rng, x, (0.15, 0.3), (0.2, 0.6), (-0.1, 0.3), rise, dip, (0.8, 1), shaft, (0.06, 0.16), (0.75, 0.98)
    )
    # The whole shoe stands in the middle of the image.
    floor = (height + heel + sole) / 2
    arch = floor - sole - heel * _bend(x, (-0.5, 0), (0.3, 1))
    crest = arch - _bend(
        x, (-1.05, 0), (-0.7, toe), (front - steep, toe + instep * (height - toe)), (front, height),
        ((front + back) / 2, height - low), (back, height * tab),
    )
    upper = _cover(y - crest, arch - y, back - x)
    rim = _often(rng, x, 0.6) * _cover(crest + 0.1 - y)
    bare = _often(rng, x, straps)
    period, tilt, shift, gap = numbers(rng, x, (0.4, 0.8), (-1, 1), (0, 1), (0, 0.6))
    bands = np.clip((_wave((x + tilt * y) / period + shift) - gap) * 4 + 0.5, 0, 1)
    yield BODY, upper * (1 - bare * (1 - np.maximum(bands, rim)))

    strength = (1 - bare) * _often(rng, x, 0.5) * numbers(rng, x, (0, 1))[0]
    stripes = np.clip(_wave((x + 0.6 * y) / (0.6 * period) + shift) * 4 - 1.5, 0, 1)
    yield SECOND, strength * upper * stripes * _cover(x - front + 0.5, front + 0.3 - x, y - crest - 0.12)
    yield DARK, (1 - bare) * _often(rng, x, 0.4) * upper * rim
    block = numbers(rng, x, (0.1, 0.5))[0]
    bottom = _cover(x + 0.98, back + 0.03 - x, y - arch + 0.03, arch + sole - y)
    support = _cover(x - back + block, back - x, y - arch, floor - y)
    yield SECOND, np.maximum(bottom, support)


def _sandal(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    heel = _length(rng, x, (0.5, (0, 0.1)), (0.5, (0.1, 0.8)))
    yield from _shoe(rng, x, y, shaft=(0.3, 1), rise=(0.3, 0.6), dip=(0, 0.2), heel=heel, straps=1)


def _sneaker(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    heel = _length(rng, x, (1, (0, 0.1)))
    yield from _shoe(rng, x, y, shaft=(0.4, 1), rise=(0.3, 0.6), dip=(0, 0.2), heel=heel, straps=0.05)


def _ankle_boot(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Layers:
    heel = _length(rng, x, (0.6, (0, 0.15)), (0.4, (0.15, 0.6)))
    yield from _shoe(rng, x, y, shaft=(0.7, 1.4), rise=(0.1, 0.4), dip=(-0.03, 0.1), heel=heel, straps=0)


DRAWINGS = (_t_shirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _ankle_boot)
