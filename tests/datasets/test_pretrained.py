import contextlib
import functools
import hashlib
import http.server
import json
import threading

import pytest

from mi204.datasets import _fetch, pretrained
from mi204.datasets._fetch import FetchError, RemoteFile
from mi204.errors import DataError, SettingError
from mi204.language import word

NOWHERE = "http://127.0.0.1:9"
CONTENT, OTHER = b"the official weights", b"weights of nearly the same values"
MD5 = hashlib.md5(CONTENT).hexdigest()
HASHED = RemoteFile("models/hashed.h5", f"{NOWHERE}/hashed.h5", weights=True, md5=MD5, keras_folder="")
UNHASHED = RemoteFile("models/unhashed.h5", f"{NOWHERE}/unhashed.h5", weights=True, keras_folder="")


@pytest.fixture(autouse=True)
def networks(cache, monkeypatch, tmp_path):
    """Know two networks only, and a mirror."""
    monkeypatch.setattr(pretrained, "WEIGHTS", {"hashed": HASHED, "unhashed": UNHASHED})
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))


def put(folder, name, content, vouched=None, line="{sha256}  {name}\n"):
    """Write a file, and beside it a SHA256SUMS that vouches for other content, its own unless said otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    if vouched is not None:
        text = line.format(sha256=hashlib.sha256(vouched).hexdigest(), name=name)
        (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.h5\n{text}")
    return folder / name


@pytest.mark.parametrize("place", ["cache/models", "keras/models", "mirror/models"])
def test_official_file_is_used_where_it_is_without_a_word(place, tmp_path):
    file = put(tmp_path / place, "hashed.h5", CONTENT)
    assert pretrained.weights("hashed") == (file, None)


def test_official_file_needs_nobody_to_vouch_for_it(tmp_path):
    file = put(tmp_path / "mirror/models", "hashed.h5", CONTENT, vouched=OTHER)
    assert pretrained.weights("hashed") == (file, None)


def test_other_file_than_the_official_one_is_refused(tmp_path):
    put(tmp_path / "mirror/models", "hashed.h5", OTHER)
    with pytest.raises(FetchError, match=rf"hashed\.h5: expected MD5 {MD5}, received {hashlib.md5(OTHER).hexdigest()}"):
        pretrained.weights("hashed")


def test_other_file_that_the_mirror_vouches_for_is_used_and_said_not_to_be_official(tmp_path):
    file = put(tmp_path / "mirror/models", "hashed.h5", OTHER, vouched=OTHER)
    assert pretrained.weights("hashed") == (file, "weights_not_official")
    assert "not the official file" in word("weights_not_official", "en")
    assert "ne sont pas le fichier officiel" in word("weights_not_official", "fr")


@pytest.mark.parametrize("name", ["hashed", "unhashed"])
def test_file_that_differs_from_what_the_mirror_vouches_for_is_refused(name, tmp_path):
    put(tmp_path / "mirror/models", f"{name}.h5", OTHER, vouched=OTHER + b".")
    with pytest.raises(FetchError, match=rf"{name}\.h5: expected SHA256 {hashlib.sha256(OTHER + b'.').hexdigest()}"):
        pretrained.weights(name)


@pytest.mark.parametrize("line", ["{sha256}  {name}\n", "{sha256} *{name}\r\n", "{sha256}\t{name}"])
def test_without_a_published_hash_the_mirror_may_vouch(line, tmp_path):
    file = put(tmp_path / "mirror/models", "unhashed.h5", OTHER, vouched=OTHER, line=line)
    assert pretrained.weights("unhashed") == (file, "weights_sums_alone")


def test_sums_in_capitals_are_the_same_sums(tmp_path):
    file = put(tmp_path / "mirror/models", "unhashed.h5", OTHER)
    (file.parent / "SHA256SUMS").write_text(f"{hashlib.sha256(OTHER).hexdigest().upper()}  unhashed.h5\n")
    assert pretrained.weights("unhashed") == (file, "weights_sums_alone")


@pytest.mark.parametrize("sums", [None, "", "0" * 64 + "  other.h5\n", "nonsense\n\n\xff"])
def test_without_hash_and_without_anybody_to_vouch_that_is_said(sums, tmp_path):
    file = put(tmp_path / "mirror/models", "unhashed.h5", OTHER)
    if sums is not None:
        (file.parent / "SHA256SUMS").write_text(sums, encoding="latin-1")
    assert pretrained.weights("unhashed") == (file, "weights_not_verified")
    assert "could not be verified" in word("weights_not_verified", "en")


def test_cache_comes_before_the_mirror(cache, tmp_path):
    put(tmp_path / "mirror/models", "unhashed.h5", OTHER)
    file = put(cache / "models", "unhashed.h5", CONTENT)
    assert pretrained.weights("unhashed")[0] == file


@pytest.mark.parametrize(("name", "proof"), [("hashed", f"MD5 {MD5}"), ("unhashed", "no hash of it is published")])
def test_missing_file_is_named_with_where_to_put_it_and_the_places_tried(name, proof, cache, tmp_path):
    with pytest.raises(FetchError) as caught:
        pretrained.weights(name)
    for language in ("en", "fr"):
        message = caught.value.written(language)
        for place in (cache, tmp_path / "keras", tmp_path / "mirror"):
            assert f"{place}/models/{name}.h5" in message
        assert f"{NOWHERE}/{name}.h5" in message
        assert "datasets/models" not in message
    assert f"Expected models/{name}.h5 ({proof}) in one of these places" in str(caught.value)
    assert f"copy models/{name}.h5 to {cache}" in str(caught.value)


def test_folder_in_place_of_the_file_is_passed_over(cache, tmp_path):
    (cache / "models/hashed.h5").mkdir(parents=True)
    file = put(tmp_path / "mirror/models", "hashed.h5", CONTENT)
    assert pretrained.weights("hashed") == (file, None)


def test_file_without_permission_is_named(tmp_path, monkeypatch):
    put(tmp_path / "mirror/models", "hashed.h5", CONTENT)

    def refuse(file, algorithm):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(_fetch.pooch, "file_hash", refuse)
    with pytest.raises(FetchError, match=r"Permission denied: '.*hashed\.h5'"):
        pretrained.weights("hashed")


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_downloaded_file_lands_in_the_cache(cache, tmp_path, monkeypatch):
    put(tmp_path / "site/models", "hashed.h5", CONTENT)
    put(tmp_path / "site/models", "unhashed.h5", OTHER)
    with served(tmp_path / "site") as address:
        monkeypatch.setenv("MI204_MIRROR", address)
        assert pretrained.weights("hashed") == (cache / "models/hashed.h5", None)
        assert pretrained.weights("unhashed") == (cache / "models/unhashed.h5", "weights_not_verified")
    assert (cache / "models/hashed.h5").read_bytes() == CONTENT
    assert pretrained.weights("hashed") == (cache / "models/hashed.h5", None), "the second time needs no server"


def test_downloaded_file_of_another_hash_is_refused(cache, tmp_path, monkeypatch):
    put(tmp_path / "site/models", "hashed.h5", OTHER)
    with served(tmp_path / "site") as address:
        monkeypatch.setenv("MI204_MIRROR", address)
        with pytest.raises(FetchError, match="does not match the known hash"):
            pretrained.weights("hashed")
    assert not (cache / "models/hashed.h5").exists()


def test_refused_file_of_the_cache_is_replaced_by_a_download(cache, tmp_path, monkeypatch):
    put(cache / "models", "unhashed.h5", b"damaged", vouched=OTHER)
    put(tmp_path / "site/models", "unhashed.h5", OTHER)
    with served(tmp_path / "site") as address:
        monkeypatch.setenv("MI204_MIRROR", address)
        file, remark = pretrained.weights("unhashed")
    assert (file.read_bytes(), remark) == (OTHER, "weights_sums_alone")


def test_unknown_network_is_refused():
    with pytest.raises(SettingError, match="one of hashed, unhashed, received 'resnet'"):
        pretrained.weights("resnet")


INDEX = {str(label): [f"n{label:08}", f"class_{label}"] for label in range(1000)}


def put_index(tmp_path, content):
    put(tmp_path / "mirror/models", "imagenet_class_index.json", content, vouched=content)


def test_classes_come_in_the_order_of_their_labels(tmp_path):
    shuffled = dict(sorted(INDEX.items()))
    put_index(tmp_path, json.dumps(shuffled).encode())
    classes = pretrained.imagenet_classes()
    assert classes[:3] == ("class_0", "class_1", "class_2")
    assert len(classes) == 1000


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"3", b"\xff\xfe", json.dumps(INDEX | {"7": ["n7"]}).encode(), b'{"0": null}']
)
def test_vouched_file_that_holds_something_else_is_named(content, tmp_path):
    put_index(tmp_path, content)
    with pytest.raises(DataError, match=r"imagenet_class_index\.json the names of 1000 classes"):
        pretrained.imagenet_classes()


def test_altered_classes_are_refused(tmp_path):
    put(tmp_path / "mirror/models", "imagenet_class_index.json", json.dumps(INDEX).encode())
    with pytest.raises(FetchError, match="c2c37ea517e94d9795004a39431a14cb"):
        pretrained.imagenet_classes()
