"""What the systems that fill holes have in common."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline import decoded, masks, pipeline, pixels
from data_pipeline.choices import check_choice
from evaluation.baselines import Restorer, inpainting
from experiments.core.command_line import check_at_least, hp
from experiments.core.config import SystemConfig
from experiments.core.data import RunData
from serving.export import restorer as export_restorer
from serving.export.restorer import Fillable, build_restorer

_EVALUATED = 64  # images restored and measured at once
_MASK_KINDS = ", ".join(masks.KINDS)


@dataclasses.dataclass(frozen=True)
class InpaintingConfig(SystemConfig):
    """The flags of every system that fills holes."""

    region = "composite"
    to_unit = staticmethod(pixels.signed_to_unit)
    pictures_note = "Known pixels are shown as they were; only the hole is restored."

    image_size: int = hp(128, "Side of the image, pixels.")
    hole_size: int = hp(64, "Side of a square hole, pixels.")
    hole_fill: float = hp(1.0, "What stands in the hole, in [-1, 1].")
    train_mask: str = hp(
        "random_square", f"Hole in training: {_MASK_KINDS}, or a file or folder."
    )
    test_mask: str = hp(
        "center", f"Hole in validation and test: {_MASK_KINDS}, or a file or folder."
    )
    hole_ratio: tuple[float, ...] = hp(
        (0.1, 0.4), "Smallest and largest share of the image a free-form hole takes."
    )
    missing_is_black: bool = hp(
        False, "In mask files black marks what is missing, instead of white."
    )
    batch_size: int = hp(64, "Images a step, over all replicas.")

    def __post_init__(self):
        super().__post_init__()
        # A misspelled kind is said at once, not after the images have been decoded.
        for flag in ("train_mask", "test_mask"):
            kind = getattr(self, flag)
            if not pathlib.Path(kind).exists():
                check_choice(flag, kind, (*masks.KINDS, "a file or folder"))
        check_at_least("hole_size", self.hole_size, 1)
        if self.hole_size > self.image_size:
            raise ValueError(
                f"--hole_size must be at most {self.image_size}, the side of the "
                f"image; got {self.hole_size}."
            )
        if len(self.hole_ratio) != 2:
            raise ValueError(
                "--hole_ratio takes two numbers, the smallest and the largest share, "
                f"such as 0.1,0.4; got {','.join(map(str, self.hole_ratio))!r}."
            )

    def task(
        self, kind: str, names: Sequence[str], *, shift: int = 0
    ) -> pipeline.TaskFn:
        """The task of filling holes of a kind in the named images.

        Args:
          kind: See `masks.build`.
          names: Of the images.
          shift: See `pipeline.inpainting`.
        """
        mask_fn = self.mask_fn(kind, names)
        return pipeline.inpainting(mask_fn, fill=self.hole_fill, shift=shift)

    def mask_fn(self, kind: str, names: Sequence[str], **options: Any) -> masks.MaskFn:
        """Draws holes of a kind in the named images; see `masks.build`."""
        return masks.build(
            kind,
            image_size=self.image_size,
            hole_size=self.hole_size,
            hole_ratio=tuple(self.hole_ratio),
            names=names,
            missing_is_black=self.missing_is_black,
            **options,
        )

    def training_task(self, split: decoded.DecodedSplit) -> pipeline.TaskFn:
        """The task of the training images."""
        return self.task(self.train_mask, split.names)

    def fixed_batches(self, split: decoded.DecodedSplit) -> tf.data.Dataset:
        """Every image of a split once, with the hole it always has."""
        return pipeline.evaluation_batches(
            split,
            self.task(self.test_mask, split.names),
            batch_size=_EVALUATED,
            seed=self.seed,
        )

    def restorer(self, network: tf.keras.Model) -> Callable[[dict], tf.Tensor]:
        """A network in [-1, 1] as a restorer: inputs -> image in [0, 1]."""

        @tf.function(reduce_retracing=True)
        def restore(inputs: dict) -> tf.Tensor:
            return pixels.signed_to_unit(network(inputs, training=False))

        return restore

    def baselines(self, data: RunData) -> dict[str, Restorer]:
        """What a user would take instead."""
        # A folder may hold pictures of anything.
        faces = data.test.source.info.name not in ("folder", "scenes")
        return inpainting(data.mean_image(), faces=faces)

    def lost(self) -> str:
        """What is missing from the test images, as a sentence."""
        return f"Holes: {self._holes()}."

    def _holes(self) -> str:
        kind, side = self.test_mask, self.hole_size
        if kind not in masks.KINDS:
            return f"from {pathlib.Path(kind).name}"
        named = kind.replace("_", " ")
        image = f"{self.image_size}×{self.image_size} pixels"
        if kind == "free_form":
            low, high = (f"{100 * share:g}" for share in self.hole_ratio)
            return f"{named}, {low} to {high}% of {image}"
        if kind == "mixed":
            return f"squares, rectangles, strokes and parts of the face, of {image}"
        if kind == "random_rectangle":
            return f"{named}, sides up to {side} of {image}"
        known = "all but the center's " if kind == "border" else ""
        return f"{named}, {known}{side}×{side} of {image}"

    def drawn(self, restore: Callable, inputs: dict, target: tf.Tensor) -> list:
        """Rows of the pictures that are drawn as training goes, in [0, 1]."""
        raw, target = restore(inputs), pixels.signed_to_unit(target)
        given = pixels.signed_to_unit(inputs["image"])
        return [given, raw, tf.where(inputs["mask"] > 0.5, raw, target), target]

    @property
    def fillable(self) -> Fillable:
        """Which holes the network fills."""
        raise NotImplementedError

    def export(
        self,
        network: tf.keras.Model,
        folder: pathlib.Path,
        *,
        data: RunData,
        facts: Mapping[str, Any],
        card: str,
    ) -> pathlib.Path:
        """Writes the network as `serving.export.restorer.build_restorer` wraps it."""
        facts = {
            **facts,
            "hole_size": self.hole_size,
            "fills": dataclasses.asdict(self.fillable),
        }
        return export_restorer.save(
            build_restorer(network, fill=self.hole_fill, fillable=self.fillable),
            folder,
            extras={
                "config.json": json.dumps(facts, indent=2) + "\n",
                "model_card.md": card,
            },
        )
