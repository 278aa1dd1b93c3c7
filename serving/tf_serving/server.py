"""Writes the model folders and the configuration of TF Serving.

  ROOT/models.config             the models, of this call and of earlier ones
  ROOT/monitoring.config         metrics for Prometheus
  ROOT/batching_parameters.txt   the threads that run batches
  ROOT/NAME/VERSION/             an export, and in it
    assets.extra/tf_serving_warmup_requests   requests that the server runs first
    batching_params.pbtxt                     how requests to this model are merged

A running server loads a new version as soon as it is there, and drops the old one. A
new model is loaded when the server is started again.
"""

from __future__ import annotations

import filecmp
import os
import pathlib
import re
import shutil
from collections.abc import Sequence

from google.protobuf import text_format

from serving.tf_serving import warm_up
from serving.tf_serving.warm_up import Model

PROGRAM = "tensorflow_model_server"
# The version of the TensorFlow that the models were exported with.
_IMAGE = "tensorflow/serving:2.14.1"
_GRPC_PORT, _REST_PORT = 8500, 8501
_SPECIAL = ',"'  # --mount reads a line of CSV

_MODELS, _MONITORING = "models.config", "monitoring.config"
_BATCHING = "batching_parameters.txt"
_MODEL_BATCHING = "batching_params.pbtxt"  # a name that TF Serving fixes

# The file must not be empty. By default there are as many threads as cores.
_BATCHING_TEXT = 'thread_pool_name { value: "batches" }\n'
# A picture waits at most 5 ms for others. If 100 batches wait, the server is
# "unavailable", and clients ask again.
_MODEL_BATCHING_TEXT = """\
max_batch_size { value: 32 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 100 }
"""
_MONITORING_TEXT = """\
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def write(
    folders: Sequence[str | os.PathLike], root: str | os.PathLike
) -> list[pathlib.Path]:
    """Writes the files of a server.

    An export that already is the newest version is not copied again; another one
    becomes the next version. Models of earlier calls are kept while their folders are
    there, with anything else that a user wrote about a model into models.config.

    Args:
      folders: Exports, such as `runs/model3/export/1`.
      root: A folder, which may hold versions of earlier calls.

    Returns:
      ROOT/NAME/VERSION of each model.

    Raises:
      FileNotFoundError: If a folder is not one of our exports.
      ValueError: If two models would have one name, or an export or ROOT/models.config
        is damaged.
      ImportError: If tensorflow-serving-api is not installed.
    """
    _check_package()
    root = pathlib.Path(root).resolve()  # the server takes nothing relative
    folders = [pathlib.Path(folder) for folder in folders]
    names = [name_of(folder) for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"--model has two models {name!r}, and clients could not tell them "
                "apart. Rename the folder of one run, or serve them from two --output."
            )
    config = _read_models(root)  # before anything is written
    models = [Model(folder) for folder in folders]
    versions = [_add(model, root / name) for model, name in zip(models, names)]
    _add_names(config, root, names)
    (root / _MODELS).write_text(text_format.MessageToString(config))
    (root / _MONITORING).write_text(_MONITORING_TEXT)
    (root / _BATCHING).write_text(_BATCHING_TEXT)
    return versions


def served(root: str | os.PathLike) -> list[str]:
    """The names of the models in ROOT/models.config."""
    config = _read_models(pathlib.Path(root))
    return [model.name for model in config.model_config_list.config]


def name_of(folder: str | os.PathLike) -> str:
    """The name of an export on a server: that of its run, as in runs/model3/export/1.

    Characters that an address cannot have become "_".
    """
    folder = pathlib.Path(folder).resolve()
    if folder.name.isdigit():
        folder = folder.parent
    if folder.name == "export":
        folder = folder.parent
    return re.sub(r"[^\w.-]", "_", folder.name, flags=re.ASCII)


def command(root: str | os.PathLike, *, batching: bool, engine: str = "") -> list[str]:
    """The command that starts the server.

    Args:
      root: See `write`. It has the same path in a container, so that models.config is
        right inside and outside.
      batching: Merge the requests of several clients.
      engine: docker or podman, to start it in a container that listens on 127.0.0.1
        only.

    Raises:
      ValueError: If a container cannot take the path.
    """
    root = pathlib.Path(root).resolve()
    flags = [
        f"--model_config_file={root / _MODELS}",
        f"--monitoring_config_file={root / _MONITORING}",
    ]
    if batching:
        flags += [
            "--enable_batching",
            "--enable_per_model_batching_parameters",
            f"--batching_parameters_file={root / _BATCHING}",
        ]
    if not engine:
        ports = [f"--port={_GRPC_PORT}", f"--rest_api_port={_REST_PORT}"]
        return [PROGRAM, *ports, *flags]
    if set(str(root)) & set(_SPECIAL):
        raise ValueError(
            f"--output={root} has a comma or a quotation mark in it, which separate "
            "the options of a container's --mount. Pass a path without."
        )
    # The image's first process is a shell, which passes no signals on; a terminal sends
    # Ctrl-C to the server too.
    run = [engine, "run", "--rm", "--interactive", "--tty"]
    ports = [f"--publish=127.0.0.1:{port}:{port}" for port in (_GRPC_PORT, _REST_PORT)]
    mount = f"--mount=type=bind,source={root},target={root},readonly"
    return [*run, *ports, mount, _IMAGE, *flags]


def _check_package() -> None:
    try:
        import tensorflow_serving.config  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Writing the files of TF Serving needs tensorflow-serving-api 2.14.1 "
            f"({error}): make extras EXTRAS=serving, or pip "
            "install 'tensorflow-serving-api==2.14.1'."
        ) from error


def _read_models(root: pathlib.Path):
    """ROOT/models.config as a ModelServerConfig; an empty one if there is no file."""
    from tensorflow_serving.config import model_server_config_pb2

    path, config = root / _MODELS, model_server_config_pb2.ModelServerConfig()
    if path.exists():
        try:
            text_format.Parse(path.read_text(), config)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path} is damaged ({error}). Delete it, and serve all models again."
            ) from error
    return config


def _add_names(config, root: pathlib.Path, names: Sequence[str]) -> None:
    """Adds models to a ModelServerConfig, and removes those whose folders are gone."""
    models = config.model_config_list.config
    for model in list(models):
        if _versions(root / model.name):
            model.base_path = str(root / model.name)  # ROOT may have been moved
        elif not pathlib.Path(model.base_path).is_dir():
            models.remove(model)
    for name in names:
        if name not in [model.name for model in models]:
            models.add(
                name=name, base_path=str(root / name), model_platform="tensorflow"
            )


def _add(model: Model, place: pathlib.Path) -> pathlib.Path:
    """Adds a version to a model's place, whole or not at all, unless it is there."""
    newest = max(_versions(place), default=0)
    if newest and _holds(place / str(newest), model.folder):
        return place / str(newest)
    target = place / str(newest + 1)
    # Not in the model's place, because the server watches that.
    aside = place.parent / f".{place.name}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        shutil.copytree(model.folder, aside)
        warm_up.write(model, aside)
        # Pictures of several sizes cannot be merged, and are not without this file.
        if model.one_size:
            (aside / _MODEL_BATCHING).write_text(_MODEL_BATCHING_TEXT)
        place.mkdir(exist_ok=True)
        os.replace(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _versions(place: pathlib.Path) -> list[int]:
    """The numbers of a model's versions."""
    return [int(path.name) for path in place.glob("[0-9]*") if path.name.isdigit()]


def _holds(version: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether a version is a copy of an export."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    _, other, missing = filecmp.cmpfiles(folder, version, files, shallow=False)
    return not other and not missing
