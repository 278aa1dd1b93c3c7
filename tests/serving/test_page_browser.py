"""The web page in Chromium: what is painted with the mouse, and that all of it loads.

Needs the package playwright, and chromium on the PATH.
"""

import shutil

import numpy as np
import pytest
from test_page import RED, face, serve, url  # noqa: F401

from data_pipeline import pixels

pytestmark = pytest.mark.slow
api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def page(url):  # noqa: F811
    if PROGRAM is None:
        pytest.skip("needs Chromium")
    asked, errors = [], []
    with api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=arguments)
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.goto(url)
        page.wait_for_timeout(2000)  # it is shown before it listens
        yield page
        browser.close()
    assert not [a for a in asked if not a.startswith((url, "data:", "blob:"))]
    assert not [e for e in errors if "No draw texture" not in e]  # of Gradio's editor


def settle(page):
    """Waits until the editor has its picture and nothing is under way."""
    page.wait_for_timeout(3000)
    api.expect(page.locator(".progress-text:visible")).to_have_count(0)


def test_paint_with_the_mouse_then_choose_a_part(page, face, tmp_path):  # noqa: F811
    def restored():
        page.get_by_role("button", name="Restore", exact=True).click()
        page.get_by_text("red invented").wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download", exact=True).click()
        assert download.value.suggested_filename == "Änne-restored.png"
        download.value.save_as(tmp_path / "restored.png")
        return pixels.read(tmp_path / "restored.png")

    page.locator(".drop input[type=file]").first.set_input_files(face)
    settle(page)
    box = page.locator(".painter canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=24)
    page.mouse.up()
    settle(page)
    image, original = restored(), pixels.read(face)
    painted = (image == RED).all(axis=-1)
    # A stroke along the middle, as thick as the brush, and nothing else.
    np.testing.assert_array_equal(image[~painted], original[~painted])
    rows, columns = np.nonzero(painted)
    assert painted[100, 120:180].all()
    assert rows.min() > 80 and rows.max() < 120
    assert columns.min() > 75 and columns.max() < 225

    page.get_by_role("button", name="Center", exact=True).click()
    page.get_by_text("The restored picture appears here").wait_for()
    settle(page)
    painted = (restored() == RED).all(axis=-1)
    inner, outer = np.zeros((2, 200, 300), bool)
    inner[51:149, 76:224], outer[49:151, 74:226] = True, True
    assert painted[inner].all() and not painted[~outer].any()


def test_the_other_tabs(page):
    def open_tab(name):
        page.get_by_role("tab", name=name).click()
        page.locator(".faces:visible .thumbnail-item").first.wait_for()

    def choose(number):
        page.locator(".faces:visible .thumbnail-item").nth(number).click()
        settle(page)

    open_tab("Compress")
    choose(1)
    page.get_by_role("button", name="Compress", exact=True).click()
    page.get_by_text("The codec against JPEG").wait_for()
    open_tab("Compare")
    choose(1)
    page.locator(".regions:visible").get_by_role("button", name="Mouth").click()
    settle(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Without a picture: refuses").wait_for()
    open_tab("Explore")
    choose(1)
    choose(6 + 2)
    page.get_by_role("button", name="Download the strip").wait_for()
