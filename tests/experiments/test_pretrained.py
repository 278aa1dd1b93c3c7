"""What comes with the repository is whole, small, and says what it is."""

import hashlib
import json

import pytest

from experiments import pack_model
from serving.zoo import zoo

ROOT = zoo.PRETRAINED.parent
ENTRIES = zoo.read_index(zoo.PRETRAINED)


def test_there_are_models_and_they_are_small():
    assert 0 < sum(entry.bytes for entry in ENTRIES.values()) <= pack_model.MAX_BYTES


def test_nothing_lies_there_that_the_index_does_not_know():
    known = {zoo.INDEX}.union(*({e.file, e.card} for e in ENTRIES.values()))
    assert {path.name for path in zoo.PRETRAINED.iterdir()} == known


@pytest.mark.parametrize("name", ENTRIES)
class TestModel:
    def test_its_file_is_the_one_of_the_index(self, name):
        data = (zoo.PRETRAINED / ENTRIES[name].file).read_bytes()
        assert len(data) == ENTRIES[name].bytes
        assert hashlib.sha256(data).hexdigest() == ENTRIES[name].sha256

    def test_its_card_warns_of_what_it_invents(self, name):
        card = (zoo.PRETRAINED / ENTRIES[name].card).read_text(encoding="utf-8")
        for text in ("not evidence", "identify", "## Results"):
            assert text in card

    def test_its_results_are_there(self, name):
        results = json.loads((ROOT / ENTRIES[name].results).read_text())
        assert results["paper"] == ENTRIES[name].paper
