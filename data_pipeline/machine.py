"""The machine a command runs on: folders for caches, memory, and processes."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import sys
import tempfile
import threading
from collections.abc import Iterator

CACHE = "FACEMEND_CACHE"  # the environment variable
_NAME = "facemend"


def cache_folders() -> list[pathlib.Path]:
    """Where cached files may already be, in the order in which they are looked for.

    $FACEMEND_CACHE alone if it is set; otherwise the platform's folder for caches, if
    this user has one, and a temporary folder.
    """
    if given := os.environ.get(CACHE):
        return [pathlib.Path(os.path.expanduser(given))]
    return [*filter(None, [_platform_folder()]), _temporary_folder()]


def cache_folder() -> pathlib.Path:
    """The folder where files are cached: the first of `cache_folders` that takes files.

    It says so, once, if that is the temporary one. $FACEMEND_CACHE is returned whether
    it can be written or not: its user wants an error otherwise.
    """
    *better, last = cache_folders()
    return next(filter(_takes_files, better), None) or _told(last)


def prepare_matplotlib() -> None:
    """Gives Matplotlib a folder where the user has none: its import would fail.

    Called before anything imports it, MediaPipe for example.
    """
    home = _expanded("~")
    if "MPLCONFIGDIR" not in os.environ and not (home and _takes_files(home)):
        os.environ["MPLCONFIGDIR"] = str(cache_folder() / "matplotlib")


def _platform_folder() -> pathlib.Path | None:
    """As `platformdirs.user_cache_path` has it; None for a user without a home."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or _expanded("~/AppData/Local")
        parts = (_NAME, "Cache")
    elif sys.platform == "darwin":
        local, parts = _expanded("~/Library/Caches"), (_NAME,)
    else:
        local = os.environ.get("XDG_CACHE_HOME") or _expanded("~/.cache")
        parts = (_NAME,)
    return pathlib.Path(local, *parts) if local else None


def _expanded(path: str) -> str:
    """A path of the user's home; empty if there is none."""
    expanded = os.path.expanduser(path)
    return "" if expanded.startswith("~") else expanded


@functools.cache
def _temporary_folder() -> pathlib.Path:
    """One that this user's commands share, or one of this process.

    What is in it is loaded as models, so nobody else may have made it.
    """
    owner = getattr(os, "getuid", lambda: "user")()
    path = pathlib.Path(tempfile.gettempdir(), f"{_NAME}-{owner}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if not path.is_symlink() and owner in ("user", status.st_uid):
            return path
    except OSError:
        pass
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{_NAME}-"))


def _takes_files(path: str | os.PathLike) -> bool:
    """Whether files can be written to a folder, or it can be made."""
    path = pathlib.Path(path)
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


@functools.cache
def _told(folder: pathlib.Path) -> pathlib.Path:
    if not os.environ.get(CACHE):
        print(
            f"No folder for caches can be written, so they are in {folder}. Set the "
            f"environment variable {CACHE} to a folder that stays.",
            file=sys.stderr,
        )
    return folder


def available_memory(root: str | os.PathLike = "/") -> int:
    """The bytes that this process can still take.

    What the system can give without swapping, which counts the page cache, and what
    the control groups (versions 1 and 2) of a container leave.

    Args:
      root: Where /proc and /sys are.
    """
    import psutil  # which TensorFlow Datasets requires

    limits = _control_group_limits(pathlib.Path(root))
    return max(0, min([psutil.virtual_memory().available, *limits]))


def total_memory() -> int:
    """The bytes of memory that the machine has."""
    import psutil

    return psutil.virtual_memory().total


def _control_group_limits(root: pathlib.Path) -> list[int]:
    """What is left of the memory of each control group that this process is in."""
    left = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
            idle = "inactive_file"
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            idle = "total_inactive_file"
        else:
            continue
        folder = base / path.strip("/")
        # In a container the path may be the host's, and the files lie at the base.
        for place in (folder, *folder.parents):
            limit, used = (_read(place / name).strip() for name in names)
            if limit.isdigit() and used.isdigit():
                lines = map(str.split, _read(place / "memory.stat").splitlines())
                stat = dict(pair for pair in lines if len(pair) == 2)
                left.append(int(limit) - int(used) + int(stat.get(idle, 0)))
            if place == base:
                break
    return left


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def is_running(process: int) -> bool:
    """Whether there is a process of this number, whoever started it."""
    import psutil

    return psutil.pid_exists(process)


_SILENT = threading.Lock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what libraries in C++ write to the standard error in the block.

    MediaPipe warns about its own models, and no setting stops it. Whoever sets
    TF_CPP_MIN_LOG_LEVEL to less than 3 sees everything.
    """
    wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") < "3"
    # The standard error is the process's: one thread at a time may turn it away.
    if wanted or not _SILENT.acquire(blocking=False):
        yield
        return
    with contextlib.ExitStack() as after:
        after.callback(_SILENT.release)
        with contextlib.suppress(OSError):  # it is closed
            kept = os.dup(2)
            after.callback(os.close, kept)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            after.callback(os.dup2, kept, 2)
        yield
