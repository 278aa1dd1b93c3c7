"""Results for parts of an evaluation set: groups, hole sizes, head poses."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation import bootstrap, tables
from evaluation.record import Evaluation


def by_group(
    evaluation: Evaluation,
    groups: Mapping[str, np.ndarray],
    *,
    keys: Sequence[str] | None = None,
    minimum: int = 10,
) -> dict:
    """A summary for each group of images, {group: bool [N]}; groups may overlap.

    `keys` is that of `summarize`. Groups of fewer than `minimum` images are listed
    only.

    Returns:
      {"groups": {group: {"count": images, "summary": as `summarize`}},
       "left_out": {group: images}, "minimum": minimum}.
    """
    result = {"groups": {}, "left_out": {}, "minimum": minimum}
    for group, where in groups.items():
        where = np.asarray(where, bool)
        if where.shape != (len(evaluation.names),):
            raise ValueError(
                f"Group {group!r} has shape {list(where.shape)}; the evaluation has "
                f"{tables.counted(len(evaluation.names), 'image')}."
            )
        count = int(where.sum())
        if count < minimum:
            result["left_out"][group] = count
            continue
        summary = bootstrap.summarize(evaluation, keys=keys, where=where)
        result["groups"][group] = {"count": count, "summary": summary}
    return result


def by_hole_size(
    evaluation: Evaluation, key: str, *, bins: int = 5, minimum: int = 10
) -> list[dict] | None:
    """Error against hole size, in bins of equally many images.

    Up to `bins` different sizes have a bin each.

    Returns:
      For each bin {"low", "high", "hole_ratio": its mean, "count",
      "restorers": {restorer: mean and interval}}; None where all holes are of one size
      or there are too few images for two bins.
    """
    ratio = np.asarray(evaluation.hole_ratio)
    if np.ptp(ratio) < 1e-6:
        return None
    sizes, place = np.unique(ratio.round(6), return_inverse=True)
    if len(sizes) > bins:
        bins = max(1, min(bins, len(ratio) // minimum))
        edges = np.unique(np.quantile(ratio, np.linspace(0, 1, bins + 1)))
        place = np.searchsorted(edges[1:-1], ratio, side="right")
    if place.max() == 0:  # too few images: one bin is no curve
        return None
    rows = []
    for position in range(place.max() + 1):
        where = place == position
        if not where.any():
            continue
        summary = bootstrap.summarize(evaluation, keys=[key], where=where)
        rows.append(
            {
                "low": float(ratio[where].min()),
                "high": float(ratio[where].max()),
                "hole_ratio": float(ratio[where].mean()),
                "count": int(where.sum()),
                "restorers": {r: s[key] for r, s in summary.items() if key in s},
            }
        )
    return rows


def frontal_less_turned(
    found: Mapping, restorer: str, key: str
) -> dict[str, float] | None:
    """The mean of a metric on frontal faces less that on all others.

    Args:
      found: `by_group` of `yaw_groups`; others are those groups that it has.
      restorer: The row.
      key: The metric.

    Returns:
      {"mean", "low", "high", "frontal": faces, "turned": faces}, with a normal 95%
      interval, because no face is in both; None if a side has fewer than
      `bootstrap.ENOUGH` faces.
    """
    sides: dict[bool, list[Mapping]] = {True: [], False: []}
    for group, entry in found["groups"].items():
        measured = entry["summary"].get(restorer, {}).get(key) or {}
        if measured.get("count"):
            sides[group == _FRONTAL_GROUP].append(measured)
    pooled = []
    for entries in (sides[True], sides[False]):
        counts = np.array([entry["count"] for entry in entries])
        if counts.sum() < bootstrap.ENOUGH:
            return None
        shares = counts / counts.sum()
        errors = np.array([entry["high"] - entry["low"] for entry in entries]) / 2
        mean = shares @ [entry["mean"] for entry in entries]
        pooled.append((mean, np.sum((shares * errors) ** 2), int(counts.sum())))
    (frontal, error, ahead), (turned, other, aside) = pooled
    mean, half = float(frontal - turned), float(np.sqrt(error + other))
    return {
        **{"mean": mean, "low": mean - half, "high": mean + half},
        **{"frontal": ahead, "turned": aside},
    }


def read_groups(path: str | os.PathLike, names: Sequence[str]) -> dict:
    """Reads groups from a CSV file with the columns name and group.

    A name may have several rows. Names that are not in the evaluation set are ignored,
    so that one file serves every split. Returns {group: bool [N]}, in the order of
    their first rows.

    Raises:
      ValueError: If the file is missing or unreadable, lacks a column, has an empty
        field, or names no image of the set.
    """
    path = pathlib.Path(path)
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as UTF-8 text ({error}).") from error
    reader = csv.DictReader(text.splitlines())
    columns = [column.strip() for column in reader.fieldnames or []]
    if not {"name", "group"} <= set(columns):
        raise ValueError(
            f"{path}: the first line must name the columns name and group, separated "
            f"by a comma; it has {', '.join(map(repr, columns)) or 'nothing'}."
        )
    reader.fieldnames = columns
    position = {name: index for index, name in enumerate(names)}
    groups, matched = {}, 0
    for row in reader:
        name, group = ((row[column] or "").strip() for column in ("name", "group"))
        if not name or not group:
            raise ValueError(
                f"{path}, line {reader.line_num}: name and group must not be empty."
            )
        where = groups.setdefault(group, np.zeros(len(names), bool))
        if name in position:
            where[position[name]] = True
            matched += 1
    if not matched:
        raise ValueError(
            f"{path}: none of its names is in the evaluation set, whose names look "
            f"like {names[0]!r}."
        )
    return groups


# Height of the nose's tip above the plane through eyes and mouth, in distances between
# the eyes. 0.52 to 0.56 in MediaPipe's canonical face model (nose tip 1, mouth corners
# 61 and 291; eyes from the lids or from their corners, 6.3 cm apart). With a nose a
# fifth higher or lower a yaw of 20 degrees is estimated as 24 or 16.
NOSE_HEIGHT = 0.55
# By data set. Drawn faces have flatter noses.
NOSE_HEIGHTS = {"faces": 0.29}

BY_YAW = "By yaw"  # title of these groups in reports

# Degrees. One pixel in CelebA, whose eyes are 37 pixels apart, changes the estimate by
# 2.8, so bins of ten degrees keep most faces in the right one.
FRONTAL, TURNED = 10, 20
_FRONTAL_GROUP = f"frontal, within {FRONTAL}°"


def yaw_degrees(landmarks: np.ndarray, nose_height: float = NOSE_HEIGHT) -> np.ndarray:
    """Estimates yaw; positive where the face points to the right of the image.

    Args:
      landmarks: float [N, 5, 2], x and y; left eye, right eye, nose, left and right
        corner of the mouth, where left is left in the image.
      nose_height: See `NOSE_HEIGHT`.

    Returns:
      float64 [N], -90 to 90; NaN where a landmark is NaN or all coincide.
    """
    points = np.asarray(landmarks, np.float64)
    eyes = (points[:, 0] + points[:, 1]) / 2
    midline = (points[:, 3] + points[:, 4]) / 2 - eyes
    across = np.stack([midline[:, 1], -midline[:, 0]], axis=1)
    nose = ((points[:, 2] - eyes) * across).sum(axis=1)
    apart = ((points[:, 1] - points[:, 0]) * across).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.degrees(np.arctan(nose / apart / nose_height))


def yaw_groups(
    landmarks: np.ndarray, nose_height: float = NOSE_HEIGHT
) -> dict[str, np.ndarray]:
    """Groups faces by their estimated yaw, see `yaw_degrees`.

    Returns {direction with its range in degrees: bool [N]}; a yaw of NaN is in no
    group.
    """
    yaw = yaw_degrees(landmarks, nose_height)
    return {
        f"facing left, over {TURNED}°": yaw < -TURNED,
        f"facing left, {FRONTAL}° to {TURNED}°": (yaw >= -TURNED) & (yaw < -FRONTAL),
        _FRONTAL_GROUP: np.abs(yaw) <= FRONTAL,
        f"facing right, {FRONTAL}° to {TURNED}°": (yaw > FRONTAL) & (yaw <= TURNED),
        f"facing right, over {TURNED}°": yaw > TURNED,
    }
