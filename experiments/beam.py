r"""Runs a command of facemend in shards on Apache Beam, and joins them.

  facemend beam --shards=64 --runner=FlinkRunner ... -- \
      restore --model=skip_inpainting_restorer --align --mask=mouth --input=A --output=B

What follows -- is a command as `facemend` takes it (restore, compress, train
PAPER --stages=evaluate, ...); flags before it that are not listed here are Beam's. Each
shard is a process, `facemend COMMAND --shard=i/n`, on a machine that Beam chooses; when
all are done, `--shard=merge/n` joins them. Beam starts a shard again that has failed:
it leaves alone what is there and goes on. All machines see the same folders under the
same paths, and have the command `facemend` (or what --facemend says); Beam itself needs
no TensorFlow, and the machine that starts this needs Beam alone.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from experiments.core import shards


def run(command: Sequence[str], count: int, options: Sequence[str] = ()) -> None:
    """Runs a command in shards, and then prints what joins them.

    Args:
      command: Words, without --shard.
      count: Of the shards.
      options: Flags of Beam, such as --runner=FlinkRunner.

    Raises:
      ImportError: If Apache Beam is not installed.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    numbers = [f"{number}/{count}" for number in range(1, count + 1)]
    with beam.Pipeline(options=PipelineOptions([*options])) as pipeline:
        _ = (
            pipeline
            | beam.Create(numbers)
            | beam.Reshuffle()  # otherwise one machine would do all of them
            | "shards" >> beam.Map(shards.run, command)
            | beam.combiners.Count.Globally()
            | "merge" >> beam.Map(lambda count: shards.run(f"merge/{count}", command))
            | beam.Map(print)
        )


def main() -> None:
    """The command line, read by argparse as Beam reads its own flags."""
    words = sys.argv[1:]
    parser = argparse.ArgumentParser(
        prog="facemend beam",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--shards", type=int, required=True, help="How many.")
    parser.add_argument("--facemend", default="facemend", help="The command's words.")
    where = words.index("--") if "--" in words else len(words)
    own, options = parser.parse_known_args(words[:where])
    command = words[where + 1 :]
    if not command or own.shards < 1:
        parser.error("say what to run after --, and at least one of --shards.")
    try:
        run([*shlex.split(own.facemend), *command], own.shards, options)
    except ImportError as error:
        sys.exit(f"error: Apache Beam is needed: pip install apache-beam. ({error})")
    except RuntimeError as error:
        sys.exit(f"error: {error}\nThe same command goes on with what is left.")


if __name__ == "__main__":
    main()
