"""The CVAE and the DCGAN, autoencoders with 512 latents (Killingbeck et al.).

The CVAE is a variational autoencoder; the DCGAN is trained against a discriminator. The
text gives no layers, only their numbers of parameters, 443,491 and 973,443. The layers
here have exactly these numbers; those of the DCGAN are a guess nevertheless. A fourth
generator, "wide", is not the paper's: it has normalization and many more channels.

Generators use Glorot's initialization, Keras's default: they have no BatchNorm, and
N(0, 0.02), which the discriminator uses, would scale the signal by about a tenth in
every layer.

Noise in training depends on a key alone, integer [B, 2], whose first row is used. It is
made of seed, epoch and image, so that a run that resumes sees the same noise; Keras's
own layers draw from a state that no checkpoint holds.
"""

from __future__ import annotations

import typing

import tensorflow as tf

from models import blocks, convolutions, discriminators, stochastic

LATENTS = 512
DISCRIMINATOR_WIDTHS = (64, 128)
DROPOUT = 0.3
_HEAD = 512  # units of the hidden layer before the latents, whatever their number


class Design(typing.NamedTuple):
    """The options of a generator."""

    widths: tuple[int, ...]  # channels of the encoder's convolutions, from the image on
    pooled: bool = False  # whether the last halving is a MaxPool, the last doubling
    # bilinear
    deep: bool = False  # whether mean and log-variance each have a hidden layer
    normed: bool = False  # whether BatchNorm stands before each activation, a LeakyReLU
    kernel: int = 3  # side of the transposed convolutions

    @property
    def halvings(self) -> int:
        """How often the image is halved."""
        return len(self.widths) + self.pooled


GENERATORS = {
    "cvae": Design((8, 16, 32, 64), pooled=True),
    "dcgan": Design((8, 16, 16, 32, 64), deep=True),
    # Another reading of the text on the DCGAN: more than twice the parameters.
    "doubled": Design((16, 32, 64, 128), pooled=True),
    # Ours. 4,096 features, because 256 of them are fewer than the 512 latents; units
    # that cannot die; and a kernel that the stride divides, against checkerboards.
    "wide": Design((32, 64, 128, 256), normed=True, kernel=4),
}


def check(generator: str, image_size: int, latents: int) -> Design:
    """The design of that name; a ValueError names the option that cannot be built."""
    blocks.check_option("generator", generator, tuple(GENERATORS))
    design = GENERATORS[generator]
    because = f"{design.halvings} layers each halve the image"
    blocks.check_multiple("image_size", image_size, 2**design.halvings, because)
    if latents < 1:
        raise ValueError(
            f"latents must be at least 1, {LATENTS} as published; got {latents}."
        )
    return design


def build_encoder(
    generator: str = "cvae", *, image_size: int = 64, latents: int = LATENTS
) -> tf.keras.Model:
    """Builds the encoder, "Implementations" and Figures 1 and 3.

      image          [B, S, S, 3]
      down           convs 3x3/2 of `widths`, ReLU; "cvae" and "doubled": MaxPool 2
                     -> [B, S/32, S/32, widths[-1]], flattened to the features;
                     "wide": BatchNorm, LeakyReLU -> [B, S/16, S/16, 256]
      mean           "dcgan": dense 512, ReLU; dense, linear -> [B, L]
      log_variance   the same with other weights -> [B, L]

    Larger images have more features, not more layers: 256 at 64 px ("doubled": 512,
    "wide": 4,096) and four times as many at 128 px. In the "cvae" the means are a
    linear function of the features, so that at 64 px 512 of them carry no more
    information than 256 would.

    Args:
      generator: Of `GENERATORS`.
      image_size: S in pixels, a multiple of 32 ("wide": of 16); 64 as published.
      latents: L; 512 as published.

    Returns:
      image in [0, 1] -> {"mean": [B, L], "log_variance": [B, L]}, float32.

    Raises:
      ValueError: If the generator is unknown, the image cannot be halved so often, or
        there is no latent.
    """
    design = check(generator, image_size, latents)
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    x = image
    for stage, width in enumerate(design.widths, start=1):
        x = convolutions.Conv2D(
            width, 3, strides=2, padding="same", name=f"down{stage}"
        )(x)
        x = _activated(x, design, name=f"down{stage}")
    if design.pooled:
        x = tf.keras.layers.MaxPool2D(2, name="pool")(x)
    features = tf.keras.layers.Flatten(name="features")(x)
    outputs = {}
    for name in ("mean", "log_variance"):
        x = features
        if design.deep:
            x = tf.keras.layers.Dense(_HEAD, name=f"{name}_hidden")(x)
            x = blocks.relu(x, name=f"{name}_hidden_act")
        outputs[name] = tf.keras.layers.Dense(latents, dtype="float32", name=name)(x)
    return tf.keras.Model(image, outputs, name="encoder")


def build_decoder(
    generator: str = "cvae", *, image_size: int = 64, latents: int = LATENTS
) -> tf.keras.Model:
    """Builds the decoder, which has the layers of `build_encoder` in reverse.

      latents   [B, L]
      features  dense, ReLU -> [B, S/32, S/32, widths[-1]]
      up        transposed convs 3x3/2 of the other widths, ReLU, and of 3, sigmoid
                -> "dcgan": image [B, S, S, 3]; "wide": the same with kernels 4x4 and
                with BatchNorm, LeakyReLU, from [B, S/16, S/16, 256]
      double    "cvae" and "doubled": bilinear -> image [B, S, S, 3]

    Doubling first, in place of the MaxPool, would give the same number of parameters,
    but each cell of the 2x2 features would be decoded almost without its neighbors, and
    the cells would be visible.

    Args and errors are those of `build_encoder`.

    Returns:
      latents -> image in [0, 1], float32.
    """
    design = check(generator, image_size, latents)
    side, width = image_size >> design.halvings, design.widths[-1]
    code = tf.keras.Input((latents,), name="latents")
    x = tf.keras.layers.Dense(side * side * width, name="features")(code)
    if not design.normed:
        x = blocks.relu(x, name="features_act")
    x = tf.keras.layers.Reshape((side, side, width), name="map")(x)
    if design.normed:  # each channel of the map, not each feature
        x = _activated(x, design, name="map")
    for stage, width in enumerate(reversed(design.widths[:-1]), start=1):
        x = _up(x, width, design.kernel, name=f"up{stage}")
        x = _activated(x, design, name=f"up{stage}")
    name = f"up{len(design.widths)}"
    x = _up(x, 3, design.kernel, activation="sigmoid", dtype="float32", name=name)
    if design.pooled:
        x = tf.keras.layers.UpSampling2D(
            2, interpolation="bilinear", dtype="float32", name="double"
        )(x)
    return tf.keras.Model(code, x, name="decoder")


def build_autoencoder(
    encoder: tf.keras.Model, decoder: tf.keras.Model
) -> tf.keras.Model:
    """Joins the halves, which become its layers "encoder" and "decoder".

    In training the decoder takes a sample of N(mean, exp(log_variance)), at evaluation
    the mean.

    Returns:
      {"image": [B, S, S, 3] in [0, 1], "key": integer [B, 2]}
      -> {"image": [B, S, S, 3] in [0, 1], "mean": [B, L], "log_variance": [B, L]},
      float32.
    """
    image = tf.keras.Input(encoder.input_shape[1:], name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    code = encoder(image)
    latents = [code["mean"], code["log_variance"], key]
    sample = stochastic.Sampling(name="sampling")(latents)
    outputs = {"image": decoder(sample), **code}
    return tf.keras.Model({"image": image, "key": key}, outputs, name="cvae_dcgan")


def build_discriminator(image_size: int = 64) -> tf.keras.Model:
    """Builds the discriminator, in the paper "a simple Convolutional Neural Network".

      image     [B, S, S, 3] in [0, 1]
      trunk     (conv 5x5/2 -> LeakyReLU -> dropout 0.3) of 64, 128
                -> [B, S/4, S/4, 128], flattened
      score     dense, linear, float32 -> [B]

    Layers and dropout are those of TensorFlow's DCGAN tutorial, slope (0.2) and
    initialization (N(0, 0.02)) those of the other discriminators here.

    Returns:
      {"image": [B, S, S, 3], "key": integer [B, 2]} -> logit [B], above 0 for images
      judged real. With the same key the same activations of real and restored images
      are dropped.

    Raises:
      ValueError: If S is not a multiple of 4.
    """
    discriminators.check_halvings("image_size", image_size, len(DISCRIMINATOR_WIDTHS))
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    x = image
    for level, width in enumerate(DISCRIMINATOR_WIDTHS, start=1):
        x = blocks.conv(x, width, 5, strides=2, name=f"conv{level}")
        x = blocks.leaky_relu(x, name=f"act{level}")
        dropout = stochastic.KeyedDropout(DROPOUT, level, name=f"dropout{level}")
        x = dropout([x, key])
    x = tf.keras.layers.Flatten(name="features")(x)
    x = blocks.dense(x, 1, dtype="float32", name="score")
    logit = tf.keras.layers.Reshape((), dtype="float32", name="logit")(x)
    return tf.keras.Model({"image": image, "key": key}, logit, name="discriminator")


def _up(x, filters: int, kernel: int, **options):
    """Transposed conv, stride 2, SAME, with a bias. [B, H, W, C] -> [B, 2H, 2W, F]."""
    return tf.keras.layers.Conv2DTranspose(
        filters, kernel, strides=2, padding="same", **options
    )(x)


def _activated(x, design: Design, *, name: str):
    """ReLU, or BatchNorm and LeakyReLU. Shape unchanged."""
    if not design.normed:
        return blocks.relu(x, name=f"{name}_act")
    x = blocks.batch_norm(x, name=f"{name}_bn")
    return blocks.leaky_relu(x, name=f"{name}_act")
