"""Procedural stand-ins for the course's data sets of images, for work without internet: of any size, always the same.

Images are drawn by chunks, each from a generator of its own: the first ones are the same however many there are.

`scenes` stand in for CIFAR-10: a backdrop, clutter behind, one object of the class, clutter in front, grain. Colours,
backdrop, clutter, pose and size are drawn independently of the class, so that only the shape gives it away.
Scenes are computed in integers, so that they hardly depend on the machine.

`garments` stand in for Fashion-MNIST: one per image, on black. Brightness, fabric, patterns, pose and size are drawn
independently of the class as well, and the shapes of neighbouring classes overlap, as those of real clothes do.
Garments are computed with operations that round alike on every machine.

`digits` stand in for MNIST: one per image, white on black, written with a pen. Thickness, brightness, slant, size and
place are drawn independently of the class, and sloppy hands make some digits look like others, so that no network gets
all of them right. Digits are computed with operations that round alike on every machine, as garments are.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from mi204.datasets import _digits, _drawings, _garments

SEED = 204
TRAINING, TEST = 0, 1
CHUNK = 250
N_CLASSES = 10

SIDE = 32
# Drawings of each class, and of clutter, from which scenes are made.
VARIANTS = 48
# What all chunks share has generators of its own.
_TEXTURE, _OBJECT, _CLUTTER = 2, 3, 4

# Backdrops: colour at the top, at the horizon, and of the ground.
BACKDROPS = np.array([
    [(90, 150, 220), (200, 225, 240), (95, 140, 70)],  # meadow
    [(110, 165, 215), (205, 220, 230), (50, 95, 130)],  # sea
    [(240, 150, 90), (250, 215, 160), (110, 75, 70)],  # dusk
    [(150, 160, 170), (210, 212, 214), (110, 110, 112)],  # road
    [(225, 205, 175), (200, 175, 140), (135, 95, 65)],  # room
    [(130, 185, 230), (225, 235, 245), (232, 236, 240)],  # snow
    [(80, 170, 215), (225, 225, 205), (215, 180, 120)],  # desert
    [(50, 85, 50), (95, 130, 75), (75, 90, 45)],  # forest
    [(30, 40, 80), (90, 95, 130), (45, 55, 60)],  # night
])

COLOURS = np.array([
    (200, 50, 45), (235, 130, 50), (240, 205, 80), (90, 160, 75), (50, 120, 110), (60, 110, 190), (120, 85, 160),
    (225, 140, 165), (120, 80, 50), (195, 155, 105), (235, 225, 205), (130, 135, 140), (70, 70, 75),
])


class Sample(NamedTuple):
    """Images of ten classes."""

    images: np.ndarray
    """uint8 (n, h, w, c)."""
    labels: np.ndarray
    """int64 (n,): each of the ten classes comes once in every ten images, in random order."""
    masks: np.ndarray
    """Where the object is, bool (n, h, w)."""


Drawn = tuple[np.ndarray, np.ndarray]
"""Images, uint8 (n, h, w, c) or (n, h, w), and masks, bool (n, h, w)."""


@cache
def _texture() -> np.ndarray:
    """Return smooth noise in about -100..100 that tiles, (256, 256)."""
    rng = np.random.default_rng([SEED, _TEXTURE])
    noise = np.zeros((256, 256), dtype=np.int64)
    for step in (4, 8, 16):
        octave = rng.integers(-64, 65, size=(256 // step, 256 // step)).repeat(step, axis=0).repeat(step, axis=1)
        for axis in (0, 1):
            octave = sum(np.roll(octave, shift, axis) for shift in range(step)) // step
        noise += octave
    return noise.astype(np.int16)


@cache
def _object(label: int, variant: int) -> np.ndarray:
    """Draw an object of a class, (GRID, GRID)."""
    rng = np.random.default_rng([SEED, _OBJECT, label, variant])
    return _drawings.picture(_drawings.DRAWINGS[label](rng))


@cache
def _clutter() -> np.ndarray:
    """Draw things of no class, (VARIANTS, GRID, GRID)."""
    rng = np.random.default_rng([SEED, _CLUTTER])
    return np.stack([_drawings.picture(_drawings.clutter(rng)) for _ in range(VARIANTS)])


def _backdrops(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n backdrops: the scenes, (n, channel, row, column) of uint16, and their colours, (n, 3, channel)."""
    colours = BACKDROPS[rng.integers(len(BACKDROPS), size=n)] + rng.integers(-30, 31, size=(n, 3, 3))
    top, low, ground = colours.astype(np.int16).transpose(1, 0, 2)[..., None]
    rows = np.arange(SIDE, dtype=np.int16)
    horizon = rng.integers(6, 34, size=(n, 1, 1))
    bands = np.where(rows < horizon, top + (low - top) * rows // SIDE, ground)
    stride_x, stride_y = rng.integers(1, 5, size=(2, n, 1, 1))
    x, y = rng.integers(256, size=(2, n, 1, 1))
    noise = _texture()[(y + stride_y * rows[:, None]) % 256, (x + stride_x * rows) % 256]
    strength = rng.integers(4, 40, size=(n, 1, 1), dtype=np.int16)
    scenes = bands[..., None] + (noise * strength // 64)[:, None]
    return np.clip(scenes, 0, 255).astype(np.uint16), colours


def _paints(rng: np.random.Generator, backdrops: np.ndarray) -> np.ndarray:
    """Draw the four paints of n things, (n, paint, channel), the first one unlike the backdrop's colours."""
    n = len(backdrops)
    bodies = COLOURS[rng.integers(len(COLOURS), size=(n, 3))] + rng.integers(-25, 26, size=(n, 3, 3))
    contrasts = np.abs(bodies - backdrops.sum(axis=1, keepdims=True) // 3).sum(axis=2)
    body = bodies[np.arange(n), contrasts.argmax(axis=1)]
    second = COLOURS[rng.integers(len(COLOURS), size=n)]
    dark = rng.integers(5, 60, size=(n, 3))
    light = rng.integers(200, 256, size=(n, 3))
    return np.clip(np.stack([body, second, dark, light], axis=1), 0, 255).astype(np.uint16)


def _stamp(
    rng: np.random.Generator,
    scenes: np.ndarray,
    pictures: np.ndarray,
    choice: np.ndarray,
    paints: np.ndarray,
    half_width: tuple[int, int],
    spread: int,
) -> np.ndarray:
    """Put the picture chosen for it in each scene, in place; return how much of each pixel it covers, in 0..255.

    `half_width` bounds half the width of a picture in pixels, and `spread` how far off the middle its centre may be.
    """
    n = len(scenes)
    half, stretch, angle = rng.uniform((half_width[0], 0.85, -0.35), (half_width[1], 1.18, 0.35), (n, 3)).T
    centre_x, centre_y = (SIDE - 1) / 2 + rng.uniform(-spread, spread, (2, n))
    flip = rng.choice([-1, 1], n)
    # The cell of the picture under a pixel, in 65536ths of a cell: whole numbers are the same on every machine.
    scale = 65536 * _drawings.GRID / 2 / half
    cells = []
    for across, down in (
        (scale * stretch * flip * np.cos(angle), scale * stretch * flip * np.sin(angle)),
        (-scale / stretch * np.sin(angle), scale / stretch * np.cos(angle)),
    ):
        start = 65536 * _drawings.GRID / 2 - across * centre_x - down * centre_y
        across, down, start = np.array([across, down, start]).astype(np.int32)[..., None]
        pixels = np.arange(SIDE, dtype=np.int32)
        cell = (start + down * pixels)[:, :, None] + (across * pixels)[:, None]
        cells.append(np.clip(cell >> 16, 0, _drawings.GRID - 1))
    column, row = cells
    first_cells = (choice * _drawings.GRID**2).astype(np.int32)[:, None, None]
    shares = pictures.ravel().take(first_cells + row * _drawings.GRID + column)
    shares = [((shares >> (8 * paint)) & 255).astype(np.uint16) for paint in range(4)]
    cover = sum(shares)
    for channel in range(3):
        # At most 255 * 255, which a uint16 holds.
        mixed = (255 - cover) * scenes[:, channel]
        for paint, share in enumerate(shares):
            mixed += share * paints[:, paint, channel, None, None]
        scenes[:, channel] = mixed // 255
    return cover


def _scenes(rng: np.random.Generator, labels: np.ndarray) -> Drawn:
    """Draw one scene per label; the masks are those of the objects."""
    n = len(labels)
    scenes, backdrops = _backdrops(rng, n)

    def clutter(*half_width: int) -> np.ndarray:
        choice = rng.integers(VARIANTS, size=n)
        return _stamp(rng, scenes, _clutter(), choice, _paints(rng, backdrops), half_width, SIDE // 2)

    clutter(4, 9)
    clutter(4, 9)
    variants = rng.integers(VARIANTS, size=n)
    objects = np.stack([_object(*pair) for pair in zip(labels.tolist(), variants.tolist(), strict=True)])
    cover = _stamp(rng, scenes, objects, np.arange(n), _paints(rng, backdrops), (10, 15), 4)
    hidden = clutter(3, 7)
    grain = rng.integers(-10, 11, size=scenes.shape, dtype=np.int8)
    images = np.clip(scenes.astype(np.int16) + grain, 0, 255).astype(np.uint8)
    return images.transpose(0, 2, 3, 1), cover * (255 - hidden) // 255 >= 128


def _dressed(rng: np.random.Generator, label: int, n: int) -> Drawn:
    """Draw n garments of one class."""
    side = _garments.SIDE
    images, covers = np.zeros((2, n, side, side), dtype=np.float32)
    width, height, right, down = _garments.numbers(rng, images, (0.88, 1.08), (0.88, 1.04), (-0.1, 0.1), (-0.1, 0.1))
    centres = ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)
    layers = _garments.DRAWINGS[label](rng, (centres - right) / width, (centres[:, None] - down) / height)

    body, second, dark, light, fabric = _garments.numbers(
        rng, images, (50, 250), (30, 255), (0.3, 0.95), (0.1, 0.9), (0.02, 1)
    )
    paints = (body, second, body * dark, body + (255 - body) * light)
    for paint, cover in layers:
        images += (paints[paint] - images) * cover
        covers += (1 - covers) * cover

    stride_x, stride_y = rng.integers(1, 7, size=(2, n, 1, 1))
    x, y = rng.integers(256, size=(2, n, 1, 1))
    pixels = np.arange(side)
    noise = _texture()[(y + stride_y * pixels[:, None]) % 256, (x + stride_x * pixels) % 256]
    # Most fabrics are nearly plain.
    images *= 1 + noise * (fabric * fabric * fabric * fabric / 100)
    images += covers * rng.integers(-12, 13, size=images.shape, dtype=np.int8)
    return np.clip(images, 0, 255).astype(np.uint8), covers >= 0.5


def _of_each_class(
    draw: Callable[[np.random.Generator, int, int], Drawn], rng: np.random.Generator, labels: np.ndarray
) -> Drawn:
    """Draw one grey image per label, all those of a class at once."""
    drawn = [draw(rng, label, np.count_nonzero(labels == label)) for label in range(N_CLASSES)]
    places = labels.argsort(kind="stable").argsort()
    images, masks = (np.concatenate(parts)[places] for parts in zip(*drawn, strict=True))
    return images[..., None], masks


def _sample(subset: int, n: int, shape: tuple[int, int, int], draw: Callable[..., Drawn]) -> Sample:
    """Draw as many whole chunks as hold n images, and give the first n."""
    size = -(-n // CHUNK) * CHUNK
    images, masks = np.empty((size, *shape), dtype=np.uint8), np.empty((size, *shape[:2]), dtype=bool)
    labels = np.empty(size, dtype=np.int64)
    for number, start in enumerate(range(0, size, CHUNK)):
        chunk = slice(start, start + CHUNK)
        rng = np.random.default_rng([SEED, subset, number])
        labels[chunk] = rng.permuted(np.tile(np.arange(N_CLASSES), (CHUNK // N_CLASSES, 1)), axis=1).ravel()
        images[chunk], masks[chunk] = draw(rng, labels[chunk])
    return Sample(images[:n], labels[:n], masks[:n])


def scenes(subset: int, n: int) -> Sample:
    """Draw n scenes, (n, 32, 32, 3), of the set ``TRAINING`` or ``TEST``.

    A mask is true where the visible part of the object covers at least half of the pixel.
    """
    return _sample(subset, n, (SIDE, SIDE, 3), _scenes)


def garments(subset: int, n: int) -> Sample:
    """Draw n garments, (n, 28, 28, 1), of the set ``TRAINING`` or ``TEST``.

    A mask is true where the garment covers at least half of the pixel.
    """
    return _sample(subset, n, (_garments.SIDE, _garments.SIDE, 1), partial(_of_each_class, _dressed))


def digits(subset: int, n: int) -> Sample:
    """Write n digits, (n, 28, 28, 1), of the set ``TRAINING`` or ``TEST``.

    A mask is true where the line covers at least half of the pixel.
    """
    return _sample(subset, n, (_digits.SIDE, _digits.SIDE, 1), partial(_of_each_class, _digits.write))
