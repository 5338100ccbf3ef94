import hashlib

import numpy as np
import pytest
from PIL import Image

from mi204.datasets import photographs, pretrained
from mi204.datasets._fetch import FetchError
from mi204.errors import DataError, SettingError


@pytest.fixture
def mirror(cache, tmp_path, monkeypatch):
    """Give a mirror with two photographs made here, known under the names ``ours`` and ``masked``."""
    folder = tmp_path / "mirror/photos"
    folder.mkdir(parents=True)
    colours = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 255
    Image.fromarray(colours).save(folder / "ours.png")
    Image.fromarray(mask).save(folder / "ours_mask.png")

    def known(site: str, mask: bool) -> photographs._Known:
        sha256s = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("ours.png", "ours_mask.png")]
        return photographs._Known("ours.png", sha256s[0], site, "us, CC0", ("macaw",), 1, sha256s[1] if mask else "")

    monkeypatch.setattr(
        photographs, "_KNOWN", {"ours": known("http://127.0.0.1:9/", False), "masked": known("", True)}
    )
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    return folder, colours, mask > 0


def test_known_photograph_comes_with_what_is_known(mirror):
    _, colours, mask = mirror
    plain, masked = photographs.load(["ours", "masked"])
    np.testing.assert_array_equal(plain.image, colours)
    assert (plain.name, plain.credit, plain.answers, plain.count) == ("ours", "us, CC0", ("macaw",), 1)
    assert plain.mask is None
    np.testing.assert_array_equal(masked.mask, mask)
    assert masked.mask.dtype == bool
    assert [photograph.name for photograph in photographs.load(["masked", "ours"])] == ["masked", "ours"]


def test_altered_photograph_is_refused(mirror):
    folder, colours, _ = mirror
    Image.fromarray(255 - colours).save(folder / "ours.png")
    with pytest.raises(FetchError, match=r"ours\.png: expected SHA256"):
        photographs.load(["ours"])


def test_altered_mask_is_refused(mirror):
    folder, _, _ = mirror
    (folder / "ours_mask.png").write_bytes(b"")
    with pytest.raises(FetchError, match=r"ours_mask\.png: expected SHA256"):
        photographs.load(["masked"])


def test_missing_photograph_names_the_places_tried(mirror, cache, tmp_path):
    folder, _, _ = mirror
    (folder / "ours.png").unlink()
    with pytest.raises(FetchError) as caught:
        photographs.load(["masked"])
    for language in ("en", "fr"):
        message = caught.value.written(language)
        assert f"{cache}/photos/ours.png" in message
        assert f"{folder}/ours.png" in message
        assert "http" not in message, "it has no official address"
    with pytest.raises(FetchError, match=r"http://127\.0\.0\.1:9/ours\.png"):
        photographs.load(["ours"])


def test_unknown_name_is_refused():
    with pytest.raises(SettingError, match=r"among cat, coffee, .*received 'parot'"):
        photographs.load(["parot"])


def test_own_pictures_are_read_in_order_and_made_smaller(tmp_path):
    Image.new("RGB", (2048, 1024), "red").save(tmp_path / "b.png")
    Image.new("RGBA", (3, 2), (0, 0, 0, 0)).save(tmp_path / "a.png")
    first, second = photographs.own([tmp_path])
    assert (first.name, first.image.shape, first.remarks) == ("a.png", (2, 3, 3), ("picture_transparent",))
    assert (second.name, second.image.shape, second.remarks) == ("b.png", (512, 1024, 3), ("picture_shrunk",))
    assert (first.answers, first.count, first.mask) == ((), None, None)


def test_own_file_that_is_no_picture_is_named(tmp_path):
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("words")
    with pytest.raises(DataError, match=r"b\.png"):
        photographs.own([tmp_path])


def test_no_place_at_all_is_refused():
    with pytest.raises(DataError, match="at least one picture"):
        photographs.own([])


def test_addresses_are_of_fixed_versions():
    for known in photographs._KNOWN.values():
        url = known.remote().url
        if url:
            assert url.startswith("https://raw.githubusercontent.com/")
            assert len(url.split("/")[5]) == 40, "a commit, not a branch"
            assert url.endswith(f"/{known.file}")
    assert photographs.ONLINE == ("cat", "coffee", "rocket", "elephants", "parrot", "hot_dog", "two_dogs")


@pytest.mark.data
def test_real_photographs_are_all_there():
    loaded = {photograph.name: photograph for photograph in photographs.load(photographs.NAMES)}
    assert {name: photograph.image.shape[:2] for name, photograph in loaded.items()} == {
        "cat": (300, 451), "coffee": (400, 600), "rocket": (427, 640), "elephants": (351, 525), "parrot": (929, 512),
        "hot_dog": (384, 512), "two_dogs": (430, 512), "dragonfly": (418, 512), "running_dog": (341, 512),
        "samoyed": (256, 256), "crow": (513, 513), "sunflower": (340, 512),
    }
    assert {name for name, photograph in loaded.items() if photograph.mask is not None} == {"samoyed", "crow"}
    for name in ("samoyed", "crow"):
        mask = loaded[name].mask
        assert mask.shape == loaded[name].image.shape[:2]
        assert 0.1 < mask.mean() < 0.6
    assert {name for name, photograph in loaded.items() if photograph.count == 2} == {"elephants", "two_dogs"}
    assert {name for name, photograph in loaded.items() if photograph.count == 0} == {"crow", "sunflower"}


@pytest.mark.data
def test_answers_are_classes_of_imagenet():
    classes = pretrained.imagenet_classes()
    assert (classes[0], classes[88], classes[386], len(classes)) == ("tench", "macaw", "African_elephant", 1000)
    for name, known in photographs._KNOWN.items():
        assert set(known.answers) <= set(classes), name
        assert (known.count == 0) == (not known.answers)
