"""Reports of other evaluation sets, which a new report must not overwrite."""

from __future__ import annotations

import json
import pathlib
import shutil

from evaluation import pictures

FINGERPRINT = "fingerprint of the test set"  # in a report's environment


def set_aside(report: pathlib.Path, fingerprint: str) -> None:
    """Renames a report whose evaluation set is another one, and says so.

    It is called after its holes and its set. Evaluating the same set again replaces
    the report, also one that was set aside before.

    Args:
      report: The folder of the report that is to be written.
      fingerprint: Of the set that it is about.
    """
    results = report / "results.json"
    if not results.exists():
        return
    environment = json.loads(results.read_text())["environment"]
    before = environment[FINGERPRINT]
    if before == fingerprint:
        return
    # Systems that fill no holes have none.
    mask = environment["config"].get("test_mask", "images")
    holes = pictures.slug(pathlib.Path(mask).stem)
    kept = report.with_name(f"{report.name}-{holes}-{before[:8]}")
    if kept.exists():
        shutil.rmtree(kept)
    report.rename(kept)
    print(f"The report of another evaluation set is kept: {kept}")
