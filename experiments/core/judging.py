"""Networks that judge restored faces: which, how faces are cut for them, what they say.

The classifier of attributes is `evaluation.attributes`, the face embedding
`evaluation.metrics.identity`.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping

import numpy as np

from evaluation.metrics import identity
from evaluation.record import Evaluation
from evaluation.tables import number, with_interval
from experiments.core.run import Run
from serving.photo import framing as framings


def networks(run: Run, aligned: str) -> dict[str, str]:
    """The networks that judged restored faces."""
    found, embedding = {}, run.embedding
    if run.classifier:
        found["judge"] = run.classifier.description
    if embedding:
        found["embedding"] = (
            f"{embedding.facts.title or embedding.name}, output {embedding.output}, "
            f"sha256 {embedding.sha256_prefix}; {aligned}"
        )
    return found


def located(run: Run) -> tuple[identity.Similarity | None, str]:
    """The face embedding for the test images, and how it is given their faces."""
    embedding, names = run.embedding, run.data.test.names
    if embedding is None:
        return None, ""
    if not embedding.facts.anchors:
        return embedding, "of whole images"
    if run.landmarks:
        points, origin = run.landmarks.points, run.landmarks.origin
        points = dict(zip(names, points))
        return embedding.located(points), f"faces cut by landmarks of {origin}"
    config = run.config
    with contextlib.suppress(ValueError):  # nobody knows where faces are
        framing = framings.of({"config": dataclasses.asdict(config)})
        scale = config.image_size / np.array([framing.width, framing.height])
        points = framings.typical(framing) * scale - 0.5
        return (
            embedding.located(dict.fromkeys(names, points)),
            "all cut at one place, where faces of this set are",
        )
    return embedding, "of whole images, because nobody knows where their faces are"


def verified(
    result: Evaluation, region: str, embedding: identity.Similarity
) -> dict[str, dict[str, np.ndarray]]:
    """Which faces the embedding takes for the same person's, for every restorer."""
    return {
        restorer: {
            f"{region}/verified_percent": identity.verified_percent(
                values[f"{region}/identity"], embedding.facts.threshold
            )
        }
        for restorer, values in result.values.items()
        if f"{region}/identity" in values
    }


def statements(
    run: Run, embedding: identity.Similarity | None, measured: Mapping
) -> list[str]:
    """How many restored faces are taken for the person they show, and at what cost."""
    key = f"{run.system.region}/verified_percent"
    if embedding is None or not measured.get(key, {}).get("count"):
        return []
    facts, split = embedding.facts, run.data.test
    people = None
    if "identity" in split.fields:
        people = dict(zip(split.names, map(str, split.fields["identity"])))
    percent, pairs = embedding.false_accepts(people)
    who = "different people" if people else "different images"
    said = (
        f"{facts.title or embedding.name} takes {with_interval(measured[key], 1)}% of "
        f"{run.label}'s faces for the person of the original. At the same cosine, "
        f"{facts.threshold:g}, it takes {facts.false_accept_percent:g}% of pairs of "
        f"different people of {facts.measured_on} for one person"
    )
    if pairs:
        shown = f"{number(percent, 1)}% of {pairs:,} pairs of {who}"
        said += f", and {shown} among these originals"
    return [f"{said}."]
