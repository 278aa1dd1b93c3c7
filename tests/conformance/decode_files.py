"""Decodes the conformance set; `test_files` runs it under other settings as well.

python decode_files.py OUTPUT NAME ... writes OUTPUT, an .npz: of each file the SHA-256
of its latents and, if its model is shipped, the picture.
"""

import hashlib
import pathlib
import sys

import numpy as np

from serving.codec import container, hyperprior
from serving.codec.hyperprior import Latents
from serving.export import codec
from serving.zoo import zoo

FILES = pathlib.Path(__file__).parent / "files"
# A payload alone, whose tables lie beside it: of before such a codec was shipped.
HYPERPRIOR, CELLS = "hyperprior", (13, 10)


def digest(latents):
    """The SHA-256 of latents: int32, little-endian, row by row, channels last.

    Of a hyperprior those of hyper-latents, residuals, means and scales, one after
    another.
    """
    parts = latents[:4] if isinstance(latents, Latents) else [latents]
    data = b"".join(np.ascontiguousarray(part, "<i4").tobytes() for part in parts)
    return hashlib.sha256(data).hexdigest()


def decoded(name):
    """What a file holds, by the names of the .npz."""
    if name == HYPERPRIOR:
        tables = hyperprior.load(FILES / f"{name}.npz")
        latents = tables.decode((FILES / f"{name}.bin").read_bytes(), *CELLS)
        return {f"{name}/latents": digest(latents)}
    data = (FILES / f"{name}.fmc").read_bytes()
    model = codec.load(zoo.resolve(zoo.writer(container.claimed_id(data))))
    latents, picture = model.read(data)[1], model.decompress(data)
    return {f"{name}/latents": digest(latents), f"{name}/picture": picture}


if __name__ == "__main__":
    output, *names = sys.argv[1:]
    np.savez(output, **{k: v for name in names for k, v in decoded(name).items()})
