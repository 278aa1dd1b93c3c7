"""Attribute accuracy: a judge as a metric, and attribute by attribute."""

from __future__ import annotations

import numpy as np
import pytest

from data_pipeline import pixels
from evaluation import attributes, tables

SIZE = 8
COLORS = ("Red", "Green_Cheeks", "Blue")
HOLE = np.s_[2:8, 2:8]


def predict(images):
    """An attribute is there where its channel is bright on the average."""
    return np.asarray(images).mean(axis=(1, 2)) > 0.5


def faces(rows):
    """Flat colors, one a row of bools: [N, S, S, 3] in [0, 1]."""
    colors = np.where(np.asarray(rows, bool), 0.9, 0.1).astype(np.float32)
    return np.tile(colors[:, None, None, :], [1, SIZE, SIZE, 1])


def named(count):
    return tuple(f"{index}.jpg" for index in range(count))


def judge_of(rows, predict=predict):
    """A judge to whom these rows are the truth."""
    return attributes.Judge(predict, COLORS, dict(zip(named(len(rows)), rows)))


def batched(target, size=2):
    """Batches of images whose hole is most of them, in the networks' range."""
    mask = np.zeros([len(target), SIZE, SIZE, 1], np.float32)
    mask[(slice(None), *HOLE)] = 1
    signed = 2 * target - 1
    return [
        ({"image": signed[i : i + size], "mask": mask[i : i + size]}, signed[i:][:size])
        for i in range(0, len(target), size)
    ]


def green(inputs):
    """Fills the hole, and spoils the known pixels, with green."""
    return np.full_like(inputs["image"], 0.1) + np.float32([0, 0.8, 0])


class TestJudge:
    rows = np.array([[True, False, True], [False, False, True]])

    @pytest.mark.parametrize(
        "probability", [lambda found: found, lambda found: np.where(found, 0.51, 0.49)]
    )
    def test_it_is_the_percent_that_is_right_on_the_completed_face(self, probability):
        judge = judge_of(self.rows, lambda images: probability(predict(images)))
        images = faces([[True, True, False], [False, False, True]])
        # The originals, here all wrong, are not looked at; labels follow names.
        found = judge(faces(~self.rows), images, named(2))
        np.testing.assert_allclose(found, [100 / 3, 100])
        images = faces(self.rows[::-1])
        assert judge(images, images, ("1.jpg", "0.jpg")).tolist() == [100, 100]

    @pytest.mark.parametrize(
        ("predict", "message"),
        [
            (lambda images: predict(images)[:, :2], r"\[2, 2\] for 2 images and 3"),
            (lambda images: predict(images) * 9.0 - 4, r"\[-4, 5\].*logits > 0"),
            (lambda images: predict(images) * np.nan, "probabilities"),
        ],
    )
    def test_a_judge_that_breaks_its_promise_is_told(self, predict, message):
        with pytest.raises(ValueError, match=message):
            judge_of(self.rows, predict)(None, faces(self.rows), named(2))

    @pytest.mark.parametrize(
        ("names", "labels", "message"),
        [
            (COLORS, {"0.jpg": np.ones(3, bool)}, r"no attributes of 1\.jpg"),
            (COLORS, dict.fromkeys(named(2), np.ones(2, bool)), r"of 0\.jpg.*bool \[2"),
            (COLORS, dict.fromkeys(named(2), -np.ones(3, int)), r"of 0\.jpg.*int64"),
            ((), {}, "needs attributes"),
        ],
    )
    def test_every_image_must_have_labels(self, names, labels, message):
        with pytest.raises(ValueError, match=message):
            attributes.Judge(predict, names, labels)(None, faces(self.rows), named(2))


def true(inputs):
    """Restores nothing."""
    return pixels.signed_to_unit(inputs["image"])


class TestByAttribute:
    # What the faces show: red 1 of 5, green 3, blue none.
    rows = np.array([[0, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]], bool)

    def table(self, restore=green):
        truth = self.rows.copy()
        truth[2, 2] = True  # a blue that the judge does not see
        return attributes.by_attribute(
            judge_of(truth), restore, batched(faces(self.rows)), named(5)
        )

    def test_rows_are_those_counted_by_hand(self):
        # All completed faces look green, and neither red nor blue.
        expected = [
            ("all attributes", None, 280 / 3, 220 / 3, -20, 220 / 3),
            ("Green Cheeks", 60, 100, 60, -40, 60),
            ("Red", 20, 100, 80, -20, 80),
            ("Blue", 20, 80, 80, 0, 80),
        ]
        table = self.table()
        assert [row[0] for row in table.rows] == [row[0] for row in expected]
        for row, wanted in zip(table.rows, expected):
            assert row[1:] == [w if w is None else pytest.approx(w) for w in wanted[1:]]
        assert "5 faces" in table.caption and table.key == attributes.KEY
        shown = tables.markdown_table(table.columns, table.rows, digits=table.digits)
        assert "| all attributes | – | 93.3 | 73.3 | −20.0 | 73.3 |" in shown
        assert "| Blue | 20.0 | 80.0 | 80.0 | 0.0 | 80.0 |" in shown
        assert attributes._percent(-0.04) == 0 and attributes._percent(-0.06) == -0.06
        assert attributes.sentence(table) == (
            "The judge is right about 93.3% of attributes on the originals and 73.3% "
            "on completed faces; the majority answer is right about 73.3%."
        )

    def test_several_restorers_stand_in_one_table(self):
        # Blue is no better told than by always saying no.
        both = attributes.table({"green": self.table(), "perfect": self.table(true)})
        assert both.columns[2:5] == ["Originals (%)", "green", "perfect"]
        names = [row[0] for row in both.rows]
        assert names[:2] == ["all attributes", "the 2 that the judge recognizes"]
        assert names[2:] == ["Green Cheeks", "Red", "Blue"]
        assert both.rows[0][2:] == pytest.approx([280 / 3, 220 / 3, 280 / 3, 220 / 3])
        assert both.rows[1][2:] == [100, 70, 100, 70]
        assert both.rows[2][1:] == [60, 100, 60, 100, 60]
        assert both.key == attributes.KEY

    def test_known_pixels_are_pasted_before_the_judge_looks(self):
        rows, seen = np.ones([2, 3], bool), []

        def watched(images):
            seen.append(images)
            return predict(images)

        batches = batched(faces(rows))
        attributes.by_attribute(judge_of(rows, watched), green, batches, named(2))
        original, completed = seen
        np.testing.assert_allclose(original, 0.9, atol=1e-6)
        expected = original.copy()
        expected[(slice(None), *HOLE)] = [0.1, 0.9, 0.1]
        np.testing.assert_allclose(completed, expected, atol=1e-6)

    @pytest.mark.parametrize(
        ("restore", "batches", "message"),
        [
            (lambda inputs: inputs["image"], 3, r"\[0, 1\]"),
            (green, 2, "4 images but there are 5 names"),
        ],
    )
    def test_promises_are_checked(self, restore, batches, message):
        given = batched(faces(self.rows))[:batches]
        with pytest.raises(ValueError, match=message):
            attributes.by_attribute(judge_of(self.rows), restore, given, named(5))
