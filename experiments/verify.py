r"""Measures a shipped model again, and compares with what its card claims.

  facemend verify skip_inpainting_restorer --data_dir=DIR

evaluates the model on the test images it was evaluated on, on this machine, and says
for each metric whether it agrees with the card, and by how much it differs. With
--dataset or --limit the images are others: then a value is within if the two means
differ by no more than their 95% intervals allow. The command ends with an error if a
value is outside.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Mapping

from data_pipeline.choices import check_choice
from evaluation import evaluate as evaluation
from evaluation import tables
from evaluation.bootstrap import summarize
from evaluation.codecs import round_trips
from evaluation.metrics import lpips, registry
from experiments.core import cards, command_line
from experiments.core.command_line import hp
from serving.export import codec as codec_export
from serving.export import saved_model
from serving.export.kinds import CODEC
from serving.zoo import zoo


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the command."""

    dataset: str = hp("", "Data set of the test images; by default the card's.")
    data_dir: str = hp("", "Folder of that data set.")
    limit: int = hp(0, "At most so many images; 0 takes all.")
    lpips_weights: str = hp("", "LPIPS weights, .npz; without them LPIPS is left out.")


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(
        lambda name: verify(name, command_line.from_flags(Options)),
        actions=zoo.names(),
        models=True,
    )


def verify(name: str, options: Options) -> None:
    """Measures, and prints a row for each metric that the card has.

    Raises:
      ValueError: If a value is outside, or the card claims nothing that was measured.
    """
    check_choice("name", name, zoo.names())
    entry = zoo.read_index(zoo.PRETRAINED)[name]
    card = (zoo.PRETRAINED / entry.card).read_text(encoding="utf-8")
    claim = cards.claimed(card)
    found, fingerprint = measure(name, entry.kind, options)
    same = fingerprint == claim["dataset"]["args"]["fingerprint"]
    images = max(values["count"] for values in found.values())
    print(
        f"{name}, {tables.counted(images, 'image')}, "
        f"{'those' if same else 'not those'} of the card "
        f"({claim['dataset']['name']}, fingerprint "
        f"{claim['dataset']['args']['fingerprint']}; here {fingerprint}):"
    )
    rows, outside = compare(claim, found, same=same)
    print(
        tables.markdown_table(["", "card", "here", "difference", "allowed", ""], rows)
    )
    if skipped := [
        metric["name"]
        for metric in claim["metrics"]
        if metric["args"]["key"] not in found
    ]:
        way = (
            "; pass --lpips_weights" if any("LPIPS" in name for name in skipped) else ""
        )
        print(f"Not measured: {', '.join(skipped)}{way}.")
    if not rows:
        raise ValueError(f"None of the metrics of {entry.card} was measured.")
    if outside:
        raise ValueError(
            f"{', '.join(outside)}: outside of what {entry.card} claims. Another "
            "machine moves the last digits only; see whether data and --crop are those "
            "of the card."
        )


def measure(
    name: str, kind: str, options: Options
) -> tuple[Mapping[str, Mapping], str]:
    """The summary of a shipped model on the test images, and their fingerprint."""
    # Here, because they define classes of TensorFlow's, whose import takes seconds.
    from experiments.core import networks, system

    path = zoo.resolve(name)
    facts = saved_model.read_config(path)
    paper = system.load(facts["paper"])
    config, weights, _ = networks.exported(paper, name)
    extra = pathlib.PurePath(getattr(config, "extra_dir", "")).name
    if options.dataset.startswith("celeb_a") and "celeba" in extra:
        raise ValueError(
            f"{name} was trained on photographs of CelebA ({extra}), which would be "
            f"among the test images of --dataset={options.dataset}. Leave the flag out."
        )
    changed = {k: v for k, v in dataclasses.asdict(options).items() if v}
    config = dataclasses.replace(config, **changed)
    network = paper.build_network(config)
    network.set_weights(weights)
    split = paper.data(config).test
    label = facts["name"]
    weights_file = lpips.resolve(config.lpips_weights)
    result = evaluation.evaluate(
        {label: paper.restorer(network)},
        paper.fixed_batches(config, split),
        split.names,
        lpips=lpips.load(weights_file) if weights_file else None,
        extra=paper.measures(config),
        to_unit=paper.to_unit,
    )
    found = summarize(result)[label]
    if kind == CODEC:  # the files as well
        codec = codec_export.load_image_codec(path)
        files = {label: round_trips.codec_round_trip(codec, split.images, split.names)}
        coded = round_trips.evaluate_codecs(files, split.images, split.names)
        found = {**found, **summarize(coded)[label]}
    return found, result.fingerprint


def compare(
    claim: Mapping, found: Mapping[str, Mapping], *, same: bool
) -> tuple[list[list], list[str]]:
    """Rows of a table, and the names of the metrics that are outside.

    On the same images a mean may differ by half the card's interval, on others by the
    root of the sum of both halves' squares.
    """
    rows, outside = [], []
    for metric in claim["metrics"]:
        key, args = metric["args"]["key"], metric["args"]
        here = found.get(key)
        if here is None:
            continue
        half = (args["high"] - args["low"]) / 2
        if not same:
            half = math.hypot(half, (here["high"] - here["low"]) / 2)
        difference = here["mean"] - metric["value"]
        digits = registry.metric_of(key).digits
        within = abs(difference) <= half + 10**-digits / 2
        if not within:
            outside.append(metric["name"])
        rows.append(
            [
                metric["name"],
                tables.with_interval({"mean": metric["value"], **args}, digits),
                tables.with_interval(here, digits),
                tables.number(difference, digits + 1, signed=True),
                tables.number(half, digits + 1),
                "within" if within else "outside",
            ]
        )
    return rows, outside


if __name__ == "__main__":
    main()
