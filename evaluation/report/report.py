"""A report as data: what was measured, apart from how it is written."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation import charts
from evaluation.tables import Table


@dataclasses.dataclass(frozen=True)
class Report:
    """The content of a report. Only `title` and `summary` are required.

    Attributes:
      title: Such as "Skip-connection inpainting, model 3".
      summary: {restorer: {"region/metric": {"mean", "low", "high", "count"}}}, from
        `bootstrap.summarize`; its order is that of the tables.
      subtitle: Data, length of training, hardware, in a line.
      citation: Of the paper.
      citation_url: Its address; the only link out of the page.
      ours: Restorers that were trained; the first is the one in the headline.
      labels: {restorer: display name}.
      headline: Keys of the large numbers and their charts; by default those of
        `metrics` in the first region.
      metrics: Columns of the main tables, in order, where a region has them; all
        others are folded away.
      statements: Sentences at the top.
      claims: {"claim", "verdict", "evidence"}, from `evaluation.claims`.
      published: Tables of the paper; `tables.Table`, or its fields as a dict.
      epochs: The table of a metric by epoch, published and ours.
      tables: More results of ours, below the tables of metrics.
      data: Anything that other programs, such as joint reports, read by its key from
        results.json; not shown.
      history: Path of history.csv, or {run: path} of several runs that are compared;
        a missing file means no learning curves.
      pictures: {section: [{"name", "note", "images": [(label, uint8 image)]}]}, from
        `pictures.gather`.
      pictures_note: Shown above them, such as whether known pixels are pasted back.
      hero: Rows of the strip at the top; by default typical ones of `pictures`.
      groups: {title: from `subsets.by_group`}.
      group_key: The metric shown for groups and hole sizes; by default the first of
        `headline`.
      hole_size: From `subsets.by_hole_size`, for `group_key`.
      curves: More charts, below those of the headline.
      environment: Config, seed, commit, versions, hardware, data, fingerprint,
        counts; may nest one level.
      departures: Sentences: differences from the paper.
      notes: Footnotes, such as "LPIPS left out: no weights; pass --lpips_weights".
    """

    title: str
    summary: Mapping[str, Mapping[str, Mapping]]
    subtitle: str = ""
    citation: str = ""
    citation_url: str = ""
    ours: Sequence[str] = ()
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headline: Sequence[str] = ()
    metrics: Sequence[str] = (
        "l1_percent",
        "psnr_db",
        "ssim",
        "lpips",
        "attribute_accuracy",
        "identity",
        "verified_percent",
    )
    statements: Sequence[str] = ()
    claims: Sequence[Mapping[str, str]] = ()
    published: Sequence[Table | Mapping] = ()
    epochs: Table | Mapping | None = None
    tables: Sequence = ()
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: str | os.PathLike | Mapping[str, str | os.PathLike] | None = None
    pictures: Mapping[str, Sequence[Mapping]] = dataclasses.field(default_factory=dict)
    pictures_note: str = ""
    hero: Sequence[Mapping] | None = None
    groups: Mapping[str, Mapping] = dataclasses.field(default_factory=dict)
    group_key: str = ""
    hole_size: Sequence[Mapping] | None = None
    curves: Sequence[charts.Curve] = ()
    environment: Mapping = dataclasses.field(default_factory=dict)
    departures: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __post_init__(self):
        missing = [name for name in self.ours if name not in self.summary]
        if missing:
            raise ValueError(
                f"ours names {', '.join(missing)}, but the summary only has "
                f"{', '.join(self.summary) or 'nothing'}."
            )


def read(path: str | os.PathLike) -> dict[str, Any]:
    """Reads results.json; a report of an earlier version gets the keys of a new one.

    Tables of such a report are told apart by their captions, and the face masks are
    read from the sentence about them.
    """
    report = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    for table in report["tables"]:
        keys = (key for key, text in _CAPTIONS if table["caption"].startswith(text))
        table.setdefault("key", next(keys, ""))
    if "data" not in report:
        report["data"] = _face_masks(report.get("statements", ()))
    return report


# Key of a table, and how its caption began.
_CAPTIONS = (
    ("attributes", "Attributes that a judge tells rightly"),
    ("bytes_at_equal_quality", "Bytes a file at equal "),
    ("codec_settings", "Files of "),
    ("latents", "What the latents carry"),
    ("table_1", "Table 1, measured and published"),
)
_MASKS = re.compile(
    r"Masks: (?P<description>.*)\. (Every test image has one\.|(?P<without>[\d,]+) of "
    r"(?P<images>[\d,]+) test images? have none and are left out of the masked rows\.)"
)


def _face_masks(statements: Sequence[str]) -> dict[str, Any]:
    for found in filter(None, map(_MASKS.fullmatch, statements)):
        images, without = (
            int((found[name] or "0").replace(",", "")) for name in ("images", "without")
        )
        masks = {"description": found["description"], "images": images}
        return {"face_masks": {**masks, "without_face": without}}
    return {}
