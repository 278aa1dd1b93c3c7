"""CelebA-HQ: prepared by TFDS, or a folder of images."""

from __future__ import annotations

import pathlib

import numpy as np

from data_pipeline.datasets import elements, folder, tfds

HOMEPAGE = "https://github.com/tkarras/progressive_growing_of_gans"
COUNT = 30000

# Below --data_dir; otherwise --data_dir itself.
_FOLDERS = ("celeb_a_hq", "celeba_hq", "celebahq", "CelebA-HQ", "celeba-hq")


def load(
    split: str, *, data_dir: str, seed: int, size: int, split_by: str = "image"
) -> elements.Source:
    """CelebA-HQ, split by its names or by TFDS's records; see `elements.split_rows`.

    `data_dir` is TFDS's with prepared data, or a folder of images. Of several prepared
    resolutions the smallest that reaches `size` is read.

    Raises:
      FileNotFoundError: If there is neither.
    """
    notes = f"{elements.split_note(seed, split_by)}; read "
    prepared = tfds.find(data_dir, "celeb_a_hq", size=size)
    if prepared:
        count = len(tfds.split_names(prepared, "train"))
        rows = elements.split_rows(count, seed, split_by)
        info = _info(rows, f"{notes}prepared TFDS data in {prepared}")
        return tfds.load(info, split, prepared, "train", rows=np.sort(rows[split]))
    root = pathlib.Path(data_dir).expanduser()
    for path in [root / name for name in _FOLDERS] + [root] if data_dir else []:
        names = folder.image_names(path) if path.is_dir() else []
        if names:
            parts = folder.parted_names(names, seed, split_by)
            notes = elements.check_count(
                "celeb_a_hq", f"{notes}{path}", len(names), COUNT
            )
            return folder.from_folder(_info(parts, notes), split, path, parts[split])
    raise FileNotFoundError(
        f"CelebA-HQ is not {tfds.where(data_dir)}. Looked for prepared TFDS "
        f"data (celeb_a_hq/<resolution>/<version>/dataset_info.json) and for images in "
        f"the folder and its subfolders. Make or fetch the 30,000 images as {HOMEPAGE} "
        f"describes, put them into a folder, and set --data_dir to it."
    )


def _info(parts: dict, notes: str) -> elements.SourceInfo:
    return elements.SourceInfo(
        name="celeb_a_hq",
        title="CelebA-HQ",
        split_counts={part: len(rows) for part, rows in parts.items()},
        license="non-commercial research",
        citation=(
            "T. Karras, T. Aila, S. Laine, J. Lehtinen. Progressive Growing of GANs "
            "for Improved Quality, Stability, and Variation. ICLR 2018."
        ),
        homepage=HOMEPAGE,
        notes=notes,
    )
