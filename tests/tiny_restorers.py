"""Each paper's restorer, of as few layers as it can have, as experiments export it."""

import numpy as np

from models import multiscale_context_encoder, pyramid_cgan, skip_inpainting
from serving.export import restorer as exports
from serving.export import saved_model
from serving.export.restorer import Fillable

SIZE = 40  # pixels; dilation 2 fits into pyramid_cgan's maps of 5, the others do not
LEVELS = 3
HOLE = multiscale_context_encoder.patch_size(SIZE, LEVELS)
PAPERS = {
    "skip_inpainting": (
        skip_inpainting,
        lambda: skip_inpainting.build_generator(0, image_size=SIZE, widths=(4, 6)),
        Fillable(HOLE),
    ),
    "multiscale_context_encoder": (
        multiscale_context_encoder,
        lambda: multiscale_context_encoder.build_generator(
            image_size=SIZE, widths=(4, 6, 8)[:LEVELS], decoder_widths=(8, 6)
        ),
        Fillable(HOLE, centered=True),
    ),
    "pyramid_cgan": (
        pyramid_cgan,
        lambda: pyramid_cgan.build_generator("d", image_size=SIZE, width=1 / 16),
        Fillable(),
    ),
}


def export(paper, run):
    """Saves a restorer into a run's folder.

    Its kernels are drawn, such that pixels differ and depend on what is known.

    Returns:
      The folder, and the functions that were saved: signature -> function.
    """
    room, build, fillable = PAPERS[paper]
    generator = build()
    rng = np.random.default_rng(0)
    for weight in generator.trainable_weights:
        if "kernel" in weight.name:
            deviation = np.sqrt(1.4 / np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(0, deviation, weight.shape))
    inpainter = room.build_inpainter(generator)
    restorer = exports.build_restorer(inpainter, fill=1.0, fillable=fillable)
    signatures = exports.signatures(restorer)
    return saved_model.write(restorer, run / "export" / "1", signatures), signatures
