"""The report of a run: results.json, report.md, report.html, pictures, plots.

Everything about a paper or a data set arrives in `Report`; this module only lays it
out. report.html is one file without references to others, so that it can be mailed.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import jinja2
import markupsafe
import numpy as np

from data_pipeline import pixels
from evaluation import charts, history, layout, pictures, plots, tables, wording

FORMAT = 1
TEMPLATES = pathlib.Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run has to say. Only `title` and `summary` are required.

    Attributes:
      title: Such as "Skip-connection inpainting, model 3".
      summary: {restorer: {"region/metric": {"mean", "low", "high", "count"}}}, what
        `evaluate.summarize` returns; its order is that of the tables.
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
      groups: {title: what `evaluate.by_group` returns}.
      group_key: The metric shown for groups and hole sizes; by default the first of
        `headline`.
      hole_size: What `evaluate.by_hole_size` returns for `group_key`.
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
    published: Sequence[tables.Table | Mapping] = ()
    epochs: tables.Table | Mapping | None = None
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


def write_report(folder: str | os.PathLike, report: Report) -> pathlib.Path:
    """Writes a report into a folder; each file appears whole or not at all.

    Returns:
      The path of report.html.
    """
    folder = pathlib.Path(folder)
    if isinstance(report.history, Mapping):
        columns = {run: history.read(path) for run, path in report.history.items()}
    else:
        columns = history.read(report.history)
    view = layout.view(report, columns)
    sections = _write_pictures(folder / "pictures", report.pictures)
    drawn = {}
    for chart in view["charts"]:
        # Key and title give the name; the slug makes it a file name.
        name = f"{pictures.slug(chart.slug)}.png"
        pixels.write_bytes(folder / "plots" / name, plots.png(chart))
        drawn[chart.slug] = {"file": f"plots/{name}", "svg": plots.svg(chart)}
    hero = report.hero
    if hero is None:
        ours = view["labels"][report.ours[0]] if report.ours else ""
        hero = pictures.hero(report.pictures, ours)
    view.update(drawn=drawn, sections=sections, hero=hero)
    for name in ("report.md", "report.html"):
        text = _environment(name).get_template(f"{name}.j2").render(view)
        pixels.write_bytes(folder / name, text.encode())
    # Last: where results.json is, the rest is too.
    results = json.dumps(
        strict(_results(report, columns, sections)), indent=1, allow_nan=False
    )
    pixels.write_bytes(folder / "results.json", (results + "\n").encode())
    return folder / "report.html"


def strict(value):
    """Anything a report holds -> what strict JSON can say.

    NaN and infinity become null, floats keep six significant digits, NumPy's types
    and paths become plain ones.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _results(report: Report, columns: Mapping, sections: Sequence[Mapping]) -> dict:
    fields = {
        field.name: getattr(report, field.name)
        for field in dataclasses.fields(report)
        if field.name not in ("history", "pictures", "hero")
    }
    shown = {
        section["title"]: [
            {"name": row["name"], "note": row["note"]}
            | {"files": {label: file for label, file, _ in row["images"]}}
            for row in section["rows"]
        ]
        for section in sections
    }
    return {"format": FORMAT, **fields, "history": columns, "pictures": shown}


def _write_pictures(folder: pathlib.Path, given: Mapping) -> list[dict]:
    """Writes the PNG files; returns sections with (label, file, image) for each."""
    sections = []
    for number, (title, rows) in enumerate(given.items(), 1):
        section = {"title": title, "rows": []}
        for position, row in enumerate(rows, 1):
            images = []
            for place, (label, image) in enumerate(row["images"]):
                # The numbers keep apart what slugs would merge.
                stem = f"{number}-{pictures.slug(title)}-{position}"
                file = f"{stem}-{place}-{pictures.slug(label)}.png"
                pixels.write_bytes(folder / file, pixels.encode_png(image))
                images.append((label, f"{folder.name}/{file}", image))
            section["rows"].append(
                {"name": row["name"], "note": row.get("note", ""), "images": images}
            )
        if section["rows"]:
            sections.append(section)
    return sections


def _picture_row(row: Mapping) -> tables.Markdown:
    """One face as a Markdown table of pictures."""
    labels, files = [image[0] for image in row["images"]], [i[1] for i in row["images"]]
    # File names are slugs; only the labels need escaping.
    links = [
        tables.Markdown(f"![{tables.escape(a)}]({f})") for a, f in zip(labels, files)
    ]
    return tables.markdown_table(labels, [links])


def _environment(name: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        text=wording.text,
        md=tables.escape,
        uri=pictures.data_uri,
        slug=pictures.slug,
        # Drawn by matplotlib, which escapes every label.
        svg=markupsafe.Markup,
    )
    environment.globals.update(
        markdown_table=tables.markdown_table, picture_row=_picture_row
    )
    return environment
