"""Transformations of images that know what they do to a map: by numpy and scipy, so that all backends see the same.

Photometric ones change values and leave a map where it is; geometric ones move pixels and know the way there and back.
Parameters are plain numbers that can be stored; large random fields are kept as the seed they are drawn from. A
transformation of strength 0 changes nothing.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import ndimage

from mi204.errors import SettingError

Parameters = Mapping[str, Any]
Shape = tuple[int, int]
"""Height and width of an image, in pixels."""


@dataclass(frozen=True)
class Transformation(ABC):
    """What can be done to an image, more or less strongly; ``low`` to ``high`` are the strengths to try, 0 among them.

    Raises SettingError for a range without 0 or beyond what the transformation can do.
    """

    low: float
    high: float
    name: ClassVar[str]
    unit: ClassVar[str]
    limits: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        """Check the range."""
        if not self.limits[0] <= self.low <= 0 <= self.high <= self.limits[1] or self.low == self.high:
            raise SettingError(
                "Expected strengths of {name!r} from at least {least:g} to at most {most:g}, 0 between them, "
                "received {low:g} to {high:g}: choose low and high in that range.",
                "Forces de {name!r} d'au moins {least:g} à au plus {most:g} attendues, 0 étant compris, "
                "de {low:g} à {high:g} reçu : choisir low et high dans cet intervalle.",
                name=self.name,
                least=self.limits[0],
                most=self.limits[1],
                low=self.low,
                high=self.high,
            )

    def strengths(self, n: int) -> list[float]:
        """Spread ``n`` strengths evenly from ``low`` to ``high``, without 0; half of them negative where there are any.

        Of an odd number, the positive side has one more.
        """
        n_negative = n // 2 if self.low < 0 < self.high else n if self.low < 0 else 0
        negative = np.linspace(self.low, 0, n_negative, endpoint=False)
        positive = np.linspace(self.high, 0, n - n_negative, endpoint=False)[::-1]
        return [*negative.tolist(), *positive.tolist()]

    def draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        """Draw the parameters of one transformation of images of ``shape``: plain numbers, the same on every machine.

        Raises SettingError for a strength that the transformation cannot have.
        """
        if not self.limits[0] <= strength <= self.limits[1]:
            raise SettingError(
                "Expected a strength of {name!r} from {least:g} to {most:g}, received {strength:g}: "
                "choose one in that range.",
                "Force de {name!r} de {least:g} à {most:g} attendue, {strength:g} reçu : "
                "en choisir une dans cet intervalle.",
                name=self.name,
                least=self.limits[0],
                most=self.limits[1],
                strength=strength,
            )
        return self._draw(rng, float(strength), shape)

    @abstractmethod
    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters: ...

    def apply(
        self, images: np.ndarray, parameters: Parameters, value_range: tuple[float, float] = (0, 255)
    ) -> np.ndarray:
        """Transform images ``(n, h, w, c)`` with values in ``value_range``, all alike, and clip: float32.

        Raises SettingError for values beyond the range, which clipping would change unseen, or NaN.
        """
        low, high = value_range
        margin = 1e-3 * (high - low)
        if not (images.min() >= low - margin and images.max() <= high + margin):
            raise SettingError(
                "Expected images with values from {low:g} to {high:g}, received {least:g} to {most:g}: "
                "give the value_range of these images.",
                "Images de valeurs de {low:g} à {high:g} attendues, de {least:g} à {most:g} reçu : "
                "donner le value_range de ces images.",
                low=low,
                high=high,
                least=images.min(),
                most=images.max(),
            )
        shares = (images.astype(np.float64) - low) / (high - low)
        changed = np.clip(self._apply(np.clip(shares, 0, 1), parameters), 0, 1)
        return (low + (high - low) * changed).astype(np.float32)

    @abstractmethod
    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Transform images ``(n, h, w, c)`` with values in 0..1."""

    def warp(self, maps: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Move maps ``(n, h, w)`` as the transformation moves the pixels of their images; 0 where nothing came from."""
        return maps

    def valid(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Mark the pixels of the transformed image that come from inside the original one: ``(h, w)`` of bool."""
        return np.ones(shape, dtype=bool)

    def unwarp(self, maps: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Move maps ``(n, h, w)`` of the transformed image back to the original one; 0 where it has no such pixel."""
        return maps

    def unwarp_valid(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Mark the pixels of the original image that can be read in the transformed one: ``(h, w)`` of bool."""
        return np.ones(shape, dtype=bool)


@dataclass(frozen=True)
class Brightness(Transformation):
    """Multiply the values by ``1 + strength``; imgaug's Multiply."""

    low: float = -0.2
    high: float = 0.2
    name = "brightness"
    unit = "share"
    limits = (-1, math.inf)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"factor": 1 + strength}

    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        return shares * parameters["factor"]


@dataclass(frozen=True)
class Contrast(Transformation):
    """Multiply the distance of values from the middle of their range by ``1 + strength``; imgaug's LinearContrast."""

    low: float = -0.4
    high: float = 0.4
    name = "contrast"
    unit = "share"
    limits = (-1, math.inf)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"factor": 1 + strength}

    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        return 0.5 + (shares - 0.5) * parameters["factor"]


@dataclass(frozen=True)
class Gamma(Transformation):
    """Raise the values, as shares of their range, to the power ``2^strength``: above 0 darker, below 0 lighter."""

    low: float = -0.75
    high: float = 0.75
    name = "gamma"
    unit = "octaves"
    limits = (-8, 8)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"exponent": 2**strength}

    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        return shares ** parameters["exponent"]


@dataclass(frozen=True)
class Noise(Transformation):
    """Add to each value normal noise of a standard deviation of ``strength``, as a share of the range of values."""

    low: float = 0.0
    high: float = 0.1
    name = "noise"
    unit = "share"
    limits = (0, math.inf)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"deviation": strength, "seed": int(rng.integers(2**32))}

    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        field = np.random.default_rng(parameters["seed"]).normal(size=shares.shape[1:])
        return shares + parameters["deviation"] * field


@dataclass(frozen=True)
class Blur(Transformation):
    """Blur with a Gaussian of a standard deviation of ``strength`` pixels."""

    low: float = 0.0
    high: float = 3.0
    name = "blur"
    unit = "pixels"
    limits = (0, math.inf)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"deviation": strength}

    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        return ndimage.gaussian_filter(shares, parameters["deviation"], mode="nearest", axes=(1, 2))


def _resample(planes: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Read planes ``(n, h, w)`` at ``(2, h, w)`` rows and columns, linearly between pixels, 0 outside."""
    read = [ndimage.map_coordinates(plane, coordinates, order=1, mode="constant") for plane in planes]
    return np.stack(read).astype(planes.dtype)


def _inside(coordinates: np.ndarray) -> np.ndarray:
    """Mark rows and columns ``(2, h, w)`` that lie inside an image of this shape: ``(h, w)``."""
    rows, columns = coordinates
    height, width = rows.shape
    return (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)


class Geometric(Transformation):
    """A transformation that moves pixels; where nothing comes from, the image takes the least of its range (black).

    Values are interpolated linearly, without the smoothing that a strong reduction would need, as imgaug does.
    """

    @abstractmethod
    def sources(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give where each pixel of the transformed image comes from: rows and columns ``(2, h, w)`` in the original."""

    @abstractmethod
    def places(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give where each pixel of the original image goes: rows and columns ``(2, h, w)`` in the transformed one."""

    def _apply(self, shares: np.ndarray, parameters: Parameters) -> np.ndarray:
        planes = np.moveaxis(shares, 3, 1)
        moved = _resample(planes.reshape(-1, *shares.shape[1:3]), self.sources(parameters, shares.shape[1:3]))
        return np.moveaxis(moved.reshape(planes.shape), 1, 3)

    def warp(self, maps: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Move maps ``(n, h, w)`` as the transformation moves the pixels of their images; 0 where nothing came from."""
        return _resample(maps, self.sources(parameters, maps.shape[1:]))

    def valid(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Mark the pixels of the transformed image that come from inside the original one: ``(h, w)`` of bool."""
        return _inside(self.sources(parameters, shape))

    def unwarp(self, maps: np.ndarray, parameters: Parameters) -> np.ndarray:
        """Move maps ``(n, h, w)`` of the transformed image back to the original one; 0 where it has no such pixel."""
        return _resample(maps, self.places(parameters, maps.shape[1:]))

    def unwarp_valid(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Mark the pixels of the original image that can be read in the transformed one: ``(h, w)`` of bool."""
        valid = self.valid(parameters, shape)[None].astype(np.float64)
        # All that a pixel is interpolated from must come from inside.
        return self.unwarp(valid, parameters)[0] > 1 - 1e-6


class Projective(Geometric):
    """A transformation by one matrix ``(3, 3)``: ``source = matrix (row, column, 1)``, divided by its last entry.

    Rows and columns are counted from the middle of the image.
    """

    @abstractmethod
    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""

    def sources(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give where each pixel of the transformed image comes from: rows and columns ``(2, h, w)`` in the original."""
        return _projected(self.matrix(parameters, shape), shape)

    def places(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give where each pixel of the original image goes: rows and columns ``(2, h, w)`` in the transformed one."""
        return _projected(np.linalg.inv(self.matrix(parameters, shape)), shape)


def _projected(matrix: np.ndarray, shape: Shape) -> np.ndarray:
    """Give matrix (row, column, 1) of each pixel, counted from the middle: rows and columns ``(2, h, w)``."""
    middle = (np.array(shape)[:, None, None] - 1) / 2
    points = np.concatenate([np.indices(shape) - middle, np.ones((1, *shape))])
    rows, columns, depth = np.einsum("ij,jhw->ihw", matrix / matrix[2, 2], points)
    # A point behind the eye is seen nowhere.
    coordinates = np.stack([rows, columns]) / np.where(depth > 1e-9, depth, np.nan) + middle
    # Exact where the point is a pixel: cos(90°) is not quite 0 in floating point, and a hair outside is outside.
    return np.nan_to_num(np.round(coordinates, 6), nan=-1.0)


def _linear(top_left: np.ndarray | list, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = top_left, shift
    return matrix


@dataclass(frozen=True)
class Rotation(Projective):
    """Turn about the middle by ``strength`` degrees, anticlockwise; exact for multiples of 90 on a square image."""

    low: float = -30.0
    high: float = 30.0
    name = "rotation"
    unit = "degrees"
    limits = (-360, 360)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"degrees": strength}

    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""
        angle = math.radians(parameters["degrees"])
        return _linear([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


@dataclass(frozen=True)
class Shear(Projective):
    """Slant to the side by ``strength`` degrees: the lower half goes right, the upper one left; imgaug's shear."""

    low: float = -30.0
    high: float = 30.0
    name = "shear"
    unit = "degrees"
    limits = (-80, 80)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"degrees": strength}

    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""
        return _linear([[1, 0], [-math.tan(math.radians(parameters["degrees"])), 1]])


@dataclass(frozen=True)
class Scale(Projective):
    """Enlarge by ``1 + strength`` about the middle; imgaug's scale of 0.5 to 1.5."""

    low: float = -0.5
    high: float = 0.5
    name = "scale"
    unit = "share"
    limits = (-0.9, math.inf)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"factor": 1 + strength}

    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""
        return _linear(np.eye(2) / parameters["factor"])


@dataclass(frozen=True)
class Translation(Projective):
    """Shift by ``strength``, a share of the sides, in a direction drawn at random; the opposite one below 0.

    By whole pixels, so that nothing is interpolated.
    """

    low: float = -0.2
    high: float = 0.2
    name = "translation"
    unit = "share"
    limits = (-1, 1)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        angle = rng.uniform(0, math.pi)
        return {
            "down": round(strength * math.sin(angle) * shape[0]),
            "right": round(strength * math.cos(angle) * shape[1]),
        }

    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""
        return _linear(np.eye(2), (-parameters["down"], -parameters["right"]))


@dataclass(frozen=True)
class Flip(Projective):
    """Mirror left to right, by a strength of 1, or not, by 0: there is one variant, however many are asked for."""

    low: float = 0.0
    high: float = 1.0
    name = "flip"
    unit = "0 / 1"
    limits = (0, 1)

    def strengths(self, n: int) -> list[float]:
        """Give the one strength that there is."""
        return [1.0]

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"mirrored": strength >= 0.5}

    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""
        return _linear(np.diag([1, -1 if parameters["mirrored"] else 1]))


@dataclass(frozen=True)
class Perspective(Projective):
    """See the image from aslant: its corners move inwards, each by its own draw; imgaug's PerspectiveTransform.

    By the size of a normal draw of standard deviation ``strength``, a share of the sides, in each direction, at most
    0.45. What lies between the new corners fills the transformed image.
    """

    low: float = 0.0
    high: float = 0.06
    name = "perspective"
    unit = "share"
    limits = (0, 0.2)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"inwards": np.minimum(strength * abs(rng.normal(size=(4, 2))), 0.45).tolist()}

    def matrix(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give the matrix that leads from the transformed image to the original one."""
        sides = np.array(shape) - 1
        signs = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
        corners = signs * sides / 2
        sources = corners - signs * sides * np.array(parameters["inwards"])
        # Eight equations, linear in the entries m of the matrix, m33 = 1: source (m31 r + m32 c + 1) = m (r, c, 1).
        equations, values = [], []
        for (row, column), source in zip(corners, sources, strict=True):
            for axis, value in enumerate(source):
                equation = np.zeros(8)
                equation[3 * axis : 3 * axis + 3] = row, column, 1
                equation[6:] = -value * row, -value * column
                equations.append(equation)
                values.append(value)
        return np.append(np.linalg.solve(equations, values), 1).reshape(3, 3)


@dataclass(frozen=True)
class Elastic(Geometric):
    """Displace each pixel by a smooth random field; imgaug's ElasticTransformation (Simard 2003).

    The field is uniform noise in -1..1 for rows and for columns, blurred by ``sigma`` pixels, times ``strength``, the
    alpha of the paper: its root mean square is ``strength / (2 sqrt(3 pi) sigma)`` pixels, 1.1 for 40 and 6.
    """

    low: float = 0.0
    high: float = 40.0
    sigma: float = 6.0
    name = "elastic"
    unit = "alpha"
    limits = (0, math.inf)

    def _draw(self, rng: np.random.Generator, strength: float, shape: Shape) -> Parameters:
        return {"alpha": strength, "sigma": self.sigma, "seed": int(rng.integers(2**32))}

    def _field(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        noise = np.random.default_rng(parameters["seed"]).uniform(-1, 1, (2, *shape))
        return parameters["alpha"] * ndimage.gaussian_filter(noise, parameters["sigma"], mode="reflect", axes=(1, 2))

    def sources(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give where each pixel of the transformed image comes from: rows and columns ``(2, h, w)`` in the original."""
        return np.indices(shape) + self._field(parameters, shape)

    def places(self, parameters: Parameters, shape: Shape) -> np.ndarray:
        """Give where each pixel of the original image goes: rows and columns ``(2, h, w)`` in the transformed one.

        The place q of a pixel p is where ``q = p - field(q)``, found by repeating this from q = p. Outside where that
        comes to no rest to a thousandth of a pixel: there the field folds the image.
        """
        field, pixels = self._field(parameters, shape), np.indices(shape)

        def displaced(places: np.ndarray) -> np.ndarray:
            shift = [ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in field]
            return pixels - np.stack(shift)

        places = pixels.astype(np.float64)
        for _ in range(50):
            places, before = displaced(places), places
            at_rest = abs(places - before).max(axis=0) < 1e-3
            if at_rest.all():
                break
        return np.where(at_rest, places, -1)


TRANSFORMATIONS: dict[str, Transformation] = {
    transformation.name: transformation
    for transformation in (
        Brightness(),
        Contrast(),
        Gamma(),
        Noise(),
        Blur(),
        Shear(),
        Elastic(),
        Scale(),
        Perspective(),
        Rotation(),
        Translation(),
        Flip(),
    )
}
"""With imgaug's default ranges where it has them: the handout's six transformations, and others."""


def variants(transformation: Transformation, n: int, shape: Shape, seed: int) -> list[tuple[float, Parameters]]:
    """Give strengths and parameters of ``n`` sufficiently different transformations of one image of ``shape``.

    The strengths are ``transformation.strengths(n)``; each variant has draws of its own.
    """
    generators = np.random.default_rng(seed).spawn(n)
    strengths = transformation.strengths(n)
    return [(each, transformation.draw(rng, each, shape)) for each, rng in zip(strengths, generators, strict=False)]
