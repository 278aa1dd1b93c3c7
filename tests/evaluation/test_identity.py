"""Identity similarity: what an embedding sees, what is compared, what is refused."""

from __future__ import annotations

import gc
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import pixels
from evaluation.metrics import identity

SIZE = 8
NAMES = ("a.jpg", "b.jpg", "c.jpg")
IMAGE = [None, SIZE, SIZE, 3]


def faces(seed, size=SIZE):
    """Images whose values are whole bytes: float32 [3, size, size, 3] in [0, 1]."""
    generator = np.random.default_rng(seed)
    stored = generator.integers(0, 256, (3, size, size, 3), np.uint8)
    return stored.astype(np.float32) / 255


def summed_up(image):
    """[B, 4]: the mean color and a constant, so that the images' range matters."""
    mean = tf.reduce_mean(tf.cast(image, tf.float32), [1, 2])
    return tf.concat([mean, tf.ones_like(mean[:, :1])], axis=1)


def save(folder, outputs=summed_up, shape=IMAGE, dtype=tf.float32, **more):
    """Writes a plain SavedModel; its scale is a variable, as weights are."""
    module = tf.Module()
    module.scale = tf.Variable(2.0)

    def call(face, **others):
        made = outputs(face)
        made = made if isinstance(made, dict) else {"embedding": made}
        return {
            name: value * module.scale if value.dtype == tf.float32 else value
            for name, value in made.items()
        }

    specs = {"face": tf.TensorSpec(shape, dtype, name="face"), **more}
    concrete = tf.function(call).get_concrete_function(**specs)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": concrete})
    return folder


def cosine(a, b):
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / lengths


class TestSimilarity:
    @pytest.mark.parametrize(
        ("input_range", "dtype", "scale", "shift"),
        [
            ("unit", tf.float32, 1, 0),
            ("signed", tf.float32, 2, -1),
            ("signed", tf.float16, 2, -1),
            ("bytes", tf.float32, 255, 0),
            ("bytes", tf.uint8, 255, 0),
        ],
    )
    def test_it_is_the_cosine_of_embeddings_in_their_range(
        self, tmp_path, input_range, dtype, scale, shift
    ):
        similarity = identity.load(save(tmp_path / "net", dtype=dtype), input_range)
        gc.collect()  # the network's variables must outlive this
        pair = faces(0), faces(1)

        def expected(images):
            mean = (scale * images.astype("d") + shift).mean(axis=(1, 2))
            return np.concatenate([mean, np.ones([3, 1])], axis=1)

        found = similarity(*pair, NAMES)
        assert found.shape == (3,) and found.dtype == np.float32
        tolerance = 1e-3 if dtype == tf.float16 else 1e-5
        np.testing.assert_allclose(found, cosine(*map(expected, pair)), atol=tolerance)
        np.testing.assert_allclose(similarity(pair[0], pair[0], NAMES), 1, atol=1e-6)

    @pytest.mark.parametrize("sides", [(4, 6), (4, None), (None, None)])
    def test_images_are_resized_only_where_the_size_is_fixed(self, tmp_path, sides):
        def flat(image):
            return tf.reshape(image, [tf.shape(image)[0], -1])

        similarity = identity.load(save(tmp_path / "net", flat, [None, *sides, 3]))
        pair = faces(0), faces(1)
        resized = [
            [pixels.resize(i, sides[0] or SIZE, sides[1] or SIZE) for i in images]
            for images in (np.rint(255 * p).astype(np.uint8) for p in pair)
        ]
        expected = cosine(*(np.reshape(r, [3, -1]).astype("d") for r in resized))
        np.testing.assert_allclose(similarity(*pair, NAMES), expected, atol=1e-5)

    @pytest.mark.parametrize("signatures", [None, {}])
    def test_keras_models_need_no_signature(self, tmp_path, signatures):
        image = tf.keras.Input(IMAGE[1:], name="image")
        x = tf.keras.layers.GlobalAveragePooling2D()(image)
        x = tf.keras.layers.Dropout(0.9)(x)
        model = tf.keras.Model(image, tf.keras.layers.Dense(5, name="embedding")(x))
        folder = tmp_path / "net"
        model.save(folder, save_format="tf", signatures=signatures)
        pair = faces(0), faces(1)
        similarity = identity.load(folder)
        assert (similarity.name, similarity.output) == ("net", "embedding")
        expected = cosine(*(model(p, training=False).numpy() for p in pair))
        np.testing.assert_allclose(similarity(*pair, NAMES), expected, atol=1e-5)

    def test_the_first_output_of_several_floats_is_the_embedding(self, tmp_path):
        def outputs(image):
            mean = tf.reduce_mean(image, [1, 2])
            return {
                "box": tf.cast(mean, tf.int32),
                "confidence": mean[:, :1],
                "features": summed_up(image)[:, None, None, :],
                "logits": mean,
                "age": mean[:, 0],
            }

        similarity = identity.load(save(tmp_path / "many", outputs))
        assert similarity.output == "features"
        alone = identity.load(save(tmp_path / "one"))
        pair = faces(0), faces(1)
        np.testing.assert_allclose(similarity(*pair, NAMES), alone(*pair, NAMES))

    def test_originals_are_embedded_once_for_all_restorers_of_a_batch(self, tmp_path):
        seen = []

        def run(images):
            seen.append(images.numpy())
            return {"e": tf.reduce_mean(images, [1, 2])}

        spec = tf.TensorSpec(IMAGE, tf.float32)
        similarity = identity.Similarity(tmp_path, "e", spec, "unit", run)
        target = faces(0)
        first = similarity(target, faces(1), NAMES)
        assert len(seen) == 2
        similarity(target, faces(2), NAMES)
        assert len(seen) == 3
        np.testing.assert_allclose(seen[2], faces(2), atol=1e-6)
        target[:] = faces(3)  # another batch in the same memory
        assert not np.allclose(similarity(target, faces(1), NAMES), first)
        assert len(seen) == 5

    def test_the_checksum_is_that_of_the_files(self, tmp_path):
        first = save(tmp_path / "first")
        second = shutil.copytree(first, tmp_path / "second")
        before = identity.load(first).sha256_prefix
        assert len(before) == 16 and int(before, 16) >= 0
        assert identity.load(second).sha256_prefix == before
        (second / "assets").mkdir(exist_ok=True)
        note = second / "assets" / "note.txt"
        note.write_text("1")
        changed = identity.load(second).sha256_prefix
        note.write_text("2")
        other = identity.load(second).sha256_prefix
        note.rename(note.with_name("renamed.txt"))
        assert len({before, changed, other, identity.load(second).sha256_prefix}) == 4


ANCHORS = [[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]]


class TestFaces:
    """What an embedding that says where it wants faces is given."""

    def aligned(self, folder, **facts):
        path = save(folder) / "assets.extra" / "embedding.json"
        pixels.write_bytes(path, json.dumps({"anchors": ANCHORS, **facts}).encode())
        return identity.load(folder)

    def landmarks(self, size, shift=0.0):
        """Of a face that fills the first `size` pixels, as the embedding wants it."""
        left, right, mouth = np.array(ANCHORS) * size - 0.5 + shift
        aside = np.array([1.0, 0.0])
        return np.stack([left, right, mouth, mouth - aside, mouth + aside])

    def test_the_face_is_cut_out_and_nothing_else_counts(self, tmp_path):
        embedding = self.aligned(tmp_path / "net")
        images, others = faces(0, size=16), faces(1, size=16)
        others[:, 4:12, 4:12] = images[:, 4:12, 4:12]
        points = self.landmarks(8, shift=4)
        cut = embedding.located(dict.fromkeys(NAMES, points))
        np.testing.assert_allclose(cut(images, others, NAMES), 1, atol=1e-6)
        found = cut.directions(images, NAMES)
        whole = embedding.directions(images[:, 4:12, 4:12], NAMES)
        np.testing.assert_allclose(found, whole, atol=1e-6)
        assert cut.aligns and not embedding.aligns
        assert (embedding(images, others, NAMES) < 1 - 1e-5).all()

    def test_an_image_without_landmarks_has_no_similarity(self, tmp_path):
        embedding = self.aligned(tmp_path / "net")
        points = [self.landmarks(8), np.full([5, 2], np.nan), self.landmarks(8)]
        cut = embedding.located(dict(zip(NAMES, points)))
        found = cut(faces(0), faces(1), NAMES)
        np.testing.assert_array_equal(np.isnan(found), [False, True, False])
        shown = identity.verified_percent(found, -1.0)
        np.testing.assert_array_equal(shown, [100, np.nan, 100])
        assert np.isnan(cut(faces(0)[1:2], faces(1)[1:2], NAMES[1:2])).all()

    def test_false_accepts_are_pairs_of_different_people_above_the_threshold(
        self, tmp_path
    ):
        facts = {"false_accept_percent": 1.0, "measured_on": "some faces"}
        embedding = self.aligned(tmp_path / "net", threshold=0.99, **facts)
        images = np.zeros([4, SIZE, SIZE, 3], "f")
        images[:3] = 1  # alike, and unlike the last
        embedding(images, images, "abcd")
        assert embedding.false_accepts() == (50.0, 6)
        people = {"a": "Ann", "b": "Ann", "c": "Ben", "d": "Cat"}
        percent, pairs = embedding.false_accepts(people)
        assert (percent, pairs) == (pytest.approx(40.0), 5)

    @pytest.mark.parametrize(
        "facts", [{"anchors": [[0, 0]]}, {"threshold": 0.5}, {"anchors": 3}]
    )
    def test_facts_that_are_none_are_refused(self, tmp_path, facts):
        with pytest.raises(ValueError, match="its .*embedding.json is damaged"):
            self.aligned(tmp_path / "net", **facts)


class TestErrors:
    @pytest.mark.parametrize("side", ["original", "completed"])
    @pytest.mark.parametrize("value", [0.0, np.nan])
    def test_an_embedding_without_direction_names_the_image(
        self, tmp_path, side, value
    ):
        def outputs(image):
            black = tf.reduce_max(image, [1, 2], keepdims=True) == 0
            return tf.where(black, value, 1 + image)

        similarity = identity.load(save(tmp_path / "net", outputs))
        good, bad = faces(0), faces(0)
        bad[1] = 0
        pair = (bad, good) if side == "original" else (good, bad)
        message = f"--embedding=.*net.*the {side} image b.jpg.*--embedding_range"
        with pytest.raises(ValueError, match=message):
            similarity(*pair, NAMES)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            *(
                (
                    {"shape": shape, "outputs": lambda image: tf.ones([2, 4])},
                    rf"one input.*face float32 \[{shown}\].*Export.*leave --embedding",
                )
                for shape, shown in (
                    ([None, 3, SIZE, SIZE], "None, 3, 8, 8"),
                    ([1, SIZE, SIZE, 3], "1, 8, 8, 3"),
                    (None, "..."),
                )
            ),
            (
                {"training": tf.TensorSpec([], tf.bool, name="training")},
                "one input.*training bool",
            ),
            (
                {"outputs": lambda image: {"person": tf.cast(image, tf.int32)}},
                "two floats or more.*person int32",
            ),
            (
                {"outputs": lambda image: tf.reduce_mean(image, [1, 2])[:, :1]},
                r"two floats or more.*embedding float32 \[None, 1\]",
            ),
            ({"dtype": tf.uint8}, r"uint8.*\[0, 1\].*_range=bytes"),
        ],
    )
    def test_inputs_and_outputs_must_fit(self, tmp_path, options, message):
        folder = save(tmp_path / "net", **options)
        with pytest.raises(ValueError, match=f"--embedding=.*{message}"):
            identity.load(folder)

    def test_a_folder_must_hold_a_whole_model_with_the_signature(self, tmp_path):
        for folder in (tmp_path, tmp_path / "nowhere"):
            message = "--embedding=.*no SavedModel.*saved_model.pb"
            with pytest.raises(ValueError, match=message):
                identity.load(folder)
        tf.saved_model.save(tf.Module(), str(tmp_path / "net"))
        with pytest.raises(ValueError, match="--embedding=.*serving_default; it has n"):
            identity.load(tmp_path / "net")
        path = tmp_path / "net" / "saved_model.pb"
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ValueError, match="--embedding=.*net: .*cannot load"):
            identity.load(tmp_path / "net")

    def test_a_mistyped_range_is_told_at_once(self, tmp_path):
        with pytest.raises(ValueError, match=r"unit, signed, bytes.*mean: signed"):
            identity.load(tmp_path, "sigend")
