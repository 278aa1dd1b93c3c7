"""What comes with the repository is whole, small, and says what it is."""

import hashlib
import json
import zipfile

import pytest

from experiments import pack_model
from experiments.core import cards
from serving.export.kinds import CODEC, INPAINTING, LATENTS
from serving.zoo import package, zoo

ENTRIES = zoo.read_index(zoo.PRETRAINED)


def test_there_are_models_of_every_kind_and_they_are_small():
    assert 0 < sum(entry.bytes for entry in ENTRIES.values()) <= pack_model.MAX_BYTES
    kinds = {
        "cvae": LATENTS,
        "portrait_codec": CODEC,
        "skip_inpainting_restorer": INPAINTING,
    }
    assert (
        kinds.items() <= {entry.name: entry.kind for entry in ENTRIES.values()}.items()
    )


def test_nothing_lies_there_that_the_index_does_not_know():
    known = {zoo.INDEX}.union(*({e.file, e.card} for e in ENTRIES.values()))
    assert {path.name for path in zoo.PRETRAINED.iterdir()} == known


@pytest.mark.parametrize("name", ENTRIES)
def test_a_model_is_that_of_the_index_and_its_card_warns(name):
    entry, root = ENTRIES[name], zoo.PRETRAINED.parent
    data = (zoo.PRETRAINED / entry.file).read_bytes()
    assert len(data) == entry.bytes
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    card = (zoo.PRETRAINED / entry.card).read_text(encoding="utf-8")
    for text in ("not evidence", "identify", "## Results"):
        assert text in card
    assert json.loads((root / entry.results).read_text())["paper"] == entry.paper


@pytest.mark.parametrize("name", ENTRIES)
def test_the_card_in_a_package_is_the_one_beside_it(name):
    entry = ENTRIES[name]
    card = (zoo.PRETRAINED / entry.card).read_text(encoding="utf-8")
    with zipfile.ZipFile(zoo.PRETRAINED / entry.file) as archive:
        inside = archive.read(package.CARD).decode()
    # But for the package's checksum, which cannot be in it.
    assert (
        inside == cards.in_package(card) and cards.with_package(inside, entry) == card
    )
    head = cards.read_head(inside)
    assert head["license_name"] == entry.license and head["model-index"]
