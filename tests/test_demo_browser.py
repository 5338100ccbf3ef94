"""The page in a real browser, without internet: load, choose, upload, see a map, see a clear error."""

import base64
import io
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]
WAIT = 60_000  # milliseconds

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: extra browser")
pytest.importorskip("gradio", reason="Gradio is not installed: extra demo")

# Whoever is looked for outside of this machine is noted, and not there.
PROGRAM = """
import os, socket, sys

def watch(event, arguments):
    host = None
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    host = host.decode() if isinstance(host, bytes) else host
    if host and host not in ("127.0.0.1", "localhost", "::1"):
        with open(os.environ["SOUGHT"], "a") as file:
            print(host, file=file)
        raise socket.gaierror(f"{host} is not to be reached in this test")

sys.addaudithook(watch)
from mi204.cli import main
main()
"""


def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def start(folder, *options):
    """Start the page in a process of its own, without any data; give the process and the page's address."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MI204_", "PYTEST"))}
    environment = {
        **kept, "MI204_DATASETS_CACHE": str(folder / "cache"), "KERAS_HOME": str(folder / "keras"),
        "TMPDIR": str(folder), "SOUGHT": str(folder / "sought"), "PYTHONUNBUFFERED": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",  # as in a university; nobody answers there
    }
    with (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "demo", "--port", str(port), *options], cwd=ROOT, env=environment,
            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True,
        )
    line = process.stdout.readline()
    assert f"http://127.0.0.1:{port}" in line, (line, (folder / "errors").read_text())
    return process, f"http://127.0.0.1:{port}/", line


@contextmanager
def served(folder, *options):
    process, address, _ = start(folder, *options)
    try:
        yield address
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@contextmanager
def visit(chromium, address, width=1400, ready="img"):
    """Open the page in a window of its own; afterwards, nothing was asked of another machine and no script failed."""
    with chromium.new_context(viewport={"width": width, "height": 900}, accept_downloads=True) as context:
        page = context.new_page()
        asked, failed = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.set_default_timeout(WAIT)
        page.goto(address)
        page.locator(f".mi204-result {ready}").first.wait_for()
        yield page
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
        assert failed == []


@pytest.fixture
def page(chromium, address):
    with visit(chromium, address) as page:
        yield page


def text(page):
    return page.locator(".mi204-result").inner_text()


def wait(page, wanted):
    """Wait until the result says what matches a pattern."""
    page.wait_for_function(
        "pattern => new RegExp(pattern).test(document.querySelector('.mi204-result').innerText)", arg=wanted
    )


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).first.click()


def options(page, label):
    page.get_by_label(label, exact=True).click()
    found = page.get_by_role("option").all_inner_texts()
    page.keyboard.press("Escape")
    page.locator("h1").click()  # a list opens when it is entered
    return [each.strip().removeprefix("✓").strip() for each in found]


def upload(page, name, content):
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def shown(page, place=0):
    """Give a picture of the page as an array."""
    source = page.locator(".mi204-result img").nth(place).get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_the_page_shows_input_map_and_overlay_side_by_side(page):
    assert page.title() == "What does a network look at?"
    assert page.evaluate("document.documentElement.lang") == "en"
    boxes = [each.bounding_box() for each in page.locator(".mi204-result img").all()]
    assert len(boxes) == 3
    assert len({box["y"] for box in boxes}) == 1
    assert all(box["width"] > 150 for box in boxes)
    image, heat, overlay = (shown(page, place) for place in range(3))
    assert image.shape == (32, 32, 3)
    np.testing.assert_allclose(overlay, (image.astype(float) + heat) / 2, atol=0.5)
    assert re.search(r"The network answers: \w+ [\d.]+\s%", text(page))
    assert "the last one whose answer still has spatial extent" in text(page)
    assert page.get_by_text("Examples, drawn by the library").is_visible()
    assert page.locator(".mi204-examples button img").count() == 10


def test_an_example_a_method_a_layer_and_a_class_can_be_chosen(page):
    before = shown(page)
    page.locator(".mi204-examples button").nth(3).click()
    page.wait_for_function(
        "before => document.querySelector('.mi204-result img').src != before",
        arg=page.locator(".mi204-result img").first.get_attribute("src"),
    )
    assert (shown(page) != before).any()
    choose(page, "Method", "LayerCAM")
    wait(page, r"by LayerCAM \(")
    choose(page, "Layer", options(page, "Layer")[-1])
    wait(page, "Asked for: ")
    classes = options(page, "Class explained")
    assert len(classes) == 11
    assert classes[0] == "the predicted one"
    assert [each.endswith("%") for each in classes] == [False] + 5 * [True] + 5 * [False]
    heat = shown(page, 1)
    choose(page, "Class explained", classes[-1])
    wait(page, f"Explained: the class {classes[-1]} ")
    assert (shown(page, 1) != heat).any()
    # Another picture has likeliest classes of its own.
    page.locator(".mi204-examples button").nth(5).click()
    wait(page, "the last one whose answer")
    assert page.get_by_label("Class explained", exact=True).input_value() == "the predicted one"


def test_a_transformed_picture_shows_whether_the_map_follows(page):
    assert page.locator(".mi204-row").count() == 1
    choose(page, "Transformation of the picture", "flip")
    wait(page, "Does the map follow")
    assert page.locator(".mi204-row").count() == 2
    np.testing.assert_array_equal(shown(page, 3), shown(page, 0)[:, ::-1])
    assert re.search(r"Correlation -?[\d.]+ .*SSIM .*overlap .*centre shifted", text(page))
    page.get_by_role("slider").press("ArrowLeft")
    page.wait_for_function("document.querySelectorAll('.mi204-row').length == 1")
    page.wait_for_timeout(1000)
    assert page.locator(".mi204-row").count() == 1  # the list that was left does not take the slider back


def test_the_picture_can_be_saved(page, tmp_path):
    with page.expect_download() as download:
        page.get_by_text("Save as PNG").click()
    assert re.fullmatch(r"cifar10_gradcam_\w+\.png", download.value.suggested_filename)
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as saved:
        assert saved.size[0] == 900


def written(image, form, **settings):
    file = io.BytesIO()
    image.save(file, form, **settings)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:10] = (255, 0, 0)
    return written(Image.fromarray(pixels), "jpeg", exif=exif, quality=95, subsampling=0)


def bomb():
    """Write a PNG file that says it has 40,000 pixels a side."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 4), dtype=np.uint8)
PICTURES = {
    "plain.png": (lambda: written(Image.fromarray(NOISE[..., :3]), "png"), None),
    "cmyk.jpg": (lambda: written(Image.fromarray(NOISE, "CMYK"), "jpeg"), "converted from CMYK"),
    "deep.png": (lambda: written(Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257), "png"), "16"),
    "alpha.png": (lambda: written(Image.fromarray(NOISE), "png"), "transparent parts laid on white"),
    "moving.gif": (
        lambda: written(
            Image.fromarray(NOISE[..., 0]), "gif", save_all=True, append_images=[Image.fromarray(NOISE[..., 1])]
        ),
        "first",
    ),
    "one.png": (lambda: written(Image.new("RGB", (1, 1), "red"), "png"), None),
    "turned.jpg": (turned, "turned"),
    "été & <b>.png": (lambda: written(Image.fromarray(NOISE[..., :3]), "png"), None),
}
NOT_PICTURES = {
    "text.png": (lambda: b"not a picture", "none of the formats that can be read"),
    "empty.jpg": (lambda: b"", "none of the formats|damaged"),
    "cut.jpg": (lambda: turned()[:300], "damaged"),
    "bomb.png": (bomb, r"at most 60,000,000 pixels in bomb\.png, received more"),
    "drawing.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "none of the formats"),
}


def test_any_upload_becomes_a_map_or_a_clear_message(page):
    for name, (content, remark) in PICTURES.items():
        upload(page, name, content())
        page.locator(f'.mi204-save[download*="{Path(name).stem[:3]}"]').wait_for()
        said = re.search("Your picture: (.*)", text(page))
        assert bool(said) == bool(remark), name
        assert not remark or remark in said[1], name
        if name == "turned.jpg":
            left, right = shown(page)[:, 2].mean(axis=0), shown(page)[:, -3].mean(axis=0)
            assert right[0] > 240
            assert left[0] < 15
    before = text(page)
    for name, (content, message) in NOT_PICTURES.items():
        upload(page, name, content())
        page.wait_for_function(
            "name => document.querySelector('.mi204-error')?.innerText.includes(name)", arg=name
        )
        assert re.search(message, page.locator(".mi204-error").inner_text()), name
        assert text(page) == before  # the last map stays
    upload(page, "again.png", PICTURES["plain.png"][0]())
    page.locator('.mi204-save[download*="again"]').wait_for()
    assert page.locator(".mi204-error").count() == 0


def test_too_large_a_file_is_a_message(page, tmp_path):
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(50_000_001)
    page.locator("input[type=file]").first.set_input_files(tmp_path / "large.png")
    page.locator(".mi204-error").wait_for()
    assert "at most 50,000,000 bytes, received 50,000,001 in large.png" in page.locator(".mi204-error").inner_text()


def test_a_network_without_weights_is_a_message_and_the_page_goes_on(page):
    choose(page, "Network", "mobilenet_1.0 (ImageNet)")
    page.locator(".mi204-error").wait_for()
    assert re.search(r"imagenet_class_index\.json|mobilenet_1_0_224", page.locator(".mi204-error").inner_text())
    assert page.locator(".mi204-result img").count() == 0
    choose(page, "Network", "cifar10, this library's own")
    page.locator(".mi204-result img").first.wait_for()
    assert page.locator(".mi204-error").count() == 0


def test_every_visitor_sees_pictures_of_their_own(chromium, address):
    with visit(chromium, address) as first, visit(chromium, address) as second:
        upload(first, "first.png", PICTURES["plain.png"][0]())
        upload(second, "second.png", PICTURES["one.png"][0]())
        for page, name in ((first, "first"), (second, "second")):
            page.locator(f'.mi204-save[download*="{name}"]').wait_for()
        choose(first, "Method", "LayerCAM")
        wait(first, r"by LayerCAM \(")
        assert "first" in first.locator(".mi204-save").get_attribute("download")
        assert "by Grad-CAM (" in text(second)
        assert np.ptp(shown(second).reshape(-1, 3), axis=0).max() == 0


def test_a_narrow_window_shows_everything_without_scrolling_sideways(chromium, address):
    with visit(chromium, address, width=420) as page:
        choose(page, "Transformation of the picture", "rotation")
        page.get_by_role("slider").press("End")
        wait(page, "Does the map follow")
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        boxes = [each.bounding_box() for each in page.locator(".mi204-result img").all()]
        assert len(boxes) == 6
        assert len({box["y"] for box in boxes}) == 2
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= 420 for box in boxes)


def test_nobody_outside_of_this_machine_is_looked_for_but_photographs(page, folder):
    sought = set((folder / "sought").read_text().split())
    # What the examples and a chosen network's weights are asked of.
    assert sought <= {"raw.githubusercontent.com", "storage.googleapis.com"}
    assert "raw.githubusercontent.com" in sought


def test_in_french_nothing_is_said_in_english(chromium, tmp_path):
    with served(tmp_path, "--language", "fr") as address, visit(chromium, address) as page:
        assert page.title() == "Que regarde un réseau\u00a0?"
        assert page.evaluate("document.documentElement.lang") == "fr"
        choose(page, "Transformation de l'image", "miroir")
        wait(page, "La carte suit-elle")
        upload(page, "texte.png", b"rien")
        page.locator(".mi204-error").wait_for()
        assert "Image attendue dans texte.png" in page.locator(".mi204-error").inner_text()
        seen = page.locator("body").inner_text()
        assert "Exemples dessinés par la bibliothèque" in seen
        english = r"\b(the|is|network|picture|map|layer|class|strength|method|by|with|use|settings)\b"
        assert re.findall(english, seen.lower()) == []


def test_ctrl_c_ends_the_page_politely_and_leaves_nothing(chromium, tmp_path):
    process, address, line = start(tmp_path)
    assert line == f"The page: {address} (Ctrl-C ends it)\n"
    with visit(chromium, address) as page:
        upload(page, "mine.png", PICTURES["plain.png"][0]())
        page.locator('.mi204-save[download*="mine"]').wait_for()
        assert list(tmp_path.glob("mi204-demo-*/*/*.jpeg"))  # the examples
        assert not list(tmp_path.glob("**/mine.png"))
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert time.monotonic() - started < 10
    said = (tmp_path / "errors").read_text()
    assert said.rstrip().endswith("Stopped.")
    assert "Traceback" not in said
    assert process.stdout.read() == ""
    process.stdout.close()
    assert not list(tmp_path.glob("mi204-demo-*"))
    assert not (tmp_path / "gradio").exists()
    assert not (ROOT / ".gradio").exists()


def test_a_port_in_use_is_a_message(address, tmp_path):
    port = re.search(r":(\d+)/", address)[1]
    ended = subprocess.run(
        [sys.executable, "-m", "mi204", "demo", "--port", port, "--language", "fr"], cwd=ROOT, capture_output=True,
        text=True, env={**os.environ, "MI204_DATASETS_CACHE": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"},
    )
    assert ended.returncode == 1
    assert f"--host et --port, 127.0.0.1 et {port} reçu" in ended.stderr
    assert "Traceback" not in ended.stderr
