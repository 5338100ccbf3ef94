"""Pictures of any origin as RGB arrays: whatever Pillow reads, and a plain refusal of all else."""

import io
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mi204.errors import DataError, SettingError
from mi204.language import Word

MOST_PIXELS = 60_000_000
"""Larger pictures are refused before they are unpacked: a small file can hold thousands of millions of pixels."""
MOST_PICTURES = 200
LONGEST_SIDE = 1024
"""Own pictures are made smaller, if need be, to so many pixels: more than any network here sees."""
_RUN_PROGRAMS = {"EPS", "WMF"}
"""Formats for which Pillow starts another program, or has the system draw: not for files of anybody."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, and what was done to the file for it to be read."""

    image: np.ndarray
    """Red, green and blue, uint8 (h, w, 3)."""
    remarks: tuple[Word, ...] = ()
    """Such as ``picture_turned``; empty for a plain picture of 8-bit colours or greys."""


def read(source: Path | bytes, name: str = "", longest_side: int | None = None) -> Picture:
    """Read a picture from a file, or from its bytes, which messages then call ``name``.

    It is turned as its EXIF says; CMYK, greys and 16 bits become 8-bit RGB, what is transparent is laid on white, of an
    animation the first frame is taken. 32-bit and floating greys, whose black and white nobody tells, are stretched
    from their lowest to their highest value. A side longer than ``longest_side`` pixels is shrunk to it, in
    proportion. Raises DataError naming a file that cannot be opened, is no picture, is damaged or too large.
    """
    if isinstance(source, Path):
        name = name or str(source)
        try:
            source = source.read_bytes()
        except OSError as error:
            raise DataError(
                "Expected a picture in {name}, but the system answered: {reason}. Give another file, or change its "
                "permissions.",
                "Image attendue dans {name}, mais le système a répondu : {reason}. Donner un autre fichier ou changer "
                "ses droits.",
                name=name, reason=error.strerror or error,
            ) from error
    try:
        # Pillow warns of large pictures while it opens them; what is too large is said below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(source), formats=_formats()) as image:
                if image.width * image.height <= MOST_PIXELS:
                    return _rgb(image, longest_side)
                size = f"{image.width} x {image.height}"
    except Image.UnidentifiedImageError as error:
        raise DataError(
            "Expected a picture in {name}, received a file of none of the formats that can be read (PNG, JPEG, WebP, "
            "GIF, TIFF, BMP, …). Give another file, or save the picture as PNG or JPEG.",
            "Image attendue dans {name}, reçu un fichier d'aucun des formats lisibles (PNG, JPEG, WebP, GIF, TIFF, "
            "BMP, …). Donner un autre fichier ou enregistrer l'image en PNG ou en JPEG.",
            name=name,
        ) from error
    except Image.DecompressionBombError:
        size = "…"
    except Exception as error:  # a damaged file can make Pillow raise anything
        raise DataError(
            "Expected a whole picture in {name}, received a damaged one, or one that Pillow cannot convert: {error}. "
            "Give another file, or save the picture again as PNG or JPEG.",
            "Image entière attendue dans {name}, reçu une image endommagée ou que Pillow ne sait pas convertir : "
            "{error}. Donner un autre fichier ou enregistrer à nouveau l'image en PNG ou en JPEG.",
            name=name, error=str(error) or type(error).__name__,
        ) from error
    raise DataError(
        "Expected at most {most:,} pixels in {name}, received more ({size}): make the picture smaller.",
        "Au plus {most:,} pixels attendus dans {name}, reçu davantage ({size}) : réduire l'image.",
        most=MOST_PIXELS, name=name, size=size,
    )


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name not in _RUN_PROGRAMS]


def _rgb(image: Image.Image, longest_side: int | None) -> Picture:
    remarks = []
    if image.format != "MPO" and getattr(image, "is_animated", False):  # phones hide a second picture in an MPO
        image.seek(0)
        remarks.append("picture_first_frame")
    of_png = image.format == "PNG"  # a turned picture no longer knows
    turned = _turned(image)
    if turned is not image:
        remarks.append("picture_turned")
    image = turned
    if image.mode.startswith("I;16") or (image.mode == "I" and of_png):  # so read by Pillow until version 11
        remarks.append("picture_16_bits")
        image = Image.fromarray((np.asarray(image).astype(np.float32) / 257).round().astype(np.uint8))
    elif image.mode in ("I", "F"):
        remarks.append("picture_stretched")
        image = Image.fromarray(_stretched(np.asarray(image).astype(np.float64)))
    elif image.mode == "CMYK":
        remarks.append("picture_cmyk")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            remarks.append("picture_transparent")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if longest_side is not None and max(image.size) > longest_side:
        remarks.append("picture_shrunk")
        image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return Picture(np.array(image), tuple(Word(remark) for remark in remarks))


def _turned(image: Image.Image) -> Image.Image:
    """Turn a picture upright as its EXIF says; give the picture itself where that says nothing, or nothing readable."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # as for the picture itself; without it, the picture is still whole
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image


def _stretched(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    values = np.clip(np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low, 0, None)
    return (255 * values / (high - low or 1)).round().astype(np.uint8)


def find(places: Iterable[Path]) -> tuple[Path, ...]:
    """List the pictures that are meant by files and folders, sorted by name within each folder, each once.

    Of a folder, the files whose names end as pictures do, ``.jpg`` or ``.png``, but hidden ones; folders in it are left
    alone. A file that is named itself is taken whatever its name. Raises DataError for what is not there or cannot be
    listed and for a folder without pictures, SettingError when there are more than ``MOST_PICTURES``.
    """
    found: dict[Path, None] = {}
    for place in places:
        if not place.is_dir():
            if not place.exists():
                raise DataError(
                    "Expected a picture or a folder of pictures, received {place}, which is not there: correct the "
                    "name.",
                    "Image ou dossier d'images attendu, reçu {place}, qui n'existe pas : corriger le nom.",
                    place=place,
                )
            found[place] = None
            continue
        found |= dict.fromkeys(_in_folder(place))
    if len(found) > MOST_PICTURES:
        raise SettingError(
            "Expected at most {most:,} pictures, received {received:,}: give fewer.",
            "Au plus {most:,} images attendues, {received:,} reçues : en donner moins.",
            most=MOST_PICTURES, received=len(found),
        )
    return tuple(found)


def _in_folder(folder: Path) -> list[Path]:
    Image.init()
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(
            "Expected a folder of pictures, received {folder}, but the system answered: {reason}. Change its "
            "permissions, or give another folder.",
            "Dossier d'images attendu, reçu {folder}, mais le système a répondu : {reason}. Changer ses droits ou "
            "donner un autre dossier.",
            folder=folder, reason=error.strerror or error,
        ) from error
    endings = tuple(ending for ending, kind in Image.EXTENSION.items() if kind in _formats())
    pictures = [
        folder / name for name in names
        if not name.startswith(".") and name.lower().endswith(endings) and (folder / name).is_file()
    ]
    if not pictures:
        raise DataError(
            "Expected pictures (.png, .jpg, .webp, …) in the folder {folder}, received none among its {n:,} files: "
            "give another folder.",
            "Images (.png, .jpg, .webp, …) attendues dans le dossier {folder}, aucune trouvée parmi ses {n:,} "
            "fichiers : donner un autre dossier.",
            folder=folder, n=len(names),
        )
    return pictures


def resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring a picture, uint8 (h, w, 3), or a mask, bool (h, w), to a size; bilinear, over areas where it shrinks.

    Of a mask the nearest pixels are taken. What has the size already is given back as it is.
    """
    if array.shape[:2] == (height, width):
        return array
    # Of pictures with one bit per pixel, Pillow takes the nearest whatever the rule.
    return np.array(Image.fromarray(array).resize((width, height), Image.Resampling.BILINEAR))
