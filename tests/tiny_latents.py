"""An auto-encoder with few latents, whose pictures differ; its export."""

import numpy as np
import tensorflow as tf
import tiny
from tiny_codec import picture

from models import cvae_dcgan
from serving.codec import quantizer
from serving.export import latents

SIZE, LATENTS = 32, 12
CONFIG = {"name": "tiny", "image_size": SIZE}


def halves(seed=0, **options):
    """Untrained, but of pictures that differ they make others that differ."""
    tf.keras.utils.set_random_seed(seed)
    options = {"image_size": SIZE, "latents": LATENTS, **options}
    encoder = cvae_dcgan.build_encoder("cvae", **options)
    decoder = cvae_dcgan.build_decoder("cvae", **options)
    for half, name, scale in (
        (encoder, "mean", 60.0),
        (decoder, "features", 3.0),
        (decoder, "up4", 10.0),
    ):
        kernel = half.get_layer(name).kernel
        kernel.assign(scale * kernel)
    return encoder, decoder


def pictures(count, size=SIZE):
    """uint8 [N, S, S, 3]."""
    return np.stack([picture(size, size, seed) for seed in range(count)])


def training_images():
    """Of different brightness and color: of noise alone, the latents are all alike."""
    scales = np.random.default_rng(0).uniform(0.1, 1, [200, 1, 1, 3])
    return (pictures(200) * scales).astype(np.uint8)


@tiny.made_once
def export(run, seed=0):
    """Saves `halves` into a run folder; returns the folder, them, and quantizers."""
    encoder, decoder = halves(seed)
    means = quantizer.encode(encoder, training_images())["mean"]
    quantizers = {bits: latents.Quantizer.fit(means, bits) for bits in quantizer.BITS}
    folder = latents.save(
        encoder,
        decoder,
        run / "export" / "1",
        quantizers=quantizers,
        config=CONFIG,
        card="# Ça\n",
    )
    return folder, encoder, decoder, quantizers
