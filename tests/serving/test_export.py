"""Exported SavedModels: what they promise whoever loads or serves them."""

import functools
import io
import logging
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import logging as absl_logging
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from data_pipeline import pixels
from models import skip_inpainting
from serving.export import restorer, saved_model
from serving.export.restorer import Fillable
from serving.photo import restorer as photo

SIZE, HOLE = 32, 16
SIGNATURES = ("serving_default", "serving_single", "serving_bytes")
FLOAT_SIGNATURES = SIGNATURES[:2]


def build(model, seed=0):
    """A small restorer whose output depends visibly on what it sees."""
    tf.keras.utils.set_random_seed(seed)
    generator = skip_inpainting.build_generator(
        model, image_size=SIZE, widths=(8, 8, 16)
    )
    for weight in generator.trainable_weights:
        if "kernel" in weight.name:
            weight.assign(8 * weight)
    network = skip_inpainting.build_inpainter(generator)
    fillable = Fillable(HOLE if model in (0, 1) else 0)
    return restorer.build_restorer(network, fill=1.0, fillable=fillable)


class Exported:
    """A restorer, its folder, and what comes out of it again."""

    def __init__(self, model, folder):
        self.restorer = build(model)
        self.extras = {"model_card.md": "# Çard\n", "config.json": '{"name": "x"}\n'}
        self.folder = restorer.save(self.restorer, folder, extras=self.extras)
        self.keras = tf.keras.models.load_model(self.folder)
        self.signatures = tf.saved_model.load(str(self.folder)).signatures

    def run(self, signature, image, mask):
        """Any entry point on floats [B, S, S, C] -> restored float [B, S, S, 3]."""
        image, mask = tf.constant(image), tf.constant(mask)
        if signature == "keras":
            return self.keras({"image": image, "mask": mask}).numpy()
        if signature == "serving_single":
            inputs = {"image_and_mask": tf.concat([image, mask], axis=-1)}
        else:
            inputs = {"image": image, "mask": mask}
        return self.signatures[signature](**inputs)["restored"].numpy()

    def run_bytes(self, images, masks):
        """Encoded pictures -> restored uint8 [H, W, 3] each."""
        restored = self.signatures["serving_bytes"](
            image_bytes=tf.constant(images), mask_bytes=tf.constant(masks)
        )["restored_bytes"].numpy()
        for data in restored:
            assert Image.open(io.BytesIO(data)).format == "PNG"
        return [pixels.decode(data, "restored") for data in restored]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """model -> Exported, each made once and when first asked for."""

    @functools.cache
    def make(model):
        return Exported(model, tmp_path_factory.mktemp(f"run{model}") / "export" / "1")

    return make


def pictures(count=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def squares(*corners, side=HOLE):
    mask = np.zeros((len(corners), SIZE, SIZE, 1), np.float32)
    for row, (top, left) in zip(mask, corners):
        row[top : top + side, left : left + side] = 1
    return mask


def photograph(height, width, seed=0):
    """Smooth, so that JPEG keeps it recognizable; uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
    return pixels.resize(coarse, height, width)


def encode(image, format="PNG", mode=None):
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    (picture.convert(mode) if mode else picture).save(buffer, format, quality=80)
    return buffer.getvalue()


def hole_in(height, width):
    """A hole off the center, bool [H, W]."""
    missing = np.zeros((height, width), bool)
    missing[height // 4 : height * 3 // 4 - 1, width // 5 : width // 2] = True
    return missing


def as_mask(missing):
    return missing.astype(np.uint8) * 255


both_kinds = pytest.mark.parametrize("model", [0, 3])
TWO_HOLES = squares((0, 0), (9, 13))


class TestInterface:
    @both_kinds
    def test_signatures_are_named_and_typed(self, exported, model):
        image, mask, both, text, restored = (
            ([None, SIZE, SIZE, 3], tf.float32),
            ([None, SIZE, SIZE, 1], tf.float32),
            ([None, SIZE, SIZE, 4], tf.float32),
            ([None], tf.string),
            ([None, SIZE, SIZE, 3], tf.float32),
        )
        expected = {
            "serving_default": ({"image": image, "mask": mask}, {"restored": restored}),
            "serving_single": ({"image_and_mask": both}, {"restored": restored}),
            "serving_bytes": (
                {"image_bytes": text, "mask_bytes": text},
                {"restored_bytes": text},
            ),
        }
        signatures = exported(model).signatures
        assert sorted(signatures) == sorted(expected)
        for name, (inputs, outputs) in expected.items():
            given = signatures[name].structured_input_signature[1]
            assert {k: (s.shape.as_list(), s.dtype) for k, s in given.items()} == inputs
            returned = signatures[name].structured_outputs
            returned = {k: (s.shape.as_list(), s.dtype) for k, s in returned.items()}
            assert returned.keys() == outputs.keys()
            assert [d for _, d in returned.values()] == [d for _, d in outputs.values()]
            if "restored" in returned:
                assert returned["restored"][0][1:] == [SIZE, SIZE, 3]

    @both_kinds
    def test_keras_loads_a_functional_model(self, exported, model):
        network = exported(model).keras
        assert isinstance(network, tf.keras.Model)
        assert type(network).__name__ == "Functional"
        assert network.name == "restorer"
        shapes = {key: tuple(x.shape) for key, x in network.input.items()}
        assert shapes == {"image": (None, SIZE, SIZE, 3), "mask": (None, SIZE, SIZE, 1)}
        assert network.output_shape == (None, SIZE, SIZE, 3)

    @both_kinds
    def test_all_entry_points_agree(self, exported, model):
        exported, image = exported(model), pictures()
        restored = exported.run("serving_default", image, TWO_HOLES)
        for other in ("serving_single", "keras"):
            again = exported.run(other, image, TWO_HOLES)
            np.testing.assert_array_equal(again, restored)
        direct = exported.restorer({"image": image, "mask": TWO_HOLES})
        np.testing.assert_allclose(restored, direct, atol=1e-6)
        # Something was restored: neither the image, nor what stands in the hole.
        hole = np.broadcast_to(TWO_HOLES > 0, image.shape)
        assert np.abs(restored - image)[hole].mean() > 0.1
        assert restored[hole].std() > 0.05
        assert restored.min() >= 0 and restored.max() <= 1

    @both_kinds
    def test_bytes_agree_with_floats(self, exported, model):
        exported = exported(model)
        image = np.rint(pictures() * 255).astype(np.uint8)
        restored = exported.run("serving_default", image / np.float32(255), TWO_HOLES)
        masks = [encode(as_mask(mask[..., 0] > 0)) for mask in TWO_HOLES]
        decoded = exported.run_bytes([encode(i) for i in image], masks)
        np.testing.assert_array_equal(decoded, pixels.unit_to_bytes(restored))

    @pytest.mark.parametrize("signature", [*SIGNATURES, "keras"])
    def test_a_picture_does_not_depend_on_its_batch(self, exported, signature):
        exported = exported(3)
        image = pictures(3)
        mask = squares((0, 0), (9, 13), (16, 16))

        def run(part):
            if signature != "serving_bytes":
                return exported.run(signature, image[part], mask[part])
            levels = np.rint(image[part] * 255).astype(np.uint8)
            masks = [encode(as_mask(m[..., 0] > 0)) for m in mask[part]]
            return np.stack(exported.run_bytes([encode(i) for i in levels], masks))

        together = run(slice(None)).astype(np.float32)
        assert together.shape == (3, SIZE, SIZE, 3)
        alone = np.concatenate([run(slice(i, i + 1)) for i in range(3)])
        # In bytes a last bit may round the other way.
        tolerance = 1 if signature == "serving_bytes" else 1e-5
        np.testing.assert_allclose(alone, together, atol=tolerance)


class TestKnownPixels:
    @both_kinds
    @pytest.mark.parametrize("signature", [*FLOAT_SIGNATURES, "keras"])
    def test_they_come_back_bit_for_bit(self, exported, model, signature):
        image = pictures()
        restored = exported(model).run(signature, image, TWO_HOLES)
        known = np.broadcast_to(TWO_HOLES == 0, image.shape)
        np.testing.assert_array_equal(restored[known], image[known])

    @both_kinds
    @pytest.mark.parametrize("signature", [*FLOAT_SIGNATURES, "keras"])
    def test_without_a_hole_nothing_changes(self, exported, model, signature):
        image, mask = pictures(), np.zeros((2, SIZE, SIZE, 1), np.float32)
        restored = exported(model).run(signature, image, mask)
        np.testing.assert_array_equal(restored, image)

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
    @pytest.mark.parametrize(
        "height, width", [(SIZE, SIZE), (50, 90), (71, 40), (16, 16), (20, 64)]
    )
    def test_pictures_of_any_size_keep_theirs(self, exported, format, height, width):
        missing = hole_in(height, width)
        data = encode(photograph(height, width), format)
        decoded = pixels.decode(data, "input")
        (restored,) = exported(3).run_bytes([data], [encode(as_mask(missing))])
        assert restored.shape == (height, width, 3)
        np.testing.assert_array_equal(restored[~missing], decoded[~missing])
        assert (restored[missing] != decoded[missing]).mean() > 0.5

    def test_sizes_and_formats_may_differ_within_a_batch(self, exported):
        sizes = [(40, 60), (SIZE, SIZE), (71, 33)]
        images = [
            encode(photograph(*size), format)
            for size, format in zip(sizes, ("PNG", "JPEG", "BMP"))
        ]
        holes = [hole_in(*size) for size in sizes]
        masks = [encode(as_mask(missing)) for missing in holes]
        together = exported(3).run_bytes(images, masks)
        for data, mask, missing, restored in zip(images, masks, holes, together):
            decoded = pixels.decode(data, "input")
            np.testing.assert_array_equal(restored[~missing], decoded[~missing])
            (alone,) = exported(3).run_bytes([data], [mask])
            np.testing.assert_allclose(alone.astype(int), restored, atol=1)

    def test_gray_pictures_come_back_as_rgb(self, exported):
        gray, missing = photograph(40, 50)[..., 0], hole_in(40, 50)
        (restored,) = exported(3).run_bytes([encode(gray)], [encode(as_mask(missing))])
        for channel in range(3):
            known = restored[..., channel][~missing]
            np.testing.assert_array_equal(known, gray[~missing])

    def test_bitmaps_that_would_be_misread_are_refused(self, exported):
        picture = encode(photograph(20, 30))
        bitmap = encode(as_mask(hole_in(20, 30)), "BMP", "1")
        for image, mask in ((picture, bitmap), (bitmap, picture)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="A BMP must"):
                exported(3).run_bytes([image], [mask])


class TestHiddenContent:
    """What the mask covers must not be seen, whatever it is."""

    @both_kinds
    @pytest.mark.parametrize("signature", [*FLOAT_SIGNATURES, "keras"])
    @pytest.mark.parametrize("hidden", [0.0, 1.0, 1e30, np.nan, "noise"])
    def test_floats(self, exported, model, signature, hidden):
        image = pictures()
        other = np.where(
            TWO_HOLES, pictures(seed=1) if hidden == "noise" else hidden, image
        )
        first, second = (
            exported(model).run(signature, x.astype(np.float32), TWO_HOLES)
            for x in (image, other)
        )
        np.testing.assert_array_equal(first, second)

    @pytest.mark.parametrize("height, width", [(SIZE, SIZE), (50, 90), (71, 40)])
    def test_bytes(self, exported, height, width):
        missing = hole_in(height, width)
        image, other = photograph(height, width), photograph(height, width, seed=1)
        other = np.where(missing[..., None], other, image)
        assert not np.array_equal(image, other)
        mask = encode(as_mask(missing))
        first, second = exported(3).run_bytes(
            [encode(image), encode(other)], [mask] * 2
        )
        np.testing.assert_array_equal(first, second)

    @both_kinds
    def test_known_content_is_seen(self, exported, model):
        image = pictures()
        other = np.where(TWO_HOLES, image, pictures(seed=1))
        first, second = (
            exported(model).run("serving_default", x, TWO_HOLES) for x in (image, other)
        )
        hole = np.broadcast_to(TWO_HOLES > 0, image.shape)
        assert np.abs(first - second)[hole].mean() > 1e-3

    def test_a_picture_without_known_pixels_is_restored(self, exported):
        data, mask = (
            encode(photograph(40, 50)),
            encode(np.full((40, 50), 255, np.uint8)),
        )
        (restored,) = exported(3).run_bytes([data], [mask])
        assert restored.shape == (40, 50, 3)


class TestMasks:
    @both_kinds
    @pytest.mark.parametrize("signature", [*FLOAT_SIGNATURES, "keras"])
    def test_more_than_half_is_missing(self, exported, model, signature):
        image, hard = pictures(), TWO_HOLES
        soft = np.where(hard > 0, np.float32(0.6), np.float32(0.4))
        # Different shades of missing and of known are no different.
        soft[:, 5:12, 5:20] += np.where(hard > 0, 0.3, -0.3)[:, 5:12, 5:20]
        np.testing.assert_array_equal(
            exported(model).run(signature, image, soft),
            exported(model).run(signature, image, hard),
        )

    @pytest.mark.parametrize(
        "format, mode",
        [("PNG", "L"), ("PNG", "1"), ("PNG", "RGB"), ("PNG", "RGBA"), ("BMP", "RGB")],
    )
    def test_pictures_of_masks_may_be_gray_or_colored(self, exported, format, mode):
        image, missing = photograph(50, 90), hole_in(50, 90)
        mask = encode(as_mask(missing), format, mode)
        gray = encode(as_mask(missing))
        first, second = exported(3).run_bytes([encode(image)] * 2, [mask, gray])
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first[~missing], image[~missing])

    @pytest.mark.parametrize("level, is_missing", [(127, False), (128, True)])
    def test_the_middle_gray_divides(self, exported, level, is_missing):
        image, missing = photograph(SIZE, SIZE), hole_in(SIZE, SIZE)
        mask = encode(missing.astype(np.uint8) * np.uint8(level))
        (restored,) = exported(3).run_bytes([encode(image)], [mask])
        assert np.array_equal(restored, image) != is_missing

    def test_a_mask_of_another_size_is_fitted(self, exported):
        missing = np.zeros((10, 20), bool)
        missing[2:7, 5:11] = True
        large = missing.repeat(4, axis=0).repeat(4, axis=1)
        image = encode(photograph(40, 80))
        masks = [encode(as_mask(missing)), encode(as_mask(large))]
        first, second = exported(3).run_bytes([image] * 2, masks)
        np.testing.assert_array_equal(first, second)


class TestPatchModels:
    TEXT = (
        f"This model fills one hole of up to {HOLE}x{HOLE} pixels in a picture of "
        f"{SIZE}x{SIZE}."
    )

    @pytest.mark.parametrize("signature", SIGNATURES)
    @pytest.mark.parametrize(
        "rows, columns",
        [(slice(4, 5 + HOLE), slice(4, 9)), (slice(0, 1), slice(0, None, SIZE - 1))],
        ids=["one row too tall", "two holes far apart"],
    )
    def test_too_large_a_hole_is_an_error(self, exported, signature, rows, columns):
        mask = np.zeros((2, SIZE, SIZE, 1), np.float32)
        mask[1, rows, columns] = 1
        with pytest.raises(tf.errors.InvalidArgumentError, match=self.TEXT):
            if signature == "serving_bytes":
                masks = [encode(as_mask(m[..., 0] > 0)) for m in mask]
                image = encode(photograph(SIZE, SIZE))
                exported(0).run_bytes([image] * 2, masks)
            else:
                exported(0).run(signature, pictures(), mask)

    def test_photographs_say_so_in_a_line(self, exported):
        restore = photo.PhotoRestorer(exported(0).folder)
        mask = np.ones((40, 40, 1), np.uint8)
        with pytest.raises(ValueError, match=self.TEXT):
            restore([photograph(40, 40)], [mask])

    def test_a_smaller_hole_of_any_shape_is_filled(self, exported):
        mask = squares((20, 3), (9, 13), side=5)
        mask[0, 22, 5] = 0
        image = pictures()
        restored = exported(0).run("serving_default", image, mask)
        known = np.broadcast_to(mask == 0, image.shape)
        np.testing.assert_array_equal(restored[known], image[known])

    def test_whole_image_models_fill_anything(self, exported):
        mask = np.ones((2, SIZE, SIZE, 1), np.float32)
        exported(3).run("serving_default", pictures(), mask)


class TestFolder:
    def test_extras_are_written_as_given(self, exported):
        exported = exported(3)
        folder = exported.folder / "assets.extra"
        written = {path.name: path.read_text() for path in folder.iterdir()}
        assert written == exported.extras
        assert saved_model.read_config(exported.folder) == {"name": "x"}

    def test_other_folders_are_no_exports(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not an exported model.*Pass"):
            saved_model.read_config(tmp_path)

    def test_the_run_folder_holds_nothing_else(self, exported):
        run = exported(3).folder.parent.parent
        assert [path.name for path in run.iterdir()] == ["export"]
        assert [path.name for path in (run / "export").iterdir()] == ["1"]

    def test_saving_again_replaces_whole_or_not_at_all(self, tmp_path, monkeypatch):
        folder = tmp_path / "run" / "export" / "1"
        restorer.save(build(1), folder, extras={"config.json": '{"build": 1}'})
        (folder / "stale").touch()

        def fail(*args, **options):
            # A server that watches the parent sees versions and nothing else.
            assert [path.name for path in folder.parent.iterdir()] == ["1"]
            raise RuntimeError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(restorer, "signatures", fail)
            with pytest.raises(RuntimeError, match="the disk is full"):
                restorer.save(build(2), folder)
        assert saved_model.read_config(folder) == {"build": 1}
        assert (folder / "saved_model.pb").exists()

        second = build(2)
        restorer.save(second, folder, extras={"config.json": '{"build": 2}'})
        assert saved_model.read_config(folder) == {"build": 2}
        assert not (folder / "stale").exists()
        inputs = {"image": pictures(), "mask": TWO_HOLES}
        again = tf.keras.models.load_model(folder)(inputs)
        np.testing.assert_allclose(again, second(inputs), atol=1e-6)
        assert sorted(
            p.name for p in tmp_path.rglob("*") if p.parent.name == "run"
        ) == ["export"]
        assert [path.name for path in folder.parent.iterdir()] == ["1"]

    def test_saving_says_nothing_and_leaves_the_loggers_alone(self, tmp_path, capfd):
        before = absl_logging.get_verbosity(), tf.get_logger().level
        absl_logging.use_absl_handler()
        try:
            absl_logging.set_verbosity(absl_logging.INFO)
            tf.get_logger().setLevel(logging.INFO)
            restorer.save(build(1), tmp_path / "run" / "export" / "1")
            assert absl_logging.get_verbosity() == absl_logging.INFO
            assert tf.get_logger().level == logging.INFO
        finally:
            logging.root.removeHandler(absl_logging.get_absl_handler())
            absl_logging.set_verbosity(before[0])
            tf.get_logger().setLevel(before[1])
        out, err = capfd.readouterr()
        assert (out, err) == ("", "")

    def test_no_node_computes_in_half_precision(self, exported):
        assert half_precision_nodes(exported(3).folder) == []


def half_precision_nodes(folder):
    """Names of the nodes of a SavedModel with a bfloat16 or float16 attribute."""
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    nodes = list(graph.node)
    for function in graph.library.function:
        nodes.extend(function.node_def)
    assert len(nodes) > 100
    half = {tf.bfloat16.as_datatype_enum, tf.float16.as_datatype_enum}
    return [
        node.name
        for node in nodes
        if any(
            value.type in half or half & set(value.list.type)
            for value in node.attr.values()
        )
    ]


# A module that is None in sys.modules cannot be imported.
LOAD_WITHOUT_ADDONS = """
import sys
sys.modules["tensorflow_addons"] = None
import numpy as np
import tensorflow as tf

folder, given, again = sys.argv[1:]
inputs = {key: tf.constant(value) for key, value in np.load(given).items()}
network = tf.keras.models.load_model(folder)
served = tf.saved_model.load(folder).signatures["serving_default"]
np.savez(again, keras=network(inputs), served=served(**inputs)["restored"])
"""


def test_loading_needs_none_of_ours_and_no_addons(exported, tmp_path):
    inputs = {"image": pictures(), "mask": TWO_HOLES}
    np.savez(tmp_path / "given.npz", **inputs)
    command = [sys.executable, "-c", LOAD_WITHOUT_ADDONS, str(exported(3).folder)]
    subprocess.run(
        [*command, str(tmp_path / "given.npz"), str(tmp_path / "again.npz")],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    restored = exported(3).run("serving_default", **inputs)
    for again in np.load(tmp_path / "again.npz").values():
        np.testing.assert_allclose(again, restored, atol=1e-6)


class TestPhotoRestorer:
    def test_it_restores_pictures_of_any_size(self, exported):
        restore = photo.PhotoRestorer(exported(3).folder)
        images = [photograph(50, 90), photograph(40, 33)]
        masks = [hole_in(*image.shape[:2])[..., None] for image in images]
        restored = restore(images, [mask.astype(np.uint8) for mask in masks])
        for before, mask, after in zip(images, masks, restored):
            known = ~mask[..., 0]
            assert after.dtype == np.uint8
            np.testing.assert_array_equal(after[known], before[known])
            assert not np.array_equal(after, before)

    def test_a_folder_without_a_model_is_an_error(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match="--model=.*holds no saved_model.pb"
        ):
            photo.PhotoRestorer(tmp_path)

    def test_a_model_that_restores_nothing_is_an_error(self, tmp_path):
        module = tf.Module()
        module.double = tf.function(
            lambda x: 2 * x, input_signature=[tf.TensorSpec([])]
        )
        tf.saved_model.save(module, str(tmp_path), signatures={"double": module.double})
        with pytest.raises(
            ValueError, match="no signature serving_bytes; it has double"
        ):
            photo.PhotoRestorer(tmp_path)
