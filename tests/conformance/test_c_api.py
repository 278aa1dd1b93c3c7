"""Every paper's exports in the loader that TF Serving uses.

It is run in a process without Python's TensorFlow: what works there needs no operation,
no class and no file of ours.
"""

import c_api
import numpy as np
import pytest
import tensorflow as tf
from tiny_codec import picture

from data_pipeline import masks, pixels
from experiments.core import system as papers

pytestmark = pytest.mark.skipif(not c_api.is_there(), reason=c_api.NOT_THERE)
SIDE = 48  # pixels, where a signature takes any number


def example(name, spec, config):
    """Two pictures that differ, the hole in their centers, two of latents; or PNGs."""
    if name == "image_bytes":
        # A mask has the size of its picture.
        return np.array([pixels.encode_png(picture(*[config.image_size] * 2))])
    if name == "mask_bytes":
        hole = masks.center(config.image_size, config.hole_size).numpy()
        return np.array([pixels.encode_png(np.uint8(255 * hole[..., 0]))])
    rng = np.random.default_rng(0)
    shape = [2, *(side or SIDE for side in spec.shape[1:])]
    if name == "latents" and spec.dtype == tf.int32:
        return rng.integers(-5, 6, [2, 3, 3, shape[-1]], np.int32)
    if name == "latents":
        return rng.normal(0, 1, shape).astype(np.float32)
    image = np.stack([picture(*shape[1:3], seed) for seed in range(2)])
    image = image / np.float32(255)
    if name == "image":
        return image
    mask = np.stack([masks.center(shape[1], config.hole_size)] * 2)
    return mask if name == "mask" else np.append(image, mask, axis=-1)


def requests_of(folder, config):
    """(folder, signature, inputs) and what Python makes of it, of each signature."""
    for name, function in tf.saved_model.load(str(folder)).signatures.items():
        specs = function.structured_input_signature[1]
        inputs = {key: example(key, spec, config) for key, spec in specs.items()}
        outputs = function(**{key: tf.constant(value) for key, value in inputs.items()})
        expected = {key: value.numpy() for key, value in outputs.items()}
        yield (folder, name, inputs), expected


@pytest.mark.parametrize("name", papers.names())
def test_numbers_are_those_of_python(name, smoke_run, tmp_path):
    run = smoke_run(name)
    folders = sorted(run.folder.path.glob("*/1"))
    pairs = [pair for folder in folders for pair in requests_of(folder, run.config)]
    requests, expected = zip(*pairs)
    made = c_api.run_there(requests, tmp_path)
    for (_, signature, _), outputs, those in zip(requests, made, expected):
        assert sorted(outputs) == sorted(those)
        for key, value in those.items():
            found = outputs[key]
            if key == "restored_bytes":
                found, value = (
                    pixels.decode(data, "it").astype(int)
                    for data in (found.tobytes(), value[0])
                )
                assert np.abs(found - value).max() <= 1 and np.ptp(found) > 0
                continue
            assert (found.dtype, found.shape) == (value.dtype, value.shape)
            if name != "portrait_autoencoder":  # a run of seconds may draw one color
                assert (value[0] != value[1]).any(), (signature, key)
            if name == "portrait_autoencoder" and key != "image":
                # Another order of sums may round one latent otherwise.
                assert np.abs(found - value).max() <= 1
                assert np.abs(found - value).mean() < 0.05
            else:
                np.testing.assert_allclose(found, value, rtol=0, atol=1e-5)


def test_what_a_model_refuses_is_an_error_there_too(smoke_run, tmp_path):
    folder = smoke_run("portrait_autoencoder").folder.export
    uneven = [(folder, "analysis", {"image": np.zeros((1, 17, 16, 3), np.float32)})]
    text = "must be multiples of 16.*Repeat the last row"
    with pytest.raises(AssertionError, match=text):
        c_api.run_there(uneven, tmp_path)
