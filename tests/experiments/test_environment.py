"""What made a result is told, where its maker keeps files is not."""

import dataclasses
import json

import pytest

from experiments.core import system as papers
from experiments.core.environment import without_places

every_system = pytest.mark.parametrize(
    "system", [papers.load(name) for name in papers.NAMES], ids=lambda s: s.name
)


# Words that are looked up later than others.
WORDS = {"crop", "bottleneck"}


def takes(config, name, value):
    """Whether a field may have the value: then it is no choice among words."""
    try:
        dataclasses.replace(config, **{name: value})
    except (ValueError, OSError):
        return False
    return True


@every_system
@pytest.mark.parametrize("folder", ["/home/someone", "~/private", "../elsewhere"])
def test_no_field_says_where_files_are(system, folder):
    config, path = system.config_class(), f"{folder}/last"
    values = {
        name: path
        for name, value in dataclasses.asdict(config).items()
        if isinstance(value, str) and takes(config, name, path) and name not in WORDS
    }
    assert {"data_dir", "workdir", "lpips_weights", "groups"} <= values.keys()
    assert folder not in json.dumps(without_places({"config": values}))


def test_a_path_that_names_what_was_used_keeps_its_last_part():
    values = {"initial": "/home/me/runs/a", "test_mask": "/home/me/masks/oval.png"}
    assert without_places(values) == {"initial": "a", "test_mask": "oval.png"}
    assert without_places({"test_mask": "center"}) == {"test_mask": "center"}


def test_folders_of_faces_and_of_other_images_are_places():
    values = {"face_mask_dir": "masks", "other_images": "lamps", "face_masks": "auto"}
    assert without_places(values) == {"face_masks": "auto"}
