"""What the web page does: restore, compare, compress, interpolate, and its tables."""

import math

import numpy as np
import pytest
import tiny_codec
from tiny_codec import build_latents, picture

from experiments import app
from serving.codec.container import CorruptFileError, ForeignFileError
from serving.export.fillable import UnfillableHoleError
from serving.page import actions
from serving.page.actions import Restorer, Row
from serving.photo import masks
from serving.photo.faces import BeyondFacesError
from serving.photo.framing import NoFaceError
from serving.zoo.reader import Reader

RED = np.array([255, 0, 0], np.uint8)
SIZE = (40, 50)
HALF = (0.25, 0.75)


def red(image, mask):
    """Paints everything red, known pixels too."""
    return np.broadcast_to(RED, image.shape)


def refuse(image, mask):
    raise UnfillableHoleError("This model fills <nothing>.")


@pytest.fixture(scope="module")
def tools():
    return app.tools()


@pytest.fixture
def image():
    return picture(*SIZE)


@pytest.fixture
def hole():
    return masks.center(SIZE, HALF)


class TestRestore:
    face = np.zeros((5, 2))

    @pytest.mark.parametrize(
        "value, text", [(0, "^Nothing is missing yet"), (1, "^Everything is")]
    )
    def test_nothing_and_everything_are_not_holes(self, image, hole, value, text):
        mask = np.full_like(hole, value)
        with pytest.raises(ValueError, match=text):
            actions.restore(Restorer(red), image, mask, [])
        with pytest.raises(ValueError, match=text):
            [*actions.compare({}, image, mask, [], None)]

    def failing(self, error):
        def fill_faces(*_):
            raise error("of 64x64 pixels nobody saw")

        return fill_faces

    def blue(self, image, mask, faces):
        assert faces == [self.face]
        return np.full_like(image, (0, 0, 255))

    @pytest.mark.parametrize(
        "fill_faces, faces, expected",
        [
            ("blue", 1, ([0, 0, 255], True)),
            ("blue", 0, ([255, 0, 0], False)),
            (None, 1, ([255, 0, 0], False)),
            (UnfillableHoleError, 1, ([255, 0, 0], False)),
            (BeyondFacesError, 1, ([255, 0, 0], False)),
            (NoFaceError, 1, ([255, 0, 0], False)),
        ],
    )
    def test_faces_are_aligned_if_that_works(
        self, image, hole, fill_faces, faces, expected
    ):
        if fill_faces is not None:
            fill_faces = self.blue if fill_faces == "blue" else self.failing(fill_faces)
        restorer = Restorer(red, fill_faces)
        found, aligned = actions.restore(restorer, image, hole, [self.face] * faces)
        (color,) = np.unique(found[hole[..., 0] == 1], axis=0)
        assert (color.tolist(), aligned) == expected

    @pytest.mark.parametrize(
        "error, why",
        [
            (UnfillableHoleError, " It does not fit with the face aligned either."),
            (BeyondFacesError, " It reaches beyond the face, so the face was not ali"),
            (NoFaceError, ""),
        ],
    )
    def test_a_refusal_describes_the_hole_in_the_upload(self, image, hole, error, why):
        fills = "one hole: a quarter of each side"
        restorer = Restorer(refuse, self.failing(error), fills=fills)
        text = (
            f"^This model fills {fills}. Your hole spans 26×20 of the picture's 50×40 "
            f"pixels.{why}.*Press Center.$"
        )
        with pytest.raises(UnfillableHoleError, match=text):
            actions.restore(restorer, image, hole, [self.face], advice="Press Center.")


class TestCompare:
    def test_every_restorer_has_a_row(self, tools, image, hole):
        restorers = {"red": Restorer(red), "refuses": Restorer(refuse), **tools.plain}
        rows = [*actions.compare(restorers, image, hole, [], tools.measure_hole)]
        assert [row.label for row in rows] == [*restorers]
        refused = rows.pop(1)
        assert (refused.image, refused.values) == (None, {})
        assert refused.note == "This model fills <nothing>."
        known = hole[..., 0] == 0
        for row in rows:
            assert row.image.dtype == np.uint8
            np.testing.assert_array_equal(row.image[known], image[known])
            assert not np.array_equal(row.image, image)
            assert row.values.keys() == {"l1_percent", "psnr_db", "ssim"}
        error = np.abs(image[~known] / 255.0 - RED / 255.0).mean()
        assert rows[0].values["l1_percent"] == pytest.approx(100 * error, rel=1e-4)

    def test_large_pictures_are_shrunk_with_their_hole(self):
        mask = masks.center((700, 1400), HALF)
        image, mask = actions.fit_to_compare(picture(700, 1400), mask)
        assert image.shape == (256, 512, 3)
        np.testing.assert_array_equal(mask, masks.center((256, 512), HALF))


class TestCompress:
    @pytest.fixture(scope="class")
    def codecs(self):
        return {"zero": tiny_codec.build(0), "one": tiny_codec.build(1)}

    @pytest.mark.parametrize(
        "size, similarity",
        [((180, 170), {"ms_ssim"}), ((30, 200), {"ms_ssim_5w"}), ((9, 12), set())],
    )
    def test_a_file_and_the_rivals(self, codecs, tools, size, similarity):
        image, codec = picture(*size), codecs["one"]
        data, ours, theirs = actions.compress(codec, "one", image, tools)
        assert data == codec.compress(image)
        np.testing.assert_array_equal(ours.image, codec.reconstruct(image))
        assert ours.size == len(data)
        smallest = len(tools.rival.encode(image, tools.rival.qualities[0]))
        assert abs(theirs.size - len(data)) <= max(smallest - len(data), 400)
        assert theirs.image.shape == image.shape
        error = np.square(image / 255.0 - ours.image / 255.0).mean()
        assert ours.values["psnr_db"] == pytest.approx(-10 * math.log10(error), 1e-4)
        assert {*ours.values} == {"psnr_db", *similarity}

    def test_of_a_large_picture_only_the_psnr_is_measured(self, tools, monkeypatch):
        monkeypatch.setattr(app, "_MEASURED", 180 * 170)
        for height, expected in ((180, {"psnr_db", "ms_ssim"}), (181, {"psnr_db"})):
            image = picture(height, 170)
            assert {*tools.measure_file(image, image)} == expected

    def test_others_are_refused_in_a_sentence(self, codecs, image):
        data = codecs["zero"].compress(image)
        reader = Reader(codecs.values())
        for broken in (data[:-1], data[:9], data[:40] + b"?" + data[41:]):
            with pytest.raises(CorruptFileError):
                reader.decompress(broken)
        for foreign, looks in ((b"no such file", ""), (b"GIF89a", ", as GIFs do")):
            text = f"not a compressed picture.*{looks}"
            with pytest.raises(ForeignFileError, match=text):
                reader.decompress(foreign)
        other = tiny_codec.build(2)
        text = f"{other.model_id.hex()}, which does not come with the repository"
        with pytest.raises(ForeignFileError, match=text):
            reader.decompress(other.compress(image))


def test_interpolation_goes_from_one_face_to_the_other():
    codec = build_latents()
    first, second = picture(16, 16), picture(33, 20, seed=5)
    faces = actions.interpolate(codec, first, second, [0, 0.25, 0.5, 1])
    for image, face in ((faces[0], first), (faces[-1], second)):
        np.testing.assert_array_equal(image, codec.decode(codec.encode(face)))
    # These networks are linear, and so are the faces between.
    middle = (faces[0].astype(float) + faces[-1]) / 2
    assert np.abs(faces[2] - middle).max() <= 1.5
    assert not np.array_equal(faces[1], faces[2])


def test_a_table_marks_the_best_and_escapes_words(tools):
    widgets = pytest.importorskip("serving.page.widgets", reason="needs the extra app")
    image = picture(10, 10)
    rows = [
        Row("<b>x", {"l1_percent": 2.0, "psnr_db": 20.0}, image, size=25),
        Row("y", {"l1_percent": 3.0, "psnr_db": 30.0}, image, size=2500),
        Row("z", {}, None, "<i>no"),
    ]
    text = widgets.table(rows, tools.metrics, ours=["y"])
    assert "<b>2.00</b>" in text and "<td>3.00</td>" in text
    assert "<b>30.00</b>" in text and "<td>20.00</td>" in text
    assert text.count('class="ours"') == 1 and "SSIM" not in text
    assert "&lt;b&gt;x" in text and "&lt;i&gt;no" in text and "<i>" not in text
    assert "<td>2,500</td><td>200.000</td>" in text
    assert "Bytes" not in widgets.table([rows[2]], tools.metrics)
    undefined = Row("x", {"psnr_db": math.nan}, image)
    assert "<td>–</td>" in widgets.table([undefined], tools.metrics)
