"""A system names the metrics that it is judged by."""

import dataclasses

import pytest

from experiments.skip_inpainting.system import SYSTEM


@pytest.mark.parametrize("headline", [(), ("hole/psnr_db", "hole/l1_percent")])
def test_the_best_checkpoint_needs_a_metric_of_which_less_is_better(headline):
    with pytest.raises(ValueError, match="skip_inpainting must begin with .* less"):
        dataclasses.replace(SYSTEM, headline=headline)
    assert dataclasses.replace(SYSTEM, headline=("raw/mse", "hole/psnr_db"))
