"""Shipped models: pixels and files as every earlier version gave them.

Golden values are in shipped_models.json: means of 16x16 pixels, which processors may
round by a level. The files in files/ are as old as the values.
"""

import json
import pathlib

import cv2
import numpy as np
import pytest

from data_pipeline import sources
from experiments import restore
from serving.export import codec
from serving.zoo import zoo

HERE = pathlib.Path(__file__).parent
GOLDEN = json.loads((HERE / "shipped_models.json").read_text())
SIZE = 256  # pixels

pytestmark = pytest.mark.skipif(
    not zoo.PRETRAINED.exists(), reason="no models are shipped here"
)


@pytest.fixture(scope="module")
def face():
    source = sources.load("faces", "test", size=SIZE, limit=1)
    (reader,) = source.readers([0])
    return reader()["image"]


def assert_like(image, thumbnail):
    found = image.reshape(16, SIZE // 16, 16, SIZE // 16, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found.ravel(), thumbnail, atol=1)


@pytest.mark.parametrize("name", GOLDEN["restored"])
def test_a_restorer_gives_the_same_pixels(name, face, tmp_path):
    cv2.imwrite(str(tmp_path / "face.png"), face[..., ::-1])
    restore.restore(
        restore.Options(
            model=name,
            input=str(tmp_path / "face.png"),
            mask="center",
            align=False,
            output=str(tmp_path / "restored"),
        )
    )
    restored = cv2.imread(str(tmp_path / "restored" / "face.png"))[..., ::-1]
    assert_like(restored, GOLDEN["restored"][name])
    # The face around the center is the same, bit for bit.
    np.testing.assert_array_equal(restored[:32], face[:32])


@pytest.mark.parametrize("name", GOLDEN["decoded"])
def test_a_codec_reads_its_old_files_and_writes_such_unless_retired(name, face):
    data = (HERE / "files" / f"{name}.fmc").read_bytes()
    opened = codec.load(zoo.resolve(name))
    decoded = opened.decompress(data)
    assert decoded.shape == face.shape
    assert_like(decoded, GOLDEN["decoded"][name]["thumbnail"])
    if name not in zoo.names():
        return  # retired
    # Rounding on another processor may move single latents by one.
    assert len(opened.compress(face)) == pytest.approx(len(data), rel=0.02)
