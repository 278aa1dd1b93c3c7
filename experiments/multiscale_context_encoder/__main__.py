"""`python -m experiments.multiscale_context_encoder`."""

from experiments.core import runner
from experiments.multiscale_context_encoder.system import SYSTEM

runner.main(SYSTEM)
