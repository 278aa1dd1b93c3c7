"""`python -m experiments.portrait_autoencoder`."""

from experiments.core import runner
from experiments.portrait_autoencoder.system import SYSTEM

runner.main(SYSTEM)
