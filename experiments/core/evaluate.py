"""The evaluation stage: measure, compare, report."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline.decoded import DecodedSplit
from evaluation import attributes as evaluation_attributes
from evaluation import claims, subsets
from evaluation import evaluate as evaluation_evaluate
from evaluation.attributes import Judge, by_attribute, sentence
from evaluation.bootstrap import summarize
from evaluation.metrics import identity, registry
from evaluation.record import Evaluation
from evaluation.report import pictures
from evaluation.report.report import Report
from evaluation.report.write import write_report
from evaluation.subsets import by_group, by_hole_size, read_groups
from evaluation.tables import Table, counted
from experiments.core.config import SystemConfig
from experiments.core.data import RunData
from experiments.core.environment import commit, without_places
from experiments.core.folder import FINGERPRINT, RunFolder, set_aside
from experiments.core.system import System
from training.history import History

_PICKED = 4  # faces of each kind in the report


def evaluate(
    system: System,
    config: SystemConfig,
    network: tf.keras.Model,
    data: RunData,
    folder: RunFolder,
    record: Mapping[str, Any],
    lpips: Callable | None,
) -> pathlib.Path:
    """Measures a network beside the baselines and writes the report.

    The report of other images or holes is kept; see `kept_reports`.

    Args:
      system: The paper's.
      config: Of the run.
      network: Trained, in float32.
      data: Of the run.
      folder: Of the run.
      record: From `RunFolder.record`.
      lpips: From `evaluation.metrics.lpips.load`, or None.

    Returns:
      The path of report.html.
    """
    label = system.label(config)
    split = data.test
    restorers = {label: config.restorer(network), **config.baselines(data)}
    batches = config.fixed_batches(split)
    extra = load(config, split)
    result = evaluation_evaluate.evaluate(
        restorers,
        batches,
        split.names,
        lpips=lpips,
        extra={**config.measures(), **extra.measures},
        to_unit=config.to_unit,
    )
    history = History(folder.history).rows
    found = config.examine(network, restorers, data, result, history)
    result = result.joined(found.values)
    set_aside(folder.report, result.fingerprint)
    result.save(folder.report / "evaluation.npz")
    key = system.headline[0]
    shown = pictures.gather(
        result,
        pictures.pick(result, label, key, _PICKED),
        restorers,
        batches,
        key=key,
        of=label,
        to_unit=config.to_unit,
    )
    attributes = extra.tables(restorers[label], batches)
    # Small holes and missing weights leave a metric without any value.
    present = [
        key
        for key in system.headline
        if np.isfinite(result.values[label].get(key, np.nan)).any()
    ]
    beatable = present if config.beatable else []
    report = Report(
        title=system.title,
        subtitle=describe(system, config, data, history),
        citation=system.citation,
        summary=summarize(result),
        ours=[label],
        headline=present,
        metrics=config.metrics,
        statements=[
            *_statements(config, data),
            *system.statements(config, split),
            *found.statements,
            *map(sentence, attributes),
        ],
        claims=[_beats_all(result, list(restorers), key) for key in beatable],
        published=system.published,
        tables=[*found.tables, *attributes],
        curves=found.curves,
        epochs=_epoch_table(system.epochs(config), history, label),
        history=folder.history,
        pictures={**shown, **found.pictures},
        pictures_note=config.pictures_note,
        groups=_groups(config, data, result, key),
        group_key=key,
        hole_size=by_hole_size(result, key),
        environment={**_environment(record, data, result, lpips), **extra.provenance},
        departures=system.departures,
        notes=[*_notes(data, lpips), *extra.notes],
    )
    return write_report(folder.report, report)


def describe(
    system: System, config: SystemConfig, data: RunData, history: list[dict]
) -> str:
    """What a reduced run must say: "LFW, 64 px, 5 of 40 epochs (500 updates) ..."."""
    unit = config.length(data.train).unit
    last = history[-1] if history else {unit: 0, "step": 0}
    done, published = int(last[unit]), system.published_length(config)
    length, more = counted(done, unit), []
    if unit != "step":  # Published sets are larger: their epochs have more of them.
        more.append(counted(int(last["step"]), "update"))
    if published is not None and done > published:
        more.append(f"published: {published:,}")
    elif published is not None:
        length = f"{done:,} of {counted(published, unit)}"
    length += f" ({'; '.join(more)})" if more else ""
    if config.initial:
        length += f", begun as {pathlib.PurePath(config.initial).name},"
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    title = data.test.source.info.title
    return (
        f"{title}, {config.image_size} px, {length} "
        f"over {counted(len(data.train), 'image')}, {device}"
    )


def _beats_all(
    result: Evaluation, restorers: Sequence[str], key: str
) -> dict[str, str]:
    """Whether the network beats the restorers after it: whether it beats the best."""
    label, *others = restorers
    others = [name for name in others if key in result.values[name]]
    sign = -1.0 if registry.metric_of(key).higher_is_better else 1.0
    best = min(others, key=lambda name: sign * np.nanmean(result.values[name][key]))
    named = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
    ranked = f"; the best of these is {best}" if others[1:] else ""
    claim = f"{label} beats {named} on {registry.label(key)}{ranked}"
    return claims.beats(result, label, best, key, claim=claim)


def _statements(config: SystemConfig, data: RunData) -> list[str]:
    info = data.test.source.info
    return [
        f"{counted(len(data.test), 'test image')} of {info.title}; the "
        "network has seen none of them.",
        config.lost(),
    ]


def _epoch_table(epochs, history: list[dict], label: str) -> Table | None:
    """Published and ours, side by side, at the published epochs and at our last."""
    column = f"val_{epochs.key}" if epochs else ""
    ours = {
        int(row["epoch"]): epochs.scale * row[column]
        for row in history
        if column in row
    }
    if not ours:  # The paper has no such table, or there were no LPIPS weights.
        return None
    # A run shorter than the paper's shows every epoch it has.
    short = max(ours) < max(epochs.published)
    shown = set(epochs.published) | (set(ours) if short else {max(ours)})
    rows = [
        [str(epoch), epochs.published.get(epoch), ours.get(epoch)]
        for epoch in sorted(shown)
    ]
    return Table(
        caption=f"{epochs.label} by epoch",
        columns=["Epoch", "Published", f"{label}, validation"],
        rows=rows,
        note=epochs.note,
        digits=2,
    )


def _groups(config: SystemConfig, data: RunData, result, key: str) -> dict:
    split, groups = data.test, {}
    if "landmarks" in split.fields:
        nose = subsets.NOSE_HEIGHTS.get(split.source.info.name, subsets.NOSE_HEIGHT)
        groups["By yaw"] = subsets.yaw_groups(split.fields["landmarks"], nose)
    if "attributes" in split.fields:
        names = split.source.info.attribute_names
        groups["By attribute"] = {
            name.replace("_", " "): split.fields["attributes"][:, column]
            for column, name in enumerate(names)
        }
    if config.groups:
        groups["By group"] = read_groups(config.groups, split.names)
    return {
        title: by_group(result, members, keys=[key])
        for title, members in groups.items()
    }


def _environment(record, data: RunData, result, lpips) -> dict:
    info = data.test.source.info
    return {
        "preset": record["preset"],
        "commit": record["environment"]["commit"],  # of the training
        "evaluation commit": commit(),
        **record["environment"],
        "seed": record["config"]["seed"],
        FINGERPRINT: result.fingerprint,
        "LPIPS weights": f"sha256 {lpips.sha256_prefix}" if lpips else "none",
        "data": {
            "set": info.title,
            "notes": without_places(info.notes),
            "terms": info.license,
            "citation": info.citation,
            "training images": len(data.train),
            "test images": len(data.test),
            "skipped in test": len(data.test.skipped),
        },
        "config": without_places(record["config"]),
    }


def _notes(data: RunData, lpips) -> list[str]:
    notes = [f"Skipped: {text}" for text in data.test.skipped[:20]]
    if "landmarks" in data.test.fields:
        notes.append(
            "Yaw is estimated from the nose's distance to the face's midline; left and "
            "right are the picture's."
        )
    if lpips is None:
        notes.append(
            "LPIPS is left out: there are no weights. Pass --lpips_weights=FILE; "
            "`python -m experiments.lpips_weights --help` says how to make it."
        )
    return notes


@dataclasses.dataclass(frozen=True)
class ExtraMeasures:
    """Measures beside the standard ones, and what a report says of them.

    Attributes:
      measures: {"region/metric": (target, composite, names) -> [B]}.
      names: Of the test images.
      judge: Of attributes, or None.
      provenance: What measured, for the report's environment.
      notes: What is left out, and how to have it.
      to_unit: Takes a target to [0, 1].
    """

    measures: Mapping[str, Callable]
    names: Sequence[str]
    judge: Judge | None
    provenance: Mapping[str, str]
    notes: Sequence[str]
    to_unit: Callable

    def tables(self, restore: Callable, batches: Iterable) -> list[Table]:
        """Attribute by attribute, of one restorer."""
        if self.judge is None:
            return []
        table = by_attribute(
            self.judge, restore, batches, self.names, to_unit=self.to_unit
        )
        return [table]


def load(config: SystemConfig, split: DecodedSplit) -> ExtraMeasures:
    """What the flags --judge and --embedding ask for.

    Raises:
      ValueError: If a folder holds nothing of the kind, or the images have no
        attributes to judge.
    """
    measures, provenance, notes = {}, {}, []
    judge = None
    if config.judge:
        judge, provenance["judge"] = evaluation_attributes.load(config.judge, split)
        measures[f"{config.region}/attribute_accuracy"] = judge
    elif "attributes" in split.fields:
        notes.append(
            "Attribute accuracy is left out: there is no judge. `python -m "
            "experiments.attribute_classifier --help` says how to train one; pass "
            "--judge=FOLDER."
        )
    if config.embedding:
        similarity = identity.load(config.embedding, config.embedding_range)
        measures[f"{config.region}/identity"] = similarity
        provenance["embedding"] = (
            f"{similarity.name}, output {similarity.output}, "
            f"sha256 {similarity.sha256_prefix}"
        )
    return ExtraMeasures(
        measures, split.names, judge, provenance, notes, config.to_unit
    )
