"""`python -m experiments.pyramid_cgan`."""

from experiments.core import paper
from experiments.pyramid_cgan import config

paper.main(config)
