"""The web page as a visitor's browser sees it, and what its server refuses."""

import re
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

from experiments import app as command
from serving import app, app_guard
from serving.app_models import Models, Restorer
from serving.photo import UnfillableHoleError

RED = (255, 0, 0)


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
    hole = (0.25, 0.75)
    return serve(
        Models(
            {
                "red": Restorer(red, hole, "It fills <any> hole."),
                "refuses": Restorer(refuse, hole, "It fills none."),
            },
            {"small": tiny_codec.build(0), "large": tiny_codec.build(1)},
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


BUTTON = (
    "[...document.querySelectorAll('button')].find(b => b.innerText.trim() == '{}')"
)
TAB = (
    "[...document.querySelectorAll('[role=tab]')].find(b => b.innerText.trim() == '{}')"
)
PANEL = (
    "[...document.querySelectorAll('[role=tabpanel]')].find(p => p.offsetParent "
    "!== null)"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not tiny_browser.program():
        pytest.skip("needs Chromium")
    browser = tiny_browser.Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


class TestBrowser:
    @pytest.fixture
    def page(self, browser, url):
        browser.requests.clear(), browser.errors.clear()
        browser.open(url)
        browser.wait_for(f"!!{TAB.format('Restore')}")
        yield browser
        foreign = [
            r for r in browser.requests if not r.startswith((url, "data:", "blob:"))
        ]
        assert not foreign
        assert not browser.errors

    def upload(self, page, path):
        page.upload(f"{PANEL}.querySelector('input[type=file]')", path)

    def result(self, page, text):
        """The file that a download button offers."""
        found = f"{PANEL}.querySelector('a[download]')"
        address = page.wait_for(f"{found} && {found}.href")
        with urllib.request.urlopen(address) as answer:
            return answer.read()

    @pytest.fixture
    def face(self, tmp_path):
        path = tmp_path / "Änne.png"
        Image.fromarray(picture(200, 300)).save(path)
        return path

    def test_upload_paint_restore_download(self, page, face):
        """Of the larger picture too: painting is done on a smaller copy."""
        self.upload(page, face)
        canvas = f"{PANEL}.querySelector('canvas')"
        page.wait_for(f"!!{canvas}")
        ...
