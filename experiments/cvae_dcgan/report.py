"""Report of a CVAE or DCGAN: Table 1, files, latents and the discriminator.

Table 1 has rows of JPEG, of eigenfaces and of masks in three readings; files of a few
bits a latent are compared with JPEG, WebP and eigenfaces.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from data_pipeline.face_masks.finder import FoundMasks
from evaluation import latents
from evaluation.baselines import eigenfaces_name
from evaluation.charts import Curve
from evaluation.claims import Evidence
from evaluation.codecs import image_formats, round_trips
from evaluation.codecs.report import EQUAL_QUALITY, SETTINGS
from evaluation.codecs.round_trips import BITS, BYTES
from evaluation.latents import Usage
from evaluation.record import Evaluation
from evaluation.tables import Table, counted, joined, number, text
from experiments.core.folder import FinishedRun
from experiments.core.run import Run
from experiments.core.system import Findings, JointFindings
from experiments.cvae_dcgan import discriminator_report as discriminator
from experiments.cvae_dcgan import latent_files as files
from experiments.cvae_dcgan import table_1, training
from experiments.cvae_dcgan.published import EPOCHS
from serving.codec import quantizer
from serving.codec.latent_codec import interpolate, most_used, traverse
from training.history import History

QUALITY = 85  # of JPEG, as published
SMALL, FULL = f"JPEG quality {QUALITY}", f"JPEG quality {QUALITY}, full size"
MEAN = "mean face"


def examine(
    run: Run, restorers: Mapping[str, Callable], result: Evaluation
) -> Findings:
    """Table 1 with JPEG and masks, files, latents, and the discriminator."""
    config, data, network = run.config, run.data, run.network
    history = History(run.folder.history).rows
    ours, split = next(iter(restorers)), data.test
    floor = eigenfaces_name(config.latents)
    whole = round_trips.whole(
        split.names,
        extra=run.system.measures(config),
        lpips=_lpips(run, result.values[ours]),
    )
    found = None if config.face_masks == "none" else training.find_faces(config, split)
    face_masks = {}
    if found:
        face_masks["face_masks"] = {
            "description": found.description,
            "images": len(found.found),
            "without_face": len(found.without),
        }
    values = _rows(run, {name: restorers[name] for name in (ours, floor)}, whole, found)
    measured = {name: result.values[name] for name in (ours, floor)}
    table = table_1.table_1(
        {name: {**measured.get(name, {}), **row} for name, row in values.items()},
        ours=[ours],
        size=config.image_size,
    )
    codecs = files.codecs(network, data.train)
    coded = files.measure(ours, codecs, split, [whole])
    linear = files.eigenface_codecs(restorers[floor], data.train)
    linear = files.measure(floor, linear, split, [whole])
    compared = files.compare(coded, split, linear)
    findings = Findings(
        values={**values, **coded, **linear},
        tables=(table, *files.tables(compared)),
        curves=(*files.curves(compared), *discriminator.curves(history)),
        data=face_masks,
        statements=(
            _bytes(values, ours, config.image_size),
            *map(_masks, face_masks.values()),
            *files.statements(compared),
            *discriminator.statements(history),
        ),
    )
    if len(split) < 2:  # Of a single image no latent varies.
        return findings
    code = quantizer.encode(network.get_layer("encoder"), split.images)
    usage = latents.measure(code["mean"], code["log_variance"])
    return dataclasses.replace(
        findings,
        tables=(*findings.tables, latents.table({ours: usage})),
        curves=(*findings.curves, latents.curve({ours: usage})),
        pictures=sections(network, split, usage),
    )


def _rows(
    run: Run,
    restorers: Mapping[str, Callable],
    whole: round_trips.Measure,
    found: FoundMasks | None,
) -> dict[str, dict[str, np.ndarray]]:
    """Values of the rows of Table 1.

    Of `restorers`, the network and eigenfaces, those of whole images are in the result.
    """
    config, data = run.config, run.data
    split, jpeg = data.test, image_formats.available()["JPEG"].at(QUALITY)
    masked = [round_trips.masked(found, whole)] if found else []
    restored = _round_trips(run, restorers, split)
    others = {
        SMALL: round_trips.codec_round_trip(
            jpeg, split.images, split.names, parallel=True
        ),
        FULL: round_trips.full_size_round_trip(
            jpeg, split, crop=config.crop, resize=config.resize
        ),
        MEAN: round_trips.constant_round_trip(data.mean_image(), len(split)),
    }
    rows = {
        **{
            name: round_trips.measure_round_trip(
                split.images, trip, masked, progress=name
            )
            for name, trip in restored.items()
        },
        **{
            name: round_trips.measure_round_trip(
                split.images, other, [whole, *masked], progress=name
            )
            for name, other in others.items()
        },
    }
    # Drawn and prepared faces have the measured size only.
    if np.array_equal(rows[FULL][BITS], rows[SMALL][BITS]):
        del rows[FULL]
    if found is None:
        return rows
    # Once more, of images that are black outside the face before anything sees them.
    black = split.images * found.masks
    split = dataclasses.replace(split, images=black, path=None, first=0)
    trips = {
        **_round_trips(run, restorers, split),
        SMALL: round_trips.codec_round_trip(jpeg, black, split.names, parallel=True),
    }
    before = [round_trips.masked_before(found, whole)]
    for name, trip in trips.items():
        values = round_trips.measure_round_trip(
            black, trip, before, progress=f"{name}, masked"
        )
        rows[name] |= {k: v for k, v in values.items() if k not in (BITS, BYTES)}
    return rows


def _round_trips(
    run: Run, restorers: Mapping[str, Callable], split: DecodedSplit
) -> dict[str, round_trips.RoundTrip]:
    """What the restorers make of a split, at 4 bytes a latent."""
    config = run.config
    return {
        name: round_trips.network_round_trip(
            restore, run.system.fixed_batches(config, split), length=4 * config.latents
        )
        for name, restore in restorers.items()
    }


def _lpips(run: Run, values: Mapping[str, np.ndarray]) -> Callable | None:
    """The LPIPS that has measured the network, if one has."""
    measured = np.isfinite(values.get("raw/lpips", np.nan)).any()
    return run.perceptual if measured else None


def _bytes(values: Mapping[str, Mapping[str, np.ndarray]], ours: str, size: int) -> str:
    """Bytes of a face as JPEG, and of its latents as floats."""
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


def _masks(found: Mapping[str, Any]) -> str:
    """The face masks that were used, and the images without a face."""
    said = f"Masks: {found['description']}."
    if not found["without_face"]:
        return f"{said} Every test image has one."
    return (
        f"{said} {found['without_face']:,} of {counted(found['images'], 'test image')} "
        "have none and are left out of the masked rows."
    )


# Flags that make another codec; of runs that share them the first is drawn.
_DRAWN_APART = ("generator", "latents", "reconstruction", "kl_weight", "epochs")
# Flags that are the same in runs whose rates are compared.
_ALIKE = (
    "generator", "latents", "reconstruction", "kl_weight", "mask_loss", "beta_1",
    "reconstruction_weight", "adversarial_weight", "label_smoothing",
    "autoencoder_updates", "discriminator_updates",
)  # fmt: skip
# Keys of the runs' own tables whose rows name the run.
_NAMED_BY_RUN = (EQUAL_QUALITY, SETTINGS, latents.KEY)


def joint_findings(evidence: Evidence, runs: Sequence[FinishedRun]) -> JointFindings:
    """Table 1, files, latents and discriminators of several runs."""
    if not runs:
        return JointFindings(claims=discriminator.check_joint_claims(evidence, {}, {}))
    evaluation = evidence.evaluation
    charts = files.read_reports({run.label: run.report for run in runs})
    watched = discriminator.read_runs(
        {run.label: History(run.folder.history).rows for run in runs}
    )
    leading = [*(run.label for run in runs), SMALL, FULL, *_floors(runs)]
    cut = _cut(runs)
    adversarial = [run for run in runs if run.label in watched]
    rates = {
        run.label: (
            run.config["learning_rate"],
            run.config["discriminator_learning_rate"],
        )
        for run in adversarial
        if all(run.config[k] == adversarial[0].config[k] for k in _ALIKE)
    }
    return JointFindings(
        statements=[
            *dict.fromkeys(
                _masks(run.report["data"]["face_masks"])
                for run in runs
                if "face_masks" in run.report["data"]
            ),
            *files.joint_statements(charts),
            *discriminator.joint_statements(watched),
            *discriminator.rates_statements(watched, rates),
        ],
        tables=[
            _table_1(evaluation, runs, leading),
            *([discriminator.joint_table(watched)] if watched else []),
            *joined(_named_by_run(runs)),
        ],
        claims=discriminator.check_joint_claims(evidence, watched, rates),
        curves=[
            *files.joint_curves(charts, _drawn(runs)),
            *discriminator.joint_curves(watched),
            *figure_3({run.label: History(run.folder.history).rows for run in runs}),
        ],
        folded=[n for n in evaluation.values if n in cut or n not in leading],
        note=_joint_bytes(evaluation, runs[0].label),
    )


def _floors(runs: Sequence[FinishedRun]) -> list[str]:
    """Rows of what any network should beat."""
    numbers = dict.fromkeys(run.config["latents"] for run in runs)
    return [*map(eigenfaces_name, numbers), MEAN]


def figure_3(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Curve]:
    """The loss of auto-encoders by epoch, with and without a discriminator.

    `histories` are {label of a run: rows of history.csv}. Of the paper's Fig. 3 only
    the caption was at hand, so nothing of it is drawn.
    """
    lines: dict[bool, dict] = {False: {}, True: {}}
    for label, rows in histories.items():
        trained = [r for r in rows if {"reconstruction", "g_reconstruction"} & r.keys()]
        adversarial = bool(trained) and "g_reconstruction" in trained[0]
        names = ("reconstruction", "kl", "adversarial")
        prefix = "g_" if adversarial else ""
        losses = [sum(row.get(prefix + name, 0.0) for name in names) for row in trained]
        if losses:
            lines[adversarial][label] = ([row["epoch"] for row in trained], losses)
    titles = {False: "without a discriminator", True: "with a discriminator"}
    return [
        discriminator.chart(
            (
                f"figure-3-{'dcgan' if adversarial else 'cvae'}",
                f"Training loss {titles[adversarial]} (Fig. 3)",
                "loss",
            ),
            found,
            {},
        )
        for adversarial, found in lines.items()
        if found
    ]


def _cut(runs: Sequence[FinishedRun]) -> set[str]:
    """Labels of runs that are shorter than published, if others are not."""
    cut = {
        run.label
        for run in runs
        if run.config["epochs"] < EPOCHS[bool(run.config["adversarial_weight"])]
    }
    return cut if len(cut) < len(runs) else set()


def _joint_bytes(evaluation: Evaluation, label: str) -> str:
    """Note on the bytes in the main table, and the size of a network's files."""
    said = "Bytes: of networks the latents as 32-bit floats, of JPEG whole files."
    names = {files.setting(label, bits): bits for bits in quantizer.BITS}
    lengths = [
        f"{round(evaluation.values[name][BYTES].mean()):,} at {bits}"
        for name, bits in names.items()
        if BYTES in evaluation.values.get(name, {})
    ]
    if not lengths:
        return said
    return f"{said} Files of {label}, in bytes at bits a latent: {', '.join(lengths)}."


def _table_1(
    evaluation: Evaluation, runs: Sequence[FinishedRun], leading: Sequence[str]
) -> Table:
    values = evaluation.values
    return table_1.table_1(
        {name: values[name] for name in leading if name in values},
        ours=[run.label for run in runs],
        size=runs[0].config["image_size"],
    )


def _named_by_run(runs: Sequence[FinishedRun]) -> Iterator[Mapping[str, Any]]:
    for run in runs:
        for table in run.report["tables"]:
            if table["key"] in _NAMED_BY_RUN:
                yield table


def _drawn(runs: Sequence[FinishedRun]) -> list[str]:
    """Labels of the runs that have a line: the first of those with the same codec.

    Lines of all runs of a sweep would hide each other.
    """
    first: dict[tuple, str] = {}
    for run in runs:
        kind = (
            bool(run.config["adversarial_weight"]),
            *(run.config[name] for name in _DRAWN_APART),
        )
        first.setdefault(kind, run.label)
    return list(first.values())


_STEPS, _PAIRS, _LATENTS = 7, 3, 8  # of a report


def sections(
    network: tf.keras.Model, split: DecodedSplit, usage: Usage
) -> dict[str, list[dict]]:
    """Walks between the first faces of a split, and along the most used latents.

    `network` has the layers "encoder" and "decoder". Of one image there is no walk.

    Returns:
      {title: [{"name", "note", "images": walk}]}, as reports take them.
    """
    encoder, decoder = (network.get_layer(name) for name in ("encoder", "decoder"))
    images = np.asarray(split.images[: 2 * _PAIRS])
    means = quantizer.encode(encoder, images)["mean"]

    def decode(code: np.ndarray) -> np.ndarray:
        return pixels.unit_to_bytes(decoder(code, training=False)).numpy()

    between = []
    for a, b in zip(range(0, len(images), 2), range(1, len(images), 2)):
        walk = interpolate(decode, means[a], means[b], _STEPS)
        shown = [("From", images[a]), *walk, ("To", images[b])]
        name = f"{split.names[a]}, {split.names[b]}"
        between.append({"name": name, "note": "", "images": shown})

    deviations = np.sqrt(usage.variance)
    along = [
        {
            "name": f"{split.names[0]}, latent {latent}",
            "note": (
                f"KL {number(usage.kl[latent], 2)} nats, "
                f"σ {text(float(deviations[latent]))}"
            ),
            "images": traverse(decode, means[0], latent, deviations[latent]),
        }
        for latent in most_used(usage.kl, _LATENTS)
    ]
    return {"Between two faces": between, "One latent moved": along}
