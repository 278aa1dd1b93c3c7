"""Systems: the metrics that they are judged by, and the kinds of their fields."""

import dataclasses

import pytest

from experiments.core import system as papers
from experiments.skip_inpainting.system import SYSTEM

KINDS = ("path", "path_or_word", "measures_only", "measures_too", "length")


@pytest.mark.parametrize("headline", [(), ("hole/psnr_db", "hole/l1_percent")])
def test_the_best_checkpoint_needs_a_metric_of_which_less_is_better(headline):
    other = type("Other", (type(SYSTEM),), {"headline": headline})
    with pytest.raises(ValueError, match="skip_inpainting must begin with .* less"):
        other()
    assert type("Other", (other,), {"headline": ("raw/mse", "hole/psnr_db")})()


@pytest.mark.parametrize("name", papers.names())
def test_a_field_that_a_paper_changes_stays_of_its_kind(name):
    config_class = papers.load(name).config_class
    for field in dataclasses.fields(config_class):
        for parent in config_class.__mro__[1:]:
            inherited = getattr(parent, "__dataclass_fields__", {}).get(field.name)
            if inherited is not None:
                kinds = [
                    {kind: found.metadata[kind] for kind in KINDS}
                    for found in (field, inherited)
                ]
                assert kinds[0] == kinds[1], field.name
