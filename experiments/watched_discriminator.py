"""Whether a discriminator learns anything: what training has watched of it, drawn.

A discriminator that guesses gives every image a probability of one half: it is right
half of the time, the logarithm of what it gives to the truth is -ln 2, each of its
cross-entropies is ln 2 and their sum 2 ln 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evaluation import wording
from evaluation.charts import Curve, Series
from training.adversarial_autoencoder import WATCHED

LN_2 = math.log(2)
_LOSSES = ("d_real", "d_fake")
_LOG_REAL, _LOG_FAKE, _ACCURACY, _NORM = WATCHED


def curves(history: Sequence[Mapping[str, float]]) -> list[Curve]:
    """Four charts by epoch; none of a run without a discriminator.

    Args:
      history: Rows of history.csv.
    """
    rows = _watched(history)
    if not rows:
        return []
    losses = {name: [row[name] for row in rows] for name in _LOSSES}
    both = {" + ".join(_LOSSES): [sum(row[n] for n in _LOSSES) for row in rows]}
    return [
        _chart(
            "discriminator-loss",
            "Discriminator loss",
            "cross-entropy (nats)",
            rows,
            {**both, **losses},
            {"2 ln 2, guessing": 2 * LN_2, "ln 2, guessing": LN_2},
        ),
        _chart(
            "discriminator-log",
            "What the discriminator gives to the truth",
            "log-probability (nats)",
            rows,
            {
                "log D(real)": [row[_LOG_REAL] for row in rows],
                "log (1 − D(restored))": [row[_LOG_FAKE] for row in rows],
            },
            {"−ln 2, guessing": -LN_2},
        ),
        _chart(
            "discriminator-accuracy",
            "How often the discriminator is right",
            "share of the images",
            rows,
            {"accuracy": [row[_ACCURACY] for row in rows]},
            {"0.5, guessing": 0.5},
        ),
        _chart(
            "discriminator-gradient",
            "The discriminator's gradient",
            "norm",
            rows,
            {"gradient norm": [row[_NORM] for row in rows]},
            {},
        ),
    ]


def statements(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Whether its loss is flat, as a sentence; none without a discriminator.

    Args:
      history: Rows of history.csv.
    """
    rows = _watched(history)
    if not rows:
        return []
    losses = [sum(row[name] for name in _LOSSES) for row in rows]
    first, last, low, high = (
        wording.number(loss, 3)
        for loss in (losses[0], losses[-1], min(losses), max(losses))
    )
    right = 100 * rows[-1][_ACCURACY]
    return [
        f"The discriminator's loss was {first} in the first epoch and {last} in the "
        f"last, never below {low} or above {high}; one that guesses has 2 ln 2 = "
        f"{wording.number(2 * LN_2, 3)}. In the last epoch it was right about "
        f"{right:.0f}% of the training images, original or restored."
    ]


def _watched(history: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The rows of which everything was written; the first has no losses."""
    needed = {"epoch", *_LOSSES, *WATCHED}
    return [row for row in history if needed <= row.keys()]


def _chart(
    slug: str,
    title: str,
    y_label: str,
    rows: Sequence[Mapping[str, float]],
    lines: Mapping[str, Sequence[float]],
    references: Mapping[str, float],
) -> Curve:
    epochs = [row["epoch"] for row in rows]
    last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in lines.items())
    return Curve(
        slug=slug,
        title=title,
        x_label="epoch",
        y_label=y_label,
        series=[
            Series(name, epochs, values, ours=not number)
            for number, (name, values) in enumerate(lines.items())
        ],
        references=references,
        whole_x=True,
        note="Means over the training batches of an epoch.",
        alt=f"{title} by epoch; last: {last}.",
    )
