"""`python -m experiments.multiscale_context_encoder`."""

from experiments.core import paper
from experiments.multiscale_context_encoder import config

paper.main(config)
