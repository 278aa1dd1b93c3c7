"""The web page as a visitor's browser sees it, and what its server refuses."""

import io
import re
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
import tiny_browser
import tiny_codec
from PIL import Image
from test_latent_codec import build as build_latents
from tiny_codec import picture

pytest.importorskip("gradio", reason="needs the extra app")

from data_pipeline import pixels
from experiments import app as command
from serving import app, app_guard, app_pictures
from serving.app_kinds import Restorer
from serving.app_models import Models
from serving.photo import UnfillableHoleError

RED = (255, 0, 0)
ENDINGS = (".png", ".fmc")  # of what is downloaded, when it is whole
CODECS = {"small": tiny_codec.build(0), "large": tiny_codec.build(1)}


def red(image, mask):
    return np.where(mask, np.array(RED, np.uint8), image)


def refuse(image, mask):
    raise UnfillableHoleError("This model fills <no> hole.")


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    pages = []

    def serve(models):
        place = tmp_path_factory.mktemp("place")
        page = app.start(models, command.tools(), place, host="127.0.0.1", port=0)
        pages.append(page)
        return page.local_url

    yield serve
    for page in pages:
        page.close(verbose=False)


@pytest.fixture(scope="module")
def url(serve):
    return serve(
        Models(
            {
                "red": Restorer(red, limits="It fills any hole."),
                "refuses": Restorer(refuse, limits="It fills none."),
            },
            CODECS,
            {"walk": build_latents()},
        )
    )


class TestServer:
    def test_nothing_is_fetched_from_elsewhere(self, url):
        with urllib.request.urlopen(url) as answer:
            policy, text = answer.headers["Content-Security-Policy"], answer.read()
        assert policy == app_guard.POLICY
        assert "http" not in policy and "*" not in policy
        sources = re.findall(rb'(?:src|href)="([^"]*)"', text)
        assert sources and not [s for s in sources if b"//" in s]

    def request(self, url, **headers):
        body = b"0123456789" if "Transfer-encoding" not in headers else None
        request = urllib.request.Request(url, body, method="POST")
        for name, value in headers.items():
            request.add_unredirected_header(name, value)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        return caught.value.code

    def test_requests_have_a_limit(self, url):
        path = f"{url}gradio_api/upload"
        large = str(app_guard.MAX_REQUEST + 1)
        assert self.request(path, **{"Content-length": large}) == 413
        assert self.request(path, **{"Transfer-encoding": "chunked"}) == 411

    def test_other_files_of_the_computer_are_not_served(self, url):
        for path in ("/etc/passwd", __file__):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{url}gradio_api/file={path}")
            assert caught.value.code in (403, 404)


TABS = "[...document.querySelectorAll('[role=tab]')]"
PANEL = (
    "[...document.querySelectorAll('[role=tabpanel]')].find(p => p.offsetParent !== "
    "null)"
)
BUTTONS = f"[...{PANEL}.querySelectorAll('button')].filter(b => b.offsetParent)"
FACES = f"{PANEL}.querySelectorAll('.faces .thumbnail-item')"
TOASTS = "[...document.querySelectorAll('.toast-wrap')].map(t => t.innerText).join()"


def named(elements, name):
    return f"{elements}.find(e => e.innerText.trim().split('\\n')[0] == '{name}')"


class Page(tiny_browser.Browser):
    """The web page in a browser."""

    def show(self, url, tab, *, faces=True):
        self.requests.clear(), self.errors.clear()
        self.open(url)
        self.wait_for(f"!!{named(TABS, tab)}")
        # Parts of the page are shown before they listen.
        while self.evaluate(f"{named(TABS, tab)}.ariaSelected") != "true":
            self.click(named(TABS, tab))
            time.sleep(0.2)
        self.wait_for(f"!!{PANEL}")
        self.wait_for(f"!{faces:d} || {FACES}.length > 0")

    def press(self, name):
        self.click(self.element(named(BUTTONS, name)))
        self.settle()

    def element(self, script):
        self.wait_for(f"!!({script})")
        return script

    def settle(self):
        """Waits until nothing is under way, and some time more in which it begins."""
        for _ in range(3):
            time.sleep(0.4)
            self.wait_for(f"!/processing|queue|uploading/i.test({PANEL}.innerText)")

    def choose(self, path, number=0):
        inputs = f"{PANEL}.querySelectorAll('input[type=file]')"
        self.upload(self.element(f"[...{inputs}].at({number})"), path)
        self.settle()

    def text(self):
        return self.evaluate(f"{PANEL}.innerText")

    def download(self, name, folder):
        """Clicks a download button; the name and the bytes of what it gives."""
        self.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )
        self.click(self.element(named(BUTTONS, name)))
        end = time.monotonic() + tiny_browser.SECONDS
        while not (files := [f for f in folder.iterdir() if f.suffix in ENDINGS]):
            assert time.monotonic() < end, [*folder.iterdir()]
            time.sleep(0.1)
        return files[0].name, files[0].read_bytes()

    def toast(self):
        """What the page's messages say."""
        return self.wait_for(TOASTS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not tiny_browser.program():
        pytest.skip("needs Chromium")
    browser = Page(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


class TestBrowser:
    @pytest.fixture
    def page(self, browser, url):
        yield browser
        own = (url, "data:", "blob:")
        assert not [r for r in browser.requests if not r.startswith(own)]
        assert not browser.errors

    @pytest.fixture
    def face(self, tmp_path):
        path = tmp_path / "Änne.png"
        Image.fromarray(picture(200, 300)).save(path)
        return path

    @pytest.fixture
    def downloads(self, tmp_path):
        (tmp_path / "downloads").mkdir()
        return tmp_path / "downloads"

    def test_upload_paint_restore_download(self, page, url, face, downloads):
        page.show(url, "Restore")
        page.choose(face)
        canvas = page.element(f"{PANEL}.querySelector('canvas')")
        left, top, width, height = page.box(canvas)
        x, y = left + width / 2, top + height / 2
        page.drag([(x + dx, y) for dx in range(-60, 61, 5)])
        page.settle()
        page.press("Restore")
        assert "red invented" in page.text()
        name, data = page.download("Download", downloads)
        assert name == "Änne-restored.png"
        with Image.open(io.BytesIO(data)) as file:
            assert file.text["Description"] == app_pictures.RESTORED
            restored = np.asarray(file)
        original = pixels.read(face)
        painted = (restored == RED).all(axis=-1)
        # A stroke along the middle, as thick as the brush, and nothing else.
        np.testing.assert_array_equal(restored[~painted], original[~painted])
        rows, columns = np.nonzero(painted)
        assert painted[100, 120:180].all()
        assert rows.min() > 80 and rows.max() < 120
        assert columns.min() > 75 and columns.max() < 225
        share = f"{painted.mean():.1%} of 300 × 200 pixels"
        assert share in page.text()

    def test_regions_replace_what_was_painted(self, page, url, face, downloads):
        page.show(url, "Restore")
        page.choose(face)
        page.press("Center")
        page.press("Restore")
        _, data = page.download("Download", downloads)
        painted = (pixels.decode(data, "it") == RED).all(axis=-1)
        inner, outer = np.zeros((2, 200, 300), bool)
        inner[51:149, 76:224], outer[49:151, 74:226] = True, True
        assert painted[inner].all() and not painted[~outer].any()
        page.press("Clear")
        page.press("Restore")
        assert "Nothing is missing yet" in page.toast()

    @pytest.mark.parametrize("tab", ["Restore", "Compress"])
    def test_a_broken_upload_gets_a_message(self, page, url, tmp_path, tab):
        path = tmp_path / "face.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
        page.show(url, tab)
        page.choose(path)
        if tab == "Compress":
            page.press("Compress")
        assert "not a readable picture" in page.toast()
        assert "Traceback" not in page.toast()

    def test_faces_are_not_known_in_any_picture(self, page, url, face):
        page.show(url, "Restore")
        page.choose(face)
        page.press("Mouth")
        assert "Paint over the part instead" in page.toast()

    def test_compress_and_open_again(self, page, url, face, downloads):
        page.show(url, "Compress")
        page.choose(face)
        page.press("Compress")
        codec = CODECS["large"]
        data = codec.compress(pixels.read(face))
        assert f"{len(data):,}" in page.text()
        name, found = page.download("Download .fmc file", downloads)
        assert (name, found) == ("Änne.fmc", data)
        page.press("Open a .fmc file")
        page.choose(downloads / name, number=-1)
        shown = page.wait_for(f"{PANEL}.querySelector('.opened img')?.src")
        with urllib.request.urlopen(shown) as answer:
            image = pixels.decode(answer.read(), "it")
        np.testing.assert_array_equal(image, codec.reconstruct(pixels.read(face)))

    def test_compare_on_a_drawn_face(self, page, url):
        page.show(url, "Compare")
        page.click(f"{FACES}[1]")
        page.settle()
        page.press("Mouth")
        page.press("Compare")
        text = page.text()
        for name in ("red", "mean color", "Telea", "Navier–Stokes", "PSNR (dB)"):
            assert name in text
        assert "This model fills <no> hole." in text

    def test_explore_between_two_faces(self, page, url, downloads):
        page.show(url, "Explore")
        page.click(f"{FACES}[1]")
        page.settle()
        assert "Choose two faces" in page.text()
        page.click(f"{FACES}[6 + 2]")
        page.settle()
        assert "Choose two faces" not in page.text()
        _, data = page.download("Download the strip", downloads)
        with Image.open(io.BytesIO(data)) as file:
            assert file.text["Description"] == app_pictures.DRAWN

    def test_a_tab_without_a_model_says_how_to_get_one(self, browser, serve):
        url = serve(Models())
        for tab in ("Restore", "Compress", "Explore"):
            browser.show(url, tab, faces=False)
            assert "No model yet" in browser.text()
            assert "make app MODELS=runs/" in browser.text()
        browser.show(url, "Compare")
        assert "make app" not in browser.text()
