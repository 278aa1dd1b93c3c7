"""One pass over an evaluation set: every restorer, every metric, every image.

  batches, names, {"ours": f, "telea": g} -> evaluate -> Evaluation
  Evaluation -> summarize  mean and 95% interval of each metric
             -> compare    the paired difference of two restorers
             -> by_group   the same for parts of the set

Values stay per image, so that intervals, groups and pictures need no second pass.
This module is the front door; the names it lists can all be used from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tqdm

from data_pipeline import pixels
from evaluation import metrics, wording
from evaluation.bootstrap import compare, summarize
from evaluation.groups import by_group, by_hole_size, read_groups
from evaluation.record import Evaluation, Fingerprint, fingerprint, merge

__all__ = [
    "Evaluation",
    "Fingerprint",
    "by_group",
    "by_hole_size",
    "compare",
    "evaluate",
    "fingerprint",
    "merge",
    "read_groups",
    "summarize",
]


def evaluate(
    restorers: Mapping[str, Callable],
    batches: Iterable,
    names: Sequence[str],
    *,
    lpips: Callable | None = None,
    progress: str | None = "evaluate",
    to_unit: Callable = pixels.signed_to_unit,
) -> Evaluation:
    """Measures restorers side by side on the same images.

    Args:
      restorers: {name: inputs -> float32 [B, H, W, 3] in [0, 1]}; each is called
        once a batch.
      batches: Of (inputs, target). Without inputs["mask"] the whole image counts as
        missing and only the region "raw" is kept.
      names: Of the images, in the order of the batches.
      lpips: Handed to `metrics.measure`; without it LPIPS is left out.
      progress: What the progress bar is called; None shows none.
      to_unit: Takes a target to [0, 1].

    Raises:
      ValueError: If names and batches differ in number, or a restorer returns
        something other than finite images of the target's shape in [0, 1].
    """
    values = {restorer: {} for restorer in restorers}
    hole_ratio, digest, done = np.empty(len(names)), Fingerprint(), 0
    bar = tqdm.tqdm(
        total=len(names), desc=progress, unit=" images", disable=progress is None
    )
    with bar:
        for inputs, target in batches:
            target = np.asarray(to_unit(target), np.float32)
            mask, regions = np.ones_like(target[..., :1]), ("raw",)
            if "mask" in inputs:
                mask, regions = np.asarray(inputs["mask"]), metrics.REGIONS
            here = slice(done, done + len(target))
            batch_names = names[here]
            if len(batch_names) < len(target):
                raise ValueError(
                    "The batches hold more than the "
                    f"{wording.counted(len(names), 'name')}."
                )
            for name, image_mask in zip(batch_names, mask):
                digest.update(name, image_mask)
            hole_ratio[here] = mask.mean(axis=(1, 2, 3))
            for restorer, restore in restorers.items():
                restored = np.asarray(restore(inputs), np.float32)
                _check(restorer, restored, target, batch_names)
                measured = metrics.measure(
                    target, restored, mask, lpips=lpips, regions=regions
                )
                for key, value in measured.items():
                    # Batches of other image sizes may lack a metric.
                    column = values[restorer].setdefault(
                        key, np.full(len(names), np.nan)
                    )
                    column[here] = value
            done += len(target)
            bar.update(len(target))
    if done != len(names) or not done:
        raise ValueError(
            f"The batches hold {wording.counted(done, 'image')} but there are "
            f"{wording.counted(len(names), 'name')}; is the last, smaller batch "
            "dropped?"
        )
    names = tuple(str(name) for name in names)
    return Evaluation(names, values, hole_ratio, digest.hexdigest())


def _check(restorer: str, restored, target, names: Sequence[str]) -> None:
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
    # Rounding may overshoot a little; [-1, 1] or bytes are another matter.
    if restored.min() < -0.1 or restored.max() > 1.1:
        raise ValueError(
            f"Restorer {restorer!r} must return images in [0, 1]; got "
            f"[{restored.min():.3g}, {restored.max():.3g}]. pixels.signed_to_unit "
            "converts from [-1, 1]."
        )
