"""The web page as its visitors use it, and the requests that its server refuses."""

import io
import re

import numpy as np
import pytest
import requests
import tiny_codec
from PIL import Image
from tiny_codec import build_latents, picture

pytest.importorskip("gradio", reason="needs the extra app")

from tiny_page import Visitor

from data_pipeline import pixels
from experiments import app
from serving import png
from serving.export.fillable import UnfillableHoleError
from serving.page import canvas, page
from serving.page.actions import Restorer
from serving.page.models import Models
from serving.zoo import zoo

RED = (255, 0, 0)
CODECS = {
    "small": tiny_codec.build(0),
    "large": tiny_codec.build(1),
    "several": tiny_codec.build_rates(),
}
EMPTY = "The restored picture appears here"


def red(image, mask):
    return np.where(mask, np.array(RED, np.uint8), image)


def refuse(image, mask):
    raise UnfillableHoleError("This model fills <no> hole.")


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    pages = []

    def serve(models):
        folder = tmp_path_factory.mktemp("folder")
        pages.append(page.start(models, app.tools(), folder, host="127.0.0.1", port=0))
        return pages[-1].local_url

    yield serve
    for each in pages:
        each.close(verbose=False)


@pytest.fixture(scope="module")
def url(serve):
    restorers = {
        "red": Restorer(red, limits="It fills any hole."),
        "refuses": Restorer(refuse, limits="It fills none.", parts=("nose",)),
    }
    return serve(Models(restorers, CODECS, {"walk": build_latents()}))


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "Änne.png"
    Image.fromarray(picture(200, 300)).save(path)
    return path


class TestServer:
    def test_nothing_is_loaded_from_elsewhere(self, url):
        answer = requests.get(url)
        policy = answer.headers["Content-Security-Policy"]
        assert policy == page.POLICY and "http" not in policy and "*" not in policy
        sources = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
        assert sources and not [source for source in sources if "//" in source]

    @pytest.mark.parametrize(
        "body, headers, status",
        [
            (b"0123456789", {"Content-Length": str(page.MAX_REQUEST + 1)}, 413),
            (iter([b"0123456789"]), {}, 411),  # in chunks
        ],
    )
    def test_requests_have_a_limit(self, url, body, headers, status):
        request = requests.Request("POST", f"{url}gradio_api/upload", data=body)
        prepared = request.prepare()
        prepared.headers.update(headers)
        answer = requests.Session().send(prepared)
        assert answer.status_code == status
        assert answer.headers["Content-Security-Policy"] == page.POLICY

    @pytest.mark.parametrize("path", ["/etc/passwd", __file__])
    def test_other_files_of_the_computer_are_not_served(self, url, path):
        answer = requests.get(f"{url}gradio_api/file={path}")
        assert answer.status_code in (403, 404)


class TestRestore:
    @pytest.fixture
    def tab(self, url, face):
        tab = Visitor(url, "Restore")
        tab.upload(face)
        return tab

    def paint(self, tab, tmp_path, mask):
        Image.fromarray(canvas.paint(mask)).save(tmp_path / "layer.png")
        background = tab.props("imageeditor")["value"]["background"]
        layers = [tab.file(tmp_path / "layer.png")]
        value = {"background": background, "layers": layers, "composite": None}
        tab.set("imageeditor", value)

    def test_paint_restore_download(self, tab, face, tmp_path):
        mask = np.zeros((200, 300, 1), np.uint8)
        mask[90:110, 60:240] = 1
        self.paint(tab, tmp_path, mask)
        tab.press("Restore")
        name, data = tab.download("Download")
        assert name == "Änne-restored.png"
        with Image.open(io.BytesIO(data)) as file:
            assert file.text["Description"] == png.RESTORED
            restored, original = np.asarray(file), pixels.read(face)
        painted = (restored == RED).all(axis=-1)
        np.testing.assert_array_equal(restored[~painted], original[~painted])
        # To a pixel of the canvas.
        assert np.abs(painted.sum() - mask.sum()) < 2 * (20 + 180)
        name, data = tab.download("Download which pixels are invented")
        assert name == "Änne-invented.png"
        with Image.open(io.BytesIO(data)) as file:
            np.testing.assert_array_equal(np.asarray(file) == 255, painted)
        assert f"{painted.mean():.1%} of 300 × 200 pixels" in tab.text()

    @pytest.mark.parametrize(
        "name, value", [("Align faces first", False), ("Model", "refuses")]
    )
    def test_a_result_disappears_when_something_changes(self, tab, name, value):
        tab.press("Center")
        tab.press("Restore")
        assert "<b>red</b> invented" in tab.text() and EMPTY not in tab.text()
        tab.set(name, value)
        assert EMPTY in tab.text() and not tab.sees("Download")

    def test_only_parts_that_the_model_fills_can_be_chosen(self, tab):
        names = ("Center", "Eyes", "Nose", "Mouth", "Clear")
        for model, expected in (("red", [True] * 5), ("refuses", [1, 0, 1, 0, 1])):
            tab.set("Model", model)
            assert [tab.props(name)["interactive"] for name in names] == expected

    def test_faces_are_known_in_drawn_pictures_only(self, tab):
        tab.press("Mouth")
        assert "Paint over the part instead" in tab.errors.pop()
        tab.select("Drawn faces", 1)
        tab.press("Mouth")
        tab.press("Restore")
        assert tab.download("Download")[0] == "face-2-restored.png"
        assert not tab.errors


@pytest.mark.parametrize("tab", ["Restore", "Compress"])
def test_a_broken_upload_gets_a_message(url, tmp_path, tab):
    path = tmp_path / "face.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    name, tab = tab, Visitor(url, tab)
    tab.upload(path)
    (error,) = tab.errors
    assert "not a readable picture. The page takes JPEG, PNG, WebP, " in error
    assert tab.props("Picture")["value"] is None
    tab.press(name)
    assert tab.errors[1:] == ["Choose a picture first."]


def test_compress_and_open_again(url, face, tmp_path):
    tab, codec, original = Visitor(url, "Compress"), CODECS["large"], pixels.read(face)
    tab.upload(face)
    tab.press("Compress")
    data = codec.compress(original)
    assert f"<td>{len(data):,}</td>" in tab.text()
    assert tab.download("Download .fmc") == ("Änne.fmc", data)
    decoded = codec.decompress(data)
    name, found = tab.download("Download PNG")
    assert name == "Änne-decoded.png"
    np.testing.assert_array_equal(pixels.decode(found, name), decoded)
    (tmp_path / "other.fmc").write_bytes(data)
    tab.upload(tmp_path / "other.fmc", "A .fmc file")
    name, found = tab.download("Download PNG")
    assert name == "other-decoded.png"
    np.testing.assert_array_equal(pixels.decode(found, name), decoded)


def test_a_codec_of_several_rates_has_a_quality(url, face):
    tab, several, original = (
        Visitor(url, "Compress"),
        CODECS["several"],
        pixels.read(face),
    )
    tab.upload(face)
    assert not tab.sees("Quality")
    tab.set("Codec", "several")
    assert tab.props("Quality")["value"] == several.rates.usual
    for quality in (40, 90):
        tab.set("Quality", quality)
        tab.press("Compress")
        data = several.at(quality).compress(original)
        assert tab.download("Download .fmc")[1] == data
        assert f"several, quality {quality}<" in tab.text()
    tab.set("Codec", "small")
    assert not tab.sees("Quality")
    tab.press("Compress")
    assert tab.download("Download .fmc")[1] == CODECS["small"].compress(original)


def test_compare_on_a_drawn_face(url):
    tab = Visitor(url, "Compare")
    tab.select("Drawn faces", 1)
    tab.press("Mouth")
    tab.press("Compare")
    assert not tab.errors
    captions = [each["caption"] for each in tab.props("Results")["value"]]
    plain = ["mean color", "Telea", "Navier–Stokes"]
    assert captions == ["original", "hidden", "red", *plain]
    for text in ("PSNR (dB)", "This model fills &lt;no&gt; hole.", "picture: refuses"):
        assert text in tab.text()


def test_explore_between_two_faces(url, face):
    tab, slider = Visitor(url, "Explore"), "Share of the second face, %"
    tab.select("Drawn faces", 1)
    assert "Choose two faces" in tab.text() and not tab.sees("Drawn by the model")
    tab.upload(face, "Second face")
    assert "Choose two faces" not in tab.text() and tab.sees("Drawn by the model")
    name, data = tab.download("Download the strip")
    with Image.open(io.BytesIO(data)) as file:
        assert file.text["Description"] == png.STRIP and name == "between.png"
    shown = []
    for share in (50, 0, 50):
        tab.release(slider, share)
        value = tab.props("Drawn by the model")["value"]
        shown.append(requests.get(value["url"]).content)
    assert shown[0] == shown[2] != shown[1]


def test_a_tab_without_a_model_says_how_to_train_one(serve):
    url = serve(Models())
    shipped = ",".join(zoo.names())
    for tab in ("Restore", "Compress", "Explore"):
        text = Visitor(url, tab).text()
        assert "No model yet" in text and f"make app MODELS={shipped},runs/" in text
    assert "make app" not in Visitor(url, "Compare").text()
