"""The command lines: one a paper, and those that use what they trained."""

import importlib
import os
import signal
import sys
import threading
import types

# The words before a command's name if it was called through `__main__`: "facemend", or
# "python -m experiments".
typed = ""

# TensorFlow reports on missing GPUs at every start; real errors still come as Python
# exceptions. Set before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# It sets this itself, but late: imported after absl's flags are parsed, it asks for its
# context in the middle of its import, which would then be one without eager execution.
os.environ.setdefault("TF2_BEHAVIOR", "1")

# As `python -m experiments.NAME` begins: Ctrl-C during the imports, which take seconds,
# ends it at once and without a traceback. `command_line.run` undoes this.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Loaded when something of them is first used, so that --help and mistakes are told at
# once: what takes seconds, and our own modules that are classes of it.
_LAZY = (
    "tensorflow",
    "evaluation.report.plots",  # of matplotlib
    "models.batch_statistics",
    "models.compression",
    "models.convolutions",
    "models.eigenface_fill",
    "models.stochastic",
    "training.trainer",
)
_LOCK = threading.RLock()


class _Lazy(types.ModuleType):
    """Stands for a module; loads it as soon as an attribute is asked for.

    importlib.util.LazyLoader does not do here: a second `import` statement loads its
    modules.
    """

    def __getattr__(self, attribute: str):
        with _LOCK:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), attribute)


for _name in _LAZY:
    sys.modules.setdefault(_name, _Lazy(_name))
