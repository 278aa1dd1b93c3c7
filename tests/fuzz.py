r"""Fuzzes a reader of untrusted bytes with Atheris, beginning with its corpus.

  make fuzz READER=tar FUZZ_SECONDS=300
  python tests/fuzz.py READER [libFuzzer's options]

Whatever neither reads nor is refused as it should is written to crash-*; the bug is
mended and the file added to tests/corpus/READER. Atheris has wheels for Linux on x86
and Python 3.11 or later: pip install 'facemend[fuzz]'.
"""

import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

try:
    import atheris
except ImportError:
    sys.exit("error: fuzzing needs Atheris (Linux, Python 3.11): pip install atheris")

# Instrumented are the readers and what they call in Python, not TensorFlow.
_FOLLOWED = ["data_pipeline", "serving", "experiments", "tarfile", "zipfile", "gzip"]


def main():
    with atheris.instrument_imports(include=_FOLLOWED):
        import untrusted
    from absl import logging

    logging.set_verbosity(logging.ERROR)
    if len(sys.argv) < 2 or sys.argv[1] not in untrusted.READERS:
        sys.exit(f"error: pass a reader: {', '.join(untrusted.READERS)}")
    name, *options = sys.argv[1:]
    # New inputs go to the first folder, and are not kept.
    with tempfile.TemporaryDirectory() as found:
        folders = [found, str(untrusted.CORPUS / name)]
        arguments = [sys.argv[0], "-rss_limit_mb=4096", "-timeout=60", *options]
        atheris.Setup(
            [*arguments, *folders], lambda data: untrusted.refuses(name, data) and None
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
