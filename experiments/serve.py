r"""Serves exported models with TF Serving.

  python -m experiments.serve --model=runs/model3/export/1,runs/lambda_0.01/export/1

writes what the server reads into --output: each model as runs/serving/NAME/VERSION with
requests that warm it up, and the server's configuration. It then becomes the server if
tensorflow_model_server is installed, and otherwise prints the command that serves it in
a container. Clients call a model by the name of its run, here model3 and lambda_0.01.

With the same --output a model that was trained again becomes the next version, which a
running server takes over by itself, and a model of another name is served beside those
that are there, when the server is started again. A model whose folder in --output was
deleted is served no more.

TF Serving knows no users and no passwords: whoever reaches its ports, 8500 (gRPC) and
8501 (REST), may use every model. The container's are published to this computer alone.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import sys

from experiments.core import command_line
from experiments.core.command_line import hp
from serving.tf_serving import server
from serving.zoo import zoo

_FOR_ALL = (
    "It answers whoever reaches ports 8500 and 8501 of this computer: guard them."
)
_FOR_THIS_COMPUTER = (
    "It answers this computer alone, until Ctrl-C. To let others ask, leave out "
    '"127.0.0.1:", and guard the ports.'
)


@dataclasses.dataclass(frozen=True)
class Options:
    """What to serve, and how."""

    model: tuple[str, ...] = hp(
        (), zoo.flag_help("Folders of exported models, with commas between")
    )
    output: str = hp(
        "runs/serving",
        "Folder for what the server reads. Models that are in it already are served as "
        "well, until their folder there is deleted.",
    )
    batching: bool = hp(
        False,
        "Merge the requests of several clients, which is faster on GPUs. One that the "
        "model refuses takes along those that it was merged with.",
    )
    write_only: bool = hp(False, "Start nothing; print the command that would.")

    def __post_init__(self):
        command_line.require(model=self.model, output=self.output)
        command_line.check_folder("output", self.output)


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(lambda: serve(command_line.from_flags(Options)))


def serve(options: Options) -> None:
    """Writes what a server needs, and becomes it where it is installed.

    Raises:
      FileNotFoundError: If a model is not there.
      ValueError: If a model cannot be served, or a package for that is missing.
    """
    program = shutil.which(server.PROGRAM)
    how = {"batching": options.batching}
    if program:
        started = server.server_command(options.output, **how)
    else:
        engine = "docker" if shutil.which("docker") else "podman"
        engine = engine if shutil.which(engine) else "docker"
        started = server.container_command(options.output, **how, engine=engine)
    try:
        models = [zoo.resolve(model) for model in options.model]
        folders = server.write(models, options.output)
        names = server.served(options.output)
    except ImportError as error:
        raise ValueError(error) from error
    for folder in folders:
        print(f"{folder.parent.name}, version {folder.name}: {folder}")
    kept = sorted(set(names) - {folder.parent.name for folder in folders})
    if kept:
        print(f"Served as well, as before: {', '.join(kept)}.")
    if program and not options.write_only:
        print(f"{shlex.join(started)}\n{_FOR_ALL}")
        sys.stdout.flush()
        os.execv(program, started)
    where = "" if program else f"{server.PROGRAM} is not installed here. "
    print(f"{where}This serves them:\n\n  {shlex.join(started)}\n")
    print(_FOR_ALL if program else _FOR_THIS_COMPUTER)


if __name__ == "__main__":
    main()
