"""Procedural stand-ins for the course's data sets, for work without internet.

`cifar10` draws small scenes: a backdrop, clutter behind, one object of the class, clutter in front, grain. Colours,
backdrop, clutter, pose and size are drawn independently of the class, so that only the shape gives it away.
Scenes are computed in integers, so that they hardly depend on the machine.

`fashion_mnist` draws one garment per image on black. Brightness, fabric, patterns, pose and size are drawn
independently of the class as well, and the shapes of neighbouring classes overlap, as those of real clothes do.
Garments are computed with operations that round alike on every machine.

`mnist` writes one digit per image, white on black, with a pen. Thickness, brightness, slant, size and place are drawn
independently of the class, and sloppy hands make some digits look like others, so that no network gets all of them
right. Digits are computed with operations that round alike on every machine, as garments are.
"""

from collections.abc import Callable

import numpy as np

from mi204.datasets import ImageDataset, _digits, _drawings, _garments
from mi204.datasets.cifar10 import CLASSES
from mi204.datasets.fashion_mnist import CLASSES as GARMENTS
from mi204.datasets.mnist import CLASSES as DIGITS

SEED = 204
SIDE = 32
VARIANTS = 48
CHUNK = 250

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
])  # fmt: skip

COLOURS = np.array([
    (200, 50, 45), (235, 130, 50), (240, 205, 80), (90, 160, 75), (50, 120, 110), (60, 110, 190), (120, 85, 160),
    (225, 140, 165), (120, 80, 50), (195, 155, 105), (235, 225, 205), (130, 135, 140), (70, 70, 75),
])  # fmt: skip


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise in about -100..100 that tiles, (256, 256)."""
    noise = np.zeros((256, 256), dtype=np.int64)
    for step in (4, 8, 16):
        octave = rng.integers(-64, 65, size=(256 // step, 256 // step)).repeat(step, axis=0).repeat(step, axis=1)
        for axis in (0, 1):
            octave = sum(np.roll(octave, shift, axis) for shift in range(step)) // step
        noise += octave
    return noise.astype(np.int16)


def _backdrops(rng: np.random.Generator, texture: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n backdrops: the scenes, (n, channel, row, column) of uint16, and their colours, (n, 3, channel)."""
    colours = BACKDROPS[rng.integers(len(BACKDROPS), size=n)] + rng.integers(-30, 31, size=(n, 3, 3))
    top, low, ground = colours.astype(np.int16).transpose(1, 0, 2)[..., None]
    rows = np.arange(SIDE, dtype=np.int16)
    horizon = rng.integers(6, 34, size=(n, 1, 1))
    bands = np.where(rows < horizon, top + (low - top) * rows // SIDE, ground)
    stride_x, stride_y = rng.integers(1, 5, size=(2, n, 1, 1))
    x, y = rng.integers(256, size=(2, n, 1, 1))
    noise = texture[(y + stride_y * rows[:, None]) % 256, (x + stride_x * rows) % 256]
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
    """Put one picture in each scene, in place; return how much of each pixel it covers, in 0..255.

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


def _scenes(
    rng: np.random.Generator, texture: np.ndarray, objects: np.ndarray, things: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene per label; return images (n, h, w, c) and the masks of the objects (n, h, w)."""
    n = len(labels)
    scenes, backdrops = _backdrops(rng, texture, n)

    def clutter(*half_width: int) -> np.ndarray:
        choice = rng.integers(len(things), size=n)
        return _stamp(rng, scenes, things, choice, _paints(rng, backdrops), half_width, SIDE // 2)

    clutter(4, 9)
    clutter(4, 9)
    choice = labels * VARIANTS + rng.integers(VARIANTS, size=n)
    cover = _stamp(rng, scenes, objects, choice, _paints(rng, backdrops), (10, 15), 4)
    hidden = clutter(3, 7)
    grain = rng.integers(-10, 11, size=scenes.shape, dtype=np.int8)
    images = np.clip(scenes.astype(np.int16) + grain, 0, 255).astype(np.uint8)
    return images.transpose(0, 2, 3, 1), cover * (255 - hidden) // 255 >= 128


def _subset(
    rng: np.random.Generator, texture: np.ndarray, objects: np.ndarray, things: np.ndarray, per_class: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `per_class` scenes of every class in random order: images, labels and masks."""
    labels = rng.permutation(np.arange(len(CLASSES)).repeat(per_class))
    images = np.empty((len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    masks = np.empty((len(labels), SIDE, SIDE), dtype=bool)
    for start in range(0, len(labels), CHUNK):
        chunk = slice(start, start + CHUNK)
        images[chunk], masks[chunk] = _scenes(rng, texture, objects, things, labels[chunk])
    return images, labels, masks


def cifar10() -> ImageDataset:
    """Draw the stand-in for CIFAR-10: 50,000 training and 10,000 test scenes, always the same, with their masks.

    A mask is true where the visible part of the object covers at least half of the pixel.
    """
    rng = np.random.default_rng(SEED)
    objects = np.stack([_drawings.picture(draw(rng)) for draw in _drawings.DRAWINGS for _ in range(VARIANTS)])
    things = np.stack([_drawings.picture(_drawings.clutter(rng)) for _ in range(VARIANTS)])
    texture = _texture(rng)
    x_train, y_train, masks_train = _subset(rng, texture, objects, things, 5000)
    x_test, y_test, masks_test = _subset(rng, texture, objects, things, 1000)
    return ImageDataset(
        name="CIFAR-10", source="sample", notice="", classes=CLASSES,
        x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test,
        masks_train=masks_train, masks_test=masks_test,
    )  # fmt: skip


def _dressed(
    rng: np.random.Generator, texture: np.ndarray, draw: Callable[..., _garments.Layers], n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n garments of one class; return images (n, h, w) and the masks of the garments (n, h, w)."""
    side = _garments.SIDE
    images, covers = np.zeros((2, n, side, side), dtype=np.float32)
    width, height, right, down = _garments.numbers(rng, images, (0.88, 1.08), (0.88, 1.04), (-0.1, 0.1), (-0.1, 0.1))
    centres = ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)
    layers = draw(rng, (centres - right) / width, (centres[:, None] - down) / height)

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
    noise = texture[(y + stride_y * pixels[:, None]) % 256, (x + stride_x * pixels) % 256]
    # Most fabrics are nearly plain.
    images *= 1 + noise * (fabric * fabric * fabric * fabric / 100)
    images += covers * rng.integers(-12, 13, size=images.shape, dtype=np.int8)
    return np.clip(images, 0, 255).astype(np.uint8), covers >= 0.5


def _wardrobe(
    rng: np.random.Generator, texture: np.ndarray, per_class: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `per_class` garments of every class in random order: images, labels and masks."""
    labels = rng.permutation(np.arange(len(GARMENTS)).repeat(per_class))
    images = np.empty((len(labels), _garments.SIDE, _garments.SIDE), dtype=np.uint8)
    masks = np.empty(images.shape, dtype=bool)
    for label, draw in enumerate(_garments.DRAWINGS):
        for chunk in np.flatnonzero(labels == label).reshape(-1, CHUNK):
            images[chunk], masks[chunk] = _dressed(rng, texture, draw, CHUNK)
    return images[..., None], labels, masks


def fashion_mnist() -> ImageDataset:
    """Draw the stand-in for Fashion-MNIST: 60,000 training and 10,000 test garments, always the same, with their masks.

    A mask is true where the garment covers at least half of the pixel.
    """
    rng = np.random.default_rng(SEED)
    texture = _texture(rng)
    x_train, y_train, masks_train = _wardrobe(rng, texture, 6000)
    x_test, y_test, masks_test = _wardrobe(rng, texture, 1000)
    return ImageDataset(
        name="Fashion-MNIST", source="sample", notice="", classes=GARMENTS,
        x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test,
        masks_train=masks_train, masks_test=masks_test,
    )  # fmt: skip


def _written(rng: np.random.Generator, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Write `per_class` images of every digit in random order: images and labels."""
    labels = rng.permutation(np.arange(len(DIGITS)).repeat(per_class))
    images = np.empty((len(labels), _digits.SIDE, _digits.SIDE), dtype=np.uint8)
    for label, draw in enumerate(_digits.DRAWINGS):
        for chunk in np.flatnonzero(labels == label).reshape(-1, CHUNK):
            images[chunk] = _digits.write(rng, draw, CHUNK)
    return images[..., None], labels


def mnist() -> ImageDataset:
    """Write the stand-in for MNIST: 60,000 training and 10,000 test digits, always the same."""
    rng = np.random.default_rng(SEED)
    x_train, y_train = _written(rng, 6000)
    x_test, y_test = _written(rng, 1000)
    return ImageDataset(
        name="MNIST", source="sample", notice="", classes=DIGITS,
        x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test,
    )  # fmt: skip
