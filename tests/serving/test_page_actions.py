"""What the web page does, without the page: restore, compare, compress, walk."""

import math

import numpy as np
import pytest
import tiny_codec
from tiny_codec import build_latents, picture

from experiments import app
from serving.codec.container import CorruptFileError, ForeignFileError
from serving.page import actions, canvas, widgets
from serving.page.actions import Restorer, Row
from serving.photo.faces import BeyondFacesError
from serving.photo.framing import NoFaceError
from serving.photo.restorer import UnfillableHoleError

RED = np.array([255, 0, 0], np.uint8)
SIZE = (40, 50)


def red(image, mask):
    """Paints everything red, also what is known."""
    return np.broadcast_to(RED, image.shape)


def refuse(image, mask):
    raise UnfillableHoleError("This model fills <nothing>.")


@pytest.fixture(scope="module")
def tools():
    return app.tools()


@pytest.fixture
def hole():
    return canvas.center(SIZE, (0.25, 0.75))


class TestRestore:
    def test_known_pixels_are_the_pictures_whatever_the_model_does(self, hole):
        image = picture(*SIZE)
        restored, placed = actions.restore(Restorer(red), image, hole, [])
        known = hole[..., 0] == 0
        np.testing.assert_array_equal(restored[known], image[known])
        assert (restored[~known] == RED).all() and not placed

    @pytest.mark.parametrize(
        ("value", "text"), [(0, "^Nothing is missing yet"), (1, "^Everything is")]
    )
    def test_nothing_and_everything_are_no_holes(self, value, text, hole):
        mask = np.full_like(hole, value)
        with pytest.raises(ValueError, match=text):
            actions.restore(Restorer(red), picture(*SIZE), mask, [])
        with pytest.raises(ValueError, match=text):
            [*actions.compare({}, picture(*SIZE), mask, [], None)]


class TestFaces:
    face = np.zeros((5, 2))

    def blue(self, image, mask, faces):
        assert faces == [self.face]
        return np.full_like(image, (0, 0, 255))

    def restored(self, hole, fill_faces, faces):
        restorer = Restorer(red, fill_faces)
        image, placed = actions.restore(restorer, picture(*SIZE), hole, faces)
        (color,) = np.unique(image[hole[..., 0] == 1], axis=0)
        return color.tolist(), placed

    def test_they_are_brought_into_place(self, hole):
        found = self.restored(hole, self.blue, [self.face])
        assert found == ([0, 0, 255], True)

    @pytest.mark.parametrize(
        "error", [UnfillableHoleError, BeyondFacesError, NoFaceError]
    )
    def test_the_whole_picture_is_restored_where_that_fails(self, hole, error):
        def fail(*_):
            raise error("beyond the faces")

        assert self.restored(hole, fail, [self.face]) == (RED.tolist(), False)

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (UnfillableHoleError, " It does not fit with the face brought into place "),
            (BeyondFacesError, " It goes beyond the face, which was not brought"),
            (NoFaceError, ""),
        ],
    )
    def test_a_refusal_is_of_the_uploaded_picture(self, hole, error, why):
        def fail(*_):
            raise error("of 64x64 pixels nobody saw")

        restorer = Restorer(refuse, fail, fills="one hole: a quarter of each side")
        said = (
            "^This model fills one hole: a quarter of each side. Yours spans 26×20 of "
            f"the picture's 50×40 pixels.{why}.*Press Center.$"
        )
        with pytest.raises(UnfillableHoleError, match=said):
            actions.restore(
                restorer,
                picture(*SIZE),
                hole,
                [self.face],
                otherwise="Press Center.",
            )

    def test_or_without_any(self, hole):
        assert self.restored(hole, self.blue, []) == (RED.tolist(), False)
        assert self.restored(hole, None, [self.face]) == (RED.tolist(), False)


class TestCompare:
    def test_every_restorer_has_a_row(self, tools, hole):
        image = picture(*SIZE)
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

    def test_numbers_are_of_the_hole(self, tools, hole):
        image, restorers = picture(*SIZE), {"red": Restorer(red)}
        (row,) = actions.compare(restorers, image, hole, [], tools.measure_hole)
        error = np.abs(image[hole[..., 0] == 1] / 255.0 - RED / 255.0).mean()
        assert row.values["l1_percent"] == pytest.approx(100 * error, rel=1e-4)

    def test_methods_without_a_model_look_at_nothing_in_the_hole(self, tools, hole):
        image = picture(*SIZE)
        other = np.where(hole, np.uint8(7), image)
        for restorer in tools.plain.values():
            found = restorer.fill(image, hole)
            np.testing.assert_array_equal(found, restorer.fill(other, hole))

    def test_large_pictures_are_fitted_with_their_hole(self):
        hole = (0.25, 0.75)
        mask = canvas.center((700, 1400), hole)
        image, mask = actions.fit_to_compare(picture(700, 1400), mask)
        assert image.shape == (256, 512, 3)
        expected = canvas.center((256, 512), hole)
        np.testing.assert_array_equal(mask, expected)


class TestCompress:
    @pytest.fixture(scope="class")
    def codecs(self):
        return {"zero": tiny_codec.build(0), "one": tiny_codec.build(1)}

    @pytest.mark.parametrize("size", [(180, 170), (30, 200), (9, 12)])
    def test_the_file_beside_the_rivals(self, codecs, tools, size):
        image, codec = picture(*size), codecs["one"]
        data, ours, theirs = actions.compress(codec, "one", image, tools)
        assert data == codec.compress(image)
        np.testing.assert_array_equal(ours.image, codec.reconstruct(image))
        assert ours.size == len(data)
        smaller = tools.rival.encode(image, tools.rival.qualities[0])
        assert abs(theirs.size - len(data)) <= max(len(smaller) - len(data), 400)
        assert theirs.image.shape == image.shape
        error = np.square(image / 255.0 - ours.image / 255.0).mean()
        assert ours.values["psnr_db"] == pytest.approx(-10 * math.log10(error), 1e-4)
        alike = {180: "ms_ssim", 30: "ms_ssim_5w", 9: None}[size[0]]
        assert {*ours.values} == {"psnr_db", alike} - {None}

    def test_a_large_picture_is_not_measured_beyond_its_psnr(self, codecs, tools):
        image = picture(2001, 2000)
        assert {*tools.measure_file(image, image)} == {"psnr_db"}

    def test_a_file_is_opened_by_the_codec_that_wrote_it(self, codecs):
        image = picture(40, 50)
        for codec in codecs.values():
            found = actions.decompress(codecs, codec.compress(image))
            np.testing.assert_array_equal(found, codec.reconstruct(image))

    def test_others_are_refused_in_a_sentence(self, codecs):
        data = codecs["zero"].compress(picture(40, 50))
        for broken in (data[:-1], data[:9], data[:40] + b"?" + data[41:]):
            with pytest.raises(CorruptFileError):
                actions.decompress(codecs, broken)
        foreign = tiny_codec.build(2).compress(picture(40, 50))
        with pytest.raises(ForeignFileError, match="not a compressed picture"):
            actions.decompress(codecs, b"no such file")
        writer = tiny_codec.build(2).model_id.hex()
        here = f"{writer}, which is not on this page: it has {', '.join(codecs)}"
        with pytest.raises(ForeignFileError, match=here):
            actions.decompress(codecs, foreign)


class TestWalk:
    def test_it_goes_from_one_face_to_the_other(self):
        codec = build_latents()
        first, second = picture(16, 16), picture(33, 20, seed=5)
        walk = actions.walk(codec, first, second, [0, 0.25, 0.5, 1])
        for image, face in ((walk[0], first), (walk[-1], second)):
            np.testing.assert_array_equal(image, codec.decode(codec.encode(face)))
        # These networks are linear, and so is what lies between.
        middle = (walk[0].astype(float) + walk[-1]) / 2
        assert np.abs(walk[2] - middle).max() <= 1.5
        assert not np.array_equal(walk[1], walk[2])


class TestTables:
    @pytest.fixture
    def rows(self):
        image = picture(10, 10)
        return [
            Row("<b>x", {"l1_percent": 2.0, "psnr_db": 20.0}, image, size=25),
            Row("y", {"l1_percent": 3.0, "psnr_db": 30.0}, image, size=2500),
            Row("z", {}, None, "<i>no"),
        ]

    def test_the_best_is_marked_in_its_direction(self, rows, tools):
        text = widgets.table(rows, tools.metrics, ours=["y"])
        assert "<b>2.00</b>" in text and "<td>3.00</td>" in text
        assert "<b>30.00</b>" in text and "<td>20.00</td>" in text
        assert text.count('class="ours"') == 1
        assert "SSIM" not in text

    def test_words_are_escaped(self, rows, tools):
        text = widgets.table(rows, tools.metrics)
        assert "&lt;b&gt;x" in text and "&lt;i&gt;no" in text
        assert "<i>" not in text

    def test_sizes_have_columns(self, rows, tools):
        text = widgets.table(rows, tools.metrics)
        assert "<td>2,500</td><td>200.000</td>" in text
        assert "Bytes" not in widgets.table([rows[2]], tools.metrics)

    def test_what_is_undefined_is_a_dash(self, tools):
        row = Row("x", {"psnr_db": math.nan}, picture(9, 9))
        assert "<td>–</td>" in widgets.table([row], tools.metrics)
