"""Shards: work that several processes divide, and join when all are done."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
from collections.abc import Sequence
from typing import TypeVar

HELP = (
    "i/n does the i-th of n parts of the work, 1/n to n/n, in any order and on any "
    "machines that share the folders; then merge/n joins what they have measured."
)
_MERGE = "merge"
_SAID = 4000  # characters of what a command that fails has said

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of the work, or the joining of all parts.

    Attributes:
      number: 1 to `count`, or 0 for what joins them.
      count: Of the parts.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard of "2/8" or "merge/8"; "" is the whole work, and a part of one.

        Raises:
          ValueError: If the text says none.
        """
        if not text:
            return WHOLE
        match = re.fullmatch(rf"(\d+|{_MERGE})/(\d+)", text)
        number, count = match.groups() if match else ("0", "0")
        shard = cls(0 if number == _MERGE else int(number), int(count))
        in_range = 1 <= shard.number <= shard.count
        if not shard.count or (number != _MERGE and not in_range):
            raise ValueError(
                f"--shard={text} must be i/n with i in 1..n, such as 1/8, or merge/8."
            )
        return shard

    @property
    def is_part(self) -> bool:
        """Whether others do the rest of the work."""
        return self.count > 1 and not self.merges

    @property
    def merges(self) -> bool:
        """Whether it joins the parts."""
        return not self.number

    @property
    def all(self) -> list[Shard]:
        """Every part."""
        return [Shard(number, self.count) for number in range(1, self.count + 1)]

    @property
    def name(self) -> str:
        """For files, such as "2-of-8"."""
        return f"{self.number}-of-{self.count}"

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Every n-th item: neighbors, which may be alike, are in different parts."""
        return items[self.number - 1 :: self.count]

    def span(self, items: int, unit: int) -> tuple[int, int]:
        """Consecutive items, (start, stop), in whole units but for the last one's."""
        units = -(-items // unit)
        start, stop = (
            min(units * number // self.count * unit, items)
            for number in (self.number - 1, self.number)
        )
        return start, stop


WHOLE = Shard(1, 1)  # all of the work


def run(shard: str, command: Sequence[str]) -> str:
    """Runs a command with a --shard, and returns what it has printed.

    Raises:
      RuntimeError: If it fails; the message has the end of what it said.
    """
    words = [*command, f"--shard={shard}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise RuntimeError(
            f"{words[0]} cannot be started ({error.strerror}). Every machine needs the "
            "command facemend, or what --facemend says."
        ) from error
    if done.returncode:
        said = (done.stdout + done.stderr)[-_SAID:]
        raise RuntimeError(f"{shlex.join(words)}: exit code {done.returncode}\n{said}")
    return done.stdout
