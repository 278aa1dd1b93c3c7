"""What the report of a face in 512 numbers has besides the metrics of every task.

Table 1 with JPEG and masks, files of a few bits a latent beside JPEG and WebP, what the
latents carry, and what the discriminator did.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline.face_masks import FoundMasks
from evaluation import image_formats, latents, lpips, wording
from evaluation.rate_distortion import BITS
from evaluation.record import Evaluation
from experiments import (
    coded_images,
    coded_latents,
    coded_measures,
    cvae_dcgan_table,
    latent_pictures,
    latent_quantizers,
    watched_discriminator,
)
from experiments.data import RunData
from experiments.system_config import Findings

if typing.TYPE_CHECKING:
    from experiments.cvae_dcgan import Config

QUALITY = 85  # of JPEG, as published
SMALL, FULL = f"JPEG quality {QUALITY}", f"JPEG quality {QUALITY}, full size"
MEAN = "mean face"
MASKS = "Masks: "  # begins the sentence that says which were used


def examine(
    config: Config,
    network: tf.keras.Model,
    restorers: Mapping[str, Callable],
    data: RunData,
    result: Evaluation,
    history: Sequence[Mapping[str, float]],
) -> Findings:
    """Measures what only this system has; as `SystemConfig.examine` takes it."""
    ours, split = next(iter(restorers)), data.test
    whole = coded_measures.whole(
        split.names,
        extra=config.measures(),
        lpips=_lpips(config, result.values[ours]),
    )
    faces = None if config.face_masks == "none" else config.find_faces(split)
    values = _rows(config, restorers[ours], ours, data, whole, faces)
    table = cvae_dcgan_table.table_1(
        {**values, ours: {**result.values[ours], **values[ours]}},
        ours=[ours],
        size=config.image_size,
    )
    codecs = coded_latents.codecs(network, data.train)
    files = coded_latents.measure(ours, codecs, split.images, [whole])
    compared = coded_latents.compare(files, split)
    found = Findings(
        values={**values, **files},
        tables=(table, *coded_latents.tables(compared)),
        curves=(
            *coded_latents.curves(compared),
            *watched_discriminator.curves(history),
        ),
        statements=(
            _bytes(values, ours, config.image_size),
            *([_found(faces)] if faces else []),
            *coded_latents.statements(compared),
            *watched_discriminator.statements(history),
        ),
    )
    if len(split) < 2:  # Of a single image no latent varies.
        return found
    code = latent_quantizers.encode(network.get_layer("encoder"), split.images)
    usage = latents.measure(code["mean"], code["log_variance"])
    return dataclasses.replace(
        found,
        tables=(*found.tables, latents.table({ours: usage})),
        curves=(*found.curves, latents.curve({ours: usage})),
        pictures=latent_pictures.sections(network, split, usage),
    )


def _rows(
    config: Config,
    restore: Callable,
    ours: str,
    data: RunData,
    whole: coded_measures.Measure,
    faces: FoundMasks | None,
) -> dict[str, dict[str, np.ndarray]]:
    """Values of the rows of Table 1; those of our whole images are in the result."""
    split, jpeg = data.test, image_formats.available()["JPEG"]
    masked = [coded_measures.masked(faces, whole)] if faces else []
    network = coded_images.of_network(
        restore, config.fixed_batches(split), length=4 * config.latents
    )
    others = {
        SMALL: coded_images.of_format(jpeg, QUALITY, split.images),
        FULL: coded_images.of_format_at_full_size(
            jpeg, QUALITY, split, crop=config.crop
        ),
        MEAN: coded_images.of_constant(data.mean_image(), len(split)),
    }
    rows = {
        ours: coded_measures.measure(split.images, network, masked, progress=ours),
        **{
            name: coded_measures.measure(
                split.images, coded, [whole, *masked], progress=name
            )
            for name, coded in others.items()
        },
    }
    # Drawn faces, and prepared ones, have no other size than the one that is measured.
    if np.array_equal(rows[FULL][BITS], rows[SMALL][BITS]):
        del rows[FULL]
    return rows


def _lpips(config: Config, values: Mapping[str, np.ndarray]) -> Callable | None:
    """The LPIPS that has measured the network, if one has."""
    if not np.isfinite(values.get("raw/lpips", np.nan)).any():
        return None
    return lpips.load(lpips.resolve(config.lpips_weights))


def _bytes(values: Mapping[str, Mapping[str, np.ndarray]], ours: str, size: int) -> str:
    """How large a face is before and after; the network's numbers are no file yet."""
    length = {
        name: f"{round(np.mean(columns[BITS]) * size**2 / 8):,}"
        for name, columns in values.items()
    }
    said = f"JPEG at quality {QUALITY} takes {length[SMALL]} bytes a face of {size} px"
    if FULL in length:
        said += f" and {length[FULL]} at its own full size"
    return (
        f"{said}; the latents as 32-bit floats take {length[ours]}. Bits per pixel "
        f"count the {size}×{size} pixels that are measured."
    )


def _found(faces: FoundMasks) -> str:
    """Which masks were used, and in how many images there is no face."""
    missing = len(faces.without)
    said = f"{MASKS}{faces.description}."
    if not missing:
        return f"{said} Every test image has one."
    return (
        f"{said} {missing:,} of {wording.counted(len(faces.found), 'test image')} have "
        "none and are left out of the masked rows."
    )
