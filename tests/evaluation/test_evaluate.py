"""Evaluation: one pass, values per image, intervals, groups, claims, fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from data_pipeline.drawn_faces import draw
from data_pipeline.drawn_faces import traits as face_traits
from evaluation import bootstrap, subsets
from evaluation.bootstrap import compare, summarize
from evaluation.evaluate import evaluate
from evaluation.metrics import measure
from evaluation.record import Evaluation, Fingerprint, fingerprint, merge
from evaluation.report import pictures
from evaluation.subsets import by_group, by_hole_size, read_groups

L1, PSNR = "hole/l1_percent", "hole/psnr_db"
SIZE = 24


def make(values: dict, hole_ratio=None, key=L1) -> Evaluation:
    """An evaluation from {restorer: values of one metric}."""
    columns = {r: {key: np.asarray(v, np.float64)} for r, v in values.items()}
    count = len(next(iter(values.values())))
    ratio = np.full(count, 0.25) if hole_ratio is None else np.asarray(hole_ratio)
    names = tuple(f"{i}.jpg" for i in range(count))
    return Evaluation(names, columns, ratio, "0123456789abcdef")


@pytest.fixture(scope="module")
def faces():
    """Names and batches of 4, 4 and 2 noisy images with holes of several sizes."""
    generator = np.random.default_rng(0)
    target = generator.uniform(-1, 1, (10, SIZE, SIZE, 3)).astype(np.float32)
    mask = np.zeros((10, SIZE, SIZE, 1), np.float32)
    for index in range(10):
        mask[index, 4 : 15 + index % 5, 4:18] = 1
    image = np.where(mask > 0, 1, target).astype(np.float32)
    cuts = [slice(0, 4), slice(4, 8), slice(8, 10)]
    batches = [({"image": image[c], "mask": mask[c]}, target[c]) for c in cuts]
    return [f"face{i}.jpg" for i in range(10)], batches


def without_masks(batches):
    return [({"image": inputs["image"]}, target) for inputs, target in batches]


def gray(inputs):
    return np.full_like(inputs["image"], 0.5)


class TestFingerprint:
    names, masks = ("a", "b", "c"), np.zeros((3, 5, 5, 1), np.float32)

    def test_it_is_16_hex_digits_whole_or_batch_by_batch(self):
        first, stream = fingerprint(self.names, self.masks), Fingerprint()
        assert len(first) == 16 and int(first, 16) >= 0
        assert first == fingerprint(iter(self.names), iter(self.masks))
        for name, mask in zip(self.names, self.masks):
            stream.update(name, mask)
        assert stream.hexdigest() == first

    def test_names_order_pixels_and_shape_change_it(self):
        bit, moved = self.masks.copy(), self.masks.copy()
        bit[2, 4, 4] = moved[2, 4, 3] = 1
        found = [
            fingerprint(self.names, self.masks),
            fingerprint(("b", "a", "c"), self.masks),
            fingerprint(("a", "b", "d"), self.masks),
            fingerprint(("ab", "", "c"), self.masks),
            fingerprint(self.names, bit),
            fingerprint(self.names, moved),
            fingerprint(["a"], np.zeros((1, 2, 8))),
            fingerprint(["a"], np.zeros((1, 4, 4))),
        ]
        assert len(set(found)) == len(found)

    def test_names_and_masks_must_be_as_many(self):
        with pytest.raises(ValueError, match="3 names but only 2 masks"):
            fingerprint(self.names, self.masks[:2])
        with pytest.raises(ValueError, match="More masks"):
            fingerprint(self.names[:2], self.masks)


class TestEvaluate:
    def test_values_are_those_of_the_metrics_in_order(self, faces):
        names, batches = faces
        calls = {"a": [], "b": []}

        def restorer(name):
            def restore(inputs):
                calls[name].append(len(inputs["image"]))
                return gray(inputs)

            return restore

        result = evaluate(
            {name: restorer(name) for name in calls},
            iter(batches),
            names,
            progress=None,
        )
        assert calls == {"a": [4, 4, 2], "b": [4, 4, 2]}
        target = np.concatenate([(b[1] + 1) / 2 for b in batches])
        mask = np.concatenate([b[0]["mask"] for b in batches])
        expected = measure.measure(target, np.full_like(target, 0.5), mask)
        for values in result.values.values():
            assert values.keys() == expected.keys()
            for key, value in expected.items():
                np.testing.assert_allclose(values[key], value, rtol=1e-4)
        np.testing.assert_allclose(result.hole_ratio, mask.mean(axis=(1, 2, 3)))
        assert result.fingerprint == fingerprint(names, mask)
        assert result.names == tuple(names)

    def test_without_a_mask_there_is_only_the_whole_image(self, faces, capsys):
        names, batches = faces

        def lpips(target, restored):
            return np.full(len(target), 0.5, np.float32)

        result = evaluate({"a": gray}, without_masks(batches), names, lpips=lpips)
        assert {key.split("/")[0] for key in result.values["a"]} == {"raw"}
        assert set(result.values["a"]["raw/lpips"]) == {0.5}
        assert "evaluate" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("restore", "batches", "names", "message"),
        [
            (lambda inputs: inputs["image"][:, :8], 3, 10, "'bad' returned"),
            (lambda inputs: gray(inputs) * np.nan, 3, 10, r"NaN .* face0\.jpg"),
            (lambda inputs: -np.ones_like(inputs["image"]), 3, 10, r"\[0, 1\]"),
            (lambda inputs: gray(inputs) * 255, 3, 10, r"\[0, 1\]"),
            (gray, 3, 9, "more than the 9 names"),
            (gray, 2, 10, "8 images but there are 10 names"),
            (gray, 0, 0, "0 images"),
        ],
    )
    def test_broken_promises_are_named(self, faces, restore, batches, names, message):
        given = faces[1][:batches], faces[0][:names]
        with pytest.raises(ValueError, match=message):
            evaluate({"bad": restore}, *given, progress=None)

    @pytest.mark.parametrize("masked", [True, False])
    def test_extra_metrics_see_the_composite_and_the_names(self, faces, masked):
        names, batches = faces
        batches = batches if masked else without_masks(batches)
        seen = []

        def brightness(target, composite, batch_names):
            seen.append((target, composite, tuple(batch_names)))
            mean = composite.mean(axis=(1, 2, 3), dtype=np.float64)
            return np.where(np.arange(len(mean)) == 0, np.nan, mean)

        def bright(inputs):  # over 1, as far as rounding may
            return np.full_like(inputs["image"], 1.05)

        key = "composite/brightness"
        result = evaluate(
            {"gray": gray, "bright": bright},
            batches,
            names,
            extra={key: brightness},
            progress=None,
        )
        assert sum((n for _, _, n in seen[::2]), ()) == tuple(names)
        for (inputs, given), *calls in zip(batches, seen[::2], seen[1::2]):
            mask = inputs.get("mask", np.ones_like(given[..., :1]))
            for value, (target, composite, _) in zip((0.5, 1), calls):
                np.testing.assert_allclose(target, (given + 1) / 2, atol=1e-6)
                expected = np.where(mask > 0, np.float32(value), target)
                np.testing.assert_array_equal(composite, expected)
                assert composite.dtype == target.dtype == np.float32
        for restorer, calls in (("gray", seen[::2]), ("bright", seen[1::2])):
            means = np.concatenate([c.mean(axis=(1, 2, 3)) for _, c, _ in calls])
            means[[0, 4, 8]] = np.nan  # undefined on the first image of each batch
            np.testing.assert_allclose(result.values[restorer][key], means, rtol=1e-5)
        assert summarize(result)["gray"][key]["count"] == 7

    @pytest.mark.parametrize(
        ("metric", "message"),
        [
            (lambda t, c, n: np.ones([len(n), 1]), r"\[4, 1\] for 4 images.*'gray'"),
            (lambda t, c, n: 0.5, r"\[\] for 4 images.*'gray'"),
            (lambda t, c, n: np.full(len(n), -np.inf), "infinite.*'gray'.*NaN"),
        ],
    )
    def test_an_extra_metric_that_breaks_its_promise_is_named(
        self, faces, metric, message
    ):
        names, batches = faces
        extra = {"composite/identity": metric}
        with pytest.raises(ValueError, match=f"'composite/identity'.*{message}"):
            evaluate({"gray": gray}, batches, names, extra=extra, progress=None)


class TestRecord:
    def test_saved_and_loaded_is_the_same(self, tmp_path):
        one = make(
            {"ours": [1.5, np.nan, 3], "Navier–Stokes": [4, 5, 6]}, [0.1, 0.2, 1]
        )
        path = tmp_path / "evaluation.npz"
        one.save(path)
        two = Evaluation.load(path)
        assert (two.names, two.fingerprint) == (one.names, one.fingerprint)
        np.testing.assert_equal(two.values, one.values)
        assert list(two.values) == list(one.values)
        np.testing.assert_array_equal(two.hole_ratio, one.hole_ratio)
        assert list(tmp_path.iterdir()) == [path]
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ValueError, match=r"evaluation\.npz.*evaluate again"):
            Evaluation.load(path)

    def test_merging_needs_the_same_set_and_distinct_names(self):
        a, b = (make({name: [1, 2], "telea": [3, 4]}) for name in "ab")
        assert list(merge(a, b).values) == ["a", "telea", "b"]
        with pytest.raises(ValueError, match="'telea'"):
            merge(a, make({"telea": [3, 5]}))
        other = Evaluation(b.names, b.values, b.hole_ratio, "f" * 16)
        with pytest.raises(ValueError, match="Fingerprints"):
            merge(a, other)

        more = make({"telea": [5, 6]}, key=PSNR)  # a run with another metric
        (values,) = merge(make({"telea": [3, 4]}), more).values.values()
        assert {key: list(v) for key, v in values.items()} == {L1: [3, 4], PSNR: [5, 6]}


class TestIntervals:
    values = np.random.default_rng(1).gamma(2.0, 3.0, 300)

    @pytest.mark.parametrize("confidence", [0.8, 0.95])
    def test_interval_equals_scipys(self, confidence):
        given = make({"a": self.values})
        ours = summarize(given, resamples=5000, confidence=confidence)["a"][L1]
        theirs = scipy.stats.bootstrap(
            (self.values,),
            np.mean,
            n_resamples=5000,
            confidence_level=confidence,
            method="percentile",
            random_state=np.random.default_rng(2),
        )
        found = [ours[key] for key in ("mean", "low", "high")]
        expected = [self.values.mean(), *theirs.confidence_interval]
        tolerance = 0.12 * theirs.standard_error
        np.testing.assert_allclose(found, expected, atol=tolerance)
        with pytest.raises(ValueError, match="between 0 and 1"):
            summarize(given, confidence=100 * confidence)

    def test_same_seed_same_interval_whatever_the_chunks(self, monkeypatch):
        one = summarize(make({"a": self.values}), resamples=101)
        monkeypatch.setattr(bootstrap, "CHUNK", 7 * len(self.values))
        two = summarize(make({"a": self.values}), resamples=101)
        assert two["a"][L1] == pytest.approx(one["a"][L1])
        assert summarize(make({"a": self.values}), resamples=101, seed=1) != one

    def test_undefined_images_are_left_out_and_counted(self):
        holed = self.values.copy()
        holed[::3] = np.nan
        entry = summarize(make({"a": self.values, "b": holed}))["b"][L1]
        rest = holed[np.isfinite(holed)]
        assert entry["count"] == 200
        assert entry["mean"] == pytest.approx(rest.mean())
        error = rest.std() / np.sqrt(len(rest))
        assert entry["high"] - entry["low"] == pytest.approx(2 * 1.96 * error, rel=0.1)

    @pytest.mark.parametrize(
        ("values", "count", "mean"), [([3.0], 1, 3), ([np.nan] * 2, 0, np.nan)]
    )
    def test_too_few_images_have_no_interval(self, values, count, mean):
        entry = summarize(make({"a": values}))["a"][L1]
        np.testing.assert_equal(
            entry, {"mean": mean, "low": np.nan, "high": np.nan, "count": count}
        )

    def test_differences_are_paired(self):
        pair = make({"a": self.values + 0.1, "b": self.values})
        single = summarize(pair)
        assert single["a"][L1]["low"] < single["b"][L1]["high"]  # they overlap
        found, back = compare(pair, "a", "b", L1), compare(pair, "b", "a", L1)
        ends = [found["mean"], found["low"], found["high"]]
        np.testing.assert_allclose(ends, 0.1, rtol=1e-6)
        np.testing.assert_allclose(back["mean"], -found["mean"])
        pair = make({"a": [1, 2, np.nan], "b": [1, np.nan, 1]})  # it needs both
        assert compare(pair, "a", "b", L1)["count"] == 1
        with pytest.raises(ValueError, match="no 'hole/l1_percent' of 'c'"):
            compare(pair, "a", "c", L1)


class TestGroups:
    def test_groups_are_summarized_and_small_ones_named(self):
        evaluation = make({"a": np.arange(30.0)})
        first = np.arange(30) < 12
        result = by_group(evaluation, {"first": first, "few": np.arange(30) > 26})
        assert result["left_out"] == {"few": 3}
        assert result["groups"].keys() == {"first"}
        entry = result["groups"]["first"]
        assert entry["count"] == 12
        assert entry["summary"]["a"][L1]["mean"] == pytest.approx(5.5)
        with pytest.raises(ValueError, match="30 images"):
            by_group(evaluation, {"short": first[:5]})

    def test_hole_sizes_are_binned_only_where_they_vary(self):
        assert by_hole_size(make({"a": np.arange(50.0)}), L1) is None
        ratio = np.random.default_rng(0).uniform(0.1, 0.5, 100)
        bins = by_hole_size(make({"a": 10 * ratio}, ratio), L1)
        assert len(bins) == 5 and sum(b["count"] for b in bins) == 100
        for row in bins:
            assert row["low"] <= row["hole_ratio"] <= row["high"]
            entry = row["restorers"]["a"]
            assert entry["mean"] == pytest.approx(10 * row["hole_ratio"])
        # Eight images of eight sizes give no curve.
        assert by_hole_size(make({"a": ratio[:8]}, ratio[:8]), L1) is None
        # A few sizes have a bin each.
        ratio = np.repeat([0.1, 0.25, 0.5], [60, 30, 10])
        bins = by_hole_size(make({"a": ratio}, ratio), L1)
        assert [b["count"] for b in bins] == [60, 30, 10]
        np.testing.assert_allclose([b["hole_ratio"] for b in bins], [0.1, 0.25, 0.5])

    def test_a_users_groups_are_read(self, tmp_path):
        path = tmp_path / "groups.csv"
        path.write_text(
            "\ufeffname, group\na.jpg,young\nb.jpg,old\na.jpg,outdoors\nz.jpg,old\n",
            encoding="utf-8",
        )
        groups = read_groups(path, ["a.jpg", "b.jpg", "c.jpg"])
        assert {k: v.tolist() for k, v in groups.items()} == {
            "young": [True, False, False],
            "old": [False, True, False],
            "outdoors": [True, False, False],
        }

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("name;group\na.jpg;x\n", "columns name and group.*'name;group'"),
            ("", "it has nothing"),
            ("name,group\na.jpg,\n", "line 2: name and group"),
            ("name,group\na.jpg\n", "line 2: name and group"),
            ("name,group\nz.jpg,x\n", "none of its names.*'a.jpg'"),
            (None, "cannot be read"),
        ],
    )
    def test_a_bad_group_file_is_explained(self, tmp_path, content, message):
        path = tmp_path / "groups.csv"
        if content is not None:
            path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=f"groups.csv.*{message}"):
            read_groups(path, ["a.jpg"])


def seen(yaw_degrees, pitch=0.0, roll=0.0, nose_height=subsets.NOSE_HEIGHT):
    """Landmarks of a head that turns, then nods, then tilts, seen from afar."""
    plane = [(-0.5, 0, 0), (0.5, 0, 0), (0, 0.6, nose_height)]
    points = np.array([*plane, (-0.4, 1.1, 0), (0.4, 1.1, 0)])
    for degrees, (a, b) in ((yaw_degrees, (0, 2)), (pitch, (1, 2)), (roll, (0, 1))):
        turn, angle = np.eye(3), np.radians(degrees)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = np.sin(angle), -np.sin(angle)
        points = points @ turn.T
    return 37 * points[:, :2] + 100


class TestYaw:
    @pytest.mark.parametrize("pitch, roll", [(0, 0), (20, 0), (0, -25), (-15, 30)])
    def test_it_is_that_of_the_head_whatever_its_pitch_and_roll(self, pitch, roll):
        turned = [-75, -30, -5, 0, 12, 45]
        landmarks = np.stack([seen(angle, pitch, roll) for angle in turned])
        np.testing.assert_allclose(subsets.yaw_degrees(landmarks), turned, atol=1e-6)

    def test_drawn_faces_are_turned_as_they_were_drawn(self):
        drawn = [face_traits.sample(0, index) for index in range(120)]
        landmarks = np.stack([draw.render(t, 32)["landmarks"] for t in drawn])
        nose = subsets.NOSE_HEIGHTS["faces"]
        error = subsets.yaw_degrees(landmarks, nose) - [t.yaw for t in drawn]
        assert np.abs(error).max() < 4 and abs(error.mean()) < 0.5
        groups = subsets.yaw_groups(landmarks, nose)
        counts = [members.sum() for members in groups.values()]
        assert min(counts) >= 5 and max(counts) <= 80

    def test_every_face_is_in_the_group_of_its_angle(self):
        turned = [-60, -21, -19, -11, -9, 0, 9, 11, 19, 21, 60]
        groups = subsets.yaw_groups(np.stack([seen(angle) for angle in turned]))
        assert {k: np.flatnonzero(v).tolist() for k, v in groups.items()} == {
            "facing left, over 20°": [0, 1],
            "facing left, 10° to 20°": [2, 3],
            "frontal, within 10°": [4, 5, 6],
            "facing right, 10° to 20°": [7, 8],
            "facing right, over 20°": [9, 10],
        }
        # Frontal faces have an error of 3, all others together one of 1.
        members = {name: np.repeat(where, 20) for name, where in groups.items()}
        values = np.where(members["frontal, within 10°"], 3.0, 1.0)
        values += np.random.default_rng(0).normal(0, 0.1, len(values))
        found = by_group(make({"a": values}), members)
        contrast = subsets.frontal_less_turned(found, "a", L1)
        assert (contrast["frontal"], contrast["turned"]) == (60, 160)
        assert contrast["low"] < 2 < contrast["high"] < contrast["low"] + 0.1
        few = {
            name: where & (np.arange(220) % 3 == 0) for name, where in members.items()
        }
        found = by_group(make({"a": values}), few)
        assert subsets.frontal_less_turned(found, "a", L1) is None
        nowhere = np.stack([np.full((5, 2), np.nan), np.zeros((5, 2))])
        assert np.isnan(subsets.yaw_degrees(nowhere)).all()
        assert not np.any(list(subsets.yaw_groups(nowhere).values()))


class TestPictures:
    def test_picks_follow_the_metrics_direction(self):
        values = np.arange(20.0)
        picked = pictures.pick(make({"a": values}), "a", L1, k=2)
        assert picked == {"Best": [0, 1], "Median": [9, 10], "Worst": [18, 19]}
        picked = pictures.pick(make({"a": values}, key=PSNR), "a", PSNR, k=2)
        assert picked["Best"] == [19, 18] and picked["Worst"] == [1, 0]

    @pytest.mark.parametrize("count", [1, 3, 4, 8, 11])
    def test_no_image_is_picked_twice(self, count):
        values = np.append(np.arange(float(count)), np.nan)
        picked = pictures.pick(make({"a": values}), "a", L1)
        every = [index for indices in picked.values() for index in indices]
        assert len(every) == len(set(every)) == min(count, 9)
        assert count not in every  # the NaN

    def test_gathered_rows_hold_input_restored_and_original(self, faces):
        names, batches = faces
        evaluation = evaluate({"gray": gray}, batches, names, progress=None)
        calls = []

        def counted(inputs):
            calls.append(len(inputs["image"]))
            return gray(inputs)

        sections = {"Best": [5], "Worst": [4, 5]}
        rows = pictures.gather(evaluation, sections, {"gray": counted}, batches, key=L1)
        assert calls == [4]  # only the batch that holds 4 and 5
        row = rows["Worst"][1]
        assert row["name"] == "face5.jpg" and "gray: hole L1" in row["note"]
        labels, images = zip(*row["images"])
        assert labels == ("Input", "gray", "Original")
        missing = batches[1][0]["mask"][1, ..., 0] > 0
        assert (images[1][missing] == 128).all()
        np.testing.assert_array_equal(images[1][~missing], images[2][~missing])
        assert (images[0][missing] == 255).all()
        with pytest.raises(ValueError, match="8 images but there are 10 names"):
            pictures.gather(evaluation, {"x": [9]}, {"gray": gray}, batches[:2])
