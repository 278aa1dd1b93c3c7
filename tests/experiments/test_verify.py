"""What cards claim in their heads, and how a measurement is compared with it."""

import dataclasses
import re

import pytest
import yaml

from evaluation.metrics import lpips
from experiments import verify
from experiments.core import cards
from serving.zoo import zoo

ENTRIES = zoo.read_index(zoo.PRETRAINED)


def card_of(name):
    return (zoo.PRETRAINED / ENTRIES[name].card).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ENTRIES)
def test_a_head_is_yaml_that_hubs_read(name):
    card, entry = card_of(name), ENTRIES[name]
    head = cards.read_head(card)
    assert yaml.safe_load(card.split("---")[1]) == head
    for field in ("license", "library_name", "tags", "datasets", "metrics"):
        assert head[field], field
    assert head["package"]["sha256"] == entry.sha256
    claim = cards.claimed(card)
    assert claim["dataset"]["name"] == "Labeled Faces in the Wild"
    for metric in claim["metrics"]:
        assert metric["args"]["low"] <= metric["value"] <= metric["args"]["high"]
    assert cards.body(card).startswith("# ")
    for title in ("Intended use", "Limits", "Misuse", "License"):
        assert f"\n## {title}\n" in card


def test_a_card_without_measurements_is_refused():
    with pytest.raises(ValueError, match="no measurements in its head"):
        cards.claimed("# A card\n")


def values(mean, half=0.1):
    return {"mean": mean, "low": mean - half, "high": mean + half, "count": 40}


@pytest.mark.parametrize(
    "mean, same, verdict",
    [
        (10.09, True, "within"),
        (10.2, True, "outside"),
        (9.8, True, "outside"),
        # Of other images both means are uncertain: by 0.1 each, together 0.14.
        (10.13, False, "within"),
        (10.2, False, "outside"),
    ],
)
def test_a_value_is_within_or_outside(mean, same, verdict):
    known = values(10.0)
    args = {"key": "hole/l1_percent", **{k: known[k] for k in ("low", "high", "count")}}
    metric = {"name": "Hole L1 (%)", "value": known["mean"], "args": args}
    other = {**metric, "args": {**args, "key": "hole/lpips"}}  # not measured here
    found = {"hole/l1_percent": values(mean)}
    rows, outside = verify.compare({"metrics": [metric, other]}, found, same=same)
    ((name, _, here, difference, _, said),) = rows
    assert said == verdict and bool(outside) == (verdict == "outside")
    assert name == "Hole L1 (%)" and here.startswith(f"{mean:.2f} [")
    assert difference == f"{mean - 10:+.3f}".replace("-", "\N{MINUS SIGN}")


@pytest.mark.parametrize("name", ["skip_inpainting_restorer", "portrait_codec"])
def test_a_shipped_model_is_measured_and_what_was_not_is_named(
    name, monkeypatch, capsys
):
    # Drawn faces stand for the photographs: the values are outside, and said so.
    measured = verify.measure

    def on_drawn_faces(name, kind, options):
        options = dataclasses.replace(options, dataset="faces", limit=16)
        return measured(name, kind, options)

    monkeypatch.setattr(verify, "measure", on_drawn_faces)
    monkeypatch.setattr(lpips, "resolve", lambda path: "")
    with pytest.raises(ValueError, match="outside of what .* claims"):
        verify.verify(name, verify.Options())
    said = capsys.readouterr().out
    assert f"{name}, 16 images, not those of the card" in said
    keys = [metric["args"]["key"] for metric in cards.claimed(card_of(name))["metrics"]]
    assert "raw/lpips" in keys
    assert re.search(r"^Not measured: .*Raw LPIPS; pass --lpips_weights\.$", said, re.M)
    assert ("file/bits_per_pixel" in keys) == ("File bits per pixel" in said)


def test_photographs_that_were_trained_on_are_refused():
    options = verify.Options(dataset="celeb_a_hq")
    with pytest.raises(ValueError, match="was trained on photographs of CelebA"):
        verify.verify("skip_inpainting_restorer", options)
