"""The two tasks of systems: filling holes, and encoding and decoding an image."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline import masks, pipeline, pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import baselines
from experiments.core.config import InpaintingConfig, ReconstructionConfig
from experiments.core.data import RunData
from experiments.core.run import Run
from experiments.core.system import EVALUATED, System
from serving.export import restorer as exports


class InpaintingSystem(System):
    """A system whose network fills holes: image and mask in [-1, 1] -> whole image."""

    region = "composite"
    pictures_note = "Known pixels are shown as they were; only the hole is restored."

    floors = ("mean color", "mean face", "Telea", "Navier–Stokes")

    def fillable(self, config: InpaintingConfig) -> exports.Fillable:
        """Which holes the network fills; any, by default."""
        return exports.Fillable()

    def task(
        self,
        config: InpaintingConfig,
        kind: str,
        names: Sequence[str],
        *,
        shift: int = 0,
    ) -> pipeline.TaskFn:
        """The task of filling holes of a kind in the named images.

        For the kind see `masks.build`, for the shift `pipeline.inpainting`.
        """
        mask_fn = self.mask_fn(config, kind, names)
        return pipeline.inpainting(mask_fn, fill=config.hole_fill, shift=shift)

    def mask_fn(
        self, config: InpaintingConfig, kind: str, names: Sequence[str], **options: Any
    ) -> masks.MaskFn:
        """Draws holes of a kind in the named images; see `masks.build`."""
        return masks.build(
            kind,
            image_size=config.image_size,
            hole_size=config.hole_size,
            hole_ratio=tuple(config.hole_ratio),
            names=names,
            missing_is_black=config.missing_is_black,
            **options,
        )

    def training_task(
        self, config: InpaintingConfig, split: DecodedSplit
    ) -> pipeline.TaskFn:
        """The task of the training images."""
        return self.task(config, config.train_mask, split.names)

    def fixed_batches(
        self, config: InpaintingConfig, split: DecodedSplit
    ) -> tf.data.Dataset:
        """Every image of a split once, with the hole it always has."""
        return pipeline.evaluation_batches(
            split,
            self.task(config, config.test_mask, split.names),
            batch_size=EVALUATED,
            seed=config.seed,
        )

    def restorer(self, network: tf.keras.Model) -> Callable[[dict], tf.Tensor]:
        """A network in [-1, 1] as a restorer: inputs -> image in [0, 1]."""

        @tf.function(reduce_retracing=True)
        def restore(inputs: dict) -> tf.Tensor:
            return pixels.signed_to_unit(network(inputs, training=False))

        return restore

    def to_unit(self, target: tf.Tensor) -> tf.Tensor:
        """[-1, 1] -> [0, 1]."""
        return pixels.signed_to_unit(target)

    def baselines(self, data: RunData) -> dict[str, baselines.Restorer]:
        """Mean color, mean face, Telea and Navier-Stokes."""
        # A folder may hold pictures of anything.
        faces = data.test.source.info.name not in ("folder", "scenes")
        return baselines.inpainting(data.mean_image(), faces=faces)

    def lost(self, config: InpaintingConfig) -> str:
        """The holes of the test images, as a sentence."""
        kind, side = config.test_mask, config.hole_size
        if kind not in masks.KINDS:
            return f"Holes: from {pathlib.Path(kind).name}."
        named = kind.replace("_", " ")
        image = f"{config.image_size}×{config.image_size} pixels"
        if kind == "free_form":
            low, high = (f"{100 * share:g}" for share in config.hole_ratio)
            return f"Holes: {named}, {low} to {high}% of {image}."
        if kind == "mixed":
            return (
                "Holes: squares, rectangles, strokes and regions of the face, of "
                f"{image}."
            )
        if kind == "random_rectangle":
            return f"Holes: {named}, sides up to {side} of {image}."
        known = "all but the center's " if kind == "border" else ""
        return f"Holes: {named}, {known}{side}×{side} of {image}."

    def drawn(self, restore: Callable, inputs: dict, target: tf.Tensor) -> list:
        """Rows of the pictures that are drawn as training goes, in [0, 1]."""
        raw, target = restore(inputs), pixels.signed_to_unit(target)
        given = pixels.signed_to_unit(inputs["image"])
        return [given, raw, tf.where(inputs["mask"] > 0.5, raw, target), target]

    def export(
        self, run: Run, network: tf.keras.Model, *, facts: Mapping[str, Any], card: str
    ) -> pathlib.Path:
        """Writes the network as `serving.export.restorer.build_restorer` wraps it."""
        config, fillable = run.config, self.fillable(run.config)
        facts = {
            **facts,
            "hole_size": config.hole_size,
            "fills": dataclasses.asdict(fillable),
        }
        return exports.save(
            exports.build_restorer(network, fill=config.hole_fill, fillable=fillable),
            run.folder.export,
            extras={
                "config.json": json.dumps(facts, indent=2) + "\n",
                "model_card.md": card,
            },
        )


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
        "verified_percent",
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
            split, pipeline.reconstruction(), batch_size=EVALUATED, seed=config.seed
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
