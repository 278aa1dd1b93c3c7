"""Evaluates restorers: every metric of every image, in one pass over the set.

  batches, names, {"ours": f, "telea": g} -> evaluate -> Evaluation
  Evaluation -> bootstrap.summarize  mean and 95% interval of each metric
             -> bootstrap.compare    the paired difference of two restorers
             -> subsets.by_group     the same for parts of the set

Values are kept per image, so intervals, groups and pictures need no second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import tqdm

from data_pipeline import pixels
from evaluation import tables
from evaluation.metrics import measure
from evaluation.record import Evaluation, Fingerprint


def evaluate(
    restorers: Mapping[str, Callable],
    batches: Iterable,
    names: Sequence[str],
    *,
    lpips: Callable | None = None,
    extra: Mapping[str, Callable] | None = None,
    progress: str | None = "evaluate",
    to_unit: Callable = pixels.signed_to_unit,
) -> Evaluation:
    """Measures restorers side by side on the same images.

    Args:
      restorers: {name: inputs -> float32 [B, H, W, 3] in [0, 1]}; each is called
        once a batch.
      batches: Of (inputs, target). Without inputs["mask"] the whole image counts as
        missing and only the region "raw" is measured.
      names: Of the images, in the order of the batches.
      lpips: For `metrics.measure`; without it LPIPS is left out.
      extra: More metrics, {"composite/metric": (target, composite, names) -> float
        [B]}, NaN where undefined. Both images are float32 [B, H, W, 3] in [0, 1]; the
        composite has the restored pixels pasted into the known ones (without a mask:
        the whole restored image).
      progress: Title of the progress bar; None shows none.
      to_unit: Converts a target to [0, 1].

    Raises:
      ValueError: If names and batches differ in number, a restorer does not return
        finite images of the target's shape in [0, 1], or an extra metric does not
        return a finite value or NaN for each image.
    """
    values = {restorer: {} for restorer in restorers}
    hole_ratio, digest = np.empty(len(names)), Fingerprint()
    bar = tqdm.tqdm(
        total=len(names), desc=progress, unit=" images", disable=progress is None
    )
    with bar:
        for here, inputs, target, mask in walk(batches, names, to_unit=to_unit):
            regions = measure.REGIONS if "mask" in inputs else ("raw",)
            batch_names = names[here]
            for name, image_mask in zip(batch_names, mask):
                digest.update(name, image_mask)
            hole_ratio[here] = mask.mean(axis=(1, 2, 3))
            for restorer, restore in restorers.items():
                restored = np.asarray(restore(inputs), np.float32)
                check_restored(restorer, restored, target, batch_names)
                measured = measure.measure(
                    target, restored, mask, lpips=lpips, regions=regions
                )
                completed = measure.paste(target, restored, mask)
                for key, metric in (extra or {}).items():
                    value = np.asarray(metric(target, completed, batch_names))
                    _check_extra(key, restorer, value, len(target))
                    measured[key] = value
                for key, value in measured.items():
                    # Batches of other image sizes may lack a metric.
                    column = values[restorer].setdefault(
                        key, np.full(len(names), np.nan)
                    )
                    column[here] = value
            bar.update(len(target))
    names = tuple(str(name) for name in names)
    return Evaluation(names, values, hole_ratio, digest.hexdigest())


def walk(
    batches: Iterable,
    names: Sequence[str],
    *,
    to_unit: Callable = pixels.signed_to_unit,
) -> Iterator[tuple[slice, Mapping, np.ndarray, np.ndarray]]:
    """Iterates over batches of (inputs, target), and checks that they fit the names.

    Yields:
      The slice of names, the inputs, the target as float32 [B, H, W, 3] in [0, 1], and
      the mask [B, H, W, 1], all 1 where the inputs have none.
    """
    done = 0
    for inputs, target in batches:
        target = np.asarray(to_unit(target), np.float32)
        here = slice(done, done + len(target))
        if here.stop > len(names):
            raise ValueError(
                f"The batches hold more than the {tables.counted(len(names), 'name')}."
            )
        whole = np.ones_like(target[..., :1])
        yield here, inputs, target, np.asarray(inputs.get("mask", whole))
        done = here.stop
    if done != len(names) or not done:
        raise ValueError(
            f"The batches hold {tables.counted(done, 'image')} but there are "
            f"{tables.counted(len(names), 'name')}; is the last, smaller batch "
            "dropped?"
        )


def _check_extra(key: str, restorer: str, value: np.ndarray, images: int) -> None:
    if value.shape != (images,):
        raise ValueError(
            f"Metric {key!r} returned {list(value.shape)} for "
            f"{tables.counted(images, 'image')} of restorer {restorer!r}; it must "
            "return one value an image."
        )
    if np.isinf(value).any():
        raise ValueError(
            f"Metric {key!r} is infinite for restorer {restorer!r}, and so would be "
            "its mean; it must return NaN where it is undefined."
        )


def check_restored(
    restorer: str, restored: np.ndarray, target: np.ndarray, names: Sequence[str]
) -> None:
    """Raises a ValueError unless a restorer returned finite images in [0, 1]."""
    if restored.shape != target.shape:
        raise ValueError(
            f"Restorer {restorer!r} returned {list(restored.shape)} for a target of "
            f"{list(target.shape)}."
        )
    finite = np.isfinite(restored).all(axis=(1, 2, 3))
    if not finite.all():
        raise ValueError(
            f"Restorer {restorer!r} returned NaN or infinity for "
            f"{names[int(np.argmin(finite))]}; a mean over the others would hide it."
        )
    # Tolerates a little overshoot, but not [-1, 1] or bytes.
    if restored.min() < -0.1 or restored.max() > 1.1:
        raise ValueError(
            f"Restorer {restorer!r} must return images in [0, 1]; got "
            f"[{restored.min():.3g}, {restored.max():.3g}]. pixels.signed_to_unit "
            "converts from [-1, 1]."
        )
