r"""LPIPS with AlexNet, version 0.1 (Zhang et al. 2018), from one weights file.

Nothing else in this package is called LPIPS. Its weights are published by torchvision
(AlexNet's convolutions) and by LPIPS's authors (five linear heads). One `.npz` is made
of both, with or without network, and never with PyTorch:

  python -m experiments.lpips_weights --download
  python -m experiments.lpips_weights --alexnet=alexnet-owt-7be5be79.pth \
      --heads=alex.pth --output=lpips_alex.npz

`--download` fetches the two files, checks them, and writes the cache file that
`resolve` finds; the second form converts files that came another way.
"""

from __future__ import annotations

from absl import app, flags

from evaluation.metrics.lpips import convert, download


def main(argv: list[str]) -> None:
    """Downloads or converts, as the flags say."""
    del argv
    given = flags.FLAGS
    if given.download:
        print(f"Wrote {download()}; --lpips_weights may now be left out.")
    elif given.alexnet and given.heads:
        print(f"Wrote {convert(given.alexnet, given.heads, given.output)}.")
    else:
        raise app.UsageError("Give --download, or --alexnet and --heads.")


if __name__ == "__main__":
    # Here and not above, because every experiment imports this module, and its flags
    # are none of theirs.
    flags.DEFINE_bool("download", False, "Fetch both published files; fill the cache.")
    flags.DEFINE_string("alexnet", "", "Path of alexnet-owt-7be5be79.pth.")
    flags.DEFINE_string("heads", "", "Path of LPIPS v0.1's alex.pth.")
    flags.DEFINE_string("output", "lpips_alex.npz", "File to write.")
    app.run(main)
