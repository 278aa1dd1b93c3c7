r"""Serves exported models with TF Serving.

  facemend serve --model=runs/model3/export/1,runs/lambda_0.01/export/1

writes the server's files into --output: each model as runs/serving/NAME/VERSION with
warm-up requests, and the server's configuration. It then becomes the server if
tensorflow_model_server is installed, and otherwise prints the command that starts one
in a container. A model's name is that of its run, here model3 and lambda_0.01.

With the same --output, a model that was trained again becomes the next version, which a
running server loads by itself; a model of another name is added, and served when the
server is started again. Delete a model's folder in --output to stop serving it.

TF Serving has no authentication: whoever reaches its ports, 8500 (gRPC) and 8501
(REST), may use every model. The container listens on 127.0.0.1 only.
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

_OPEN = "It has no authentication: guard ports 8500 and 8501 of this computer."
_LOCAL = (
    "It listens on 127.0.0.1 only, until Ctrl-C. To open it to others, leave out "
    '"127.0.0.1:", and guard the ports.'
)


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of the command."""

    model: tuple[str, ...] = hp(
        (), zoo.flag_help("Folders of exported models, with commas between")
    )
    output: str = hp(
        "runs/serving",
        "Folder for the server's files. Models that are in it already are served too, "
        "until their folder there is deleted.",
    )
    batching: bool = hp(
        False,
        "Merge the requests of several clients, which is faster on GPUs. If the model "
        "refuses one of them, all that were merged with it fail too.",
    )
    write_only: bool = hp(False, "Print the command instead of starting a server.")

    def __post_init__(self):
        command_line.require(model=self.model, output=self.output)
        command_line.check_folder("output", self.output)


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(lambda: serve(command_line.from_flags(Options)))


def serve(options: Options) -> None:
    """Writes a server's files, and becomes the server if it is installed.

    Raises:
      FileNotFoundError: If a model is not there.
      ValueError: If a model cannot be served, or a package for that is missing.
    """
    program = shutil.which(server.PROGRAM)
    engine = next(filter(shutil.which, ("docker", "podman")), "docker")
    command = server.command(
        options.output, batching=options.batching, engine="" if program else engine
    )
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
        print(f"Also served, as before: {', '.join(kept)}.")
    if program and not options.write_only:
        print(f"{shlex.join(command)}\n{_OPEN}")
        sys.stdout.flush()
        os.execv(program, command)
    where = "" if program else f"{server.PROGRAM} is not installed here. "
    print(f"{where}This serves them:\n\n  {shlex.join(command)}\n")
    print(_OPEN if program else _LOCAL)


if __name__ == "__main__":
    main()
