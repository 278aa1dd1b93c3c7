r"""A web page for exported models: restore, compress, compare, explore.

  facemend app
  facemend app --models=runs/model3/export/1,runs/lambda_0.01/export/1

--models are exports of any paper, or names of models that come with the repository; the
default is all of these. A tab without a model says how to train one. The page has no
authentication and listens on 127.0.0.1 only; --host=0.0.0.0 lets everybody in the
network use it. Needs Gradio, with Python 3.10 or 3.11, and MediaPipe to find faces:
make extras.
"""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import signal
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from data_pipeline import pixels
from evaluation import baselines
from evaluation.codecs import image_formats
from evaluation.codecs.round_trips import similarity_key
from evaluation.metrics import measure, registry
from experiments.core import command_line
from experiments.core.command_line import hp
from serving import engines
from serving.page import models, uploads
from serving.page.actions import Fill, Restorer, Tools
from serving.photo.finder import FaceFinder
from serving.zoo import zoo

# Pixels of the largest picture whose MS-SSIM is measured, which needs much memory.
_MEASURED = 4_000_000


@dataclasses.dataclass(frozen=True)
class Options:
    """Which models to serve, and where."""

    models: tuple[str, ...] = hp(
        (), zoo.flag_help("Folders of exported models, with commas between")
    )
    engine: str = hp(
        engines.TENSORFLOW, f"Of models that fill holes. {engines.ENGINE_HELP}"
    )
    precision: str = hp(engines.FLOAT32, engines.PRECISION_HELP)
    host: str = hp("127.0.0.1", "Address to listen on.")
    port: int = hp(0, "0 takes the first free one from 7860.")

    def __post_init__(self):
        command_line.require(host=self.host)
        command_line.check_at_least("port", self.port, 0)
        engines.check(self.engine, self.precision)


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(lambda: serve(command_line.from_flags(Options)))


def serve(options: Options) -> None:
    """Serves the page until it is stopped.

    Raises:
      FileNotFoundError: If a model is not there.
      ValueError: If a model is damaged or of an unknown kind, or Gradio is not
        installed.
      OSError: If the port is taken.
    """
    share_heaps()
    try:
        # Here, because it needs an optional extra, and seconds.
        from serving.page.page import start
    except ImportError as error:
        raise ValueError(
            f"The page needs Gradio ({error}), with Python 3.10 or 3.11: make "
            "extras, or pip install 'gradio>=6.31,<7'."
        ) from error
    # Gradio logs each call to its own server.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Without this, a process that is terminated deletes nothing.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    loaded = load(options.models, options.engine, options.precision)
    with uploads.folder() as folder:
        page = start(
            loaded,
            tools(),
            folder,
            host=options.host,
            port=options.port,
            find=_face_finder(),
        )
        print(f"The page is at {page.local_url} (Ctrl-C stops it).", flush=True)
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)


def share_heaps() -> None:
    """Has the threads that are made from now on share the heaps of glibc.

    Otherwise it makes one for each, up to eight for each core, and each keeps memory
    that pictures of former visitors took.
    """
    if sys.platform == "linux":
        # M_ARENA_MAX; other C libraries have no such function.
        getattr(ctypes.CDLL(None), "mallopt", lambda *_: None)(-8, 2)


def load(
    names: Sequence[str],
    engine: str = engines.TENSORFLOW,
    precision: str = engines.FLOAT32,
) -> models.Models:
    """Opens models by folder or name; by default all that the repository has."""
    names = names or zoo.names()
    for name in names:
        print(f"loading {name}", flush=True)
    folders = [zoo.resolve(name) for name in names]
    return models.load(folders, engine, precision)


def _face_finder() -> FaceFinder | None:
    try:
        return FaceFinder()
    except ImportError:
        print(
            "Faces in photographs cannot be found: that needs MediaPipe (make extras, "
            "or pip install 'mediapipe==0.10.21').",
            flush=True,
        )
        return None


def tools() -> Tools:
    """Baselines, the rival format, and the measures of the page."""
    plain = {
        "mean color": baselines.mean_color(),
        "Telea": baselines.telea(),
        "Navier–Stokes": baselines.navier_stokes(),
    }
    names = ("l1_percent", "psnr_db", "ssim", "ms_ssim", "ms_ssim_5w")
    return Tools(
        plain={name: Restorer(_fill(restorer)) for name, restorer in plain.items()},
        rival=image_formats.available()["JPEG"],
        metrics=[registry.METRICS[name] for name in names],
        measure_hole=_measure_hole,
        measure_file=_measure_file,
    )


def _fill(restorer: baselines.Restorer) -> Fill:
    """A baseline as a restorer of the page."""

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        inputs = {
            "image": pixels.bytes_to_signed(image)[None],
            "mask": mask[None].astype(np.float32),
        }
        return pixels.unit_to_bytes(restorer(inputs)[0]).numpy()

    return fill


def _measure_hole(original, restored, mask) -> Mapping[str, float]:
    """See `Tools.measure_hole`."""
    pair = (pixels.bytes_to_unit(image)[None] for image in (original, restored))
    values = measure.measure(*pair, mask[None], regions=("hole",))
    names = ("l1_percent", "psnr_db", "ssim")
    return {name: float(values[f"hole/{name}"][0]) for name in names}


def _measure_file(original, decoded) -> Mapping[str, float]:
    """See `Tools.measure_file`."""
    height, width = original.shape[:2]
    names = ["psnr_db"]
    alike = similarity_key(min(height, width)).rpartition("/")[2]
    if min(height, width) >= measure.minimum_size(alike) and (
        height * width <= _MEASURED
    ):
        names.append(alike)
    pair = [pixels.bytes_to_unit(image)[None] for image in (original, decoded)]
    return {name: float(getattr(measure, name)(*pair)[0]) for name in names}


if __name__ == "__main__":
    main()
