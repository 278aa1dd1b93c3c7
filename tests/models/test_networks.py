"""Properties of every network: stable names, precision, gradients and SavedModels."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from models import (
    cvae_dcgan,
    discriminators,
    multiscale_context_encoder,
    portrait_autoencoder,
    pyramid_cgan,
    skip_inpainting,
)

NARROW = {"widths": (4, 6, 8, 16), "decoder_widths": (8, 8)}


def multiscale(**options):
    generator = multiscale_context_encoder.build_generator(
        image_size=64, **NARROW, **options
    )
    return multiscale_context_encoder.build_inpainter(generator)


def skip(model, eigenfaces=0, **options):
    options = {"image_size": 64, "widths": (8, 8, 16), **options}
    generator = skip_inpainting.build_generator(model, **options)
    last = generator.get_layer("restored_conv")
    last.kernel.assign(100 * last.kernel)  # far from where tanh(x) = x
    return skip_inpainting.build_inpainter(generator, eigenfaces=eigenfaces)


def pyramid(configuration="d", **options):
    return pyramid_cgan.build_generator(
        configuration, image_size=64, width=1 / 16, **options
    )


def portrait(build, **options):
    return build(64, channels=6, **options)


def autoencoder(generator):
    options = {"image_size": 32, "latents": 6}
    return cvae_dcgan.build_autoencoder(
        cvae_dcgan.build_encoder(generator, **options),
        cvae_dcgan.build_decoder(generator, **options),
    )


ANALYSIS, SYNTHESIS = (
    portrait_autoencoder.build_analysis,
    portrait_autoencoder.build_synthesis,
)
NETWORKS = {
    "patch": lambda: discriminators.build_patch_discriminator(32, (8, 16)),
    "context": lambda: discriminators.build_context_discriminator(16, (4, 6)),
    "global_local": lambda: discriminators.build_global_local_discriminator(
        32, 16, width=1 / 16
    ),
    "global": lambda: discriminators.build_global_local_discriminator(
        32, local=False, width=1 / 16
    ),
    "classifier": lambda: discriminators.build_attribute_classifier(5, 16, width=1 / 8),
    **{f"skip_{model}": lambda model=model: skip(model) for model in (0, 3)},
    "skip_conv4000": lambda: skip(0, bottleneck="conv4000"),
    "skip_mask_channel": lambda: skip(3, mask_channel=True),
    "skip_eigenfaces": lambda: skip(3, eigenfaces=4, mask_channel=True),
    "multiscale_add": multiscale,
    "multiscale_concat": lambda: multiscale(aggregation="concat"),
    "multiscale_separable": lambda: multiscale(separable=True, downsampling="stride"),
    "pyramid_d": pyramid,
    "pyramid_plain": lambda: pyramid("a", norm="none"),
    "pyramid_inpainter": lambda: pyramid_cgan.build_inpainter(pyramid()),
    "analysis": lambda: portrait(ANALYSIS, depth=1),
    "analysis_gdn": lambda: portrait(ANALYSIS, activation="gdn"),
    "synthesis": lambda: portrait(SYNTHESIS, depth=1),
    "synthesis_gdn": lambda: portrait(SYNTHESIS, activation="gdn"),
    **{name: lambda name=name: autoencoder(name) for name in cvae_dcgan.GENERATORS},
    "cvae_discriminator": lambda: cvae_dcgan.build_discriminator(32),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def inputs_of(network, number=0):
    """Random images, a hole in the middle and a key."""
    rng = np.random.default_rng(0)

    def fill(tensor):
        shape = (2, *tensor.shape[1:])
        if tensor.dtype == tf.int32:
            return np.full(shape, [number, 7], np.int32)
        if shape[-1] == 1:
            mask = np.zeros(shape, np.float32)
            mask[:, shape[1] * 3 // 8 : shape[1] * 5 // 8, 24:40] = 1
            return mask
        return rng.uniform(0, 1, shape).astype(np.float32)

    return tf.nest.map_structure(fill, network.input)


def outputs_of(network, **options):
    return tf.nest.flatten(network(inputs_of(network), **options))


@every_network
def test_names_are_stable_and_outputs_float32_under_every_policy(name):
    before = NETWORKS[name]()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = NETWORKS[name]()
    names, expected = (
        [x.name for x in (*n.weights, *n.layers) if not x.name.startswith("tf.")]
        for n in (network, before)
    )
    assert names == expected
    assert all(weight.dtype == tf.float32 for weight in network.weights)
    computed = {}
    for layer in network._flatten_layers():
        kind = "norm" if "Normalization" in type(layer).__name__ else "other"
        computed.setdefault(kind, set()).add(layer.compute_dtype)
    assert computed.get("norm", {"float32"}) == {"float32"}
    assert "bfloat16" in computed["other"]
    for training in (False, True):
        outputs = outputs_of(network, training=training)
        assert {output.dtype for output in outputs} == {tf.float32}


# Latents, and images that end in float32 operations.
EXACT = ["skip_3", "multiscale_add", "analysis", "synthesis", *cvae_dcgan.GENERATORS]


@pytest.mark.parametrize("name", EXACT)
def test_outputs_are_not_bfloat16_numbers_in_a_wider_type(name):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    for output in outputs_of(NETWORKS[name]()):
        low = tf.cast(tf.cast(output, tf.bfloat16), tf.float32)
        assert np.mean(low == output) < 0.2


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["skip_0", "multiscale_add", "pyramid_inpainter"])
def test_known_pixels_come_back_bit_for_bit(name, policy):
    tf.keras.mixed_precision.set_global_policy(policy)
    network = NETWORKS[name]()
    inputs = inputs_of(network)
    restored = network(inputs).numpy()
    known = np.broadcast_to(inputs["mask"] == 0, restored.shape)
    np.testing.assert_array_equal(restored[known], inputs["image"][known])
    assert (restored != inputs["image"])[~known].mean() > 0.99


@every_network
def test_every_weight_has_a_gradient_under_mixed_bfloat16(name):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = NETWORKS[name]()
    with tf.GradientTape() as tape:
        outputs = network(inputs_of(network), training=True)
        output = outputs["image"] if isinstance(outputs, dict) else outputs
        loss = tf.reduce_sum(tf.abs(output - 0.5))
    normalized = any("norm" in weight.name for weight in network.weights)
    gradients = tape.gradient(loss, network.trainable_weights)
    for weight, gradient in zip(network.trainable_weights, gradients):
        assert np.isfinite(gradient).all(), weight.name
        # A bias before a normalization has none.
        if not (normalized and "bias" in weight.name):
            assert np.abs(gradient).max() > 0, weight.name


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("pyramid_d", {"Conv2D", "DoublingConv2D", "DilatedConv2D"}),
        ("analysis_gdn", {"Conv2D", "GDN"}),
        ("dcgan", {"Conv2D", "Sampling"}),
        ("skip_eigenfaces", {"Conv2D", "EigenfaceFill"}),
        ("cvae_discriminator", {"Conv2D", "KeyedDropout"}),
    ],
)
def test_layers_of_ours_come_back_from_keras_files(name, layers, tmp_path):
    network = NETWORKS[name]()
    names = {
        tf.keras.utils.get_registered_name(type(layer))
        for layer in network._flatten_layers()
    }
    # As in packages that are shipped.
    assert {n for n in names if ">" in n} == {f"facemend>{layer}" for layer in layers}
    network.save(tmp_path / "network.keras")
    loaded = tf.keras.models.load_model(tmp_path / "network.keras", compile=False)
    for training in (False, True):
        expected, found = (outputs_of(x, training=training) for x in (network, loaded))
        tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


# In a process in which importing our code or its extras is an error.
LOAD = """
import sys
for ours in ("models", "tensorflow_addons", "tensorflow_compression"):
    sys.modules[ours] = None
import pathlib
import numpy as np
import tensorflow as tf
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    given = dict(np.load(folder / "given.npz"))
    expected = dict(np.load(folder / "expected.npz"))
    inputs = given.pop("only", given)
    loaders = [tf.keras.models.load_model]
    if folder.name == "dcgan":
        loaders.append(tf.saved_model.load)
    for load in loaders:
        outputs = load(folder / "network")(inputs)
        outputs = outputs if isinstance(outputs, dict) else {"only": outputs}
        for name, value in outputs.items():
            assert value.dtype == tf.float32
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5)
"""
# Of these the others are made, layer for layer.
SAVED = ["patch", "multiscale_add", "analysis_gdn", "synthesis_gdn", "dcgan"]
SAVED += ["cvae_discriminator", "skip_0", "skip_3"]


def test_saved_networks_load_without_this_code(tmp_path):
    for name in SAVED:
        network = NETWORKS[name]()
        given = inputs_of(network)
        outputs = network(given)
        network.save(tmp_path / name / "network")
        for file, values in (("given", given), ("expected", outputs)):
            values = values if isinstance(values, dict) else {"only": values}
            np.savez(tmp_path / name / f"{file}.npz", **values)
    command = [sys.executable, "-I", "-c", LOAD, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
