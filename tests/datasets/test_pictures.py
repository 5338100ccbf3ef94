import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mi204.datasets import pictures
from mi204.errors import DataError, SettingError
from mi204.language import word

# Rows and columns differ, so that what is turned or mirrored shows.
COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **settings) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **settings)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_plain_picture_is_read_as_it_is(kind):
    picture = pictures.read(encoded(COLOURS, kind))
    np.testing.assert_array_equal(picture.image, COLOURS)
    assert picture.image.dtype == np.uint8
    assert picture.remarks == ()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_picture_is_read_nearly_as_it_is(kind):
    smooth = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8)[:, None, None], (64, 48, 3))
    picture = pictures.read(encoded(smooth, kind))
    assert np.abs(picture.image.astype(int) - smooth).max() < 8


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_greys_and_palettes_become_colours(mode):
    image = Image.fromarray(COLOURS).convert(mode)
    picture = pictures.read(encoded(image))
    np.testing.assert_array_equal(picture.image, np.asarray(image.convert("RGB")))
    assert picture.remarks == ()


# What each EXIF orientation asks for, written in numpy.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_photograph_is_turned_as_its_exif_says(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = pictures.read(encoded(COLOURS, exif=exif))
    np.testing.assert_array_equal(picture.image, UPRIGHT[orientation](COLOURS))
    assert picture.remarks == (() if orientation == 1 else ("picture_turned",))


@pytest.mark.parametrize("exif", [b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00nonsense", b"Exif\x00\x00"])
def test_exif_that_cannot_be_read_is_no_obstacle(exif):
    picture = pictures.read(encoded(COLOURS, exif=exif))
    np.testing.assert_array_equal(picture.image, COLOURS)


def test_orientation_that_does_not_exist_changes_nothing():
    exif = Image.Exif()
    exif[0x0112] = 9
    picture = pictures.read(encoded(COLOURS, exif=exif))
    np.testing.assert_array_equal(picture.image, COLOURS)
    assert picture.remarks == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_keep_their_range(kind):
    greys = np.array([[0, 128, 257], [32768, 65278, 65535]], np.uint16)
    picture = pictures.read(encoded(greys, kind))
    np.testing.assert_array_equal(picture.image[..., 1], [[0, 0, 1], [128, 254, 255]])
    assert picture.remarks == ("picture_16_bits",)


def test_turned_16_bits_keep_their_range():
    exif = Image.Exif()
    exif[0x0112] = 3
    picture = pictures.read(encoded(np.array([[0, 65535]], np.uint16), exif=exif))
    np.testing.assert_array_equal(picture.image[..., 0], [[255, 0]])
    assert picture.remarks == ("picture_turned", "picture_16_bits")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[-1, 0, 3]]), [[0, 64, 255]]),
        (np.float32([[2, 2, 2]]), [[0, 0, 0]]),
        (np.float32([[np.nan, 0, 1]]), [[0, 0, 255]]),
        (np.float32([[-np.inf, 5, np.inf, 6]]), [[0, 0, 255, 255]]),
        (np.float32([[np.nan, np.inf]]), [[0, 0]]),
        (np.int32([[-70000, 0, 70000]]), [[0, 128, 255]]),
    ],
)
def test_greys_of_no_known_range_are_stretched(values, expected):
    picture = pictures.read(encoded(values, "TIFF"))
    np.testing.assert_array_equal(picture.image[..., 2], expected)
    assert picture.remarks == ("picture_stretched",)


def test_cmyk_becomes_colours():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        picture = pictures.read(encoded(image, kind))
        assert (np.abs(picture.image.astype(int) - [255, 0, 0]) < 4).all(), kind
        assert picture.remarks == ("picture_cmyk",)


def test_transparent_parts_lie_on_white():
    image = Image.fromarray(np.uint8([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]]))
    picture = pictures.read(encoded(image))
    np.testing.assert_array_equal(picture.image, [[[200, 0, 0], [255, 255, 255], [204, 204, 204]]])
    assert picture.remarks == ("picture_transparent",)
    hardly = pictures.read(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 254))))
    assert (hardly.image == 1).all()
    assert hardly.remarks == ("picture_transparent",)
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 80, 80, 80])
    palette.putpixel((1, 0), 1)
    np.testing.assert_array_equal(pictures.read(encoded(palette, transparency=0)).image, [[[255] * 3, [80] * 3]])


def test_alpha_that_hides_nothing_is_not_worth_a_word():
    opaque = np.dstack([COLOURS, np.full((5, 7, 1), 255, np.uint8)])
    picture = pictures.read(encoded(opaque))
    np.testing.assert_array_equal(picture.image, COLOURS)
    assert picture.remarks == ()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    picture = pictures.read(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert (np.abs(picture.image.astype(int) - [255, 0, 0]) < 4).all()
    assert picture.remarks == ("picture_first_frame",)


def test_second_picture_that_phones_hide_is_not_worth_a_word():
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime")]
    picture = pictures.read(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert picture.image[8, 8, 0] > 250
    assert picture.remarks == ()


def test_single_pixel():
    np.testing.assert_array_equal(pictures.read(encoded(COLOURS[:1, :1])).image, COLOURS[:1, :1])


def test_large_picture_is_made_smaller_in_proportion():
    picture = pictures.read(encoded(Image.new("RGB", (90, 30), "red")), longest_side=45)
    assert picture.image.shape == (15, 45, 3)
    assert (picture.image == [255, 0, 0]).all()
    assert picture.remarks == ("picture_shrunk",)
    same = pictures.read(encoded(Image.new("RGB", (90, 30))), longest_side=90)
    assert same.image.shape == (30, 90, 3)
    assert same.remarks == ()


def bomb(width: int, height: int) -> bytes:
    """Write a PNG that says it is large, with the pixels of its first rows only."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("side", [7_750, 10_000, 40_000])
def test_bomb_is_refused_before_it_is_unpacked(side):
    with pytest.raises(DataError, match=r"at most 60,000,000 pixels in holiday\.png") as caught:
        pictures.read(bomb(side, side), "holiday.png")
    french = caught.value.written("fr")
    assert "holiday.png" in french
    assert "réduire l'image" in french
    assert side > 13_000 or f"{side} x {side}" in french


def test_largest_picture_is_not_refused_for_its_size(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 35)
    assert pictures.read(encoded(COLOURS)).image.shape == (5, 7, 3)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 34)
    with pytest.raises(DataError, match=r"at most 34 pixels .* received more \(7 x 5\)"):
        pictures.read(encoded(COLOURS))


EPS = encoded(COLOURS, "EPS")


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"<svg/>", b"plain words", b"PK\x03\x04", EPS])
def test_what_is_no_picture_is_refused_by_name(content, tmp_path):
    file = tmp_path / "parrot.png"
    file.write_bytes(content)
    with pytest.raises(DataError, match="none of the formats that can be read") as caught:
        pictures.read(file)
    for language in ("en", "fr"):
        assert str(file) in caught.value.written(language)


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated_picture_is_refused_by_name(kind):
    content = encoded(NOISE, kind)
    with pytest.raises(DataError, match="upload") as caught:
        pictures.read(content[: len(content) // 2], "upload")
    assert "upload" in caught.value.written("fr")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "ICO", "TGA", "PPM"])
def test_damaged_picture_is_read_or_refused_but_nothing_else(kind):
    content = encoded(NOISE, kind)
    rng = np.random.default_rng(1)
    for _ in range(30):
        damaged = bytearray(content)
        for place in rng.integers(0, min(len(content), 400), 8):
            damaged[place] = rng.integers(0, 256)
        try:
            image = pictures.read(bytes(damaged)).image
        except DataError:
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3


@pytest.mark.parametrize(("make", "reason"), [(lambda file: None, "No such file"), (Path.mkdir, "Is a directory")])
def test_file_that_cannot_be_opened_is_named(make, reason, tmp_path):
    make(tmp_path / "parrot.png")
    with pytest.raises(DataError, match=f"parrot.png, but the system answered: {reason}"):
        pictures.read(tmp_path / "parrot.png")


def test_file_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"mine\.png, but the system answered: Permission denied"):
        pictures.read(tmp_path / "mine.png")


def test_remarks_are_words_in_both_languages():
    remarks = pictures.read(encoded(np.array([[0, 65535]], np.uint16))).remarks
    assert [word(remark, "fr") for remark in remarks] == ["16 bits ramenés à 8"]
    for key in ("turned", "cmyk", "stretched", "transparent", "first_frame", "shrunk"):
        assert word(f"picture_{key}", "en") != word(f"picture_{key}", "fr")


def put(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(encoded(COLOURS))


def test_pictures_of_a_folder_are_found_in_order(tmp_path):
    put(tmp_path, "b.jpg", "a.PNG", "c.webp", ".hidden.png", "notes.txt", "drawing.eps", "no_ending")
    put(tmp_path / "inside.png", "deep.png")
    assert [file.name for file in pictures.find([tmp_path])] == ["a.PNG", "b.jpg", "c.webp"]


def test_files_and_folders_come_in_the_order_given_each_once(tmp_path):
    put(tmp_path, "b.png", "a.png", "odd_name")
    found = pictures.find([tmp_path / "b.png", tmp_path / "odd_name", tmp_path])
    assert [file.name for file in found] == ["b.png", "odd_name", "a.png"]


def test_folder_without_pictures_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match="none among its 1 files"):
        pictures.find([tmp_path])


def test_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.png, which is not there"):
        pictures.find([tmp_path / "nowhere.png"])


def test_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        pictures.find([tmp_path])


def test_too_many_pictures_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PICTURES", 2)
    put(tmp_path, "a.png", "b.png")
    assert len(pictures.find([tmp_path])) == 2
    put(tmp_path, "c.png")
    with pytest.raises(SettingError, match="at most 2 pictures, received 3"):
        pictures.find([tmp_path])


def test_resized_picture_shows_the_same_with_other_proportions():
    halves = np.zeros((40, 20, 3), np.uint8)
    halves[:20] = [10, 100, 250]
    resized = pictures.resize(halves, 8, 10)
    assert resized.shape == (8, 10, 3)
    assert resized.dtype == np.uint8
    assert (resized[:3] == [10, 100, 250]).all()
    assert (resized[5:] == 0).all()


def test_shrinking_averages_over_areas():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(pictures.resize(stripes, 4, 4).astype(int) - 100).max() <= 12


def test_mask_stays_a_mask():
    mask = np.zeros((9, 6), bool)
    mask[3:6] = True
    resized = pictures.resize(mask, 3, 2)
    assert resized.dtype == bool
    np.testing.assert_array_equal(resized, [[False] * 2, [True] * 2, [False] * 2])


def test_what_has_the_size_is_given_back_as_it_is():
    assert pictures.resize(COLOURS, 5, 7) is COLOURS
