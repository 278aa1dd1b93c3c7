"""The discriminator in training: charts, a table, and whether its loss is flat.

A discriminator that guesses gives every image a probability of one half: its accuracy
is one half, its log-probabilities are -ln 2, each cross-entropy is ln 2 and their sum
2 ln 2.

A loss is judged from the second epoch on: in the first both networks leave their random
weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from evaluation import claims, tables
from evaluation.charts import Curve, Series
from evaluation.claims import Evidence
from evaluation.tables import Table
from training.cvae_dcgan import WATCHED

LN_2 = math.log(2)
GUESSING = 2 * LN_2
# A loss is called flat if its epochs' means, from the second on, lie within this of
# each other, in nats.
FLAT = 0.1 * GUESSING
# Kinds of losses.
MOVES = "not flat"
GUESSES = "flat, near guessing"
BELOW = "flat, below guessing"
ABOVE = "flat, above guessing"
WON = "flat, near 0"
SHORT = "of fewer than three epochs"

_LOSSES = ("d_real", "d_fake")
_LOG_REAL, _LOG_FAKE, _LOG_D_FAKE, _ACCURACY, _NORM = WATCHED


@dataclasses.dataclass(frozen=True)
class DiscriminatorHistory:
    """Means over the training batches of each of E epochs.

    Attributes:
      epochs: Their numbers.
      d_real: Cross-entropy on originals, nats.
      d_fake: On restored images, nats.
      log_real: log D(original), nats.
      log_fake: log D(restored), nats; near 0 where it is deceived.
      log_not_fake: log(1 - D(restored)), nats; near 0 where it is right.
      accuracy: Its accuracy, in 0..1.
      gradient_norm: Of its loss.
    """

    epochs: Sequence[float]
    d_real: Sequence[float]
    d_fake: Sequence[float]
    log_real: Sequence[float]
    log_fake: Sequence[float]
    log_not_fake: Sequence[float]
    accuracy: Sequence[float]
    gradient_norm: Sequence[float]

    @property
    def loss(self) -> list[float]:
        """Both cross-entropies, nats."""
        return [real + fake for real, fake in zip(self.d_real, self.d_fake)]

    @property
    def judged(self) -> list[float]:
        """The loss from the second epoch on, nats."""
        return self.loss[1:]

    @property
    def moved(self) -> float:
        """From the lowest judged loss to the highest, nats."""
        return max(self.judged) - min(self.judged)

    @property
    def kind(self) -> str:
        """Whether its loss is flat, and at which level."""
        if len(self.judged) < 2:
            return SHORT
        if self.moved >= FLAT:
            return MOVES
        mean = sum(self.judged) / len(self.judged)
        if mean < FLAT:
            return WON
        distance = mean - GUESSING
        if abs(distance) < FLAT:
            return GUESSES
        return BELOW if distance < 0 else ABOVE


def read(history: Sequence[Mapping[str, float]]) -> DiscriminatorHistory | None:
    """Reads a discriminator's rows of history.csv; None where there was none."""
    columns = ("epoch", *_LOSSES, _LOG_REAL, _LOG_D_FAKE, _LOG_FAKE, _ACCURACY, _NORM)
    rows = [row for row in history if set(columns) <= row.keys()]
    if not rows:
        return None
    return DiscriminatorHistory(*([row[name] for row in rows] for name in columns))


def curves(history: Sequence[Mapping[str, float]]) -> list[Curve]:
    """Four charts by epoch, of rows of history.csv; none without a discriminator."""
    found = read(history)
    if found is None:
        return []
    # In the order of their losses, so that the colors are the same.
    logs = {
        "log D(real)": found.log_real,
        "log (1 − D(restored))": found.log_not_fake,
        "log D(restored)": found.log_fake,
    }
    losses = {"sum": found.loss}
    losses |= {"on originals": found.d_real, "on restored": found.d_fake}
    both = {"2 ln 2, guessing": GUESSING, "ln 2, guessing": LN_2}
    drawn = (
        (LOSS, losses, both),
        (LOGS, logs, {"−ln 2, guessing": -LN_2}),
        (ACCURACY, {"accuracy": found.accuracy}, {"0.5, guessing": 0.5}),
        (GRADIENT, {"gradient norm": found.gradient_norm}, {}),
    )
    return [
        chart(
            axes,
            {name: (found.epochs, y) for name, y in lines.items()},
            references,
            first_leads=lines is not logs,
        )
        for axes, lines, references in drawn
    ]


def statements(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Whether its loss is flat, as a sentence; none without a discriminator."""
    found = read(history)
    if found is None:
        return []
    judged = found.judged or found.loss
    first, last, low, high = (
        tables.number(loss, 3)
        for loss in (found.loss[0], found.loss[-1], min(judged), max(judged))
    )
    return [
        f"The discriminator's loss was {first} in the first epoch and {last} in the "
        f"last, from the second on never below {low} or above {high}; one that guesses "
        f"has 2 ln 2 = {tables.number(GUESSING, 3)}. It is {found.kind}; flat is what "
        f"stays within {tables.number(FLAT, 3)} from the second epoch on. In the last "
        f"epoch it was right about {100 * found.accuracy[-1]:.0f}% of the training "
        "images, original or restored."
    ]


# Slug, title and y axis of charts.
LOSS = ("discriminator-loss", "Discriminator loss", "cross-entropy (nats)")
LOGS = ("discriminator-log", "What the discriminator says", "log-probability (nats)")
ACCURACY = (
    "discriminator-accuracy",
    "How often the discriminator is right",
    "share of the images",
)
GRADIENT = ("discriminator-gradient", "The discriminator's gradient", "norm")


def chart(
    axes: tuple[str, str, str],
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    references: Mapping[str, float],
    *,
    first_leads: bool = True,
) -> Curve:
    """Lines by epoch, {label: (epochs, values)}, and horizontal ones, {label: y}.

    `axes` are slug, title and y axis; the first line stands out if `first_leads`.
    """
    slug, title, y_label = axes
    last = ", ".join(f"{name} {y[-1]:.4g}" for name, (_, y) in lines.items())
    return Curve(
        slug=slug,
        title=title,
        x_label="epoch",
        y_label=y_label,
        series=[
            Series(name, x, y, ours=first_leads and not number)
            for number, (name, (x, y)) in enumerate(lines.items())
        ],
        references=references,
        whole_x=True,
        note="Means over the training batches of an epoch.",
        alt=f"{title} by epoch; last: {last}.",
    )


CLAIM = "The loss of the DCGAN's discriminator is flat"

# Kind -> introduction of a group of runs, and its meaning.
_KINDS = {
    GUESSES: (
        "Flat near 2 ln 2, the loss of guessing",
        "as unsure in the end as in the beginning",
    ),
    BELOW: (
        "Flat below 2 ln 2",
        "telling restored faces from originals in the end as in the beginning: "
        "neither network gains on the other",
    ),
    ABOVE: ("Flat above 2 ln 2", "mistaken in the end as in the beginning"),
    WON: ("Flat near 0", "and has won: no answer of the auto-encoder's helps it"),
    MOVES: ("Not flat", ""),
    SHORT: ("Of fewer than three epochs, which says nothing", ""),
}


def read_runs(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
) -> dict[str, DiscriminatorHistory]:
    """The runs that had a discriminator, of {label: rows of history.csv}."""
    found = {label: read(rows) for label, rows in histories.items()}
    return {label: run for label, run in found.items() if run is not None}


def joint_table(runs: Mapping[str, DiscriminatorHistory]) -> Table:
    """A row a run, and one of a discriminator that guesses."""
    rows = []
    for label, run in runs.items():
        judged = run.judged or run.loss
        losses = (run.loss[0], run.loss[-1], min(judged), max(judged))
        logs = (run.log_real[-1], run.log_fake[-1])
        rows.append(
            [
                label,
                *(tables.number(value, 3) for value in (*losses, *logs)),
                tables.number(100 * run.accuracy[-1], 1),
                tables.number(run.gradient_norm[-1], 3),
                run.kind,
            ]
        )
    guessing = [tables.number(value, 3) for value in [GUESSING] * 4 + [-LN_2] * 2]
    rows.append(["one that guesses", *guessing, "50.0", tables.DASH, ""])
    return Table(
        caption="The discriminator in training",
        columns=[
            "",
            "Loss, first epoch",
            "last",
            "lowest from the second on",
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
        "both cross-entropies. It is called flat where its epochs from the second on "
        f"lie within {FLAT:.3f} of each other, a tenth of 2 ln 2, and near guessing "
        "where their mean lies within that of 2 ln 2.",
        kinds=["ours"] * len(runs) + ["baseline"],
        key="discriminator",
    )


def joint_statements(runs: Mapping[str, DiscriminatorHistory]) -> list[str]:
    """The runs whose loss is flat, at each level, and what that means."""
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


# Learning rates of auto-encoder and discriminator.
Rates = tuple[float, float]
_FOLLOWS = "Whether the discriminator's loss is flat, and where, follows from the rates"


def rates_statements(
    runs: Mapping[str, DiscriminatorHistory], rates: Mapping[str, Rates]
) -> list[str]:
    """Whether the flatness follows from the rates; nothing of fewer than two of them.

    `rates` are {label of a run: its own}.
    """
    groups: dict[Rates, list[DiscriminatorHistory]] = {}
    for label, run in runs.items():
        if run.kind != SHORT and label in rates:
            groups.setdefault(rates[label], []).append(run)
    if len(groups) < 2:
        return []
    parts, levels = [], []
    for found, members in groups.items():
        judged = [loss for run in members for loss in run.judged]
        levels.append(sum(judged) / len(judged))
        parts.append(
            f"{_shown(found)} {min(judged):.3f} to {max(judged):.3f}, "
            f"{_kinds(members)}, right about {_right(members)}"
        )
    kinds = {_kinds(members) for members in groups.values()}
    follows = len(kinds) > 1 or max(levels) - min(levels) >= FLAT
    said = (
        _FOLLOWS
        if follows
        else "The rates that were tried leave the discriminator's loss where it is"
    )
    return [f"{said} (auto-encoder and discriminator): {'; '.join(parts)}."]


def _shown(rates: Rates) -> str:
    return f"at {rates[0]:g} and {rates[1]:g}"


def _kinds(runs: Sequence[DiscriminatorHistory]) -> str:
    return " or ".join(dict.fromkeys(run.kind for run in runs))


def check_joint_claims(
    evidence: Evidence,
    runs: Mapping[str, DiscriminatorHistory],
    rates: Mapping[str, Rates],
) -> list[claims.Claim]:
    """The paper's claim, of "DCGAN"."""
    run = runs.get("DCGAN")
    if run is None or run.kind == SHORT:
        why = evidence.missing("DCGAN")
        if run:
            why = "It takes three epochs or more of DCGAN: raise --epochs."
        return [claims.not_measured(CLAIM, why)]
    low, high = (f"{end(run.judged):.3f}" for end in (min, max))
    said = (
        f"From the second epoch on it moved between {low} and {high} over "
        f"{tables.counted(len(run.loss), 'epoch')} of one run; flat is what moves by "
        f"less than {FLAT:.3f}, a tenth of 2 ln 2 = {GUESSING:.3f}."
    )
    if "DCGAN" in rates:
        follows = any(s.startswith(_FOLLOWS) for s in rates_statements(runs, rates))
        said += (
            f" It was trained {_shown(rates['DCGAN'])}; the paper states no rates"
            f"{', and a flat loss follows from them' * follows}."
        )
    verdict = claims.FAILS if run.kind == MOVES else claims.HOLDS

    def margin(label: str) -> float | None:
        seed = runs.get(label)
        return None if seed is None or seed.kind == SHORT else FLAT - seed.moved

    return [evidence.weigh(CLAIM, verdict, said, ["DCGAN"], key="d_", margin=margin)]


def joint_curves(runs: Mapping[str, DiscriminatorHistory]) -> list[Curve]:
    """Five charts by epoch, a line a run; none without a discriminator."""
    slug, title, y_label = LOGS
    minus = {"−ln 2, guessing": -LN_2}
    drawn = (
        (LOSS, "loss", {"2 ln 2, guessing": GUESSING}),
        ((f"{slug}-real", f"{title}: log D(real)", y_label), "log_real", minus),
        ((f"{slug}-restored", f"{title}: log D(restored)", y_label), "log_fake", minus),
        (ACCURACY, "accuracy", {"0.5, guessing": 0.5}),
        (GRADIENT, "gradient_norm", {}),
    )
    if not runs:
        return []
    return [
        chart(
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
