"""`python -m experiments.cvae_dcgan`."""

from experiments.core import runner
from experiments.cvae_dcgan.system import SYSTEM

runner.main(SYSTEM)
