"""The pictures of a report: which images, restored by whom, and how encoded."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from data_pipeline import pixels
from evaluation import tables
from evaluation.evaluate import walk
from evaluation.metrics import measure, registry
from evaluation.record import Evaluation

# Longest side of pictures inside report.html; the files keep their size.
PAGE_SIDE = 384


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a paper, made again of restored images: a face a row.

    Attributes:
      title: Such as "As Fig. 2 of the paper".
      columns: {what a column is called: where it is from}; that is "Input", "Original",
        a restorer, or `whole` of one.
    """

    title: str
    columns: Mapping[str, str]

    def rows(self, gathered: Sequence[Mapping]) -> list[dict]:
        """Rows of a section that `gather` returned, as this figure has them."""
        return [
            {
                **row,
                "images": [
                    (shown, dict(row["images"])[source])
                    for shown, source in self.columns.items()
                ],
            }
            for row in gathered
        ]


def whole(restorer: str) -> str:
    """The column of a restorer's own image, its known pixels as it gives them."""
    return f"{restorer}, whole output"


def pick(
    evaluation: Evaluation, restorer: str, key: str, k: int = 3
) -> dict[str, list[int]]:
    """Indices of the k best, median and worst images of a restorer.

    Groups are disjoint, so small sets give fewer. Images on which the metric is
    undefined are left out. Returns {"Best": [...], "Median": [...], "Worst": [...]},
    each from better to worse.
    """
    values = np.asarray(evaluation.values[restorer][key], np.float64)
    sign = -1.0 if registry.metric_of(key).higher_is_better else 1.0
    order = np.argsort(sign * values, kind="stable")  # NaN goes last
    order = [int(index) for index in order[: np.isfinite(values).sum()]]
    best, worst = order[:k], order[k:][-k:]
    between = order[len(best) : len(order) - len(worst)]
    start = max(0, (len(between) - k) // 2)
    return {"Best": best, "Median": between[start : start + k], "Worst": worst}


def gather(
    evaluation: Evaluation,
    sections: Mapping[str, Sequence[int]],
    restorers: Mapping[str, Callable],
    batches: Iterable,
    *,
    key: str | None = None,
    of: str | None = None,
    to_unit: Callable = pixels.signed_to_unit,
    wholes: Sequence[str] = (),
) -> dict[str, list[dict]]:
    """Restores the picked images once more, for a report.

    Args:
      evaluation: Of the images.
      sections: {title: indices}, such as from `pick`.
      restorers: As in `evaluate`; called only for batches with a picked image.
      batches: The same batches as were evaluated.
      key: A metric whose value is noted under each row.
      of: The restorer whose value that is; the first by default.
      to_unit: As in `evaluate`.
      wholes: Restorers whose own images are gathered as well, as `whole` calls them.

    Returns:
      {title: [{"name", "note", "images": [(label, uint8 [H, W, 3])]}]}: the input if
      it has a mask, every restorer with known pixels pasted in, the original.
    """
    of = of or next(iter(restorers), None)
    wanted = {index for indices in sections.values() for index in indices}
    images = {}
    names = evaluation.names
    for here, inputs, original, mask in walk(batches, names, to_unit=to_unit):
        if wanted <= images.keys():
            break
        picked = wanted.intersection(range(here.start, here.stop))
        if not picked:
            continue
        restored = {name: restore(inputs) for name, restore in restorers.items()}
        columns = {
            name: measure.paste(original, image, mask)
            for name, image in restored.items()
        }
        columns |= {whole(name): np.clip(restored[name], 0, 1) for name in wholes}
        if "mask" in inputs:  # else the input is the original
            columns = {"Input": to_unit(inputs["image"]), **columns}
        columns["Original"] = original
        shown = {name: pixels.unit_to_bytes(c).numpy() for name, c in columns.items()}
        for index in picked:
            images[index] = [(name, c[index - here.start]) for name, c in shown.items()]
    return {
        title: [
            {
                "name": str(evaluation.names[index]),
                "note": _note(evaluation, index, key, of),
                "images": images[index],
            }
            for index in indices
        ]
        for title, indices in sections.items()
    }


def _note(evaluation, index, key, of) -> str:
    value = evaluation.values.get(of, {}).get(key)
    if value is None:
        return ""
    shown = tables.number(value[index], registry.metric_of(key).digits)
    return f"{of}: {registry.label(key)} {shown}"


def slug(text: str) -> str:
    """Any text -> letters, digits and hyphens, for file names and anchors."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")[:40] or "x"


def data_uri(image: np.ndarray) -> str:
    """uint8 [H, W, 3] -> a data: address of a PNG, reduced to `PAGE_SIDE`."""
    height, width = image.shape[:2]
    scale = PAGE_SIDE / max(height, width)
    if scale < 1:
        sides = (max(1, round(side * scale)) for side in (height, width))
        image = pixels.resize(image, *sides)
    encoded = base64.b64encode(pixels.encode_png(image)).decode()
    return f"data:image/png;base64,{encoded}"


def hero(sections: Mapping[str, list[dict]], ours: str, count: int = 3) -> list[dict]:
    """The strip at the top: input (if it has a mask), ours, original of typical images.

    They are those of the section "Median" where there is one.
    """
    rows = sections.get("Median") or next((r for r in sections.values() if r), [])
    strip = []
    for row in rows[:count]:
        images = row["images"]
        last = len(images) - 1
        places = [place for place, image in enumerate(images) if image[0] == ours]
        kept = {0, *(places or [1]), last}
        images = [image for place, image in enumerate(images) if place in kept]
        strip.append({**row, "images": images})
    return strip
