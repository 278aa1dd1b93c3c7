"""What TF Serving reads: versions of models, configuration, warm-up requests.

  ROOT/models.config             which models there are, of this call and earlier ones
  ROOT/monitoring.config         metrics for Prometheus
  ROOT/batching_parameters.txt   of the threads that run batches
  ROOT/NAME/VERSION/             an export, and in it
    assets.extra/tf_serving_warmup_requests   what the server runs before it answers
    batching_params.pbtxt                     how requests to this model are merged

A running server loads a new version as soon as it is there, and then drops the old one.
Of a model that is new, it knows when it is started again.
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
# The server of the TensorFlow that the models were exported with.
_IMAGE = "tensorflow/serving:2.14.1"
_GRPC_PORT, _REST_PORT = 8500, 8501
_HERE = "127.0.0.1"
_PARTING = ',"'  # --mount reads a line of CSV

_MODELS, _MONITORING, _BATCHING = (
    "models.config",
    "monitoring.config",
    "batching_parameters.txt",
)
_MODEL_BATCHING = "batching_params.pbtxt"  # a name that TF Serving fixes

# As many threads as cores, which is the default; something must stand there.
_BATCHING_TEXT = 'thread_pool_name { value: "batches" }\n'
# A picture waits at most 5 ms for others. Where 100 batches wait already, a client is
# told to come back.
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
    """Writes all that a server of some exports needs.

    An export that is the newest version already is not copied again; another one
    becomes the next version. Models of earlier calls are served as well, as long as
    their folders are there; what else a user wrote of a model in models.config stays.

    Args:
      folders: Exports, such as `runs/model3/export/1`.
      root: A folder, which may have versions of earlier calls in it.

    Returns:
      Each model's ROOT/NAME/VERSION.

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
                f"--model names two models {name!r}, which is how clients would call "
                "both. Rename the folder of one run, or serve them from two --output."
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
    """The names in ROOT/models.config, as `write` left it."""
    config = _read_models(pathlib.Path(root))
    return [model.name for model in config.model_config_list.config]


def name_of(folder: str | os.PathLike) -> str:
    """What an export is called in a server: as its run, such as "model3".

    Of `runs/model3/export/1`, what comes before "export" and the version. A name is
    part of an address, so that what cannot stand in one becomes "_".
    """
    folder = pathlib.Path(folder).resolve()
    if folder.name.isdigit():
        folder = folder.parent
    if folder.name == "export":
        folder = folder.parent
    return re.sub(r"[^\w.-]", "_", folder.name, flags=re.ASCII)


def server_command(root: str | os.PathLike, *, batching: bool) -> list[str]:
    """The server's program and its flags.

    Args:
      root: As `write` was given it.
      batching: Requests of several clients are merged.
    """
    ports = [f"--port={_GRPC_PORT}", f"--rest_api_port={_REST_PORT}"]
    return [PROGRAM, *ports, *_flags(root, batching)]


def container_command(
    root: str | os.PathLike, *, batching: bool, engine: str = "docker"
) -> list[str]:
    """What starts the server in a container, for machines without the program.

    It answers this computer alone, and ends with Ctrl-C.

    Args:
      root: As `write` is given it. The container sees it where it is, so that one
        models.config holds inside and outside.
      batching: As `server_command`.
      engine: docker or podman.

    Raises:
      ValueError: If the path cannot stand in the command.
    """
    root = pathlib.Path(root).resolve()
    if set(str(root)) & set(_PARTING):
        raise ValueError(
            f"--output={root} has a comma or a quotation mark in it, which --mount of "
            "a container takes for its own. Pass a path without."
        )
    # The image's first process is a shell, which passes no signal on to the server; a
    # terminal sends Ctrl-C to both.
    run = [engine, "run", "--rm", "--interactive", "--tty"]
    ports = [f"--publish={_HERE}:{port}:{port}" for port in (_GRPC_PORT, _REST_PORT)]
    mount = f"--mount=type=bind,source={root},target={root},readonly"
    return [*run, *ports, mount, _IMAGE, *_flags(root, batching)]


def _flags(root: str | os.PathLike, batching: bool) -> list[str]:
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
    return flags


def _check_package() -> None:
    try:
        import tensorflow_serving.config  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "What TF Serving reads is written with tensorflow-serving-api 2.14.1 "
            f"({error}): pip install .[serving]."
        ) from error


def _read_models(root: pathlib.Path):
    """ROOT/models.config as a ModelServerConfig; an empty one where there is none."""
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
    """Adds models to a ModelServerConfig; those whose folders are gone leave it."""
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
    """The newest version in a model's place, whole or not there at all."""
    newest = max(_versions(place), default=0)
    if newest and _holds(place / str(newest), model.folder):
        return place / str(newest)
    target = place / str(newest + 1)
    # Not in the model's place, which the server watches.
    aside = place.parent / f".{place.name}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        shutil.copytree(model.folder, aside)
        warm_up.write(model, aside)
        # Pictures of several sizes cannot be merged: without the file they are not.
        if model.one_size:
            (aside / _MODEL_BATCHING).write_text(_MODEL_BATCHING_TEXT)
        place.mkdir(exist_ok=True)
        os.replace(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _versions(place: pathlib.Path) -> list[int]:
    """What there is of a model."""
    return [int(path.name) for path in place.glob("[0-9]*") if path.name.isdigit()]


def _holds(version: pathlib.Path, folder: pathlib.Path) -> bool:
    """Whether a version is a copy of an export."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    _, other, missing = filecmp.cmpfiles(folder, version, files, shallow=False)
    return not other and not missing
