"""What the systems that return the image they are given have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation.baselines import rescaling
from experiments.core.command_line import hp
from experiments.core.config import SystemConfig
from experiments.core.data import RunData

_EVALUATED = 64  # images reconstructed and measured at once


@dataclasses.dataclass(frozen=True)
class ReconstructionConfig(SystemConfig):
    """The flags of every system that makes a face small and large again."""

    pictures_note = "What each makes of the original, on the right."
    metrics = (
        "mse",
        "mse_uint8_wrap",
        "psnr_db",
        "ssim",
        "ms_ssim",
        "ms_ssim_3",
        "lpips",
        "attribute_accuracy",
        "identity",
        "bits_per_pixel",
    )

    image_size: int = hp(192, "Side of the image, pixels.")
    shift: int = hp(
        0,
        "Training images are flipped and moved by up to so many pixels; 0 leaves them.",
        published="not stated",
    )

    def training_task(self, split: DecodedSplit) -> pipeline.TaskFn:
        """The task of the training images."""
        return pipeline.reconstruction(shift=self.shift)

    def fixed_batches(self, split: DecodedSplit) -> tf.data.Dataset:
        """Every image of a split once, as it is."""
        return pipeline.evaluation_batches(
            split, pipeline.reconstruction(), batch_size=_EVALUATED, seed=self.seed
        )

    def restorer(self, network: tf.keras.Model) -> Callable[[dict], tf.Tensor]:
        """A network, inputs -> {"image", ...}, as a restorer."""

        @tf.function(reduce_retracing=True)
        def restore(inputs: dict) -> tf.Tensor:
            image = network(inputs, training=False)["image"]
            return tf.clip_by_value(image, 0.0, 1.0)

        return restore

    def baselines(self, data: RunData) -> dict[str, Callable]:
        """Smaller images, made large again."""
        return rescaling()

    def drawn(self, restore: Callable, inputs: dict, target: tf.Tensor) -> list:
        """Originals above what is made of them."""
        return [target, restore(inputs)]
