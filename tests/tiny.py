"""Small stand-ins that several test files share: splits without files, trainers."""

import contextlib
import dataclasses
import functools
import io
import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipeline.datasets import elements
from data_pipeline.decoded import DecodedSplit
from evaluation.metrics import lpips
from models import discriminators, skip_inpainting
from serving.export import known
from training import losses
from training.adversarial import AdversarialTrainer
from training.trainer import WeightAverage

SIZE = 32


def split_of(images, names=None):
    """A decoded split of these images, uint8 [N, S, S, 3]."""
    names = tuple(names or (f"image_{i}" for i in range(len(images))))
    info = elements.SourceInfo("tiny", "Tiny", {"train": len(names)}, "", "", "")
    source = elements.Source(info, "train", names, lambda positions: iter(()))
    return DecodedSplit(source, names, np.asarray(images), {})


def renamed(split, attribute_names):
    """The split, its attributes called otherwise."""
    info = dataclasses.replace(
        split.source.info, attribute_names=tuple(attribute_names)
    )
    source = dataclasses.replace(split.source, info=info)
    return dataclasses.replace(split, source=source)


def labeled(images, attribute_names=("One", "Two", "Four", "Eight")):
    """A decoded split whose images have the bits of their numbers as attributes."""
    split = renamed(split_of(images), attribute_names)
    bits = np.arange(len(images))[:, None] >> np.arange(len(attribute_names))
    return dataclasses.replace(split, fields={"attributes": bits % 2 == 1})


def encoded(color, size=(8, 8), *, mode="RGB", **options):
    """The bytes of a picture of one color."""
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, **options)
    return buffer.getvalue()


def noise(count, size=SIZE, seed=0):
    """Random images, uint8 [count, size, size, 3]."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, [count, size, size, 3], np.uint8)


def smooth(count, size=SIZE, seed=0):
    """Random images that a network can learn, float32 in [-1, 1]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-0.8, 0.8, [count, 4, 4, 3]).astype(np.float32)
    return tf.image.resize(coarse, [size, size], "bilinear").numpy()


def batch(count=4, size=SIZE, seed=0):
    """(inputs, target) with a hole in the center."""
    target = smooth(count, size, seed)
    mask = np.zeros([count, size, size, 1], np.float32)
    mask[:, size // 4 : -size // 4, size // 4 : -size // 4] = 1
    return {"image": np.where(mask > 0, np.float32(1), target), "mask": mask}, target


def plain_generator(size=SIZE, *, normalized=False):
    """Two convolutions; without BatchNorm replicas have everything in common."""
    image = tf.keras.Input((size, size, 3), name="image")
    mask = tf.keras.Input((size, size, 1), name="mask")
    x = tf.keras.layers.Conv2D(6, 3, padding="same", activation="relu")(image)
    if normalized:
        x = tf.keras.layers.BatchNormalization(momentum=0.5)(x)
    x = tf.keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(x)
    return tf.keras.Model({"image": image, "mask": mask}, x)


def published_generator(size=SIZE):
    """Model 3, with BatchNorm, cut to three narrow levels."""
    generator = skip_inpainting.build_generator(3, image_size=size, widths=(8, 8, 16))
    return skip_inpainting.build_inpainter(generator)


def sgd(learning_rate=0.1, **options):
    return tf.keras.optimizers.SGD(learning_rate, **options)


def trainer(
    generator=None,
    discriminator=None,
    *,
    optimizer=sgd,
    reconstruction=1.0,
    adversarial=0.1,
    judging=0.5,
    ema=0.0,
):
    """A compiled trainer; the three numbers are weights of its losses."""

    def generator_losses(real, fake, fake_score, inputs):
        return {
            "g_reconstruction": reconstruction * losses.l2(real, fake),
            "g_adversarial": adversarial * losses.l2_to(fake_score, 1.0),
        }

    def discriminator_losses(real_score, fake_score):
        return {
            "d_real": judging * losses.l2_to(real_score, 1.0),
            "d_fake": judging * losses.l2_to(fake_score, 0.0),
        }

    generator = generator or plain_generator()
    built = AdversarialTrainer(
        generator,
        discriminator or discriminators.build_patch_discriminator(SIZE, (6, 8)),
        generator_losses=generator_losses,
        discriminator_losses=discriminator_losses,
        average=WeightAverage(generator, ema) if ema else None,
    )
    built.compile(optimizer(), optimizer())
    return built


@contextlib.contextmanager
def signatures_alone():
    """What is exported meanwhile lacks the graphs of single layers.

    Only Keras asks for them, and they take most of the time of an export.
    """
    with pytest.MonkeyPatch.context() as patch:
        save = functools.partialmethod(tf.keras.Model.save, save_traces=False)
        patch.setattr(tf.keras.Model, "save", save)
        yield


def made_once(export):
    """An export of this process, and whatever else `export` returns, which is shared.

    `export` writes into a run folder; other runs get a copy of what it wrote.
    """
    made = {}

    @functools.wraps(export)
    def copied(run, *arguments, **options):
        key = arguments, *sorted(options.items())
        if key not in made:
            place = tempfile.TemporaryDirectory()  # deleted with this process
            made[key] = place, export(pathlib.Path(place.name), *arguments, **options)
        folder, *others = made[key][1]
        folder = shutil.copytree(folder, run / "export" / "1")
        known.remember(folder)
        return folder, *others

    return copied


def finite(weights):
    """Whether no weight is NaN or infinite."""
    return all(np.isfinite(np.asarray(weight)).all() for weight in weights)


def lpips_weights(path):
    """Writes random LPIPS weights, whose activations stay near 1; returns the path."""
    rng, made = np.random.default_rng(0), {}
    for layer, (_, shape) in lpips.CONVOLUTIONS.items():
        scale = np.sqrt(2 / np.prod(shape[:3]))
        made[f"conv{layer}_w"] = scale * rng.standard_normal(shape).astype("f")
        made[f"conv{layer}_b"] = 0.1 * rng.standard_normal(shape[3]).astype("f")
        made[f"lin{layer}"] = rng.uniform(0, 0.1, shape[3]).astype("f")
    np.savez(path, **made)
    return str(path)
