"""Which images a report shows, and their files."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from data_pipeline import pixels
from evaluation import tables
from evaluation.metrics import registry
from evaluation.record import Evaluation

# The page holds its pictures; larger ones are shown reduced (files keep their size).
PAGE_SIDE = 384


def pick(
    evaluation: Evaluation, restorer: str, key: str, k: int = 3
) -> dict[str, list[int]]:
    """Indices of the k best, median and worst images of a restorer.

    No image is in two of them, so small sets give fewer. Images on which the metric
    is undefined are left out.

    Returns:
      {"Best": [...], "Median": [...], "Worst": [...]}, each from better to worse.
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
    labels: Mapping[str, str] | None = None,
    paste: bool = True,
    to_unit: Callable = pixels.signed_to_unit,
) -> dict[str, list[dict]]:
    """Restores the picked images once more, for a report.

    Args:
      evaluation: Names the images.
      sections: {title: indices}, such as what `pick` returns.
      restorers: As in `evaluate`; called only for batches with a picked image.
      batches: The same batches as were evaluated.
      key: A metric whose value is noted under each row.
      of: The restorer whose value that is; the first by default.
      labels: Display names of restorers.
      paste: Whether known pixels are shown as they were ("composite") or as the
        restorer returned them ("raw").
      to_unit: As in `evaluate`.

    Returns:
      {title: [{"name", "note", "images": [(label, uint8 [H, W, 3])]}]}: the input
      where something is missing from it, every restorer, the original.
    """
    labels, of = labels or {}, of or next(iter(restorers), None)
    wanted = {index for indices in sections.values() for index in indices}
    images, start = {}, 0
    for inputs, target in batches:
        if wanted <= images.keys():
            break
        size = len(target)
        here = sorted(wanted.intersection(range(start, start + size)))
        if here:
            columns = []
            if "mask" in inputs:  # else the input is the original
                columns = [("Input", to_unit(inputs["image"]))]
            mask = np.asarray(inputs["mask"]) if "mask" in inputs else 1.0
            original = np.asarray(to_unit(target))
            for restorer, restore in restorers.items():
                restored = np.asarray(restore(inputs))
                if paste:
                    restored = np.where(mask > 0.5, restored, original)
                columns.append((labels.get(restorer, restorer), restored))
            columns.append(("Original", original))
            shown = [(label, pixels.unit_to_bytes(c).numpy()) for label, c in columns]
            for index in here:
                images[index] = [(label, c[index - start]) for label, c in shown]
        start += size
    if not wanted <= images.keys():
        raise ValueError(
            f"Image {min(wanted - images.keys())} was picked but the batches hold "
            f"{start}; hand in the batches that were evaluated."
        )
    return {
        title: [
            {
                "name": str(evaluation.names[index]),
                "note": _note(evaluation, index, key, of, labels),
                "images": images[index],
            }
            for index in indices
        ]
        for title, indices in sections.items()
    }


def _note(evaluation, index, key, of, labels) -> str:
    value = evaluation.values.get(of, {}).get(key)
    if value is None:
        return ""
    shown = tables.number(value[index], registry.metric_of(key).digits)
    return f"{labels.get(of, of)}: {registry.label(key)} {shown}"


def slug(text: str) -> str:
    """Any text -> letters, digits and hyphens, safe in file names and anchors."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-")[:40] or "x"


def data_uri(image: np.ndarray) -> str:
    """uint8 [H, W, 3] -> a PNG inside a data: address, at most `PAGE_SIDE` large."""
    height, width = image.shape[:2]
    scale = PAGE_SIDE / max(height, width)
    if scale < 1:
        sides = (max(1, round(side * scale)) for side in (height, width))
        image = pixels.resize(image, *sides)
    encoded = base64.b64encode(pixels.encode_png(image)).decode()
    return f"data:image/png;base64,{encoded}"


def hero(sections: Mapping[str, list[dict]], ours: str, count: int = 3) -> list[dict]:
    """The strip at the top: input, ours, original of typical images.

    Where nothing is missing from an image it has no input, and begins with ours.
    Typical are those of the section "Median" where there is one: the best would
    flatter.
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
