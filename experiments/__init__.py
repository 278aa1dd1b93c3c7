"""The command lines: one a paper, and those that use what they trained."""

import os
import signal
import sys

# TensorFlow reports on missing GPUs at every start; real errors still come as Python
# exceptions. Set before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# As `python -m experiments.NAME` begins: Ctrl-C during the imports, which take seconds,
# ends it at once and without a traceback. `command_line.run` undoes this.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
