"""Draws the README's picture with shipped models: readme_picture.py TARGET.

Two photographs in the public domain, which come with Matplotlib and scikit-image: Grace
Hopper (James S. Davis, United States Navy) and Eileen Collins (NASA). Beside each its
compressed file, a JPEG of as many bytes, and its nose, taken away and restored.
"""

import pathlib
import sys

import matplotlib.pyplot as plt
from matplotlib import cbook
from skimage import data

from data_pipeline import pixels
from evaluation.codecs import image_formats
from serving import zoo
from serving.export import codec as codec_export
from serving.photo import masks
from serving.photo.faces import FaceRestorer
from serving.photo.finder import FaceFinder
from serving.photo.restorer import PhotoRestorer

CODEC, RESTORER = "portrait_codec", "skip_inpainting_restorer"
BYTES = 5000  # of a compressed photograph, at most
SHOWN = 1.05  # heights of a face, from the eyes up and down


def main(target: pathlib.Path) -> None:
    """Writes the picture."""
    hopper = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    photographs = [pixels.read(hopper), data.astronaut()]
    codec = codec_export.load_image_codec(zoo.resolve(CODEC))
    restore, find = FaceRestorer(PhotoRestorer(zoo.resolve(RESTORER))), FaceFinder()
    rows = [row(image, codec, restore, find) for image in photographs]
    figure, axes = plt.subplots(2, 5, figsize=(10, 4.3), layout="constrained")
    for places, shown in zip(axes, rows):
        for place, (title, image) in zip(places, shown):
            place.imshow(image)
            place.set_title(title, fontsize=9)
            place.axis("off")
    figure.savefig(target, dpi=100)


def row(image, codec, restore, find) -> list:
    """Titles and pictures of one photograph."""
    file = codec.compress_to(image, BYTES)
    jpeg = image_formats.available()["JPEG"]
    _, other = jpeg.nearest(image, len(file))
    landmarks = max(find(image), key=lambda face: face[:, 0].max() - face[:, 0].min())
    mask = masks.region("nose", landmarks, *image.shape[:2])[..., None]
    hole = image.copy()
    hole[mask[..., 0] > 0] = 255
    pictures = {
        "photograph": image,
        f"facemend, {len(file):,} bytes": codec.decompress(file),
        f"JPEG, {len(other):,} bytes": jpeg.decode(other),
        "its nose missing": hole,
        "its nose restored": restore(image, mask, [landmarks]),
    }
    x, y = landmarks[2]
    side = SHOWN * 2.2 * (landmarks[3:, 1].mean() - landmarks[:2, 1].mean())
    window = [slice(max(0, int(c - side)), int(c + side)) for c in (y, x)]
    return [(title, picture[tuple(window)]) for title, picture in pictures.items()]


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
