"""`python -m experiments.portrait_autoencoder`."""

from experiments.core import paper
from experiments.portrait_autoencoder import config

paper.main(config)
