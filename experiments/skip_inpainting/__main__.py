"""`python -m experiments.skip_inpainting`."""

from experiments.core import runner
from experiments.skip_inpainting.system import SYSTEM

runner.main(SYSTEM)
