r"""Makes the weights file of LPIPS from the two published files.

  facemend lpips_weights --download
  facemend lpips_weights --alexnet=alexnet-owt-7be5be79.pth \
      --heads=alex.pth --output=lpips_alex.npz

The first form downloads both files, checks them, and writes the cache file that every
command finds by itself; the second converts files that you have. Both read PyTorch
files, which needs the extra "torch": pip install -e '.[torch]' -c constraints.txt. The
resulting .npz is read without PyTorch.
"""

from __future__ import annotations

from absl import flags

from evaluation.metrics.lpips import convert, download
from experiments.core import command_line


def main() -> None:
    """The command line."""
    flags.DEFINE_bool("download", False, "Fetch both published files; fill the cache.")
    flags.DEFINE_string("alexnet", "", "Path of alexnet-owt-7be5be79.pth.")
    flags.DEFINE_string("heads", "", "Path of LPIPS v0.1's alex.pth.")
    flags.DEFINE_string("output", "lpips_alex.npz", "File to write.")
    command_line.run(write_weights)


def write_weights() -> None:
    """Downloads or converts, as the flags say."""
    given = flags.FLAGS
    try:
        if given.download:
            print(f"Wrote {download()}; --lpips_weights may now be left out.")
        elif given.alexnet and given.heads:
            print(f"Wrote {convert(given.alexnet, given.heads, given.output)}.")
        else:
            raise ValueError("Give --download, or --alexnet and --heads.")
    except ImportError as error:  # A user can install it.
        raise ValueError(str(error)) from error


if __name__ == "__main__":
    main()
