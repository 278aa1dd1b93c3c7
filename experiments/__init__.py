"""The command lines: one a paper, and those that use what they trained."""

import contextlib
import importlib
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator

from absl import app

# TensorFlow reports on missing GPUs at every start; real errors still come as Python
# exceptions. Set before it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# As `python -m experiments.NAME` begins: Ctrl-C during the imports, which take seconds,
# ends it at once and without a traceback. `command_line.run` undoes this.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Loaded when something of them is first used, so that --help and mistakes are told at
# once: what takes seconds, and our own modules that are classes of it.
_LAZY = (
    "tensorflow",
    "evaluation.report.plots",  # of matplotlib
    "models.compression",
    "models.convolutions",
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
                with _whole_imports():
                    importlib.import_module(self.__name__)
        return getattr(importlib.import_module(self.__name__), attribute)


@contextlib.contextmanager
def _whole_imports() -> Iterator[None]:
    """Keeps what absl is asked to call once flags are parsed until the import's end.

    Flags are parsed by then, and TensorFlow asks in the middle of its import for what
    leaves this thread without eager execution.
    """
    asked, call_after_init = [], app.call_after_init
    app.call_after_init = asked.append
    try:
        yield
    finally:
        app.call_after_init = call_after_init
    for call in asked:
        call_after_init(call)


for _name in _LAZY:
    sys.modules.setdefault(_name, _Lazy(_name))
