r"""Decompresses files of `facemend compress` to pictures.

  facemend decompress --input=small --output=photos_again

--input is an .fmc file or a folder, which is searched recursively. Each file names the
codec that wrote it: one that comes along, or that of --model. Results are 8-bit PNGs,
gray or color. Files that cannot be read are named and skipped; the command then ends
with an error after the last file.
"""

from __future__ import annotations

from experiments.compress import FileOptions, decompress
from experiments.core import command_line


def main() -> None:
    """The command line."""
    command_line.define_flags(FileOptions)
    command_line.run(lambda: decompress(command_line.from_flags(FileOptions)))


if __name__ == "__main__":
    main()
