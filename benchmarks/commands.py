r"""Wall time, processor time and peak memory of the commands.

  python -m benchmarks.commands --output=benchmarks/commands.json
  python -m benchmarks.commands --against=../other_checkout

--help of every command; one photograph and a folder of them, of 250 pixels, restored
(by each engine that is installed), compressed and decompressed. With --against, a
checkout of another commit, both take turns, and the ratios count: then the load of the
machine does not matter much.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import pkgutil
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

import experiments
from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from experiments.core import environment
from serving import engines

_PHOTOGRAPHS = flags.DEFINE_integer("photographs", 500, "In the folder.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each; the median counts.")
_AGAINST = flags.DEFINE_string("against", "", "A checkout that takes turns with this.")
_OUTPUT = flags.DEFINE_string("output", "", "Where to write the numbers, JSON.")

HERE = pathlib.Path(__file__).resolve().parents[1]
RESTORE = ["restore", "--model=skip_inpainting_restorer", "--overwrite"]
CODEC = ["--model=portrait_codec", "--overwrite"]


def commands(place: pathlib.Path) -> dict[str, list[str]]:
    """What is measured: its name -> the words of a command line."""
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    found = {
        f"{name} --help": [name, "--help"]
        for name in names
        if name not in ("core", "__main__")
    }
    installed = [e for e in engines.ENGINES if importlib.util.find_spec(e)]
    for count in (1, _PHOTOGRAPHS.value):
        photos, small = place / f"photos{count}", place / f"small{count}"
        shown = f"{count} photograph" + "s" * (count > 1)
        ends = [f"--input={photos}", f"--output={place / 'restored'}"]
        for engine in installed:
            engine_flag = [] if engine == engines.TENSORFLOW else [f"--engine={engine}"]
            found[f"restore {shown}, {engine}"] = [*RESTORE, *engine_flag, *ends]
        ends = [f"--input={photos}", f"--output={small}"]
        found[f"compress {shown}"] = ["compress", *CODEC, *ends]
        ends = [f"--input={small}", f"--output={place / 'again'}"]
        found[f"decompress {shown}"] = ["decompress", *CODEC, *ends]
    return found


def run(words: list[str], folder: pathlib.Path) -> dict[str, float] | None:
    """Runs a command of a checkout; None if it fails, as where it has no such flag."""
    command = [sys.executable, "-m", f"experiments.{words[0]}", *words[1:]]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and words[-1] != "--help":  # which ends with 1
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_megabytes": usage.ru_maxrss * unit / 1e6,
    }


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load = os.getloadavg()[0]
    checkouts = {"this": HERE}
    if _AGAINST.value:
        checkouts["other"] = pathlib.Path(_AGAINST.value).resolve()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for count in (1, _PHOTOGRAPHS.value):
            for index in range(count):
                data = pixels.encode_png(draw.draw(index, size=250)["image"])
                path = place / f"photos{count}" / f"{index:05d}.png"
                pixels.write_bytes(path, data)
        rows: dict[str, dict] = {}
        for name, words in commands(place).items():
            taken: dict[str, list] = {key: [] for key in checkouts}
            for _ in range(_ROUNDS.value):
                for key, checkout in checkouts.items():
                    taken[key].append(run(words, checkout))
            rows[name] = {
                key: {
                    what: round(statistics.median(each[what] for each in found), 2)
                    for what in found[0]
                }
                for key, found in taken.items()
                if None not in found
            }
            print(name, rows[name], file=sys.stderr, flush=True)
    results = {"commands": rows, "photographs_pixels": 250}
    if _AGAINST.value:
        results["against"] = _commit(checkouts["other"])
    environment.write_benchmark(results, load, _OUTPUT.value)


def _commit(folder: pathlib.Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    app.run(main)
