"""A clip of somebody's scanner: clouds of any size in files of any format, and where they are."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from im2mesh.data.one_body import refuse_other_bodies, tell_floor
from im2mesh.errors import Advice, UserError
from im2mesh.files.npz import NpzError, read_arrays
from im2mesh.files.numbered import (
    READ_ENDINGS,
    READ_FORMATS,
    NumberedFiles,
    NumberedFilesError,
    find_numbered,
    listed,
    refuse_none,
    split_name,
)
from im2mesh.meshing.io import read_cloud, tell_coarse_steps
from im2mesh.meshing.validity import valid_frame

Up = Literal["auto", "y", "z"]
Unit = Literal["auto", "m", "cm", "mm"]
METRES: dict[Unit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001}
PERSON = 1.7
"""Metres, of what is scanned: the unit in which it is nearest to that is guessed."""
LEAST_POINTS = 9
"""Of a frame; the networks ask for eight neighbours of a point."""
CELLS = 24
"""Cells along the longest side of a body, to count how much of it is seen."""


@dataclass(frozen=True)
class Scan:
    """Clouds over time, as their files have them.

    Attributes:
        clouds: Points of every frame, in the coordinates and the unit of the files.
        times: Times of the frames, strictly increasing: seconds, or the numbers of the frames.
        names: Name of every frame, for messages.
        has_gaps: Whether points were left out of other rows in other frames, so that row n is not
            the same point any more.
        in_seconds: Whether the times are known to be seconds.
    """

    clouds: tuple[Float[np.ndarray, "_ 3"], ...]
    times: Float[np.ndarray, "T"]
    names: tuple[str, ...]
    has_gaps: bool = False
    in_seconds: bool = False


def read_scan(paths: Sequence[Path], times_file: Path | None = None) -> Scan:
    """Read the clouds of a folder of numbered files, of single files in their order, or of an .npz.

    Points that hold NaN are left out, and told. Frames that are missing between others leave a gap
    in time.

    Args:
        paths: One folder, one .npz with an array `points` [T, N, 3], or several files.
        times_file: Text file with the time of each frame, in seconds; None counts frames.

    Raises:
        UserError: If there is nothing to read, a frame has too few points, the body jumps, there
            are two bodies, or the times do not fit; names the frame.
    """
    names, clouds, times = _read_frames(paths)
    if len(clouds) < 2:
        raise UserError(f"{paths[0]} holds a single frame; a motion needs two or more")
    clouds, has_gaps = _without_gaps(names, clouds)
    if times_file is not None:
        times = _read_times(times_file, len(clouds))
    for name, cloud in zip(names, clouds, strict=True):
        if len(cloud) < LEAST_POINTS:
            raise UserError(
                f"{name} has {len(cloud)} points, and a frame needs {LEAST_POINTS}; leave it out"
            )
        if not np.ptp(cloud, axis=0).max() > 0:
            raise UserError(f"all points of {name} are in one place; leave the frame out")
    refuse_other_bodies(names, clouds)
    tell_floor(names[0], clouds[0])
    return Scan(tuple(clouds), times, tuple(names), has_gaps, times_file is not None)


def guess_up(scan: Scan, up: Up) -> Literal["y", "z"]:
    """The axis that points up: of y and z, the one along which the first cloud is longer."""
    if up != "auto":
        return up
    _, height, depth = np.ptp(scan.clouds[0], axis=0)
    return "y" if height >= depth else "z"


def guess_unit(scan: Scan, unit: Unit) -> Unit:
    """The unit of the coordinates: the one in which the body is most like a person in size."""
    if unit != "auto":
        return unit
    size = float(np.ptp(scan.clouds[0], axis=0).max())
    return min(METRES, key=lambda name: abs(np.log(size * METRES[name] / PERSON)))


def rows_correspond(scan: Scan) -> bool:
    """Whether row n looks like the same particle in all clouds of a scan."""
    return not scan.has_gaps and rows_look_tracked(scan.clouds)


def rows_look_tracked(clouds: Sequence[Float[np.ndarray, "_ 3"]]) -> bool:
    """Whether row n looks like the same particle in all clouds: then rows move less from frame to
    frame than to any other row."""
    if len({len(cloud) for cloud in clouds}) > 1:
        return False
    moved = [np.median(np.linalg.norm(later - cloud, axis=1)) for cloud, later in pairwise(clouds)]
    if not moved:
        return True
    size = float(np.ptp(clouds[0], axis=0).max())
    return float(np.median(moved)) < 0.1 * size


def most_seen(clouds: Sequence[Float[np.ndarray, "_ 3"]]) -> int:
    """Index of the frame in which most of the body is seen: whose points fill most cells."""
    size = max(float(np.ptp(cloud, axis=0).max()) for cloud in clouds)
    filled = [len(np.unique(np.floor(cloud / (size / CELLS)), axis=0)) for cloud in clouds]
    return int(np.argmax(filled))


def to_y_up(points: Float[np.ndarray, "*N 3"], up: str) -> Float[np.ndarray, "*N 3"]:
    """Coordinates in which y points up, by a rotation about x."""
    return points if up == "y" else np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def from_y_up(points: Float[np.ndarray, "*N 3"], up: str) -> Float[np.ndarray, "*N 3"]:
    """The inverse of `to_y_up`."""
    return points if up == "y" else np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def _read_frames(
    paths: Sequence[Path],
) -> tuple[list[str], list[Float[np.ndarray, "_ 3"]], Float[np.ndarray, "T"]]:
    first = paths[0]
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist")
    if len(paths) == 1 and first.is_dir():
        try:
            found = find_numbered(first, (*READ_ENDINGS, "npz"))
            refuse_none(first, found, ("npz", *READ_FORMATS))
        except NumberedFilesError as error:
            raise UserError(str(error)) from error
        _tell_left_out(first, found)
        files = [first / name for name in found.names.values()]
        times = np.array(list(found.names), float)
    elif len(paths) == 1 and _is_npz(first):
        clouds = _read_npz(first)
        names = [f"{first}, frame {k}" for k in range(len(clouds))]
        return names, clouds, np.arange(len(clouds), dtype=float)
    else:
        files, times = list(paths), np.arange(len(paths), dtype=float)
    clouds = [read_frame(path) for path in files]
    return [str(path) for path in files], clouds, times


def read_frame(path: Path) -> Float[np.ndarray, "N 3"]:
    """The points of one frame; of an .npz as in our data sets, in the world."""
    if not _is_npz(path):
        return read_cloud(path)
    stored = _read_arrays(path)
    if "points" not in stored:
        raise UserError(f"{path} must hold an array points [N, 3], it has none")
    points = stored["points"]
    if points.ndim != 2 or points.shape[1] != 3:
        raise UserError(f"{path} must hold an array points [N, 3], it has {list(points.shape)}")
    tell_coarse_steps(path, points)
    try:
        loc, scale = valid_frame(stored.get("loc", np.zeros(3)), stored.get("scale", np.ones(1)))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    return points.astype(np.float64) * scale + loc.astype(np.float64)


def _is_npz(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _tell_left_out(folder: Path, found: NumberedFiles) -> None:
    """Files that were not understood may be frames, if they have numbers that no frame has."""
    read = {split_name(name)[0] for name in found.names.values()}
    left_out = [name for name in found.others if split_name(name)[0] not in read]
    numbered = [name for name in left_out if re.search("[0-9]", split_name(name)[0])]
    if numbered:
        warnings.warn(
            f"{folder} also holds {listed(numbered)}, of no format that is read; convert what is a "
            "frame",
            Advice,
            stacklevel=5,
        )


def _read_npz(path: Path) -> list[Float[np.ndarray, "N 3"]]:
    points = _read_arrays(path).get("points")
    if points is None or points.ndim != 3 or points.shape[2] != 3:
        what = "none" if points is None else list(points.shape)
        raise UserError(f"{path} must hold an array points [T, N, 3], it has {what}")
    tell_coarse_steps(path, points)
    return list(points.astype(np.float64))


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_arrays(path, ["points", "loc", "scale"])
    except (NpzError, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _read_times(path: Path, count: int) -> Float[np.ndarray, "T"]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        times = np.array([float(word) for word in text.replace(",", " ").split()])
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(
            f"{path}: expected a number, in seconds, for every frame: {error}"
        ) from error
    if len(times) != count:
        raise UserError(f"{path} has {len(times)} times for {count} frames; one for each")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        wrong = int(np.argmax(~(np.diff(times) > 0))) + 1
        raise UserError(
            f"{path}: times must increase, and do not at frame {wrong}; sort the frames"
        )
    return times


def _without_gaps(
    names: Sequence[str], clouds: Sequence[Float[np.ndarray, "_ 3"]]
) -> tuple[list[Float[np.ndarray, "_ 3"]], bool]:
    """The rows that are points, and whether these are other rows in other frames."""
    kept = [_is_point(cloud) for cloud in clouds]
    lost = [np.count_nonzero(~rows) for rows in kept]
    if any(lost):
        worst = int(np.argmax(lost))
        warnings.warn(
            f"{sum(lost)} points are left out (NaN, infinity, or several at 0 0 0), most of them "
            f"in {names[worst]}",
            Advice,
            stacklevel=3,
        )
    has_gaps = any(lost) and not all(np.array_equal(rows, kept[0]) for rows in kept)
    return [cloud[rows] for cloud, rows in zip(clouds, kept, strict=True)], has_gaps


def _is_point(cloud: Float[np.ndarray, "N 3"]) -> Bool[np.ndarray, "N"]:
    """Whether a row is a point. Where a depth camera saw nothing, it may write NaN, or 0 0 0."""
    is_zero = ~cloud.any(1)
    is_none = is_zero & (np.count_nonzero(is_zero) > 1)
    return np.asarray(np.isfinite(cloud).all(1) & ~is_none)
