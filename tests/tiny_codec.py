"""Codecs made in a moment, the same ones in every process; what happens to files."""

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc
import tiny

from data_pipeline import pixels
from models import portrait_autoencoder
from serving.codec.base import identify
from serving.codec.entropy import EntropyTables
from serving.codec.hyperprior import Hyperprior, IntegerNetwork, Rates, scale_tables
from serving.codec.image_codec import ImageCodec
from serving.codec.latent_codec import LatentCodec
from serving.codec.quantizer import Quantizer
from serving.export import codec

CHANNELS = 5
FACE_SIZE, LATENTS = 16, 40  # of the latent codec


def laplace_tables(spreads, *, reach=12, precision=12):
    """A table for each spread, of -reach to reach."""
    values = np.arange(-reach, reach + 1)
    cdfs = []
    for spread in spreads:
        shares = np.exp(-np.abs(values) / spread)
        shares = np.append(shares / shares.sum() * 0.99, 0.01)  # the escape's
        shares = tf.constant(shares, tf.float32)
        cdfs.append(tfc.pmf_to_quantized_cdf(shares, precision=precision).numpy())
    return EntropyTables(cdfs, np.full(len(cdfs), -reach, np.int32), precision)


def networks(seed=0, channels=CHANNELS):
    """Analysis and synthesis of two convolutions each, 16 times smaller and back."""

    def options(number, scale, mode):
        initializer = tf.keras.initializers.VarianceScaling(
            scale, mode=mode, seed=10 * seed + number
        )
        return {"kernel_initializer": initializer, "padding": "same", "strides": 4}

    layers = tf.keras.layers
    image = tf.keras.Input((None, None, 3))
    x = layers.Conv2D(8, 5, activation="relu", **options(1, 2.0, "fan_in"))(image)
    x = layers.Conv2D(channels, 5, **options(2, 60.0, "fan_in"))(x)
    analysis = tf.keras.Model(image, x)
    latents = tf.keras.Input((None, None, channels))
    x = layers.Conv2DTranspose(8, 5, activation="relu", **options(3, 0.1, "fan_out"))(
        latents
    )
    # Around the middle gray, so that few pixels are clipped.
    x = layers.Conv2DTranspose(
        3, 5, bias_initializer=tf.constant_initializer(0.5), **options(4, 1.0, "fan_in")
    )(x)
    return analysis, tf.keras.Model(latents, x)


def build(seed=0, spreads=(1.0, 2.0, 3.0, 4.0, 5.0), **options):
    analysis, synthesis = networks(seed)
    tables = laplace_tables(spreads)
    weights = analysis.get_weights() + synthesis.get_weights()
    return ImageCodec(analysis, synthesis, tables, identify(weights, tables), **options)


def integer_network(seed=0, hyper=2, channels=CHANNELS, hidden=4):
    """Of a hyperprior: means and scales of many sizes."""
    rng = np.random.default_rng(seed)
    shapes = [(3, 3, hidden, hyper), (3, 3, channels, hidden), (channels, 2 * channels)]
    kernels = [rng.integers(-9000, 9000, shape).astype("i4") for shape in shapes]
    lengths = (hidden, channels, 2 * channels)
    biases = [rng.integers(-(2**24), 2**24, length) for length in lengths]
    return IntegerNetwork(kernels, biases)


def hyperprior(seed=0, rates=None, **options):
    """Codes latents of `CHANNELS`."""
    network = integer_network(seed, **options)
    tables = laplace_tables([2.0] * network.channels[0], precision=16)
    return Hyperprior(tables.followed_by(scale_tables()), network, rates)


def rates(usual=40):
    """Three of them, whose steps are a quarter of the one before, or so."""
    rng = np.random.default_rng(0)
    logarithms = np.log([[1 / 4], [1], [4]]) + rng.uniform(-0.1, 0.1, (3, CHANNELS))
    logarithms = logarithms.astype(np.float32)
    return Rates(logarithms, -logarithms, usual)


def pool(latents, channels=2):
    """A hyper-analysis: means of 4 x 4 latents."""
    return tf.nn.avg_pool2d(latents, 4, 4, "SAME")[..., :channels]


def build_hyperprior(seed=0, several=None, **options):
    analysis, synthesis = networks(seed)
    tables = hyperprior(seed, several)
    model_id = identify(analysis.get_weights() + synthesis.get_weights(), tables)
    options = {"hyper_analysis": pool, **options}
    return ImageCodec(analysis, synthesis, tables, model_id, **options)


def build_rates(seed=0, **options):
    return build_hyperprior(seed, rates(), **options)


def linear_networks(seed=0):
    """A projection of the pixels of a face, its transpose, and the matrix of both."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(FACE_SIZE**2 * 3, LATENTS)))
    basis = basis.astype("f")

    def encoder(image):
        return tf.reshape(image - 0.5, [1, -1]) @ basis

    def decoder(latents):
        return tf.reshape(latents @ basis.T, [1, FACE_SIZE, FACE_SIZE, 3]) + 0.5

    return encoder, decoder, basis


def build_latents(bits=6, seed=0, **options):
    encoder, decoder, basis = linear_networks(seed)
    faces = (picture(FACE_SIZE, FACE_SIZE, number) for number in range(150))
    latents = [encoder(pixels.bytes_to_unit(face)[None]) for face in faces]
    quantizer = Quantizer.fit(np.concatenate(latents), bits)
    model_id = identify([basis], quantizer)
    options = {"image_size": FACE_SIZE, **options}
    return LatentCodec(encoder, decoder, quantizer, model_id, **options)


def halves(activation="relu", *, seed=0, channels=8):
    """Tan's networks, for any size, with latents as large as those of trained ones."""
    tf.keras.utils.set_random_seed(seed)
    options = {"channels": channels, "activation": activation}
    analysis = portrait_autoencoder.build_analysis(None, **options)
    synthesis = portrait_autoencoder.build_synthesis(None, **options)
    drawn = {"relu": 1.0, "gdn": 0.05}[activation]  # the inverse GDN squares
    for half, layer, scale in ((analysis, "down3", 60.0), (synthesis, "up1", drawn)):
        kernel = half.get_layer(layer).kernel
        kernel.assign(scale * kernel)
    synthesis.get_layer("up3").bias.assign([0.5] * 3)
    return analysis, synthesis


@tiny.made_once
def export(folder, activation="relu", *, priced=True):
    """Saves `halves`, with tables if `priced`; returns the folder and all these."""
    analysis, synthesis = halves(activation)
    tables = laplace_tables([4.0] * 8) if priced else None
    folder = codec.save(
        analysis,
        synthesis,
        folder / "export" / "1",
        tables=tables,
        config={"name": activation},
        card="# Ça\n",
    )
    return folder, analysis, synthesis, tables


def picture(height, width, seed=0):
    """Smooth and rough parts, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width][..., None]
    waves = np.sin(x / (9 + 4 * np.arange(3)) + y / 17) * 80 + 128
    return np.clip(waves + rng.normal(0, 20, (height, width, 3)), 0, 255).astype("u1")


def flip(path):
    """Changes a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def mutate(data, other, rng):
    """One to three of what happens to files, among them what is meant to deceive."""
    for _ in range(rng.integers(1, 4)):
        start, stop = np.sort(rng.integers(0, len(data) + 1, 2))
        first, second = rng.integers(0, 29, 2)
        changed = bytearray(data)
        kind = rng.integers(8)
        if kind == 0 and data:
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
        elif kind == 1:
            changed = data[:stop]
        elif kind == 2:
            changed = data[:start] + rng.bytes(rng.integers(1, 20)) + data[start:]
        elif kind == 3:
            changed = data[:start] + other[start:]
        elif kind == 4:
            changed[start:stop] = bytes(stop - start)
        elif kind == 5:
            changed[first : first + 2], changed[second : second + 2] = (
                changed[second : second + 2],
                changed[first : first + 2],
            )
        elif kind == 6:
            changed = data[start:stop]
        else:
            changed[:30] = other[:30]
        data = bytes(changed)
    return data
