"""A report as data: what was measured, before it is written anywhere."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

from evaluation import charts
from evaluation.tables import Table


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run has to say. Only `title` and `summary` are required.

    Attributes:
      title: Such as "Skip-connection inpainting, model 3".
      summary: {restorer: {"region/metric": {"mean", "low", "high", "count"}}}, what
        `bootstrap.summarize` returns; its order is that of the tables.
      subtitle: Data, length of training, hardware, in a line.
      citation: Of the paper.
      citation_url: Where it is found; the only links of the page.
      ours: Restorers that this run trained; the first is the one in the headline.
      labels: {restorer: display name}.
      headline: Keys of the large numbers and their charts; by default those of
        `metrics` in the first region.
      metrics: Columns of the main tables, in order, where a region has them; all
        others are folded away.
      statements: Sentences at the top.
      claims: {"claim", "verdict", "evidence"}, from `evaluation.claims`.
      published: Tables to read beside ours; `tables.Table`, or its fields as a dict.
      epochs: The table of a metric by epoch, published and ours.
      tables: More results of ours, below the tables of metrics.
      history: Path of history.csv, or {run: path} of several runs that are compared;
        a missing file means no learning curves.
      pictures: {section: [{"name", "note", "images": [(label, uint8 image)]}]}, what
        `pictures.gather` returns.
      pictures_note: Shown above them, such as whether known pixels are pasted back.
      hero: Rows of the strip at the top; by default typical ones of `pictures`.
      groups: {title: what `subsets.by_group` returns}.
      group_key: The metric shown for groups and hole sizes; by default the first of
        `headline`.
      hole_size: What `subsets.by_hole_size` returns for `group_key`.
      curves: More charts, such as rate against distortion.
      curves: More results of ours, below those of the headline.
      environment: Config, seed, commit, versions, hardware, data, fingerprint,
        counts; may nest one level.
      departures: Sentences: where we differ from the paper.
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
    )
    statements: Sequence[str] = ()
    claims: Sequence[Mapping[str, str]] = ()
    published: Sequence[Table | Mapping] = ()
    epochs: Table | Mapping | None = None
    tables: Sequence = ()
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
