"""What made a result is told, where its maker keeps files is not."""

import dataclasses
import json

import pytest

from experiments.core import system as papers
from experiments.core.environment import shareable, without_folders

every_system = pytest.mark.parametrize(
    "system", [papers.load(name) for name in papers.names()], ids=lambda s: s.name
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
    assert folder not in json.dumps(shareable(type(config), values))


def test_a_path_that_names_what_was_used_keeps_its_last_part():
    config_class = papers.load("skip_inpainting").config_class
    values = {"initial": "/home/me/runs/a", "test_mask": "/home/me/masks/oval.png"}
    kept = {"initial": "a", "test_mask": "oval.png"}
    assert shareable(config_class, values) == kept
    assert shareable(config_class, {"test_mask": "center"}) == {"test_mask": "center"}


def test_folders_of_faces_and_of_other_images_are_places():
    values = {"face_mask_dir": "masks", "face_masks": "auto"}
    config_class = papers.load("cvae_dcgan").config_class
    assert shareable(config_class, values) == {"face_masks": "auto"}
    config_class = papers.load("portrait_autoencoder").config_class
    assert shareable(config_class, {"other_images": "lamps"}) == {}


def test_a_sentence_names_files_without_their_folders():
    text = "80/20, seed 0; read /home/someone/lfw.tgz; the rest"
    assert without_folders(text) == "80/20, seed 0; read lfw.tgz; the rest"
