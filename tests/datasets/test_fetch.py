import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from mi204.datasets import _fetch
from mi204.datasets._fetch import FetchError, RemoteFile, fetch
from mi204.errors import DataError, StorageError

CONTENT = {"numbers.txt": b"0123456789" * 1000, "words.txt": b"plane car bird"}
NO_TAR = r"expected a tar\.gz archive"
NOWHERE = "http://127.0.0.1:9"

pytestmark = pytest.mark.usefixtures("cache")


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def official_members() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(f"things/{name}"), content) for name, content in CONTENT.items()]


@pytest.fixture(scope="module")
def archive() -> bytes:
    return tar_of(*official_members())


def described(archive: bytes) -> RemoteFile:
    return RemoteFile(
        name="things.tar.gz",
        url=f"{NOWHERE}/things.tar.gz",
        sha256=hashlib.sha256(archive).hexdigest(),
        folder="things",
        md5s={name: hashlib.md5(content).hexdigest() for name, content in CONTENT.items()},
        other_names=("things_archive", "others/things.tgz"),
        other_folders=("things-target/things",),
    )


@pytest.fixture(scope="module")
def remote(archive) -> RemoteFile:
    return described(archive)


@contextlib.contextmanager
def served(folder: Path, handler=http.server.SimpleHTTPRequestHandler):
    class Quiet(handler):
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


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def put_folder(folder: Path) -> Path:
    for name, content in CONTENT.items():
        put(folder / name, content)
    return folder


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EXTRACTED = {"things/numbers.txt", "things/words.txt"}


def test_official_url_is_downloaded_verified_and_extracted_into_the_cache(archive, remote, cache, tmp_path):
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        remote = replace(remote, url=f"{address}/things.tar.gz")
        assert fetch(remote) == cache / "things"
    assert read(cache / "things") == CONTENT
    assert files_under(cache) == {"things.tar.gz", *EXTRACTED}
    assert fetch(remote) == cache / "things", "the second time needs no server"


def test_single_file_in_a_subfolder_is_downloaded_as_it_is(cache, tmp_path):
    put(tmp_path / "site/numbers/numbers.gz", b"1234")
    with served(tmp_path / "site") as address:
        remote = RemoteFile("numbers/numbers.gz", f"{address}/numbers/numbers.gz", hashlib.sha256(b"1234").hexdigest())
        assert fetch(remote) == cache / "numbers/numbers.gz"
    assert files_under(cache) == {"numbers/numbers.gz"}
    assert fetch(remote).read_bytes() == b"1234"


@pytest.mark.parametrize(
    "where", ["cache/things", "keras/datasets/things", "keras/datasets/things-target/things", "mirror/things"]
)
def test_extracted_folder_is_used_in_place(where, remote, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    folder = put_folder(tmp_path / where)
    assert fetch(remote) == folder
    assert where.startswith("cache") or not cache.exists(), "nothing is copied"


@pytest.mark.parametrize("name", ["things.tar.gz", "things_archive", "others/things.tgz"])
@pytest.mark.parametrize("where", ["cache", "keras/datasets", "mirror"])
def test_archive_found_on_this_machine_is_extracted_into_the_cache(
    where, name, archive, remote, cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / where / name, archive)
    assert fetch(remote) == cache / "things"
    assert files_under(cache) - {name} == EXTRACTED


def test_keras_folder_is_in_the_home_folder_unless_told_otherwise(remote, tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = put_folder(tmp_path / ".keras/datasets/things")
    assert fetch(remote) == folder


def test_places_are_tried_in_order(archive, remote, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        remote = replace(remote, url=f"{address}/things.tar.gz")
        assert fetch(remote) == cache / "things"
        mirror = put_folder(tmp_path / "mirror/things")
        for path in (cache / "things").iterdir():
            path.unlink()
        (cache / "things").rmdir()
        (cache / "things.tar.gz").unlink()
        assert fetch(remote) == mirror
        keras = put_folder(tmp_path / "keras/datasets/things")
        assert fetch(remote) == keras
        put_folder(cache / "things")
        assert fetch(remote) == cache / "things"


NUMBERS = RemoteFile(
    "numbers/numbers.gz", f"{NOWHERE}/numbers.gz", hashlib.sha256(b"1234").hexdigest(),
    other_names=("numbers/numbers", "numbers.gz"), other_sha256s=(hashlib.sha256(b"unzipped").hexdigest(),),
)


def test_given_folders_are_tried_in_order_before_all_others(cache, tmp_path, caplog):
    folders = tmp_path / "mine", tmp_path / "yours"
    first, second = folders[0] / "numbers.gz", folders[1] / "numbers/numbers.gz"
    put(cache / "numbers/numbers.gz", b"1234")
    assert fetch(NUMBERS, folders) == cache / "numbers/numbers.gz"
    assert caplog.text == "", "what is nowhere in a folder is nothing to tell"
    put(second, b"1234")
    assert fetch(NUMBERS, folders) == second
    put(first, b"1235")
    assert fetch(NUMBERS, folders) == second
    assert caplog.text.count(f"{first} is not used: numbers.gz: expected SHA256") == 1
    put(first, b"1234")
    assert fetch(NUMBERS, folders) == first


@pytest.mark.parametrize("content", [b"1234", b"unzipped"])
@pytest.mark.parametrize("name", ["numbers/numbers.gz", "numbers/numbers", "numbers.gz"])
def test_any_name_may_hold_any_of_the_official_contents(name, content, cache):
    file = put(cache / name, content)
    assert fetch(NUMBERS) == file


def test_names_are_tried_in_order_and_only_official_contents_are_used(cache):
    wrong = put(cache / "numbers/numbers.gz", b"unzippe")
    for known in (NUMBERS.sha256, NUMBERS.other_sha256s[0]):
        with pytest.raises(FetchError) as caught:
            fetch(NUMBERS)
        assert f"{known}" in str(caught.value)
    assert f"{wrong}: numbers.gz: expected SHA256 {NUMBERS.sha256} or {known}, received " in str(caught.value)
    assert f"{wrong} : numbers.gz : SHA256 {NUMBERS.sha256} ou {known} attendu" in caught.value.written("fr")
    alone = put(cache / "numbers.gz", b"1234")
    assert fetch(NUMBERS) == alone
    unzipped = put(cache / "numbers/numbers", b"unzipped")
    assert fetch(NUMBERS) == unzipped
    put(wrong, b"1234")
    assert fetch(NUMBERS) == wrong, "now right"


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ("numbers/numbers (1).gz", ""),
        ("numbers/Numbers.GZ2", "numbers/Numbers.GZ2"),
        ("number/numbers.gz", "number"),
        ("numbers/letters.gz", ""),
    ],
)
def test_nearly_the_name_is_told(beside, told, cache):
    put(cache / beside, b"1234")
    with pytest.raises(FetchError) as caught:
        fetch(NUMBERS)
    english, french = (f"; there is {cache}/{told}", f" ; il y a {cache}/{told}") if told else ("", "")
    assert f"  - {cache}/numbers/numbers.gz: not there{english}\n" in str(caught.value)
    assert f"  - {cache}/numbers/numbers.gz : absent{french}\n" in caught.value.written("fr")


def test_a_copy_that_a_browser_numbers_is_told(remote, cache, archive):
    put(cache / "cifar-10-python (1).tar.gz", archive)
    with pytest.raises(FetchError, match=r"not there; there is .*cache/cifar-10-python \(1\)\.tar\.gz"):
        fetch(replace(remote, name="cifar-10-python.tar.gz"))


def test_file_of_several_is_not_asked_for_alone(cache, tmp_path):
    remote = RemoteFile("numbers/numbers.gz", f"{NOWHERE}/numbers.gz", hashlib.sha256(b"1234").hexdigest())
    with pytest.raises(FetchError) as caught:
        fetch(remote, [tmp_path / "mine"])
    for part in (
        "Expected numbers/numbers.gz (SHA-256",
        f"{tmp_path}/mine/numbers/numbers.gz: not there",
        f"{cache}/numbers/numbers.gz: not there",
        f"copy the folder numbers with all its files to {cache}",
    ):
        assert part in str(caught.value)
    assert f"copier le dossier numbers avec tous ses fichiers dans {cache}" in caught.value.written("fr")


@pytest.mark.parametrize("ending", ["", "/"])
def test_mirror_url_with_the_archive_alone(ending, archive, remote, cache, tmp_path, monkeypatch):
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        monkeypatch.setenv("MI204_MIRROR", address + ending)
        assert fetch(remote) == cache / "things"
    assert read(cache / "things") == CONTENT


def test_mirror_as_file_url(remote, tmp_path, monkeypatch):
    folder = put_folder(tmp_path / "a mirror/things")
    monkeypatch.setenv("MI204_MIRROR", (tmp_path / "a mirror").as_uri())
    assert fetch(remote) == folder


def test_unreachable_mirror_is_passed_over(archive, remote, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", NOWHERE)
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        assert fetch(replace(remote, url=f"{address}/things.tar.gz")) == cache / "things"


@pytest.mark.parametrize(
    "mirror", [f"{NOWHERE}/mirror", f"{NOWHERE}/mirror/", "http://", "ftp://127.0.0.1/data", "/no/such/folder"]
)
def test_nothing_reachable_lists_every_place_and_what_to_do(mirror, remote, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", mirror)
    with pytest.raises(FetchError) as caught:
        fetch(remote)
    message = str(caught.value)
    for place in (
        f"{cache}/things.tar.gz: not there",
        f"{tmp_path}/keras/datasets/things.tar.gz: not there",
        f"{NOWHERE}/things.tar.gz: cannot be downloaded: ",
        remote.sha256,
        f"copy things.tar.gz or its extracted folder things to {cache}",
        "MI204_MIRROR",
    ):
        assert place in message
    assert f"{mirror.removeprefix('ftp://').rstrip('/')}/things.tar.gz: " in message
    french = caught.value.written("fr")
    for place in (
        "Attendu à l'un de ces endroits : things.tar.gz ou son dossier extrait things "
        f"(SHA-256 de things.tar.gz : {remote.sha256}) ; reçu :\n",
        f"\n  - {cache}/things.tar.gz : absent\n",
        f"\n  - {NOWHERE}/things.tar.gz : le téléchargement est impossible : ",
        f"Sans internet, copier things.tar.gz ou son dossier extrait things dans {cache}, ou donner à MI204_MIRROR",
    ):
        assert place in french
    assert isinstance(caught.value, DataError)
    assert not files_under(cache)


@pytest.mark.parametrize("mirror", ["/no/such/folder", "ftp://127.0.0.1/data", "127.0.0.1/data", "{tmp_path}/file"])
def test_mirror_that_is_no_folder_is_named(mirror, archive, remote, cache, tmp_path, monkeypatch, caplog):
    put(tmp_path / "file", b"")
    put(tmp_path / "site/things.tar.gz", archive)
    mirror = mirror.format(tmp_path=tmp_path)
    monkeypatch.setenv("MI204_MIRROR", mirror)
    with pytest.raises(FetchError) as caught:
        fetch(remote)
    place = Path(mirror, "things.tar.gz")
    assert f"  - {place}: MI204_MIRROR names neither a folder nor an http(s) address\n" in str(caught.value)
    french = f"  - {place} : MI204_MIRROR ne désigne ni un dossier ni une adresse http(s)\n"
    assert french in caught.value.written("fr")
    with served(tmp_path / "site") as address:
        fetch(replace(remote, url=f"{address}/things.tar.gz"))
    assert f"{place} is not used: MI204_MIRROR names neither" in caplog.text, "even where the data are had elsewhere"


def test_mirror_of_nearly_the_right_name_is_told(remote, tmp_path, monkeypatch):
    (tmp_path / "USB-stick").mkdir()
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "USB_STICK"))
    with pytest.raises(FetchError, match=rf"http\(s\) address; there is {tmp_path}/USB-stick\n"):
        fetch(remote)


@pytest.mark.parametrize("written", ['"{}"', " {} ", "'{}'\r", "~/mirror"])
def test_mirror_is_used_whatever_a_shell_leaves_around_its_name(written, remote, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MI204_MIRROR", written.format(tmp_path / "mirror"))
    folder = put_folder(tmp_path / "mirror/things")
    assert fetch(remote) == folder


def test_home_folder_of_keras_may_be_written_with_a_tilde(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/mine")
    folder = put_folder(tmp_path / "mine/datasets/things")
    assert fetch(remote) == folder


# --- servers that do not answer, settings that keep from asking them ---


@pytest.fixture
def asked(monkeypatch):
    """Note the addresses that are asked; two of them take long not to answer."""
    asked, clock = [], [0.0]

    def get(url, **options):
        asked.append(url)
        clock[0] += 1.9 if "quick" in url else 2.1
        raise requests.ConnectTimeout("no answer")

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return asked


def at(url: str) -> RemoteFile:
    return replace(NUMBERS, url=url)


def test_silent_server_is_waited_for_once_unless_insisted(asked, cache):
    slow = at("http://me:secret@slow.example:81/a/numbers.gz")
    with pytest.raises(FetchError, match=f"{re.escape(slow.url)}: cannot be downloaded: no answer"):
        fetch(slow, insist=False)
    assert len(asked) == 1
    with pytest.raises(FetchError, match="waited for in vain less than 15 minutes ago; --data real tries") as caught:
        fetch(at("http://slow.example:81/b/numbers.gz"), insist=False)
    assert "attendu en vain il y a moins de 15 minutes ; --data real essaie" in caught.value.written("fr")
    assert len(asked) == 1, "another file of the same server is not waited for either"
    assert files_under(cache) == {".no-answer-slow.example_81"}, "and no password"
    for other in ("http://slow.example/numbers.gz", "http://other.example/numbers.gz"):
        with pytest.raises(FetchError, match="cannot be downloaded"):
            fetch(at(other), insist=False)
    assert len(asked) == 3, "another server is"
    with pytest.raises(FetchError, match="cannot be downloaded"):
        fetch(slow)
    assert len(asked) == 4


@pytest.mark.parametrize(("age", "tried"), [(-60, 1), (14 * 60, 0), (16 * 60, 1)])
def test_silent_server_is_tried_again_after_a_while(age, tried, asked, cache):
    date = time.time() - age
    os.utime(put(cache / ".no-answer-slow.example", b""), (date, date))
    with pytest.raises(FetchError):
        fetch(at("http://slow.example/numbers.gz"), insist=False)
    assert len(asked) == tried


def test_server_that_refuses_at_once_is_asked_at_every_run(asked, cache):
    for _ in range(2):
        with pytest.raises(FetchError, match="no answer"):
            fetch(at("http://quick.example/numbers.gz"), insist=False)
    assert len(asked) == 2
    assert not files_under(cache)


def test_server_that_answers_is_no_longer_noted(cache, tmp_path):
    put(tmp_path / "site/numbers/numbers.gz", b"1234")
    with served(tmp_path / "site") as address:
        note = put(cache / f".no-answer-{address[7:].replace(':', '_')}", b"")
        assert note == _fetch._silence(address)
        fetch(at(f"{address}/numbers/numbers.gz"))
    assert files_under(cache) == {"numbers/numbers.gz"}


def test_cache_that_cannot_be_written_is_told_though_a_server_is_silent(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(put(tmp_path / "file", b"")))
    with pytest.raises(StorageError, match="MI204_DATASETS_CACHE"):
        fetch(at("http://slow.example/numbers.gz"), insist=False)
    assert asked == []


@pytest.mark.parametrize(
    ("variable", "value", "url", "told"),
    [
        ("REQUESTS_CA_BUNDLE", "/no/such/file", "https://127.0.0.1:9/", "Could not find .*: /no/such/file"),
        ("CURL_CA_BUNDLE", "{tmp_path}/garbage", "https://127.0.0.1:{port}/", ""),
        ("http_proxy", "http://127.0.0.1:9", "http://127.0.0.2/", r"HTTPConnection\(.*, port=9\): .*refused"),
        ("ALL_PROXY", "socks5://127.0.0.1:9", "http://127.0.0.2/", "Missing dependencies for SOCKS"),
    ],
)
def test_setting_that_keeps_from_downloading_is_named_and_is_no_full_disk(
    variable, value, url, told, cache, tmp_path, monkeypatch
):
    for name in [name for name in os.environ if name.upper() in _fetch._NETWORK_SETTINGS | {"NO_PROXY"}]:
        monkeypatch.delenv(name)
    put(tmp_path / "garbage", b"no certificate")
    monkeypatch.setenv(variable, value.format(tmp_path=tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = url.format(port=server.getsockname()[1])
        with pytest.raises(FetchError) as caught:
            fetch(at(url))
    assert re.search(rf"  - {url}: cannot be downloaded: {told}.* \(check {variable}\)\n", str(caught.value))
    french = rf"  - {url} : le téléchargement est impossible : {told}.* \(vérifier {variable}\)\n"
    assert re.search(french, caught.value.written("fr"))
    assert not files_under(cache)


@pytest.mark.parametrize("status", [404, 503])
def test_refusal_is_told_and_not_asked_for_again(status, cache, tmp_path, monkeypatch):
    asked = []

    class Refuses(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(status)

    monkeypatch.setenv("ALL_PROXY", "")
    with served(tmp_path, Refuses) as address, pytest.raises(FetchError) as caught:
        fetch(at(f"{address}/numbers.gz"))
    assert re.search(rf"numbers\.gz: cannot be downloaded: {status} .*numbers\.gz\n", str(caught.value))
    assert asked == ["/numbers.gz"]


def altered(content: bytes) -> bytes:
    return content[:20] + bytes([content[20] ^ 1]) + content[21:]


def truncated(content: bytes) -> bytes:
    return content[:-7]


@pytest.mark.parametrize("damage", [altered, truncated])
@pytest.mark.parametrize("where", ["cache", "keras/datasets", "mirror"])
def test_damaged_archive_is_reported_and_the_next_place_tried(
    damage, where, archive, remote, cache, tmp_path, monkeypatch, caplog
):
    put(tmp_path / "site/things.tar.gz", archive)
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    damaged = put(tmp_path / where / "things.tar.gz", damage(archive))
    with pytest.raises(FetchError) as caught:
        fetch(remote)
    received = hashlib.sha256(damage(archive)).hexdigest()
    assert f"{damaged}: things.tar.gz: expected SHA256 {remote.sha256}, received {received}" in str(caught.value)
    french = f"{damaged} : things.tar.gz : SHA256 {remote.sha256} attendu, reçu : {received}"
    assert french in caught.value.written("fr")
    assert not (cache / "things").exists()
    assert not caplog.text, "what fails is told once"

    caplog.clear()
    with served(tmp_path / "site") as address:
        assert read(fetch(replace(remote, url=f"{address}/things.tar.gz"))) == CONTENT
    assert f"{damaged} is not used" in caplog.text


@pytest.mark.parametrize("where", ["cache/things", "keras/datasets/things", "mirror/things"])
@pytest.mark.parametrize("content", [altered(CONTENT["numbers.txt"]), truncated(CONTENT["numbers.txt"]), None])
def test_damaged_folder_is_reported_and_the_next_place_tried(
    where, content, archive, remote, cache, tmp_path, monkeypatch, caplog
):
    put(tmp_path / "site/things.tar.gz", archive)
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    damaged = put_folder(tmp_path / where) / "numbers.txt"
    damaged.unlink() if content is None else damaged.write_bytes(content)
    with pytest.raises(FetchError) as caught:
        fetch(remote)
    received = "no such file" if content is None else hashlib.md5(content).hexdigest()
    assert f"{damaged.parent}: numbers.txt: expected MD5 {remote.md5s['numbers.txt']}, received {received}" in str(
        caught.value
    )

    caplog.clear()
    with served(tmp_path / "site") as address:
        assert fetch(replace(remote, url=f"{address}/things.tar.gz")) == cache / "things"
    assert read(cache / "things") == CONTENT
    assert f"{damaged.parent} is not used: numbers.txt: " in caplog.text
    assert files_under(cache) == {"things.tar.gz", *EXTRACTED}


def test_damaged_folder_beside_its_whole_archive_is_extracted_again(archive, remote, cache):
    put_folder(cache / "things")
    put(cache / "things/words.txt", b"")
    put(cache / "things.tar.gz", archive)
    assert read(fetch(remote)) == CONTENT


@pytest.mark.parametrize("damage", [altered, truncated])
def test_damaged_download_is_never_kept(damage, archive, remote, cache, tmp_path):
    site = put(tmp_path / "site/things.tar.gz", damage(archive))
    with served(tmp_path / "site") as address:
        remote = replace(remote, url=f"{address}/things.tar.gz")
        with pytest.raises(FetchError, match=remote.sha256) as caught:
            fetch(remote)
        problem = f"  - {remote.url} : ce qui est téléchargé n'est pas le fichier officiel : "
        assert problem in caught.value.written("fr")
        assert not files_under(cache)
        site.write_bytes(archive)
        assert read(fetch(remote)) == CONTENT


class BreaksOff(http.server.SimpleHTTPRequestHandler):
    """Announces the whole file and hangs up in the middle, as long as failures are left."""

    failures = 0

    def copyfile(self, source, outputfile):
        if BreaksOff.failures == 0:
            super().copyfile(source, outputfile)
        else:
            BreaksOff.failures -= 1
            outputfile.write(source.read(100))


@pytest.mark.parametrize("failures", [2, 3])
def test_broken_connection_is_tried_again_twice_and_leaves_nothing(
    failures, archive, remote, cache, tmp_path, monkeypatch
):
    put(tmp_path / "site/things.tar.gz", archive)
    monkeypatch.setattr(BreaksOff, "failures", failures)
    with served(tmp_path / "site", BreaksOff) as address:
        remote = replace(remote, url=f"{address}/things.tar.gz")
        if failures == 3:
            with pytest.raises(FetchError, match="cannot be downloaded"):
                fetch(remote)
            assert not files_under(cache)
        assert read(fetch(remote)) == CONTENT


CHILD = """
import resource, sys
from mi204.datasets._fetch import RemoteFile, fetch
from mi204.errors import StorageError
url, sha256, largest_file = sys.argv[1:]
if int(largest_file):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file), int(largest_file)))
try:
    fetch(RemoteFile("things.tar.gz", url, sha256, folder="things"))
except StorageError as error:
    print(error, error.written("fr"))
"""


def child(remote: RemoteFile, largest_file: int = 0) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, remote.url, remote.sha256, str(largest_file)]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_download_killed_halfway_leaves_nothing_under_the_final_name(archive, remote, cache, tmp_path):
    put(tmp_path / "site/things.tar.gz", archive)
    halfway, resume = threading.Event(), threading.Event()

    class Stalls(http.server.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            if not halfway.is_set():
                outputfile.write(source.read(100))
                outputfile.flush()
                halfway.set()
                resume.wait(60)
            else:
                super().copyfile(source, outputfile)

    with served(tmp_path / "site", Stalls) as address:
        remote = replace(remote, url=f"{address}/things.tar.gz")
        process = child(remote)
        try:
            assert halfway.wait(60)
            assert files_under(cache), "a temporary file"
        finally:
            process.kill()
            process.communicate()
            resume.set()
        assert not {"things.tar.gz", *EXTRACTED} & files_under(cache)
        assert read(fetch(remote)) == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("largest_file", [64, 5000])
def test_disk_full_is_told_and_leaves_nothing(largest_file, archive, remote, cache, tmp_path):
    """64 bytes stop the download of the archive; 5000 let it pass and stop the extraction."""
    assert 64 < len(archive) < 5000 < len(CONTENT["numbers.txt"])
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        remote = replace(remote, url=f"{address}/things.tar.gz")
        message, errors = child(remote, largest_file).communicate(timeout=60)
        assert ("Expected to download" if largest_file == 64 else "Expected to extract") in message, errors
        assert ("Impossible de télécharger" if largest_file == 64 else "Impossible d'extraire") in message
        assert "File too large" in message
        assert "MI204_DATASETS_CACHE" in message
        assert files_under(cache) == (set() if largest_file == 64 else {"things.tar.gz"})
        assert read(fetch(remote)) == CONTENT


@pytest.mark.parametrize("have", ["archive in the mirror", "official URL"])
@pytest.mark.parametrize("obstacle", ["file", "/proc/mi204"])
def test_cache_that_cannot_be_written(have, obstacle, archive, remote, tmp_path, monkeypatch):
    cache = str(put(tmp_path / "file", b"")) if obstacle == "file" else obstacle
    monkeypatch.setenv("MI204_DATASETS_CACHE", cache)
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        if have == "official URL":
            remote = replace(remote, url=f"{address}/things.tar.gz")
        else:
            monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "site"))
        with pytest.raises(StorageError, match="MI204_DATASETS_CACHE") as caught:
            fetch(remote)
    assert cache in str(caught.value)


def test_folder_in_the_mirror_needs_no_cache(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_DATASETS_CACHE", str(put(tmp_path / "file", b"")))
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    folder = put_folder(tmp_path / "mirror/things")
    assert fetch(remote) == folder


def test_unreadable_place_is_passed_over(archive, remote, cache, tmp_path, monkeypatch):
    """Root reads every file, so a folder stands where the archive should."""
    (tmp_path / "keras/datasets/things.tar.gz").mkdir(parents=True)
    with pytest.raises(FetchError, match="Is a directory"):
        fetch(remote)
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / "mirror/things.tar.gz", archive)
    assert read(fetch(remote)) == CONTENT


def test_folder_that_another_process_finished_meanwhile_is_left_alone(archive, remote, cache, tmp_path):
    put(tmp_path / "site/things.tar.gz", archive)

    class Meanwhile(http.server.SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            put(put_folder(cache / "things") / "theirs", b"")
            super().copyfile(source, outputfile)

    with served(tmp_path / "site", Meanwhile) as address:
        folder = fetch(replace(remote, url=f"{address}/things.tar.gz"))
    assert (folder / "theirs").exists()


def many_files_digest(contents: dict[str, bytes]) -> str:
    """Write out by hand what ``sha256sum`` prints for these files."""
    lines = (f"{hashlib.sha256(content).hexdigest()}  ./{name}\n" for name, content in sorted(contents.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


MADE_ON_DEMAND = RemoteFile(
    name="things.tar.gz",
    url=f"{NOWHERE}/things.tar.gz",
    folder="collection/things",
    files="*.txt",
    files_sha256=many_files_digest(CONTENT),
    archived_folder="collection-26eb9aaf/things",
    other_folders=("collection-main/things",),
)


def made_on_demand(contents: dict[str, bytes] = CONTENT, *others: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Pack files as a code host does: in a folder named after the commit, among other files."""
    unread = [(tarfile.TarInfo(f"collection-26eb9aaf/{name}"), b"") for name in ("README.md", "things/notes.md")]
    members = [(tarfile.TarInfo(f"collection-26eb9aaf/things/{name}"), content) for name, content in contents.items()]
    return tar_of(*unread, *members, *others)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


UNWANTED = [
    entry("../../../outside"),
    entry("{things}/../../../../outside"),
    entry("{things}/.."),
    entry("{tmp_path}/outside"),
    entry("{tmp_path}/{things}/numbers.txt"),
    entry("others/{things}/numbers.txt"),
    entry("numbers.txt"),
    entry("{things}/deeper/numbers.txt"),
    entry("{things}/numbers.txt/numbers.txt"),
    entry("{things}/back\\slash.txt"),
    entry("{things}/\u00e9.txt"),
    entry("{things}/zero\0.txt"),
    entry("{things}/line\n.txt"),
    entry("{things}/" + "long" * 75 + ".txt"),
    entry("{things}/" + "deep/" * 2000 + "numbers.txt"),
    entry("{things}/numbers.txt", tarfile.DIRTYPE),
    entry("{things}/link.txt", tarfile.SYMTYPE, "{tmp_path}/secret"),
    entry("{things}/numbers.txt", tarfile.SYMTYPE, "words.txt"),
    entry("{things}/numbers.txt", tarfile.LNKTYPE, "{things}/words.txt"),
    entry("{things}", tarfile.SYMTYPE, "{tmp_path}"),
    entry("{things}/pipe.txt", tarfile.FIFOTYPE),
    entry("{things}/device.txt", tarfile.CHRTYPE),
]


@pytest.mark.parametrize("member", UNWANTED, ids=lambda member: ascii(member.name)[:40] + member.type.decode())
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("made", [False, True], ids=["official", "made on demand"])
def test_only_the_files_of_its_folder_leave_an_archive(made, first, member, cache, tmp_path):
    names = {"tmp_path": tmp_path, "things": MADE_ON_DEMAND.archived_folder if made else "things"}
    member = member.replace(name=member.name.format(**names), linkname=member.linkname.format(**names))
    member.pax_headers = {"path": member.name, "mtime": "1e400"}
    members = [(tarfile.TarInfo(f"{names['things']}/{name}"), content) for name, content in CONTENT.items()]
    archive = tar_of(*[(member, b"")] * first, *members, *[(member, b"")] * (not first))
    put(cache / "things.tar.gz", archive)
    folder = fetch(MADE_ON_DEMAND if made else described(archive))
    assert read(folder) == CONTENT
    assert {path for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()} == {
        cache / "things.tar.gz", *(folder / name for name in CONTENT)
    }


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = entry(name, kind)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def sparse_of_nothing() -> bytes:
    member = entry("sparse.txt")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    return member.tobuf(tarfile.PAX_FORMAT) + bytes(512)


MALFORMED = {
    "number that is none": (sparse_of_nothing(), NO_TAR),
    "more than memory": (header("more", 2**61, tarfile.XHDTYPE), NO_TAR),
    "more than a number holds": (header("more", 2**70, tarfile.XHDTYPE), NO_TAR),
    "headers of headers": (header("again", 0, tarfile.XHDTYPE) * 2000, NO_TAR),
    "member that leads back to itself": (header("first", 0) + header("again", -512), "at most 10,000|over 0 files"),
    "many members": (header("empty", 0) * 10_001, "at most 10,000 members"),
    "much": (header("much", 2**30 + 1), "at most 1,073,741,824 bytes"),
}


@pytest.mark.parametrize(("content", "problem"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_archive_made_on_demand_is_passed_over(content, problem, cache, tmp_path, monkeypatch):
    put(cache / "things.tar.gz", gzip.compress(content))
    with pytest.raises(FetchError, match=rf"cache/things\.tar\.gz: .*({problem})"):
        fetch(MADE_ON_DEMAND)
    assert os.listdir(cache) == ["things.tar.gz"]
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / "mirror/things.tar.gz", made_on_demand())
    assert read(fetch(MADE_ON_DEMAND)) == CONTENT


def test_archive_of_as_many_members_as_are_allowed_is_read(cache):
    others = [(tarfile.TarInfo("empty"), b"")] * (10_000 - len(CONTENT) - 2)
    put(cache / "things.tar.gz", made_on_demand(CONTENT, *others))
    assert read(fetch(MADE_ON_DEMAND)) == CONTENT


@pytest.mark.parametrize("cut", [0, 60])
def test_archive_that_is_no_tar_is_refused(cut, archive, cache):
    put(cache / "things.tar.gz", archive[:cut] or b"not a tar")
    with pytest.raises(FetchError, match=NO_TAR) as caught:
        fetch(described(archive[:cut] or b"not a tar"))
    assert "une archive tar.gz est attendue, reçu : " in caught.value.written("fr")
    assert os.listdir(cache) == ["things.tar.gz"]


def test_archive_without_its_folder_is_refused(cache):
    archive = tar_of((tarfile.TarInfo("others/numbers.txt"), b""))
    put(cache / "things.tar.gz", archive)
    with pytest.raises(FetchError, match="received no such file"):
        fetch(described(archive))
    assert os.listdir(cache) == ["things.tar.gz"]


KEPT = {f"collection/things/{name}" for name in CONTENT}


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_digest_over_all_files_is_the_one_that_the_shell_computes(tmp_path):
    folder = put_folder(tmp_path / "things")
    put(folder / "B.txt", b"before all others")
    put(folder / "a.txt", b"and this after B")
    command = "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    printed = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True).stdout
    remote = replace(MADE_ON_DEMAND, folder="things", files_sha256=printed.split()[0])
    assert fetch(remote, [tmp_path]) == folder


@pytest.mark.parametrize("chunked", [False, True])
def test_archive_made_on_demand_is_proved_by_its_files_and_not_kept(chunked, cache, tmp_path):
    """Two requests give other bytes, and perhaps no length."""

    class OnDemand(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            archive = made_on_demand(CONTENT, (tarfile.TarInfo("collection-26eb9aaf/now"), os.urandom(8)))
            self.send_response(200)
            self.send_header(*("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(archive))))
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(archive), archive) if chunked else archive)

    with served(tmp_path, OnDemand) as address:
        remote = replace(MADE_ON_DEMAND, url=f"{address}/things.tar.gz")
        assert fetch(remote) == cache / "collection/things"
    assert read(cache / "collection/things") == CONTENT
    assert files_under(cache) == KEPT
    assert os.listdir(cache) == ["collection"]
    assert fetch(remote) == cache / "collection/things", "the second time needs no server"


@pytest.mark.parametrize("where", ["cache", "keras/datasets", "mirror"])
def test_archive_made_on_demand_and_found_on_this_machine(where, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / where / "things.tar.gz", made_on_demand())
    assert fetch(MADE_ON_DEMAND) == cache / "collection/things"
    assert files_under(cache) - {"things.tar.gz"} == KEPT


@pytest.mark.parametrize(
    "where",
    [
        "cache/collection/things",
        "keras/datasets/collection/things",
        "keras/datasets/collection-main/things",
        "mirror/collection/things",
    ],
)
def test_folder_proved_by_all_its_files_is_used_in_place(where, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    folder = put_folder(tmp_path / where)
    put(folder / ".DS_Store", b"not one of the files that are read")
    assert fetch(MADE_ON_DEMAND) == folder
    assert where.startswith("cache") or not cache.exists(), "nothing is copied"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="their names are Unicode")
def test_folder_with_a_name_that_is_no_unicode_is_passed_over(cache):
    put(put_folder(cache / "collection/things") / os.fsdecode(b"\xe9.txt"), b"")
    with pytest.raises(FetchError, match="over 3 files"):
        fetch(MADE_ON_DEMAND)


TAMPERED = {
    "altered": CONTENT | {"numbers.txt": altered(CONTENT["numbers.txt"])},
    "missing": {"words.txt": CONTENT["words.txt"]},
    "additional": CONTENT | {"more.txt": b""},
    "renamed": {"numbers.txt": CONTENT["numbers.txt"], "word.txt": CONTENT["words.txt"]},
    "swapped": {"numbers.txt": CONTENT["words.txt"], "words.txt": CONTENT["numbers.txt"]},
}


@pytest.mark.parametrize("contents", TAMPERED.values(), ids=TAMPERED)
@pytest.mark.parametrize("have", ["folder", "archive", "download"])
def test_tampered_files_are_never_used(have, contents, cache, tmp_path, caplog):
    remote = MADE_ON_DEMAND
    with served(tmp_path / "site") as address:
        if have == "folder":
            damaged = cache / "collection/things"
            for name, content in contents.items():
                put(damaged / name, content)
        elif have == "archive":
            damaged = put(cache / "things.tar.gz", made_on_demand(contents))
        else:
            put(tmp_path / "site/things.tar.gz", made_on_demand(contents))
            damaged = f"{address}/things.tar.gz"
            remote = replace(remote, url=damaged)
        before = files_under(cache)
        with pytest.raises(FetchError) as caught:
            fetch(remote)
        assert files_under(cache) == before
        problem = (
            f"{damaged}: things: expected SHA256 {remote.files_sha256} over all its files, received "
            f"{many_files_digest(contents)} over {len(contents)} files"
        )
        assert problem in str(caught.value)
        problem = (
            f"{damaged} : things : SHA256 {remote.files_sha256} attendu sur tous ses fichiers, reçu : "
            f"{many_files_digest(contents)} sur {len(contents)} fichiers"
        )
        assert problem in caught.value.written("fr")

        put(tmp_path / "site/things.tar.gz", made_on_demand())
        assert read(fetch(replace(remote, url=f"{address}/things.tar.gz"))) == CONTENT
        assert have == "download" or f"{damaged} is not used" in caplog.text
    assert files_under(cache) - {"things.tar.gz"} == KEPT


@pytest.mark.parametrize(
    "archive", [b"not a tar", made_on_demand()[:60], made_on_demand()[:120]], ids=["not a tar", "header", "start"]
)
def test_download_made_on_demand_that_is_cut_off_leaves_nothing(archive, cache, tmp_path):
    put(tmp_path / "site/things.tar.gz", archive)
    with served(tmp_path / "site") as address:
        remote = replace(MADE_ON_DEMAND, url=f"{address}/things.tar.gz")
        with pytest.raises(FetchError, match=f"{remote.url}: {NO_TAR}"):
            fetch(remote)
    assert os.listdir(cache) == []


def test_archive_that_unpacks_to_too_much_is_refused(cache, monkeypatch):
    archive = made_on_demand(CONTENT, (tarfile.TarInfo("collection-26eb9aaf/zeros"), bytes(1_000_000)))
    assert len(archive) < 3000
    put(cache / "things.tar.gz", archive)
    monkeypatch.setattr("mi204.datasets._fetch._LARGEST_UNPACKED", 1_000_000)
    with pytest.raises(FetchError, match="at most 1,000,000 bytes unpacked, received more") as caught:
        fetch(MADE_ON_DEMAND)
    french = "au plus 1\u202f000\u202f000 octets décompressés sont attendus, reçu : davantage"
    assert french in caught.value.written("fr")
    assert os.listdir(cache) == ["things.tar.gz"]


def test_unreadable_archive_made_on_demand_is_passed_over(cache, tmp_path, monkeypatch):
    """Root reads every file, so a folder stands where the archive should."""
    (cache / "things.tar.gz").mkdir(parents=True)
    with pytest.raises(FetchError, match="Is a directory"):
        fetch(MADE_ON_DEMAND)
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / "mirror/things.tar.gz", made_on_demand())
    assert read(fetch(MADE_ON_DEMAND)) == CONTENT


def test_archive_made_on_demand_that_nobody_has(cache):
    with pytest.raises(FetchError) as caught:
        fetch(MADE_ON_DEMAND)
    for part in (
        "Expected things.tar.gz or its extracted folder collection/things (SHA-256 over all files of that folder: "
        f"{MADE_ON_DEMAND.files_sha256})",
        f"copy things.tar.gz or its extracted folder collection/things to {cache}",
    ):
        assert part in str(caught.value)
    proof = f"(SHA-256 sur tous les fichiers de ce dossier : {MADE_ON_DEMAND.files_sha256})"
    assert proof in caught.value.written("fr")


def test_braces_in_names_are_written_as_they_are(cache, tmp_path):
    wrong, alike = put(tmp_path / "{mine}/{things}.gz", b""), put(tmp_path / "{yours}/{thing}.gz", b"")
    with pytest.raises(FetchError) as caught:
        fetch(RemoteFile("{things}.gz", f"{NOWHERE}/{{things}}.gz", "{sha256}"), [wrong.parent, alike.parent])
    for language in ("en", "fr"):
        for path in (wrong, alike):
            assert str(path) in caught.value.written(language)


def test_file_of_unknown_hash_is_never_used(cache):
    put(cache / "numbers.gz", b"1234")
    with pytest.raises(FetchError, match="received 03ac6742"):
        fetch(RemoteFile("numbers.gz", f"{NOWHERE}/numbers.gz"))
