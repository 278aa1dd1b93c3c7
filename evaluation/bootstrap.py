"""Means with percentile bootstrap intervals over images.

Images are drawn with replacement, the same draw for all restorers and metrics, so that
differences of two restorers are paired. `count` is the number of images on which a
metric is defined; those where it is NaN are left out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evaluation.record import Evaluation

# Fewer images give no verdict. Percentile intervals of small sets are too narrow, about
# sqrt((n - 1) / n) * 1.96 / t of their size: by 6% at 30 images, by 18% at 10.
ENOUGH = 30

CONFIDENCE, RESAMPLES = 0.95, 2000

# Floats of draws in memory at once.
CHUNK = 4_000_000


def summarize(
    evaluation: Evaluation,
    *,
    keys: Sequence[str] | None = None,
    where: np.ndarray | None = None,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean and interval of each metric of each restorer.

    Args:
      evaluation: The values.
      keys: Such as "hole/l1_percent"; all by default.
      where: bool [N], the images to use; all by default.
      confidence: Of the interval, such as 0.95.
      resamples: Bootstrap draws.
      seed: Of the draws.

    Returns:
      {restorer: {key: {"mean", "low", "high", "count"}}}; low and high are NaN where
      fewer than two images have a value.
    """
    index = [
        (restorer, key)
        for restorer, values in evaluation.values.items()
        for key in values
        if keys is None or key in keys
    ]
    columns = [evaluation.values[restorer][key] for restorer, key in index]
    table = np.reshape(columns, [len(index), len(evaluation.names)]).T
    if where is not None:
        table = table[np.asarray(where, bool)]
    result = {restorer: {} for restorer in evaluation.values}
    intervals = _intervals(table, confidence, resamples, seed)
    for (restorer, key), interval in zip(index, intervals):
        result[restorer][key] = interval
    return result


def compare(evaluation: Evaluation, a: str, b: str, key: str) -> dict[str, float]:
    """The mean of a - b over the images on which both are defined, with its interval.

    Returns:
      {"mean", "low", "high", "count"}. An interval that excludes 0 is evidence that
      the restorers differ.

    Raises:
      ValueError: If a restorer or a key is not in the evaluation.
    """
    for restorer in (a, b):
        if key not in evaluation.values.get(restorer, {}):
            raise ValueError(
                f"The evaluation has no {key!r} of {restorer!r}; it has "
                f"{', '.join(evaluation.values)}."
            )
    difference = evaluation.values[a][key] - evaluation.values[b][key]
    return _intervals(difference[:, None], CONFIDENCE, RESAMPLES, seed=0)[0]


def _intervals(table: np.ndarray, confidence: float, resamples: int, seed: int) -> list:
    """[N, K] with NaN -> K dictionaries of mean, low, high, count."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence}.")
    table = np.asarray(table, np.float64)
    defined = np.isfinite(table)
    filled, counts = np.where(defined, table, 0.0), defined.sum(axis=0)
    # Only columns with gaps need their own divisor; each draw has N images.
    gaps = counts < len(table)
    present, draws = defined[:, gaps].astype(np.float64), []
    with np.errstate(invalid="ignore", divide="ignore"):
        means = filled.sum(axis=0) / counts
        for weights in draw(len(table), resamples, seed):
            divisors = np.full([len(weights), len(counts)], float(len(table)))
            # A draw that hits no defined image gives 0/0 and is left out below.
            divisors[:, gaps] = weights @ present
            draws.append(weights @ filled / divisors)
    draws = np.concatenate(draws)
    tail = (1 - confidence) / 2
    intervals = []
    for mean, count, drawn in zip(means, counts, draws.T):
        low = high = float("nan")
        if count >= 2:
            low, high = np.nanquantile(drawn, [tail, 1 - tail])
        intervals.append(
            {"mean": float(mean), "low": float(low), "high": float(high)}
            | {"count": int(count)}
        )
    return intervals


def draw(images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Counts of each of N images in each resample: chunks of float64 [R', N]."""
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK // max(images, 1))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(0, max(images, 1), (size, images))
        drawn += np.arange(size)[:, None] * images
        counts = np.bincount(drawn.ravel(), minlength=size * images)
        yield counts.reshape(size, images).astype(np.float64)
