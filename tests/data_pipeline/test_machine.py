"""Caches of users without a home, memory in containers, and processes."""

import os
import pathlib
import subprocess
import sys
import tempfile

import psutil
import pytest

from data_pipeline import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """Nothing said yet, and a temporary folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    for cached in (machine._told, machine._temporary_folder):
        cached.cache_clear()
    yield
    for cached in (machine._told, machine._temporary_folder):
        cached.cache_clear()


@pytest.fixture
def environment(monkeypatch):
    """Sets what an environment has of these, and nothing else of them."""

    def setup(platform="linux", **variables):
        monkeypatch.setattr(sys, "platform", platform)
        for name in ("FACEMEND_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return setup


class TestCacheFolder:
    @pytest.mark.parametrize(
        ("platform", "variables", "folder"),
        [
            ("linux", {}, ".cache/facemend"),
            ("linux", {"XDG_CACHE_HOME": "xdg"}, "xdg/facemend"),
            ("darwin", {}, "Library/Caches/facemend"),
            ("win32", {"LOCALAPPDATA": "local"}, "local/facemend/Cache"),
            ("win32", {}, "AppData/Local/facemend/Cache"),
            ("linux", {"FACEMEND_CACHE": "given"}, "given"),
        ],
    )
    def test_it_is_the_users_or_the_platforms(
        self, tmp_path, environment, platform, variables, folder
    ):
        paths = {name: tmp_path / value for name, value in variables.items()}
        environment(platform, HOME=tmp_path, **paths)
        assert machine.cache_folder() == tmp_path / folder
        assert not (tmp_path / folder).exists()

    def test_a_tilde_is_the_home(self, tmp_path, environment):
        environment(HOME=tmp_path, FACEMEND_CACHE="~/given")
        assert machine.cache_folder() == tmp_path / "given"

    @pytest.mark.parametrize("trouble", ["file in the way", "read-only", "no home"])
    def test_without_one_a_temporary_one_is_named_once(
        self, tmp_path, environment, monkeypatch, capsys, trouble
    ):
        home = tmp_path / "home"
        if trouble == "file in the way":
            home.touch()
        else:
            home.mkdir()
        environment(HOME="~" if trouble == "no home" else home)
        if trouble == "read-only":  # as root, who may write anywhere, cannot see
            allowed = os.access
            monkeypatch.setattr(
                os, "access", lambda path, mode: path != home and allowed(path, mode)
            )
        folder = machine.cache_folder()
        assert folder.parent == tmp_path / "temporary"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert machine.cache_folder() == folder
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"in {folder}. Set the environment variable FACEMEND_CACHE" in said
        assert machine.cache_folders()[-1] == folder

    @pytest.mark.parametrize("kind", ["symlink", "file", "somebody else's"])
    def test_a_temporary_folder_that_another_made_is_not_used(
        self, tmp_path, monkeypatch, kind
    ):
        planted = tmp_path / "temporary" / f"facemend-{os.getuid()}"
        if kind == "symlink":
            planted.symlink_to(tmp_path)
        elif kind == "file":
            planted.touch()
        else:
            planted = tmp_path / "temporary" / "facemend-4711"
            planted.mkdir()
            monkeypatch.setattr(os, "getuid", lambda: 4711)
        folder = machine._temporary_folder()
        assert folder.is_dir() and folder != planted


@pytest.mark.parametrize(
    "home",
    [
        {"HOME": "/dev/null"},
        # A user id that has no name and so no home either.
        {},
    ],
    ids=["no home", "no name"],
)
def test_drawing_and_caching_need_no_home(tmp_path, home):
    program = """
import os, pwd
def nobody(uid):
    raise KeyError(uid)
pwd.getpwuid = pwd.getpwnam = nobody
os.getlogin = nobody
from evaluation.report import plots
from evaluation.metrics import lpips
from serving.zoo import zoo
from data_pipeline.datasets import tfds
assert lpips.resolve("") is None
assert tfds.find("", "lfw") is None
print(os.environ["MPLCONFIGDIR"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.defpath, "TMPDIR": str(tmp_path), **home},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert done.stderr.count("\n") == 1 and "FACEMEND_CACHE" in done.stderr


GIB = 2**30
V1, V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"


class TestMemory:
    @pytest.fixture(autouse=True)
    def half_full(self, monkeypatch):
        """18 GiB, of which 8 are unused and 14 available: a full page cache."""
        given = psutil.virtual_memory()._replace(
            total=18 * GIB, free=8 * GIB, available=14 * GIB
        )
        monkeypatch.setattr(psutil, "virtual_memory", lambda: given)

    @pytest.mark.parametrize(
        ("cgroup", "files", "expected"),
        [
            ("", {}, 14),
            # Version 2, the limit of the group, of which 1 GiB can be freed.
            (
                "0::/app",
                {
                    f"{V2}/app/memory.max": 4 * GIB,
                    f"{V2}/app/memory.current": 3 * GIB,
                    f"{V2}/app/memory.stat": f"anon 7\ninactive_file {GIB}\n",
                },
                2,
            ),
            ("0::/", {f"{V2}/memory.max": "max", f"{V2}/memory.current": GIB}, 14),
            # A parent's limit holds too.
            (
                "0::/a/b",
                {
                    f"{V2}/a/b/memory.max": "max",
                    f"{V2}/a/b/memory.current": GIB,
                    f"{V2}/a/memory.max": 3 * GIB,
                    f"{V2}/a/memory.current": 2 * GIB,
                },
                1,
            ),
            # Version 1 in a container: the path is the host's.
            (
                "5:cpu:/docker/0123\n4:memory:/docker/0123\n0::/",
                {
                    f"{V1}/memory.limit_in_bytes": 6 * GIB,
                    f"{V1}/memory.usage_in_bytes": 5 * GIB,
                    f"{V1}/memory.stat": f"total_inactive_file {2 * GIB}",
                },
                3,
            ),
            (
                "4:memory:/x",
                {
                    f"{V1}/x/memory.limit_in_bytes": 9223372036854771712,
                    f"{V1}/x/memory.usage_in_bytes": GIB,
                },
                14,
            ),
            ("0::/", {f"{V2}/memory.max": GIB, f"{V2}/memory.current": 2 * GIB}, 0),
        ],
    )
    def test_it_is_what_system_and_container_leave(
        self, tmp_path, cgroup, files, expected
    ):
        for name, content in {"proc/self/cgroup": cgroup, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{content}\n" if content else "")
        assert machine.available_memory(tmp_path) == expected * GIB


class TestQuiet:
    PROGRAM = """
import os
from data_pipeline import machine

with machine.quiet():
    os.write(2, b"from C++\\n")
    with machine.quiet():  # another thread's
        os.write(2, b"from C++\\n")
os.write(2, b"after\\n")
"""

    @pytest.mark.parametrize(
        ("level", "said"), [(None, "after"), ("3", "after"), ("0", "from C++")]
    )
    def test_only_what_is_written_meanwhile_is_dropped(self, level, said):
        variables = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
        variables |= {"TF_CPP_MIN_LOG_LEVEL": level} if level else {}
        done = subprocess.run(
            [sys.executable, "-c", self.PROGRAM],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0
        assert done.stderr.splitlines()[0] == said
        assert done.stderr.endswith("after\n")


def test_processes_that_ended_are_not_running():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert machine.is_running(os.getpid()) and not machine.is_running(ended.pid)
