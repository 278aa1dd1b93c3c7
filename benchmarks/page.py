r"""Draws the numbers of benchmarks as one picture of bars.

python -m benchmarks.page --folder=benchmarks --output=docs/pictures/performance.png

Takes what there is of inference.json and commands.json.
"""

from __future__ import annotations

import io
import json
import pathlib

from absl import app, flags
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_pipeline import pixels

_FOLDER = flags.DEFINE_string("folder", "benchmarks", "Of the JSON files.")
_OUTPUT = flags.DEFINE_string(
    "output", "", "The picture; empty takes performance.png in the folder."
)

Bars = dict[str, float]


def charts(folder: pathlib.Path) -> dict[str, Bars]:
    """Title -> name of a bar -> its length."""
    found: dict[str, Bars] = {}
    if (path := folder / "inference.json").exists():
        for batch in (1, 32):
            found[f"Restoring a batch of {batch}, milliseconds a picture"] = {
                _labeled(name, row): row[f"milliseconds_batch_{batch}"] / batch
                for name, row in json.loads(path.read_text())["engines"].items()
            }
    if (path := folder / "commands.json").exists():
        rows = json.loads(path.read_text())["commands"]
        rows = {name: row["this"]["seconds"] for name, row in rows.items() if row}
        for title, wanted in (
            ("--help, seconds", lambda name: name.endswith("--help")),
            ("One photograph, seconds", lambda name: " 1 photograph" in name),
            ("A folder, seconds", lambda name: "photographs" in name),
        ):
            found[title] = {k: value for k, value in rows.items() if wanted(k)}
    return {title: bars for title, bars in found.items() if bars}


def _labeled(name: str, row: dict) -> str:
    quality = f"LPIPS {row['lpips']:.4f}" if "lpips" in row else ""
    return f"{name} {quality or format(row['hole_l1_percent'], '.2f') + '% L1'}"


def draw(found: dict[str, Bars]) -> bytes:
    """The charts below each other, as a PNG."""
    lengths = [len(bars) + 2 for bars in found.values()]
    figure = Figure((8, 0.28 * sum(lengths)), dpi=100, layout="constrained")
    places = figure.subplots(len(found), height_ratios=lengths, squeeze=False)
    for (title, bars), (axes,) in zip(found.items(), places):
        drawn = axes.barh([*bars], [*bars.values()], color="#0b6e6a")
        axes.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=10)
        axes.tick_params(labelsize=8)
        axes.margins(x=0.12)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def main(argv: list[str]) -> None:
    """Draws and writes the picture."""
    del argv
    folder = pathlib.Path(_FOLDER.value)
    found = charts(folder)
    if not found:
        raise app.UsageError(f"{folder} has no inference.json and no commands.json.")
    path = pathlib.Path(_OUTPUT.value or folder / "performance.png")
    pixels.write_bytes(path, draw(found))
    print(f"drawn: {path}")


if __name__ == "__main__":
    app.run(main)
