"""`python -m experiments.pyramid_cgan`."""

from experiments.core import runner
from experiments.pyramid_cgan.system import SYSTEM

runner.main(SYSTEM)
