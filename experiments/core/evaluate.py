"""The evaluation stage: measure, compare, report."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline.landmarks import Landmarks
from evaluation import evaluate as evaluation
from evaluation import subsets
from evaluation.attributes import by_attribute, sentence
from evaluation.bootstrap import summarize
from evaluation.claims import Claim, Evidence
from evaluation.metrics import registry
from evaluation.record import Evaluation, Fingerprint, concatenate
from evaluation.repetition import repeated_detail
from evaluation.report import pictures
from evaluation.report.report import Report
from evaluation.report.write import write_report
from evaluation.subsets import by_group, by_hole_size, read_groups
from evaluation.tables import Table, counted, share
from experiments.core import judging
from experiments.core.environment import commit, described_data, shareable
from experiments.core.folder import FINGERPRINT, set_aside
from experiments.core.run import Run
from experiments.core.shards import Shard
from experiments.core.system import EVALUATED
from training.history import History

REPEATED = "repeated_detail"  # its numbers in results.json
_PICKED = 4  # faces of each kind in the report


def evaluate(run: Run) -> pathlib.Path:
    """Measures the network beside the baselines; returns the path of report.html.

    A shard of the run writes its values only, and returns their path; what joins the
    shards measures none of these again. The report of other images or holes is kept;
    see `folder.set_aside`.
    """
    system, config, label, split = run.system, run.config, run.label, run.data.test
    _ = run.record  # a run of other flags is refused before anything is measured
    run.folder.check_images(run.data.digests())
    restorers = {label: system.restorer(run.network), **system.baselines(run.data)}
    batches = system.fixed_batches(config, split)
    judge = run.classifier and run.classifier.judge(split)
    embedding, aligned = judging.located(run)
    merges = run.shard.merges
    result = (
        _merged(run, embedding)
        if merges
        else _measured(run, restorers, judge, embedding)
    )
    if run.shard.is_part:
        path = _part(run, run.shard)
        result.save(path)
        return path
    found = system.examine(run, restorers, result)
    result = result.joined(found.values)
    if embedding and embedding.facts.threshold is not None:
        result = result.joined(judging.verified(result, system.region, embedding))
    set_aside(run.folder.report, result.fingerprint)
    repeated = repeated_detail(
        restorers[label], batches, split.names, to_unit=system.to_unit
    )
    key = system.headline[0]
    shown = pictures.gather(
        result,
        pictures.pick(result, label, key, _PICKED),
        restorers,
        batches,
        key=key,
        of=label,
        to_unit=system.to_unit,
    )
    summary, attributes = summarize(result), []
    if judge:
        attributes = [
            by_attribute(
                judge, restorers[label], batches, split.names, to_unit=system.to_unit
            )
        ]
    # Small holes and missing weights leave a metric without any value.
    present = [
        key
        for key in system.headline
        if np.isfinite(result.values[label].get(key, np.nan)).any()
    ]
    beatable = present if system.compares_with_baselines(config) else []
    report = Report(
        title=system.title,
        subtitle=describe(run),
        citation=system.citation,
        summary=summary,
        ours=[label],
        headline=present,
        metrics=system.metrics,
        statements=[
            f"{counted(len(split), 'test image')} of {split.source.info.title}; the "
            f"network has seen {run.data.seen or 'none'} of them.",
            system.lost(config),
            *system.statements(config, split),
            *found.statements,
            *([repeated.sentence()] if repeated else ()),
            *map(sentence, attributes),
            *judging.statements(run, embedding, summary[label]),
        ],
        claims=[_beats_all(result, list(restorers), key) for key in beatable],
        published=system.published_tables,
        tables=[*found.tables, *attributes],
        data={
            **found.data,
            **({REPEATED: dataclasses.asdict(repeated)} if repeated else {}),
        },
        curves=found.curves,
        epochs=_epoch_table(run),
        history=run.folder.history,
        pictures={**shown, **found.pictures},
        pictures_note=system.pictures_note,
        groups=_groups(run, result),
        group_key=key,
        hole_size=by_hole_size(result, key),
        environment={**_environment(run, result), **judging.networks(run, aligned)},
        departures=system.departures,
        notes=_notes(run),
    )
    # A report of these values and earlier results would look whole.
    (run.folder.report / "results.json").unlink(missing_ok=True)
    result.save(run.folder.report / "evaluation.npz")
    return write_report(run.folder.report, report)


def _measured(
    run: Run, restorers: Mapping[str, Callable], judge, embedding
) -> Evaluation:
    """The values of this shard's images, which are whole batches of all."""
    system, config, split = run.system, run.config, run.data.test
    extra = dict(system.measures(config))
    if judge:
        extra[f"{system.region}/attribute_accuracy"] = judge
    if embedding:
        extra[f"{system.region}/identity"] = embedding
    part = split.part(*_span(run, run.shard))
    return evaluation.evaluate(
        restorers,
        system.fixed_batches(config, part),
        part.names,
        lpips=run.perceptual,
        extra=extra,
        to_unit=system.to_unit,
    )


def _span(run: Run, shard: Shard) -> tuple[int, int]:
    images = len(run.data.test)
    start, stop = shard.span(images, EVALUATED)
    if start == stop:
        most = -(-images // EVALUATED)
        raise ValueError(
            f"--shard: {counted(images, 'test image')} are measured {EVALUATED} at "
            f"once, too few for {shard.count} shards; take at most {most}."
        )
    return start, stop


def _part(run: Run, shard: Shard) -> pathlib.Path:
    """Where a shard's values are: beside others of this network and these flags."""
    digest = hashlib.sha256()
    for weight in run.network.get_weights():
        digest.update(weight.tobytes())
    lpips = run.perceptual
    flags = shareable(type(run.config), run.record["config"])
    measured_by = [flags, lpips and lpips.sha256_prefix, judging.networks(run, "")]
    digest.update(json.dumps(measured_by, sort_keys=True).encode())
    folder = run.folder.path / "shards" / digest.hexdigest()[:12]
    return folder / f"{shard.name}.npz"


def _merged(run: Run, embedding) -> Evaluation:
    """The values of all shards, which must be of this test set and these holes.

    The embedding sees the originals, which the report says something of.
    """
    paths = [_part(run, shard) for shard in run.shard.all]
    missing = [path.stem for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"{paths[0].parent} has no values of shard {', '.join(missing)}, by this "
            "network and these flags. Run these shards first, with the same flags."
        )
    parts = [Evaluation.load(path) for path in paths]
    whole, fingerprints = Fingerprint(), []
    for shard in run.shard.all:
        part, digest = run.data.test.part(*_span(run, shard)), Fingerprint()
        batches = run.system.fixed_batches(run.config, part)
        walked = evaluation.walk(batches, part.names, to_unit=run.system.to_unit)
        for here, _, target, masks in walked:
            if embedding:
                embedding(target, target, part.names[here])
            for name, mask in zip(part.names[here], masks):
                digest.update(name, mask)
                whole.update(name, mask)
        fingerprints.append(digest.hexdigest())
    return concatenate(parts, fingerprints, whole.hexdigest())


def describe(run: Run) -> str:
    """Data, size and length: "LFW, 64 px, 5 of 40 epochs (500 updates) ..."."""
    system, config, data = run.system, run.config, run.data
    history = History(run.folder.history).rows
    unit = system.length(config, data.train).unit
    last = history[-1] if history else {unit: 0, "step": 0}
    done, published = int(last[unit]), system.published_length(config)
    images, updates = system.published_scale(config) or (None, None)
    length, more = counted(done, unit), []
    if unit != "step":  # Published sets are larger: their epochs have more of them.
        more.append(share(int(last["step"]), updates, "update"))
    if published is not None and done > published:
        more.append(f"published: {published:,}")
    elif published is not None:
        length = share(done, published, unit)
    length += f" ({'; '.join(more)})" if more else ""
    if config.initial:
        length += f", initialized from {pathlib.PurePath(config.initial).name},"
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    title = data.test.source.info.title
    return (
        f"{title}, {config.image_size} px, {length} "
        f"over {share(len(data.train), images, 'image')}, {device}"
    )


def _beats_all(result: Evaluation, restorers: Sequence[str], key: str) -> Claim:
    """Whether the network, the first restorer, beats the best of the others."""
    label, *others = restorers
    others = [name for name in others if key in result.values[name]]
    sign = -1.0 if registry.metric_of(key).higher_is_better else 1.0
    best = min(others, key=lambda name: sign * np.nanmean(result.values[name][key]))
    named = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
    ranked = f"; the best of these is {best}" if others[1:] else ""
    claim = f"{label} beats {named} on {registry.label(key)}{ranked}"
    return Evidence(result).beats(label, best, key, claim=claim)


def _epoch_table(run: Run) -> Table | None:
    """Published and ours, side by side, at the published epochs and at our last."""
    epochs = run.system.published_epochs(run.config)
    history = History(run.folder.history).rows
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
        columns=["Epoch", "Published", f"{run.label}, validation"],
        rows=rows,
        note=epochs.note,
        digits=2,
    )


def _poses(run: Run) -> Landmarks | None:
    """Landmarks for the error by yaw: those of the set, or found for this paper."""
    own = "landmarks" in run.data.test.fields
    return run.landmarks if own or run.system.by_pose or run.embedding else None


def _groups(run: Run, result: Evaluation) -> dict:
    split, groups = run.data.test, {}
    if found := _poses(run):
        nose = subsets.NOSE_HEIGHTS.get(split.source.info.name, subsets.NOSE_HEIGHT)
        groups[subsets.BY_YAW] = subsets.yaw_groups(found.points, nose)
    if "attributes" in split.fields:
        names = split.source.info.attribute_names
        groups["By attribute"] = {
            name.replace("_", " "): split.fields["attributes"][:, column]
            for column, name in enumerate(names)
        }
    if run.config.groups:
        groups["By group"] = read_groups(run.config.groups, split.names)
    return {
        title: by_group(result, members, keys=[run.system.headline[0]])
        for title, members in groups.items()
    }


def _environment(run: Run, result: Evaluation) -> dict:
    record, data, lpips = run.record, run.data, run.perceptual
    return {
        "preset": record["preset"],
        "commit": record["environment"]["commit"],  # of the training
        "evaluation commit": commit(),
        **record["environment"],
        "seed": record["config"]["seed"],
        FINGERPRINT: result.fingerprint,
        "LPIPS weights": f"sha256 {lpips.sha256_prefix}" if lpips else "none",
        "data": described_data(data.test, training_images=len(data.train)),
        "config": shareable(type(run.config), record["config"]),
    }


def _notes(run: Run) -> list[str]:
    data = run.data
    notes = [f"Skipped: {text}" for text in data.test.skipped[:20]]
    if found := _poses(run):
        notes.append(
            "Yaw is estimated from the nose's distance to the face's midline; left and "
            f"right are the picture's. Landmarks are of {found.origin}."
        )
    if run.perceptual is None:
        notes.append(
            "LPIPS is left out: there are no weights. Pass --lpips_weights=FILE; "
            "`facemend lpips_weights --help` says how to make it."
        )
    if run.embedding is None:
        notes.append(
            "Identity is left out: there is no face embedding. `facemend "
            "face_descriptor --download` fetches a published one, or pass "
            "--embedding=FOLDER."
        )
    if "attributes" in data.test.fields and not run.classifier:
        notes.append(
            "Attribute accuracy is left out: there is no judge. `facemend "
            "attribute_classifier --help` says how to train one; pass --judge=FOLDER."
        )
    return notes
