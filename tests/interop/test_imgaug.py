"""The handout's six transformations by imgaug, on numpy 2, which imgaug does not know."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from mi204.errors import SettingError
from mi204.interop import imgaug
from mi204.interop.imgaug import RANGES, variants

needs_imgaug = pytest.mark.skipif(importlib.util.find_spec("imgaug") is None, reason="imgaug is absent")
IMAGE = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def framed(inside, side=48):
    """Give a black image with a bright square of half its side in the middle."""
    image = np.zeros((side, side, 3), np.uint8)
    image[side // 4 : -side // 4, side // 4 : -side // 4] = inside
    return image


@needs_imgaug
@pytest.mark.parametrize("transformation", RANGES)
def test_variants_differ_from_the_image_and_from_each_other(transformation):
    found = variants(IMAGE, transformation, 4, seed=0)
    assert found.shape == (4, 24, 40, 3)
    assert found.dtype == np.uint8
    assert len({each.tobytes() for each in [*found, IMAGE]}) == 5


@needs_imgaug
@pytest.mark.parametrize("transformation", RANGES)
def test_the_same_seed_gives_the_same_variants_whatever_numpys_global_generator(transformation):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = variants(IMAGE, transformation, 3, seed=5)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.random(7)  # noqa: NPY002
    np.testing.assert_array_equal(variants(IMAGE, transformation, 3, seed=5), first)
    assert (variants(IMAGE, transformation, 3, seed=6) != first).any()


@needs_imgaug
@pytest.mark.parametrize("transformation", RANGES)
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3)])
def test_images_of_any_shape_are_transformed(transformation, shape):
    assert variants(np.full(shape, 100, np.uint8), transformation, 2, seed=0).shape == (2, *shape)


@needs_imgaug
def test_brightness_multiplies_within_its_range():
    factors = variants(np.full((4, 4, 3), 100, np.uint8), "brightness", 200, seed=0)[:, 0, 0, 0] / 100
    assert 0.79 < factors.min() < 0.83
    assert 1.17 < factors.max() < 1.21


@needs_imgaug
def test_contrast_multiplies_the_distance_from_grey_within_its_range():
    image = np.full((4, 4, 3), 127, np.uint8)
    image[0] = 227
    found = variants(image, "contrast", 200, seed=0)
    assert (found[:, 1:] == 127).all()
    factors = (found[:, 0, 0, 0] - 127.0) / 100
    assert 0.58 < factors.min() < 0.64
    assert 1.2 < factors.max() <= 1.28  # 255 is the most


@needs_imgaug
def test_scale_multiplies_the_sides_within_its_range():
    area = (variants(framed(255, 60), "scale", 200, seed=0)[..., 0] / 255).sum(axis=(1, 2))
    # Each side by the same factor, which imgaug draws once per axis or once for both: from 0.5 to 1.5 either way.
    sides = np.sqrt(area) / 30
    assert 0.48 < sides.min() < 0.6
    assert 1.4 < sides.max() < 1.52


@needs_imgaug
def test_shear_moves_what_is_above_the_middle_against_what_is_below_and_keeps_the_area():
    found = variants(framed(255), "shear", 100, seed=0)[..., 0] / 255.0
    columns = np.arange(48)
    centre = [(found[:, row] * columns).sum(axis=1) / found[:, row].sum(axis=1) for row in (14, 33)]
    angles = np.degrees(np.arctan2(centre[1] - centre[0], 33 - 14))
    assert -31 < angles.min() < -25
    assert 25 < angles.max() < 31
    np.testing.assert_allclose(found.sum(axis=(1, 2)), 24**2, rtol=0.03)


@needs_imgaug
def test_elastic_distortion_moves_pixels_by_a_smooth_field_within_its_range():
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8)[np.newaxis, :, np.newaxis], (50, 1, 3))
    moved = (variants(ramp, "elastic", 200, seed=0)[..., 0] - ramp[..., 0].astype(float))[:, 10:-10, 10:-10] / 5
    # Uniform noise in [-1, 1], smoothed by a Gaussian: alpha / (sigma √12 √π) pixels: at most 1.63.
    strength = moved.std(axis=(1, 2))
    assert strength.min() < 0.2
    assert 0.9 < strength.max() < 2.6  # a small window: few independent places
    steps = np.diff(moved, axis=2).std(axis=(1, 2))[strength > 0.8] / strength[strength > 0.8]
    assert 0.1 < np.median(steps) < 0.3


@needs_imgaug
def test_perspective_moves_each_corner_inwards_by_a_little():
    ramp = np.tile(np.linspace(0, 250, 51).astype(np.uint8)[:, np.newaxis], (51, 1, 3)).transpose(1, 0, 2).copy()
    found = variants(np.ascontiguousarray(ramp), "perspective", 50, seed=0)
    moved = np.abs(found[:, 25, 0, 0].astype(float) - ramp[25, 0, 0]) / 250
    assert 0 < moved.max() < 0.25
    assert moved.mean() < 0.06


@needs_imgaug
def test_numpy_is_afterwards_as_it_was():
    program = (
        "import sys, numpy as np\n"
        "from mi204.interop import imgaug\n"
        "assert 'imgaug' not in sys.modules\n"
        "imgaug.variants(np.zeros((8, 8, 3), np.uint8), 'elastic', 1, 0)\n"
        "assert 'sctypes' not in vars(np)\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert (finished.stdout, finished.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"transformation": "rotation"}, "Expected transformation to be one of brightness, .*, received 'rotation'"),
        ({"image": IMAGE / 255}, r"uint8 of shape \(h, w, 3\), received float64 of shape \(24, 40, 3\)"),
        ({"image": IMAGE[..., 0]}, r"received uint8 of shape \(24, 40\)"),
        ({"image": IMAGE[..., :1]}, r"received uint8 of shape \(24, 40, 1\)"),
        ({"image": IMAGE[:0]}, r"received uint8 of shape \(0, 40, 3\)"),
        ({"n": 0}, "Expected n to be at least 1, received 0"),
        ({"seed": -1}, "Expected seed to be from 0 to 2147483647, received -1"),
        ({"seed": 2**31}, "received 2147483648"),
    ],
)
def test_what_cannot_be_transformed_is_refused(changed, words):
    with pytest.raises(SettingError, match=words):
        variants(**{"image": IMAGE, "transformation": "shear", "n": 1, "seed": 0, **changed})


def test_without_imgaug_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r'Expected imgaug to be installed.*pip install -e "\.\[explain\]"'):
        variants(IMAGE, "shear", 1, 0)


def test_an_opencv_that_cannot_be_imported_is_a_message_and_numpy_is_as_it_was(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(SettingError, match=r"OpenCV to be imported, received: .*opencv-python-headless"):
        imgaug.variants(IMAGE, "shear", 1, 0)
    assert "sctypes" not in vars(np)
