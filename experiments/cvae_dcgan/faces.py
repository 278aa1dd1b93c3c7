"""Finding faces in the images of a run, for masked rows and the masked loss."""

from __future__ import annotations

from data_pipeline.decoded import DecodedSplit
from data_pipeline.face_masks import finder
from experiments.cvae_dcgan.config import Config


def find(config: Config, split: DecodedSplit) -> finder.FoundMasks:
    """Masks of the faces of a split."""
    return finder.find(split, build_finder(config, split), crop=config.crop)


def build_finder(config: Config, split: DecodedSplit) -> finder.Finder:
    """The finder that --face_masks names.

    Raises:
      ValueError: If the split has nothing to find faces by, or a package is missing.
    """
    try:
        return finder.build(
            config.face_masks, split.source, folder=config.face_mask_dir
        )
    except ImportError as error:  # A user can mend that.
        raise ValueError(error) from error
