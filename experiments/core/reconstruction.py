"""The task of encoding and decoding a whole image, for the systems that do."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation import baselines
from experiments.core.config import ReconstructionConfig
from experiments.core.data import RunData
from experiments.core.system import System

_EVALUATED = 64  # images reconstructed and measured at once


class ReconstructionSystem(System):
    """A system whose network encodes and decodes an image: in [0, 1], out in [0, 1]."""

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

    def training_task(
        self, config: ReconstructionConfig, split: DecodedSplit
    ) -> pipeline.TaskFn:
        """The task of the training images."""
        return pipeline.reconstruction(shift=config.shift)

    def fixed_batches(
        self, config: ReconstructionConfig, split: DecodedSplit
    ) -> tf.data.Dataset:
        """Every image of a split once, as it is."""
        return pipeline.evaluation_batches(
            split, pipeline.reconstruction(), batch_size=_EVALUATED, seed=config.seed
        )

    def restorer(self, network: tf.keras.Model) -> Callable[[dict], tf.Tensor]:
        """A network, inputs -> {"image", ...}, as a restorer."""

        @tf.function(reduce_retracing=True)
        def restore(inputs: dict) -> tf.Tensor:
            image = network(inputs, training=False)["image"]
            return tf.clip_by_value(image, 0.0, 1.0)

        return restore

    def baselines(self, data: RunData) -> dict[str, Callable]:
        """Smaller images, enlarged again."""
        return baselines.rescaling()

    def drawn(self, restore: Callable, inputs: dict, target: tf.Tensor) -> list:
        """Originals above their reconstructions."""
        return [target, restore(inputs)]
