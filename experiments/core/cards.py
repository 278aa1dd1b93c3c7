"""The head of a package's card, which model hubs and `experiments.verify` read.

It is YAML between two lines of three dashes, each value in the form of JSON, so that
no other library is needed to read it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.metrics import registry
from serving.export.kinds import CODEC, INPAINTING, LATENTS
from serving.zoo import zoo

_LINE = "---"
_TASKS = {
    INPAINTING: ("image-to-image", ["inpainting", "face-restoration"]),
    CODEC: ("image-to-image", ["image-compression", "codec"]),
    LATENTS: ("image-to-image", ["autoencoder", "face-compression"]),
}


def head(
    entry: zoo.Entry,
    facts: Mapping[str, Any],
    summary: Mapping[str, Mapping],
    environment: Mapping[str, Any],
    keys: Sequence[str],
) -> str:
    """The head of a card.

    Args:
      entry: Of the index.
      facts: The export's config.json.
      summary: Of the report: {"region/metric": {"mean", "low", "high", "count"}}.
      environment: Of the report.
      keys: The metrics of it that the card has.
    """
    task, tags = _TASKS[entry.kind]
    measured = {
        "task": {"type": task},
        "dataset": {
            "type": facts["config"]["dataset"],
            "name": environment["data"]["set"],
            "split": "test",
            "args": {"fingerprint": environment["fingerprint of the test set"]},
        },
        "metrics": [
            {
                "type": key.rpartition("/")[2],
                "name": registry.title(key),
                "value": value["mean"],
                "args": {"key": key, **{k: value[k] for k in ("low", "high", "count")}},
            }
            for key, value in summary.items()
            if key in keys and value.get("mean") is not None
        ],
    }
    fields = {
        "license": "other",
        "license_name": entry.license,
        "library_name": "keras",
        "pipeline_tag": task,
        "tags": ["faces", "tensorflow", entry.paper, *tags],
        "datasets": _trained_on(facts["config"]),
        "metrics": sorted({metric["type"] for metric in measured["metrics"]}),
        "model-index": [{"name": entry.name, "results": [measured]}],
    }
    return _written(fields)


def _trained_on(config: Mapping[str, Any]) -> list[str]:
    """The data sets of a training: that of --dataset, and a folder by its name."""
    extra = pathlib.PurePath(config.get("extra_dir") or "").name
    return [config["dataset"], *filter(None, [extra])]


def _written(fields: Mapping[str, Any]) -> str:
    lines = [f"{key}: {json.dumps(v, ensure_ascii=False)}" for key, v in fields.items()]
    return "\n".join([_LINE, *lines, _LINE, ""])


def with_package(card: str, entry: zoo.Entry) -> str:
    """The card beside a package: the one in it, whose head also has the checksum.

    A card without a head stays without one.
    """
    fields = read_head(card)
    if not fields:
        return card
    made = {"file": entry.file, "sha256": entry.sha256, "bytes": entry.bytes}
    return _written({**fields, "package": made}) + body(card)


def in_package(card: str) -> str:
    """The card in a package, which cannot hold its own checksum."""
    fields = read_head(card)
    fields.pop("package", None)
    return _written(fields) + body(card) if fields else card


def body(card: str) -> str:
    """A card without its head."""
    if not card.startswith(f"{_LINE}\n"):
        return card
    return card.split(f"\n{_LINE}\n", 1)[1].lstrip("\n")


def read_head(card: str) -> dict[str, Any]:
    """The fields of a card's head; {} if it has none."""
    if not card.startswith(f"{_LINE}\n"):
        return {}
    lines = card.split(f"\n{_LINE}\n", 1)[0].splitlines()[1:]
    pairs = (line.split(": ", 1) for line in lines)
    return {key: json.loads(value) for key, value in pairs}


def claimed(card: str) -> dict[str, Any]:
    """What a card says was measured: as `head` has it in "model-index".

    Raises:
      ValueError: If it says nothing.
    """
    try:
        ((result,),) = (model["results"] for model in read_head(card)["model-index"])
    except (KeyError, ValueError) as error:
        raise ValueError(
            "The card has no measurements in its head. Pack the model again, from a "
            "run that was evaluated."
        ) from error
    return result


def find_run(
    results: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[Mapping, Mapping] | None:
    """The run of results/<paper>.json that an export is of, and its values.

    Returns:
      (summary, environment), or None if it is not there any more.
    """
    for runs in results["sets"]:
        for run in runs["runs"]:
            made = run["environment"]
            same = made["config"]["dataset"] == facts["config"]["dataset"]
            same = same and made["commit"] == facts["environment"]["commit"]
            if same and run["label"] == facts["name"]:
                return runs["summary"][run["label"]], made
    return None
