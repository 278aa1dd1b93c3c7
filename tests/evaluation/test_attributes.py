"""Attribute accuracy: what a judge says of completed faces, beside what it could."""

from __future__ import annotations

import numpy as np
import pytest

from data_pipeline import pixels
from evaluation import attributes, tables
from evaluation.evaluate import evaluate

SIZE = 8
COLORS = ("Red", "Green_Cheeks", "Blue")
HOLE = np.s_[2:8, 2:8]


def tell(images):
    """The judge: an attribute is there where its channel is bright on the average."""
    return np.asarray(images).mean(axis=(1, 2)) > 0.5


def faces(rows):
    """Flat colors, one a row of bools: [N, S, S, 3] in [0, 1]."""
    colors = np.where(np.asarray(rows, bool), 0.9, 0.1).astype(np.float32)
    return np.tile(colors[:, None, None, :], [1, SIZE, SIZE, 1])


def named(count):
    return tuple(f"{index}.jpg" for index in range(count))


def judge_of(rows, predict=tell):
    """A judge who knows these rows as the truth."""
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

    def test_it_is_the_percent_told_rightly_on_the_completed_face(self):
        judge = judge_of(self.rows)
        images = faces([[True, True, False], [False, False, True]])
        # The originals, here all wrong, are not looked at.
        found = judge(faces(~self.rows), images, named(2))
        np.testing.assert_allclose(found, [100 / 3, 100])

    def test_probabilities_are_as_good_as_bools(self):
        def probabilities(images):
            return np.where(tell(images), 0.51, 0.49)

        images = faces([[True, True, True], [False, True, True]])
        sure, unsure = judge_of(self.rows), judge_of(self.rows, probabilities)
        np.testing.assert_array_equal(
            sure(images, images, named(2)), unsure(images, images, named(2))
        )

    def test_labels_follow_names_and_not_positions(self):
        judge = judge_of(self.rows)
        images = faces(self.rows[::-1])
        assert judge(images, images, ("1.jpg", "0.jpg")).tolist() == [100, 100]

    @pytest.mark.parametrize(
        ("predict", "message"),
        [
            (lambda images: tell(images)[:, :2], r"\[2, 2\] for 2 images and 3"),
            (lambda images: tell(images) * 9.0 - 4, r"\[-4, 5\].*logits > 0"),
            (lambda images: tell(images) * np.nan, "probabilities"),
        ],
    )
    def test_a_judge_that_breaks_its_promise_is_told(self, predict, message):
        with pytest.raises(ValueError, match=message):
            judge_of(self.rows, predict)(None, faces(self.rows), named(2))

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ({"0.jpg": np.ones(3, bool)}, r"no attributes of 1\.jpg"),
            (dict.fromkeys(named(2), np.ones(2, bool)), r"of 0\.jpg.*bool \[2\]"),
            (dict.fromkeys(named(2), -np.ones(3, int)), r"of 0\.jpg.*int64 \[3\]"),
        ],
    )
    def test_an_image_without_its_labels_is_named(self, labels, message):
        judge = attributes.Judge(tell, COLORS, labels)
        with pytest.raises(ValueError, match=message):
            judge(None, faces(self.rows), named(2))

    def test_there_must_be_attributes(self):
        with pytest.raises(ValueError, match="needs attributes"):
            attributes.Judge(tell, (), {})

    def test_it_is_a_metric_of_the_evaluation(self):
        rows = np.array([[True, False, True]] * 3)
        result = evaluate(
            {"green": green, "true": lambda inputs: faces(rows[: len(inputs["mask"])])},
            batched(faces(rows)),
            named(3),
            extra={"composite/attribute_accuracy": judge_of(rows)},
            progress=None,
        )
        key = "composite/attribute_accuracy"
        np.testing.assert_allclose(result.values["true"][key], 100)
        np.testing.assert_allclose(result.values["green"][key], 0)


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
        assert len(table.columns) == 6 and "5 faces" in table.caption

    def test_several_restorers_stand_in_one_table(self):
        # Blue is no better told than by always saying no.
        perfect = self.table(lambda inputs: pixels.signed_to_unit(inputs["image"]))
        both = attributes.table({"green": self.table(), "perfect": perfect})
        assert both.columns[2:5] == ["Originals (%)", "green", "perfect"]
        assert [row[0] for row in both.rows] == [
            "all attributes",
            "the 2 that the judge recognizes",
            "Green Cheeks",
            "Red",
            "Blue",
        ]
        assert both.rows[1][2:] == [100, 70, 100, 70]
        assert both.rows[2][1:] == [60, 100, 60, 100, 60]
        assert both.key == self.table().key == attributes.KEY

    def test_known_pixels_are_pasted_before_the_judge_looks(self):
        rows = np.ones([2, 3], bool)
        seen = []

        def predict(images):
            seen.append(images)
            return tell(images)

        batches = batched(faces(rows))
        attributes.by_attribute(judge_of(rows, predict), green, batches, named(2))
        original, completed = seen
        np.testing.assert_allclose(original, 0.9, atol=1e-6)
        known = np.ones([SIZE, SIZE], bool)
        known[HOLE] = False
        np.testing.assert_allclose(completed[:, known], 0.9, atol=1e-6)
        np.testing.assert_allclose(completed[:, ~known][..., 1], 0.9, atol=1e-6)
        np.testing.assert_allclose(completed[:, ~known][..., 0], 0.1, atol=1e-6)

    def test_a_perfect_restorer_loses_nothing(self):
        def true(inputs):
            return pixels.signed_to_unit(inputs["image"])

        table = self.table(true)
        assert [row[4] for row in table.rows] == [0, 0, 0, 0]
        # Ties stay in the attributes' order.
        assert [row[0] for row in table.rows[1:]] == ["Red", "Green Cheeks", "Blue"]

    def test_it_shows_one_digit_and_no_negative_zero(self):
        table = self.table()
        shown = tables.markdown_table(table.columns, table.rows, digits=table.digits)
        assert "| all attributes | – | 93.3 | 73.3 | −20.0 | 73.3 |" in shown
        assert "| Blue | 20.0 | 80.0 | 80.0 | 0.0 | 80.0 |" in shown
        assert attributes._percent(-0.04) == 0 and attributes._percent(-0.06) == -0.06

    def test_it_is_said_in_a_sentence(self):
        assert attributes.sentence(self.table()) == (
            "The judge is right about 93.3% of attributes on the originals and 73.3% "
            "on completed faces; the majority answer is right about 73.3%."
        )

    def test_a_restorer_and_batches_keep_their_promises(self):
        judge, batches = judge_of(self.rows), batched(faces(self.rows))
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            attributes.by_attribute(
                judge, lambda inputs: inputs["image"], batches, named(5)
            )
        with pytest.raises(ValueError, match="4 images but there are 5 names"):
            attributes.by_attribute(judge, green, batches[:2], named(5))
