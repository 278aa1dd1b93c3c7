"""Landmarks that are found are kept, as long as the pictures are the same."""

import dataclasses

import numpy as np
import pytest
import tiny

from data_pipeline import landmarks


@pytest.fixture
def looked(monkeypatch):
    """How often faces were looked for, in a cache of its own."""
    found = []

    def find(split, *others):
        found.append(len(split))
        return np.zeros([len(split), 5, 2], np.float32)

    monkeypatch.setattr(landmarks, "_found", find)
    monkeypatch.setattr(landmarks.face_mesh, "FaceMesh", object)
    return found


def test_other_pictures_of_the_same_names_are_looked_at_again(looked, tmp_path):
    split = tiny.split_of(tiny.noise(3))
    options = {"crop": "none", "cache_dir": str(tmp_path)}
    for _ in range(2):
        landmarks.of(split, **options)
    assert looked == [3]
    images = split.images.copy()
    images[2, 0, 0] += 1
    landmarks.of(dataclasses.replace(split, images=images), **options)
    assert looked == [3, 3]
