"""Files of every shipped codec, which every later version and machine must decode.

In files/ are small .fmc files, what they decode to (.png), and files.json: the SHA-256
of their latents. None of them is ever written again. Latents are the same to the bit;
pixels may differ by one level, because convolutions add in the order that a processor
likes best. ADD=1 adds the files of codecs that have none.
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from decode_files import FILES, HYPERPRIOR, decoded, digest

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from serving import png
from serving.codec import container
from serving.export import codec
from serving.export.kinds import CODEC, LATENTS
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]
INDEX = FILES / "files.json"
EXPECTED = json.loads(INDEX.read_text())
# Importing TensorFlow takes seconds, so one process decodes a file of each kind.
KINDS = ("portrait_codec", "portrait_lambda_0.01", "cvae_6", HYPERPRIOR)
SETTINGS = {
    "without oneDNN, one thread": {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_NUM_INTRAOP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    },
    "an older processor": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "bfloat16 allowed": {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
}

pytestmark = pytest.mark.skipif(
    not zoo.PRETRAINED.exists(), reason="no models are shipped here"
)


def check(name, found):
    assert str(found[f"{name}/latents"]) == EXPECTED[name]
    if name != HYPERPRIOR:
        expected = pixels.read(FILES / f"{name}.png").astype(int)
        assert np.abs(found[f"{name}/picture"] - expected).max() <= 1


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_is_decoded(name):
    check(name, decoded(name))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_it_is_decoded_alike_whatever_the_settings(settings, tmp_path):
    script = FILES.with_name("decode_files.py")
    command = [sys.executable, script, tmp_path / "found.npz", *KINDS]
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    with np.load(tmp_path / "found.npz") as found:
        for name in KINDS:
            check(name, found)


def test_every_shipped_codec_has_files():
    wrote = {
        container.claimed_id(path.read_bytes()).hex() for path in FILES.glob("*.fmc")
    }
    entries = zoo.read_index(zoo.PRETRAINED).values()
    missing = {i: entry.name for entry in entries for i in entry.codec_ids}
    missing = {i: name for i, name in missing.items() if i not in wrote}
    if os.environ.get("ADD") == "1":
        add(missing)
    assert not missing, "run this test once with ADD=1"


def add(missing):
    """Writes the files of codecs, {identifier: name}."""
    image = draw.draw(0, seed=0, size=64)["image"][:, 8:56]
    index = dict(EXPECTED)
    for model_id, name in missing.items():
        kind = zoo.read_index(zoo.PRETRAINED)[name].kind
        for bits in (4, 6, 8) if kind == LATENTS else (0,):
            model = codec.load(zoo.resolve(name), bits=bits)
            if model.model_id.hex() == model_id:
                file = f"{name}_{bits}" if kind != CODEC else name
                data = model.compress(image)
                index[file] = digest(model.read(data)[1])
                picture = png.encode_png(model.decompress(data), png.DECODED)
                pixels.write_bytes(FILES / f"{file}.fmc", data)
                pixels.write_bytes(FILES / f"{file}.png", picture)
    INDEX.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
