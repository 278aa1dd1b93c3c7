"""Restorers as SavedModels: what they promise whoever loads or serves them."""

import contextlib
import dataclasses
import functools
import io
import json
import pathlib
import re

import mask_table
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from data_pipeline import pixels
from models import multiscale_context_encoder, skip_inpainting
from serving import engines
from serving.export import restorer, saved_model
from serving.export.fillable import UnfillableHoleError
from serving.export.kinds import INPAINTING
from serving.export.restorer import Fillable
from serving.photo.restorer import PhotoRestorer

SIZE, HOLE = 32, 16
START, STOP = 8, 24  # of the center
SIDES = {"image_size": SIZE, "hole_size": HOLE}
FLOATS = ("serving_default", "serving_single", "keras")
# Model 0 of skip_inpainting, which sees a square; model 3; and one for the center.
PATCH, WHOLE, CENTER = "patch", "whole", "center"
FILLABLE = {
    PATCH: Fillable(HOLE),
    WHOLE: Fillable(),
    CENTER: Fillable(HOLE, centered=True),
}


def build(name, seed=0):
    """A small restorer whose output depends visibly on what it sees."""
    tf.keras.utils.set_random_seed(seed)
    if name == CENTER:
        room, options = multiscale_context_encoder, {"decoder_widths": (4, 4)}
        generator = room.build_generator(image_size=SIZE, widths=(4, 4, 8), **options)
    else:
        room, options = skip_inpainting, {"image_size": SIZE, "widths": (8, 8, 16)}
        generator = room.build_generator({PATCH: 0, WHOLE: 3}[name], **options)
    network = room.build_inpainter(generator)
    for weight in generator.trainable_weights:
        if "kernel" in weight.name:
            weight.assign(8 * weight)
    return restorer.build_restorer(network, fill=1.0, fillable=FILLABLE[name])


class Exported:
    """A restorer, its folder, and what comes out of it again."""

    def __init__(self, name, folder):
        self.restorer = build(name)
        config = json.dumps({**SIDES, "fills": dataclasses.asdict(FILLABLE[name])})
        extras = {"model_card.md": "# Çard\n", "config.json": config}
        self.folder = restorer.save(self.restorer, folder, extras=extras)
        self.keras = tf.keras.models.load_model(self.folder)
        self.signatures = tf.saved_model.load(str(self.folder)).signatures

    def run(self, signature, image, mask):
        """Any entry point on floats [B, S, S, C] -> restored float [B, S, S, 3]."""
        image, mask = tf.constant(image), tf.constant(mask)
        if signature == "serving_bytes":
            image = pixels.unit_to_bytes(image).numpy()
            masks = [as_mask(each[..., 0] > 0) for each in mask.numpy()]
            return self.run_bytes(map(encode, image), map(encode, masks))
        inputs = {"image": image, "mask": mask}
        if signature == "keras":
            return self.keras(inputs).numpy()
        if signature == "serving_single":
            inputs = {"image_and_mask": tf.concat([image, mask], axis=-1)}
        return self.signatures[signature](**inputs)["restored"].numpy()

    def run_bytes(self, images, masks):
        """Encoded pictures -> restored uint8 [H, W, 3] each."""
        restored = self.signatures["serving_bytes"](
            image_bytes=tf.constant([*images]), mask_bytes=tf.constant([*masks])
        )["restored_bytes"].numpy()
        for data in restored:
            assert Image.open(io.BytesIO(data)).format == "PNG"
        return [pixels.decode(data, "restored") for data in restored]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Name -> Exported, each made once and when first asked for."""

    @functools.cache
    def make(name):
        return Exported(name, tmp_path_factory.mktemp(name) / "export" / "1")

    return make


def pictures(count=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def squares(*corners, height=HOLE, width=HOLE):
    mask = np.zeros((len(corners), SIZE, SIZE, 1), np.float32)
    for row, (top, left) in zip(mask, corners):
        row[top : top + height, left : left + width] = 1
    return mask


def photograph(height, width, seed=0):
    """Smooth, so that JPEG keeps it recognizable; uint8 [H, W, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
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


both_models = pytest.mark.parametrize("model", [PATCH, WHOLE])
TWO_HOLES = squares((0, 0), (9, 13))
NO_HOLE = np.zeros((2, SIZE, SIZE, 1), np.float32)


class TestInterface:
    @both_models
    def test_all_entry_points_agree(self, exported, model):
        exported = exported(model)
        image = np.rint(pictures() * 255).astype(np.float32) / np.float32(255)
        restored = exported.run("serving_default", image, TWO_HOLES)
        for other in ("serving_single", "keras"):
            again = exported.run(other, image, TWO_HOLES)
            np.testing.assert_array_equal(again, restored)
        decoded = exported.run("serving_bytes", image, TWO_HOLES)
        # Between two levels the last bit of a float decides.
        apart = np.abs(np.array(decoded, int) - pixels.unit_to_bytes(restored))
        assert apart.max() <= 1 and np.mean(apart > 0) < 1e-3
        direct = exported.restorer({"image": image, "mask": TWO_HOLES})
        np.testing.assert_allclose(restored, direct, atol=1e-6)
        # Something was restored: neither the image, nor what stands in the hole.
        hole = np.broadcast_to(TWO_HOLES > 0, image.shape)
        assert np.abs(restored - image)[hole].mean() > 0.1
        assert restored[hole].std() > 0.05
        assert restored.min() >= 0 and restored.max() <= 1

    @pytest.mark.parametrize("signature", FLOATS)
    def test_a_picture_does_not_depend_on_its_batch(self, exported, signature):
        image, mask = pictures(3), squares((0, 0), (9, 13), (16, 16))

        def run(part):
            return exported(WHOLE).run(signature, image[part], mask[part])

        together = run(slice(None))
        assert together.shape == (3, SIZE, SIZE, 3)
        alone = np.concatenate([run(slice(i, i + 1)) for i in range(3)])
        np.testing.assert_allclose(alone, together, atol=1e-5)


class TestKnownPixels:
    @pytest.mark.parametrize("model", FILLABLE)
    @pytest.mark.parametrize("signature", FLOATS)
    def test_they_come_back_bit_for_bit(self, exported, model, signature):
        masks = [squares((START, START)).repeat(2, axis=0)]
        if model != CENTER:
            holes_of_any_shape = squares((20, 3), (9, 13), height=5, width=5)
            holes_of_any_shape[0, 22, 5] = 0
            masks = [TWO_HOLES, NO_HOLE, holes_of_any_shape]
        image = pictures()
        for mask in masks:
            restored = exported(model).run(signature, image, mask)
            known = np.broadcast_to(mask == 0, image.shape)
            np.testing.assert_array_equal(restored[known], image[known])
            assert np.array_equal(restored, image) == known.all()

    @pytest.mark.parametrize(
        "format, mode", [("PNG", "RGB"), ("PNG", "L"), ("JPEG", "RGB"), ("BMP", "RGB")]
    )
    @pytest.mark.parametrize("height, width", [(SIZE, SIZE), (50, 90), (71, 16)])
    def test_pictures_of_any_size_keep_theirs(
        self, exported, format, mode, height, width
    ):
        missing = hole_in(height, width)
        data = encode(photograph(height, width), format, mode)
        decoded = pixels.decode(data, "input")
        (restored,) = exported(WHOLE).run_bytes([data], [encode(as_mask(missing))])
        assert restored.shape == (height, width, 3)
        np.testing.assert_array_equal(restored[~missing], decoded[~missing])
        assert (restored[missing] != decoded[missing]).mean() > 0.5

    def test_sizes_and_formats_may_differ_within_a_batch(self, exported):
        sizes = [(40, 60), (SIZE, SIZE), (71, 33)]
        images = [
            encode(photograph(*size), format)
            for size, format in zip(sizes, ("PNG", "JPEG", "BMP"))
        ]
        masks = [encode(as_mask(hole_in(*size))) for size in sizes]
        together = exported(WHOLE).run_bytes(images, masks)
        for data, mask, restored in zip(images, masks, together):
            (alone,) = exported(WHOLE).run_bytes([data], [mask])
            np.testing.assert_allclose(alone.astype(int), restored, atol=1)


class TestHiddenContent:
    """What the mask covers must not be seen, whatever it is."""

    @both_models
    @pytest.mark.parametrize("signature", FLOATS)
    @pytest.mark.parametrize("hidden", [0.0, 1.0, 1e30, np.nan, "noise"])
    def test_floats(self, exported, model, signature, hidden):
        image = pictures()
        hidden = pictures(seed=1) if hidden == "noise" else hidden
        other = np.where(TWO_HOLES, hidden, image).astype(np.float32)
        run = functools.partial(exported(model).run, signature, mask=TWO_HOLES)
        np.testing.assert_array_equal(run(image=image), run(image=other))

    @pytest.mark.parametrize("height, width", [(SIZE, SIZE), (50, 90), (71, 40)])
    def test_bytes(self, exported, height, width):
        missing = hole_in(height, width)
        image, other = photograph(height, width), photograph(height, width, seed=1)
        other = np.where(missing[..., None], other, image)
        assert not np.array_equal(image, other)
        mask = encode(as_mask(missing))
        first, second = exported(WHOLE).run_bytes(
            [encode(image), encode(other)], [mask] * 2
        )
        np.testing.assert_array_equal(first, second)

    @both_models
    def test_known_content_is_seen(self, exported, model):
        image = pictures()
        other = np.where(TWO_HOLES, image, pictures(seed=1))
        first, second = (
            exported(model).run("serving_default", x, TWO_HOLES) for x in (image, other)
        )
        hole = np.broadcast_to(TWO_HOLES > 0, image.shape)
        assert np.abs(first - second)[hole].mean() > 1e-3


class TestMasks:
    @both_models
    @pytest.mark.parametrize("signature", FLOATS)
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
        first, second = exported(WHOLE).run_bytes([encode(image)] * 2, [mask, gray])
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first[~missing], image[~missing])

    @pytest.mark.parametrize("level, is_missing", [(127, False), (128, True)])
    def test_the_middle_gray_divides(self, exported, level, is_missing):
        image, missing = photograph(SIZE, SIZE), hole_in(SIZE, SIZE)
        mask = missing.astype(np.uint8) * np.uint8(level)
        mask[0, 0] = 255
        (restored,) = exported(WHOLE).run_bytes([encode(image)], [encode(mask)])
        assert np.array_equal(restored[missing], image[missing]) != is_missing

    def test_a_mask_of_no_use_is_refused(self, exported):
        image = encode(photograph(*mask_table.SIZE))
        for name, why in (
            ("nothing", "not nothing or everything"),
            ("not a multiple", "90x60 pixels and its picture 60x40"),
        ):
            with pytest.raises(tf.errors.InvalidArgumentError, match=why):
                exported(WHOLE).run_bytes([image], [mask_table.REFUSED[name][0]])

    def test_a_mask_of_another_size_is_fitted(self, exported):
        missing = np.zeros((10, 20), bool)
        missing[2:7, 5:11] = True
        large = missing.repeat(4, axis=0).repeat(4, axis=1)
        image = encode(photograph(40, 80))
        masks = [encode(as_mask(each)) for each in (missing, large)]
        first, second = exported(WHOLE).run_bytes([image] * 2, masks)
        np.testing.assert_array_equal(first, second)


def hole(top=START, left=START, height=HOLE, width=HOLE):
    return squares((top, left), height=height, width=width)


TOO_LARGE = hole(height=HOLE + 1, width=5)
UNFILLABLE = {
    "one row too tall": (PATCH, TOO_LARGE),
    "far apart": (PATCH, np.maximum(hole(0, 0, 1, 1), hole(0, SIZE - 1, 1, 1))),
    "above": (CENTER, hole(top=START - 1)),
    "right": (CENTER, hole(left=START + 1)),
    "larger": (CENTER, hole(height=HOLE + 1)),
    "smaller": (CENTER, hole(width=HOLE - 1)),
    "none": (CENTER, NO_HOLE[:1]),
    "two": (CENTER, np.maximum(hole(), hole(0, 0, 1, 1))),
}
TEXTS = {
    PATCH: "This model fills one hole of up to 16x16 pixels in a picture of 32x32",
    CENTER: "This model fills the hole of 16x16 pixels in the center of a picture of",
}


class TestFillable:
    """Holes that a network does not fill are errors, wherever it is called from."""

    @pytest.mark.parametrize("signature", FLOATS)
    @pytest.mark.parametrize("name", UNFILLABLE)
    def test_another_hole_is_an_error(self, exported, signature, name):
        model, mask = UNFILLABLE[name]
        with pytest.raises(tf.errors.InvalidArgumentError, match=TEXTS[model]):
            exported(model).run(signature, pictures(1), mask)

    def test_encoded_pictures_and_predict_refuse_it_too(self, exported):
        text, image = TEXTS[PATCH], pictures(1)
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            exported(PATCH).run("serving_bytes", image, TOO_LARGE)
        inputs = {"image": image, "mask": TOO_LARGE}
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            exported(PATCH).keras.predict(inputs, verbose=0)

    def test_any_hole_is_filled_by_the_others(self, exported):
        everything = np.ones((2, SIZE, SIZE, 1), np.float32)
        image = pictures()
        restored = exported(WHOLE).run("serving_default", image, everything)
        assert np.abs(restored - image).mean() > 0.1

    @pytest.mark.parametrize("size", [(32, 32), (50, 50), (49, 67), (125, 166)])
    def test_a_photograph_of_any_size_has_a_center(self, exported, size):
        model = PhotoRestorer(exported(CENTER).folder)
        assert model.hole == (START / SIZE, STOP / SIZE)
        image, mask = photograph(*size), np.zeros((*size, 1), np.uint8)
        rows, columns = (
            np.rint(np.multiply(side, model.hole)).astype(int) for side in size
        )
        mask[slice(*rows), slice(*columns)] = 1
        (restored,) = model([image], [mask])
        known = np.broadcast_to(mask == 0, image.shape)
        np.testing.assert_array_equal(restored[known], image[known])
        mask = np.roll(mask, size[0] // 10, axis=0)
        with pytest.raises(UnfillableHoleError, match=TEXTS[CENTER]):
            model([image], [mask])


@pytest.fixture(params=engines.ENGINES)
def engine(request, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "cache"))
    needed = {"openvino": ["openvino"], "onnxruntime": ["onnxruntime", "tf2onnx"]}
    for module in needed.get(request.param, []):
        pytest.importorskip(module)
    return request.param


class TestPhotoRestorer:
    """It prepares pictures without TensorFlow, for any engine."""

    def test_it_restores_what_serving_bytes_restores(self, exported, engine):
        exported = exported(WHOLE)
        images = [photograph(*size) for size in ((SIZE, SIZE), (71, 50), (20, 130))]
        missing = [hole_in(*image.shape[:2]) for image in images]
        model = PhotoRestorer(exported.folder, engine)
        assert model.size == SIZE
        found = model(images, [hole[..., None].astype(np.uint8) for hole in missing])
        masks = (encode(as_mask(hole)) for hole in missing)
        expected = exported.run_bytes(map(encode, images), masks)
        for image, hole, one, other in zip(images, missing, found, expected):
            np.testing.assert_array_equal(one[~hole], image[~hole])
            np.testing.assert_allclose(one.astype(int), other, atol=1)
            assert (one != other).mean() < 0.01
            assert np.abs(one.astype(int) - image)[hole].mean() > 5

    @pytest.mark.parametrize("name", FILLABLE)
    def test_every_engine_refuses_what_the_model_does_not_fill(
        self, exported, engine, name
    ):
        exported = exported(name)
        side = FILLABLE[name].side
        hole = np.zeros((SIZE, SIZE), bool)
        hole[1 : side + 3, 2:4] = True
        model = PhotoRestorer(exported.folder, engine)
        image = photograph(SIZE, SIZE)
        context = contextlib.nullcontext()
        if side:
            rule = re.escape(FILLABLE[name].rule(SIZE))
            context = pytest.raises(UnfillableHoleError, match=rule)
        with context:
            model([image], [hole[..., None].astype(np.uint8)])
        with context:
            model.restore_crop(image / np.float32(255), hole)


class TestFolder:
    def test_extras_are_written_and_the_kind_is_added(self, exported, tmp_path):
        folder = exported(WHOLE).folder
        card = folder / "assets.extra" / "model_card.md"
        assert card.read_bytes().decode() == "# Çard\n"
        fills = {"side": 0, "centered": False}
        config = {**SIDES, "fills": fills, "kind": INPAINTING}
        assert saved_model.read_config(folder) == config
        # The run's folder holds nothing else.
        assert [path.name for path in folder.parents[1].iterdir()] == ["export"]
        assert [path.name for path in folder.parent.iterdir()] == ["1"]
        with pytest.raises(FileNotFoundError, match="is not an exported model.*Pass"):
            saved_model.read_config(tmp_path)

    def test_saving_again_replaces_whole_or_not_at_all(self, tmp_path, monkeypatch):
        folder = tmp_path / "run" / "export" / "1"

        def plain(factor):
            image = tf.keras.Input((2,), name="image")
            return tf.keras.Model(image, factor * image)

        saved_model.write(plain(1.0), folder, config={"build": 1})
        (folder / "stale").touch()

        def fail(*args, **options):
            # A server that watches the parent sees versions and nothing else.
            assert [path.name for path in folder.parent.iterdir()] == ["1"]
            raise RuntimeError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(pathlib.Path, "write_bytes", fail)
            with pytest.raises(RuntimeError, match="the disk is full"):
                saved_model.write(plain(2.0), folder, config={"build": 2})
        assert saved_model.read_config(folder) == {"build": 1}
        assert (folder / "saved_model.pb").exists()

        saved_model.write(plain(3.0), folder, config={"build": 3})
        assert saved_model.read_config(folder) == {"build": 3}
        assert not (folder / "stale").exists()
        again = tf.keras.models.load_model(folder)(tf.ones([1, 2]))
        np.testing.assert_array_equal(again, [[3.0, 3.0]])
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["export"]
        assert [path.name for path in folder.parent.iterdir()] == ["1"]


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


def test_a_folder_without_a_restorer_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--model=.*holds no saved_model\."):
        PhotoRestorer(tmp_path)
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([])])
    tf.saved_model.save(module, str(tmp_path), signatures={"double": module.double})
    with pytest.raises(ValueError, match="serving_default; it has double"):
        PhotoRestorer(tmp_path)
