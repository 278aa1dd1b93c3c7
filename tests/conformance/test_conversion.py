"""What tf2onnx and OpenVINO make of the networks and of their exports.

They need `pip install '.[convert]'`. Networks are small, and their weights random.
"""

import functools
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
import tiny_latents

from models import (
    cvae_dcgan,
    multiscale_context_encoder,
    portrait_autoencoder,
    pyramid_cgan,
    skip_inpainting,
)
from serving.export import restorer as export
from serving.export import saved_model
from serving.export.restorer import Fillable

pytestmark = pytest.mark.slow
SIZE = 64
CENTER = 50  # pixels, an odd number of them after one halving
DEFAULT = "serving_default"


def skip(model, size=SIZE, **options):
    return skip_inpainting.build_generator(
        model, image_size=size, widths=(4, 6, 8), **options
    )


def multiscale(**options):
    widths = {"widths": (4, 6, 8, 10), "decoder_widths": (8, 6)}
    return multiscale_context_encoder.build_generator(
        image_size=CENTER, **widths, **options
    )


def pyramid(configuration):
    # Of rates 2 to 16 the maps of 8 pixels leave one that is dilated and three that are
    # computed otherwise.
    return pyramid_cgan.build_generator(configuration, image_size=SIZE, width=1 / 16)


def portrait(activation):
    options = {"channels": 6, "activation": activation}
    return portrait_autoencoder.build_autoencoder(
        portrait_autoencoder.build_analysis(None, **options),
        portrait_autoencoder.build_synthesis(None, **options),
    )


def half(build, generator):
    return build(generator, image_size=SIZE, latents=12)


NETWORKS = {
    **{f"skip_inpainting {m}": (skip, m) for m in skip_inpainting.MODELS},
    "multiscale add": (multiscale,),
    "multiscale concat": (functools.partial(multiscale, aggregation="concat"),),
    "multiscale context encoder": (functools.partial(multiscale, scales=1),),
    **{f"pyramid_cgan {c}": (pyramid, c) for c in pyramid_cgan.CONFIGURATIONS},
    **{f"portrait {a}": (portrait, a) for a in portrait_autoencoder.ACTIVATIONS},
    **{
        f"{generator} {build.__name__[6:]}": (half, build, generator)
        for generator in cvae_dcgan.GENERATORS
        for build in (cvae_dcgan.build_encoder, cvae_dcgan.build_decoder)
    },
}
# Whole exports, with what they check, and their signatures.
EXPORTS = {
    "restorer of one square": (DEFAULT, "serving_single"),
    "restorer of the center": (DEFAULT,),
    "restorer of any hole": (DEFAULT,),
    "restorer with eigenfaces": (DEFAULT,),
    "codec": (DEFAULT, "analysis", "synthesis"),
    "faces": (DEFAULT, "encode", "decode"),
}
SIGNATURES = [(name, DEFAULT) for name in NETWORKS]
SIGNATURES += [(name, each) for name, names in EXPORTS.items() for each in names]


def stirred(network):
    """All of its weights drawn, such that its outputs differ from pixel to pixel."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        shape, name = weight.shape, weight.name
        if "root_gamma" in name:  # of GDN
            drawn = weight + rng.uniform(0, 0.1, shape)
        elif "moving_variance" in name or "gamma" in name:
            drawn = rng.uniform(0.5, 1.5, shape)
        elif "root_beta" in name or len(shape) < 2:
            drawn = weight + rng.normal(0, 0.1, shape)
        else:
            drawn = rng.normal(0, np.sqrt(1.4 / np.prod(shape[:-1])), shape)
        weight.assign(drawn)
    return network


def save(name, place):
    """Writes what a name stands for; returns the folder."""
    if name in NETWORKS:
        build, *arguments = NETWORKS[name]
        return saved_model.write(stirred(build(*arguments)), place / "1")
    if name == "codec":
        return tiny_codec.export(place)[0]
    if name == "faces":
        return tiny_latents.export(place)[0]
    if name == "restorer with eigenfaces":
        network = skip_inpainting.build_inpainter(
            skip(3, 2 * SIZE, mask_channel=True), eigenfaces=5
        )
        restorer = export.build_restorer(
            stirred(network), fill=1.0, fillable=Fillable()
        )
        return export.save(restorer, place / "1")
    room, network, fillable = {
        "restorer of one square": (skip_inpainting, skip(0), Fillable(SIZE // 2)),
        "restorer of the center": (
            multiscale_context_encoder,
            multiscale(),
            Fillable(multiscale_context_encoder.patch_size(CENTER), centered=True),
        ),
        "restorer of any hole": (pyramid_cgan, pyramid("d"), Fillable()),
    }[name]
    inpainter = room.build_inpainter(stirred(network))
    restorer = export.build_restorer(inpainter, fill=1.0, fillable=fillable)
    return export.save(restorer, place / "1")


def draw(name, spec, side):
    """What a signature's input may be: pictures, masks with two holes, or latents."""
    rng = np.random.default_rng(1)
    size = 1 if len(spec.shape) == 2 else spec.shape[1] or 32
    shape = [2, *(s or size for s in spec.shape[1:])]
    if spec.dtype == tf.int32:
        return rng.integers(-5, 6, shape, np.int32)
    if name == "latents":
        return rng.normal(0, 1, shape).astype(np.float32)
    drawn = rng.uniform(0, 1, shape).astype(np.float32)
    drawn[0] *= 0.3
    if "mask" in name:
        start = (size - side) // 2
        drawn[..., -1] = 0
        drawn[:, start : start + side, start : start + side, -1] = 1
        if side == SIZE // 2:
            drawn[0, ..., -1:] = np.roll(drawn[0, ..., -1:], (-9, 5), axis=(0, 1))
    return drawn


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """(name, signature) -> folder, inputs, and what TensorFlow makes of them."""
    folders = functools.cache(lambda n: save(n, tmp_path_factory.mktemp("run") / "m"))

    def make(name, signature):
        folder = folders(name)
        model = tf.saved_model.load(str(folder))
        function = model.signatures[signature]
        given = function.structured_input_signature[1]
        center = "multiscale" in name or "center" in name
        side = multiscale_context_encoder.patch_size(CENTER) if center else SIZE // 2
        inputs = {key: draw(key, spec, side) for key, spec in given.items()}
        outputs = function(**tf.nest.map_structure(tf.constant, inputs))
        expected = {key: value.numpy() for key, value in outputs.items()}
        for value in expected.values():  # of a flat output there is nothing to compare
            assert value.std() > 0.01
            assert np.abs(value[0] - value[1]).mean() > 0.002
        return folder, inputs, expected

    return make


def needs(module):
    return pytest.importorskip(module, reason="needs pip install '.[convert]'")


def to_onnx(folder, signature, monkeypatch):
    """Converts as the command does; returns the file."""
    path = str(folder.parent / f"{signature}.onnx")
    options = ["--signature_def", signature, "--opset", "17", "--output", path]
    command = ["tf2onnx.convert", "--saved-model", str(folder), *options]
    monkeypatch.setattr(sys, "argv", command)
    needs("tf2onnx").convert.main()
    return path


def run_openvino(path, inputs, names):
    core = needs("openvino").Core()
    # The default is bfloat16 on processors that have it.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    result = core.compile_model(core.read_model(path), "CPU", options)(inputs)
    return {name: result[name] for name in names}


def assert_same(found, inputs, expected):
    """Up to 1e-4; whole numbers, and pixels that TensorFlow keeps, bit for bit."""
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        tolerance = 0 if value.dtype.kind == "i" else 1e-4
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance)
    if "mask" in inputs and "restored" in expected:
        kept = expected["restored"] == inputs["image"]
        np.testing.assert_array_equal(found["restored"][kept], inputs["image"][kept])


@pytest.mark.parametrize("which", SIGNATURES, ids=" ".join)
def test_onnx_gives_the_same_numbers(case, which, monkeypatch):
    needs("tf2onnx")
    runtime = needs("onnxruntime")
    folder, inputs, expected = case(*which)
    path = to_onnx(folder, which[1], monkeypatch)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert_same(dict(zip(names, session.run(names, inputs))), inputs, expected)


@pytest.mark.parametrize("which", SIGNATURES, ids=" ".join)
def test_openvino_gives_the_same_numbers(case, which, monkeypatch):
    needs("openvino")
    folder, inputs, expected = case(*which)
    path = folder
    if which[1] != DEFAULT:  # it reads one signature of a SavedModel
        needs("tf2onnx")
        path = to_onnx(folder, which[1], monkeypatch)
    assert_same(run_openvino(path, inputs, expected), inputs, expected)
