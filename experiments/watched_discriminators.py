"""What the discriminators of several runs did: whether their losses are flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluation import claims, wording
from evaluation.charts import Curve
from evaluation.tables import Table
from experiments import watched_discriminator as watched
from experiments.watched_discriminator import GUESSING, LN_2, Watched

CLAIM = "The loss of the DCGAN's discriminator is flat"

# How a group of runs is introduced, and what that means.
_KINDS = {
    watched.GUESSES: (
        "Flat near 2 ln 2, the loss of guessing",
        "as unsure in the end as in the beginning",
    ),
    watched.BELOW: (
        "Flat below 2 ln 2",
        "telling restored faces from originals in the end as in the beginning: "
        "neither network gains on the other",
    ),
    watched.ABOVE: (
        "Flat above 2 ln 2",
        "mistaken in the end as in the beginning",
    ),
    watched.MOVES: ("Not flat", ""),
    watched.SINGLE: ("Of a single epoch, which says nothing", ""),
}


def read(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
) -> dict[str, Watched]:
    """The runs that had a discriminator.

    Args:
      histories: {label: rows of history.csv}.
    """
    found = {label: watched.read(rows) for label, rows in histories.items()}
    return {label: run for label, run in found.items() if run is not None}


def table(runs: Mapping[str, Watched]) -> Table:
    """A row a run, and one of a discriminator that guesses."""
    rows = []
    for label, run in runs.items():
        losses = (run.loss[0], run.loss[-1], min(run.loss), max(run.loss))
        logs = (run.log_real[-1], run.log_fake[-1])
        rows.append(
            [
                label,
                *(wording.number(value, 3) for value in (*losses, *logs)),
                wording.number(100 * run.accuracy[-1], 1),
                wording.number(run.gradient_norm[-1], 3),
                run.kind,
            ]
        )
    guessing = [wording.number(value, 3) for value in [GUESSING] * 4 + [-LN_2] * 2]
    rows.append(["one that guesses", *guessing, "50.0", wording.DASH, ""])
    return Table(
        caption="The discriminator in training",
        columns=[
            "",
            "Loss, first epoch",
            "last",
            "lowest",
            "highest",
            "log D(real)",
            "log D(restored)",
            "Right (%)",
            "Gradient norm",
            "Loss is",
        ],
        rows=rows,
        note="Means over the training batches of an epoch, in nats, dropout included; "
        "the last four numbers are those of the last epoch. The loss is the sum of "
        "both cross-entropies. It is called flat where all of its epochs lie within "
        f"{watched.FLAT:.3f} of each other, a tenth of 2 ln 2, and near guessing "
        "where their mean lies within that of 2 ln 2.",
        kinds=["ours"] * len(runs) + ["baseline"],
    )


def statements(runs: Mapping[str, Watched]) -> list[str]:
    """In which runs the loss is flat, at which level, and what that says."""
    said = []
    for kind, (title, meaning) in _KINDS.items():
        inside = {label: run for label, run in runs.items() if run.kind == kind}
        if not inside:
            continue
        sentence = (
            f"The discriminator's loss. {title}: {'; '.join(inside)}. In the last "
            f"epoch it was right about {_right(inside.values())} of the images"
        )
        said.append(f"{sentence}, {meaning}." if meaning else f"{sentence}.")
    return said


def check_claims(runs: Mapping[str, Watched]) -> list[dict[str, str]]:
    """The paper's claim, of "DCGAN"."""
    run = runs.get("DCGAN")
    if run is None or run.kind == watched.SINGLE:
        why = "No run called DCGAN was trained for several epochs."
        return [claims.not_measured(CLAIM, why)]
    low, high = (f"{end(run.loss):.3f}" for end in (min, max))
    evidence = (
        f"It moved between {low} and {high} over "
        f"{wording.counted(len(run.loss), 'epoch')} of one run; flat is what moves by "
        f"less than {watched.FLAT:.3f}, a tenth of 2 ln 2 = {GUESSING:.3f}."
    )
    verdict = claims.FAILS if run.kind == watched.MOVES else claims.HOLDS
    return [{"claim": CLAIM, "verdict": verdict, "evidence": evidence}]


def curves(runs: Mapping[str, Watched]) -> list[Curve]:
    """Five charts by epoch, a line a run; none without a discriminator."""
    slug, title, y_label = watched.LOGS
    minus = {"−ln 2, guessing": -LN_2}
    drawn = (
        (watched.LOSS, "loss", {"2 ln 2, guessing": GUESSING}),
        ((f"{slug}-real", f"{title}: log D(real)", y_label), "log_real", minus),
        ((f"{slug}-restored", f"{title}: log D(restored)", y_label), "log_fake", minus),
        (watched.ACCURACY, "accuracy", {"0.5, guessing": 0.5}),
        (watched.GRADIENT, "gradient_norm", {}),
    )
    if not runs:
        return []
    return [
        watched.chart(
            axes,
            {label: (run.epochs, getattr(run, name)) for label, run in runs.items()},
            references,
        )
        for axes, name, references in drawn
    ]


def _right(runs) -> str:
    """Such as "51%" or "51% to 64%"."""
    shares = sorted(f"{100 * run.accuracy[-1]:.0f}" for run in runs)
    ends = dict.fromkeys([min(shares, key=int), max(shares, key=int)])
    return " to ".join(f"{end}%" for end in ends)
