"""`python -m experiments.cvae_dcgan`."""

from experiments.core import paper
from experiments.cvae_dcgan import config

paper.main(config)
