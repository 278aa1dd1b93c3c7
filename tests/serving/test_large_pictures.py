"""A photograph of 15 megapixels through the codec, in bounded memory."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tiny_codec

from serving.export import codec

ROOT = pathlib.Path(__file__).resolve().parents[2]
# In a process of its own, whose peak nothing else has raised.
ROUND_TRIP = """
import json, resource, sys
import numpy as np
from serving.export import codec
from tiny_codec import picture

model = codec.load(sys.argv[1])

def peak(tiles):
    image = np.tile(picture(600, 1000), (tiles, tiles, 1))
    shape = model.decompress(model.compress(image)).shape
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"gigabytes": kilobytes / 2**20, "shape": shape}

print(json.dumps([peak(1), peak(5)]))
"""


@pytest.mark.slow
def test_fifteen_megapixels_fit_into_a_gigabyte(tmp_path):
    """Without tiles, one layer's output alone would take 1.9 GB."""
    channels = (
        128  # as published; the latents are as large as those of trained networks
    )
    model = codec.save(
        *tiny_codec.halves("gdn", channels=channels),
        tmp_path / "export" / "1",
        tables=tiny_codec.laplace_tables([4.0] * channels),
        config={"name": "large"},
        card="# Large\n",
    )
    done = subprocess.run(
        [sys.executable, "-c", ROUND_TRIP, str(model)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    small, large = json.loads(done.stdout)
    assert large["shape"] == [3000, 5000, 3]
    assert large["gigabytes"] - small["gigabytes"] < 0.8
