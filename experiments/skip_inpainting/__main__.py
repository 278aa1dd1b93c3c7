"""`python -m experiments.skip_inpainting`."""

from experiments.core import paper
from experiments.skip_inpainting import config

paper.main(config)
