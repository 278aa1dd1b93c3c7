"""The web page as a visitor's browser sees it, and what its server refuses."""

import io
import re
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
import tiny_browser
import tiny_codec
import tiny_page
from PIL import Image
from tiny_codec import build_latents, picture

pytest.importorskip("gradio", reason="needs the extra app")

from data_pipeline import pixels
from experiments import app as command
from serving import png
from serving.page import page as app
from serving.page import uploads
from serving.page.actions import Restorer
from serving.page.models import Models
from serving.photo.restorer import UnfillableHoleError
from serving.zoo import zoo

RED = (255, 0, 0)
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
                "refuses": Restorer(refuse, limits="It fills none.", parts=("nose",)),
            },
            CODECS,
            {"walk": build_latents()},
        )
    )


class TestServer:
    def test_nothing_is_fetched_from_elsewhere(self, url):
        with urllib.request.urlopen(url) as answer:
            policy, text = answer.headers["Content-Security-Policy"], answer.read()
        assert policy == uploads.POLICY
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
        large = str(uploads.MAX_REQUEST + 1)
        assert self.request(path, **{"Content-length": large}) == 413
        assert self.request(path, **{"Transfer-encoding": "chunked"}) == 411

    def test_other_files_of_the_computer_are_not_served(self, url):
        for path in ("/etc/passwd", __file__):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{url}gradio_api/file={path}")
            assert caught.value.code in (403, 404)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not tiny_browser.program():
        pytest.skip("needs Chromium")
    browser = tiny_page.Page(tmp_path_factory.mktemp("profile"))
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
        page.paint([(dx, 0) for dx in range(-60, 61, 5)])
        page.press("Restore")
        page.says("red invented")
        name, data = page.download("Download", downloads)
        assert name == "Änne-restored.png"
        with Image.open(io.BytesIO(data)) as file:
            assert file.text["Description"] == png.RESTORED
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
        page.choose_region("Center")
        page.press("Restore")
        _, data = page.download("Download", downloads)
        painted = (pixels.decode(data, "it") == RED).all(axis=-1)
        inner, outer = np.zeros((2, 200, 300), bool)
        inner[51:149, 76:224], outer[49:151, 74:226] = True, True
        assert painted[inner].all() and not painted[~outer].any()
        page.choose_region("Clear")
        self.shows_no_result(page)
        page.press("Restore")
        assert "Nothing is missing yet" in page.toast()
        self.shows_no_result(page)

    def shows_no_result(self, page):
        page.says("The restored picture appears here")
        assert not page.evaluate(tiny_page.named(tiny_page.BUTTONS, "Download"))

    def test_a_result_goes_when_what_it_is_of_is_changed(self, page, url, face):
        page.show(url, "Restore")
        page.choose(face)
        page.choose_region("Center")
        for change in (
            lambda: page.paint([(0, 0), (30, 0)]),
            page.tick,
            lambda: page.choose_model("refuses"),
        ):
            page.press("Restore")
            page.says("red invented")
            change()
            self.shows_no_result(page)
        page.press("Restore")
        said = page.toast()
        assert "This model fills <no> hole." in said
        assert "Press Center, or have faces brought into place first." in said
        self.shows_no_result(page)

    def test_parts_that_a_model_does_not_fill_cannot_be_chosen(self, page, url, face):
        page.show(url, "Restore")
        page.choose(face)
        mouth = tiny_page.named(tiny_page.BUTTONS, "Mouth")
        assert not page.evaluate(f"{mouth}.disabled")
        page.choose_model("refuses")
        page.wait_for(f"{mouth}.disabled")
        for name in ("Nose", "Center", "Clear"):
            button = tiny_page.named(tiny_page.BUTTONS, name)
            assert not page.evaluate(f"{button}.disabled")

    @pytest.mark.parametrize("tab", ["Restore", "Compress"])
    def test_a_broken_upload_gets_a_message(self, page, url, tmp_path, tab):
        path = tmp_path / "face.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
        page.show(url, tab)
        page.choose(path)
        said = page.toast()
        assert said.count("not a readable picture") == 1 and "Traceback" not in said
        # It is not there any more.
        page.press(tab)
        page.wait_for(f"{tiny_page.TOASTS}.includes('Choose a picture first')")

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
        page.says(f"{len(data):,}")
        name, found = page.download("Download .fmc", downloads)
        assert (name, found) == ("Änne.fmc", data)
        page.press("Open a .fmc file")
        page.choose(downloads / name, number=-1)
        shown = page.wait_for(f"{tiny_page.PANEL}.querySelector('.opened img')?.src")
        with urllib.request.urlopen(shown) as answer:
            image = pixels.decode(answer.read(), "it")
        np.testing.assert_array_equal(image, codec.reconstruct(pixels.read(face)))

    def test_compare_on_a_drawn_face(self, page, url):
        page.show(url, "Compare")
        page.click(f"{tiny_page.FACES}[1]")
        page.settle()
        page.choose_region("Mouth")
        page.press("Compare")
        for name in ("red", "mean color", "Telea", "Navier–Stokes", "PSNR (dB)"):
            page.says(name)
        page.says("This model fills <no> hole.")
        page.says("Without a picture: refuses")

    def test_explore_between_two_faces(self, page, url, downloads):
        page.show(url, "Explore")
        page.click(f"{tiny_page.FACES}[1]")
        page.settle()
        page.says("Choose two faces")
        page.click(f"{tiny_page.FACES}[6 + 2]")
        page.element(tiny_page.named(tiny_page.BUTTONS, "Download the strip"))
        page.settle()
        _, data = page.download("Download the strip", downloads)
        assert "Choose two faces" not in page.text()
        with Image.open(io.BytesIO(data)) as file:
            assert file.text["Description"] == png.STRIP

    def test_a_tab_without_a_model_says_how_to_get_one(self, browser, serve):
        url = serve(Models())
        for tab in ("Restore", "Compress", "Explore"):
            browser.show(url, tab, faces=False)
            browser.says("No model yet")
            browser.says("make app MODELS=")
            shipped = ",".join(zoo.names())
            assert f"MODELS={shipped},runs/" in browser.text()
        browser.show(url, "Compare")
        assert "make app" not in browser.text()
