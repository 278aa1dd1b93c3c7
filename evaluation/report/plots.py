"""Draws charts as PNG files, and as SVG in the colors of the page around it.

pyplot is not used, because its global state would leak into a user's own figures.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.backends import backend_svg
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.charts import Curve, Dots, Series

# `svg` replaces each value by the page's variable of its name, so no two may be equal.
COLORS = {
    "paper": "#fefefe",
    "ink": "#16191e",
    "muted": "#5d6774",
    "line": "#e2e6eb",
    "accent": "#0b6e6a",
    "s1": "#8a94a1",
    "s2": "#c27f2c",
    "s3": "#7a6fd1",
    "s4": "#3f8ecb",
    "s5": "#c05580",
}
SERIES = ("s2", "s3", "s4", "s5", "s1")
STYLES = ("-", "--", "-.", ":")
SIZE = (5.0, 3.1)  # inches; two stand side by side on a page
_LEGEND = 0.8  # inches of it, for the names of lines

RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # a name with two dollar signs is still a name
    "axes.edgecolor": COLORS["line"],
    "axes.labelcolor": COLORS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "text.color": COLORS["ink"],
    "xtick.color": COLORS["muted"],
    "ytick.color": COLORS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "grid.color": COLORS["line"],
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "lines.linewidth": 1.8,
}


def png(chart: Dots | Curve, *, dots_per_inch: int = 160) -> bytes:
    """Draws a chart on white, for files and Markdown."""
    with matplotlib.rc_context(RC):
        buffer, figure = io.BytesIO(), _figure(chart)
        figure.dpi = dots_per_inch
        # Not by savefig, which would draw twice.
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def svg(chart: Dots | Curve) -> str:
    """Draws a chart as an <svg> element with the page's fonts and colors."""
    # Salted, because two charts of a page must not share identifiers.
    with matplotlib.rc_context({**RC, "svg.hashsalt": chart.slug}):
        buffer = io.StringIO()
        figure = _figure(chart)
        figure.patch.set_alpha(0)
        # Not by savefig, which would warn of the page's fonts.
        backend_svg.FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1)
    # Only targets of references keep their identifier. Style elements would change the
    # whole page.
    drawn = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", drawn)
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)
    drawn = drawn.replace("'DejaVu Sans'", "var(--font)")
    for name, color in COLORS.items():
        drawn = drawn.replace(color, f"var(--{name})")
    return drawn


def _figure(chart: Dots | Curve) -> Figure:
    if isinstance(chart, Dots):
        return _draw_dots(chart)
    return _draw_curve(chart)


def _draw_dots(chart: Dots) -> Figure:
    rows = list(reversed(chart.rows))
    labels = [_two_lines(label, 28) for label, _, _ in rows]
    pitch = 0.42 if any("\n" in label for label in labels) else 0.34  # inches a row
    figure = Figure((SIZE[0], 0.75 + pitch * len(rows)), layout="constrained")
    figure.patch.set_facecolor(COLORS["paper"])
    axes = figure.subplots()
    axes.set_facecolor("none")
    for position, (_, entry, ours) in enumerate(rows):
        color = COLORS["accent" if ours else "s1"]
        low, high = entry.get("low"), entry.get("high")
        if _finite(low) and _finite(high):
            axes.plot(
                [low, high], [position] * 2, color=color, linewidth=2.4, alpha=0.5
            )
        axes.plot(entry["mean"], position, "o", color=color, markersize=7)
        axes.annotate(
            f"{entry['mean']:.{chart.digits}f}".replace("-", "−"),
            (max(v for v in (entry["mean"], high) if _finite(v)), position),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=color if ours else COLORS["ink"],
            weight="bold" if ours else "normal",
        )
    axes.set_yticks(range(len(rows)), labels)
    for tick, (_, _, ours) in zip(axes.get_yticklabels(), rows):
        tick.set_color(COLORS["accent" if ours else "ink"])
        tick.set_weight("bold" if ours else "normal")
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.18)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.set_title(chart.title, loc="left", fontsize=10, color=COLORS["ink"])
    return figure


def _draw_curve(chart: Curve) -> Figure:
    figure = Figure(SIZE, layout="constrained")
    figure.patch.set_facecolor(COLORS["paper"])
    axes = figure.subplots()
    axes.set_facecolor("none")
    ours = others = 0
    for series in chart.series:
        if series.ours:
            color, style = COLORS["accent"], STYLES[ours % len(STYLES)]
            ours += 1
        else:
            color = COLORS[SERIES[others % len(SERIES)]]
            style = STYLES[others // len(SERIES) % len(STYLES)]
            others += 1
        x, y = np.asarray(series.x, float), np.asarray(series.y, float)
        kept = np.isfinite(x) & np.isfinite(y)  # a line over gaps, not to nowhere
        marker = "o" if chart.markers or kept.sum() < 2 else None
        axes.plot(
            x[kept],
            y[kept],
            style,
            color=color,
            label=_lines(series.label),
            marker=marker,
            markersize=4.5,
            linewidth=2.4 if series.ours else 1.6,
            zorder=3 if series.ours else 2,
        )
        if series.low is not None and series.high is not None:
            low, high = (np.asarray(v, float)[kept] for v in (series.low, series.high))
            axes.fill_between(x[kept], low, high, color=color, alpha=0.13, linewidth=0)
    for label, y in chart.references.items():
        axes.axhline(y, color=COLORS["muted"], linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(  # beside the axes, where no line can cross it
            _two_lines(label, 12),
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=COLORS["muted"],
        )
    if _spans_decades(chart.series):
        axes.set_yscale("log")
        # The default writes powers of ten as mathematics, which is switched off.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter("")
    if chart.whole_x:
        # It prefers fractions to a single tick, unless one is enough.
        locator = MaxNLocator("auto", integer=True, min_n_ticks=1)
        axes.xaxis.set_major_locator(locator)
    axes.grid(axis="y")
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.set_title(chart.title, loc="left", fontsize=10, color=COLORS["ink"])
    if len(chart.series) > 1:
        _add_legend(figure, len(chart.series))
    return figure


def _add_legend(figure: Figure, count: int) -> None:
    """Puts it below the axes, in as many columns as fit into the figure."""
    for columns in range(min(4, count), 0, -1):
        legend = figure.legend(loc="outside lower left", ncols=columns)
        extent = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
        if extent.width <= figure.bbox.width or columns == 1:
            # A tall legend makes the figure taller, not the axes smaller.
            taller = extent.height / figure.dpi - _LEGEND
            figure.set_figheight(SIZE[1] + max(0.0, taller))
            return
        legend.remove()


def _spans_decades(series: Sequence[Series]) -> bool:
    values = np.concatenate([np.asarray(s.y, float) for s in series] or [np.ones(1)])
    values = values[np.isfinite(values)]
    return values.size > 0 and values.min() > 0 and values.max() > 30 * values.min()


def _finite(value) -> bool:
    return value is not None and bool(np.isfinite(value))


def _lines(label: str, width: int = 48, most: int = 3) -> str:
    """Breaks the name of a line in a legend; only what has no room is left out."""
    return textwrap.fill(label, width, max_lines=most, placeholder="…")


def _two_lines(label: str, width: int) -> str:
    """Breaks into at most two lines; longer labels lose their middle, not their end."""
    first, *more = textwrap.wrap(label, width) or [""]
    second = " ".join(more)
    if len(second) > width:
        second = "…" + second[1 - width :]
    return f"{first}\n{second}" if second else first
