"""The card of a packed model: its export's, and first what the package alone needs."""

from __future__ import annotations

import textwrap

from serving import zoo

_USE = "## How to use it\n"
_WIDTH = 88  # characters


def of(card: str, entry: zoo.Entry, found: str) -> str:
    """The card of a package, Markdown.

    Args:
      card: Of its export. Whoever has the package alone has no folder `export/1`.
      entry: What the index says of it.
      found: What it does otherwise than the export, sentences.
    """
    section = _section(entry, found)
    start, use, rest = card.partition(_USE)
    if not use:
        return f"{card.rstrip()}\n\n{section}"
    rest = rest.replace('"export/1"', "folder")  # which the section has defined
    rest = rest.replace("--model=export/1", f"--model={entry.name}")
    return f"{start}{section}\n{use}{rest.rstrip()}\n"


def _section(entry: zoo.Entry, found: str) -> str:
    what = (
        f"`{entry.file}` is this model with its weights rounded to float16; the "
        f"results in this card are those of the float32 model. {found}"
    )
    data = f"It was trained on: {entry.trained_on}. {entry.license}"
    return f"""\
## This package
Commands take its name, `--model={entry.name}`, and in Python:

```python
from serving import zoo

folder = zoo.resolve("{entry.name}")  # a SavedModel in float32, unpacked once
```

{textwrap.fill(what, _WIDTH)}

{textwrap.fill(data, _WIDTH)}
"""
