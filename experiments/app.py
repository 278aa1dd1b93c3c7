r"""A web page for exported models: restore, compress, compare, explore.

  python -m experiments.app
  python -m experiments.app --models=runs/model3/export/1,runs/lambda_0.01/export/1

--models are exports of any of the systems, or names of those that come with the
repository, all of which are shown without it. Each finds its tab; a tab without a model
says how to get one. Listens on this computer alone: the page knows no users and
no passwords, and --host=0.0.0.0 lets everybody in the network use it. Needs Gradio:
pip install '.[app]', with Python 3.10 or 3.11; and MediaPipe ('.[face]') to find faces.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from data_pipeline import pixels
from evaluation import baselines, coders, image_formats, metrics
from experiments import command
from experiments import config as configs
from experiments.config import hp
from serving import app_models, app_place, zoo
from serving.app_kinds import Fill, Restorer, Tools
from serving.app_models import Models
from serving.face_finder import FaceFinder

# Pixels of the largest picture whose MS-SSIM is measured: it needs much memory.
_MEASURED = 4_000_000


@dataclasses.dataclass(frozen=True)
class Options:
    """What the page shows, and where."""

    models: tuple[str, ...] = hp(
        (), zoo.flag_help("Folders of exported models, with commas between")
    )
    host: str = hp("127.0.0.1", "Address to listen on.")
    port: int = hp(0, "0 takes the first free one from 7860.")

    def __post_init__(self):
        command.require(host=self.host)
        configs.check_at_least("port", self.port, 0)


def main() -> None:
    """The command line."""
    configs.define_flags(Options)
    command.run(lambda: serve(configs.from_flags(Options)))


def serve(options: Options) -> None:
    """Serves the page until it is stopped.

    Raises:
      FileNotFoundError: If a model is not there.
      ValueError: If a model is damaged or of no use here, or Gradio is not installed.
      OSError: If the port is taken.
    """
    try:
        from serving import app  # here, because it takes seconds and an extra
    except ImportError as error:
        raise ValueError(
            f"The page needs Gradio ({error}): pip install '.[app]', with Python 3.10 "
            "or 3.11."
        ) from error
    # Gradio's calls to its own server are nobody's concern.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Otherwise a process that is told to stop leaves everything where it is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    models = load(options.models)
    with app_place.place() as place:
        page = app.start(
            models,
            tools(),
            place,
            host=options.host,
            port=options.port,
            find=_face_finder(),
        )
        print(f"The page is at {page.local_url} (Ctrl-C stops it).", flush=True)
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)


def load(names: Sequence[str]) -> Models:
    """Opens models, given their folders or names; without any, the repository's."""
    names = names or zoo.names(*app_models.PAPERS)
    for name in names:
        print(f"loading {name}", flush=True)
    return app_models.load([zoo.resolve(name) for name in names])


def _face_finder() -> FaceFinder | None:
    try:
        return FaceFinder()
    except ImportError:
        print(
            "Faces in photographs are not looked for: that needs MediaPipe (pip "
            "install '.[face]').",
            flush=True,
        )
        return None


def tools() -> Tools:
    """What the page compares models with."""
    plain = {
        "mean color": baselines.mean_color(),
        "Telea": baselines.telea(),
        "Navier–Stokes": baselines.navier_stokes(),
    }
    names = ("l1_percent", "psnr_db", "ssim", "ms_ssim", "ms_ssim_5w")
    return Tools(
        plain={name: Restorer(_fill(restorer)) for name, restorer in plain.items()},
        rival=image_formats.available()["JPEG"],
        metrics=[metrics.METRICS[name] for name in names],
        measure_hole=_measure_hole,
        measure_file=_measure_file,
    )


def _fill(restorer: baselines.Restorer) -> Fill:
    """A baseline as the page calls restorers."""

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
    values = metrics.measure(*pair, mask[None], regions=("hole",))
    names = ("l1_percent", "psnr_db", "ssim")
    return {name: float(values[f"hole/{name}"][0]) for name in names}


def _measure_file(original, decoded) -> Mapping[str, float]:
    """See `Tools.measure_file`."""
    height, width = original.shape[:2]
    names = ["psnr_db"]
    alike = coders.similarity_key(min(height, width)).rpartition("/")[2]
    if min(height, width) >= metrics.minimum_size(alike) and (
        height * width <= _MEASURED
    ):
        names.append(alike)
    pair = [pixels.bytes_to_unit(image)[None] for image in (original, decoded)]
    return {name: float(getattr(metrics, name)(*pair)[0]) for name in names}


if __name__ == "__main__":
    main()
