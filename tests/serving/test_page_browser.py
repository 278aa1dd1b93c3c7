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
    busy = page.locator(".progress-text:visible")
    api.expect(busy).to_have_count(0, timeout=60_000)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_paint_with_the_mouse_then_choose_a_part(page, face, tmp_path):  # noqa: F811
    def restored():
        settle(page)
        press(page, "Restore")
        page.get_by_text("red invented").wait_for()
        with page.expect_download() as download:
            press(page, "Download")
        download.value.save_as(tmp_path / "restored.png")
        return (pixels.read(tmp_path / "restored.png") == RED).all(axis=-1)

    page.locator(".drop input[type=file]").first.set_input_files(face)
    settle(page)
    box = page.locator(".painter canvas").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=24)
    page.mouse.up()
    painted = restored()
    # A stroke along the middle, as thick as the brush, and nothing else.
    rows, columns = np.nonzero(painted)
    assert painted[100, 120:180].all()
    assert rows.min() > 80 and rows.max() < 120
    assert columns.min() > 75 and columns.max() < 225

    press(page, "Center")
    page.get_by_text("The restored picture appears here").wait_for()
    painted = restored()
    assert painted[51:149, 76:224].all()
    painted[49:151, 74:226] = False
    assert not painted.any()


def test_the_name_of_a_model_is_not_cut_on_a_narrow_screen(page):
    page.set_viewport_size({"width": 390, "height": 844})
    menu = page.locator("input[role=combobox]:visible").first
    menu.evaluate("e => e.value = '(d) pyramid, dilation, local discriminator'")
    assert menu.evaluate("e => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize(
    "tab, faces, button, text",
    [
        ("Compress", [1], "Compress", "The codec against JPEG"),
        ("Compare", [1], "Compare", "Nothing is missing yet"),
        ("Explore", [1, 6 + 2], None, "The two originals at the ends"),
    ],
)
def test_the_other_tabs(page, tab, faces, button, text):
    page.get_by_role("tab", name=tab).click()
    for number in faces:
        page.locator(".faces:visible .thumbnail-item").nth(number).click()
        settle(page)
    if button:
        press(page, button)
    page.get_by_text(text).first.wait_for()
