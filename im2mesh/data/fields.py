"""Read one kind of file for one frame of a window, in the window's coordinates. No randomness.

Every frame on disk has its own normalisation (loc, scale). All positions returned here are in
the coordinates of the window's **first** frame, p = (loc_k + scale_k p_k - loc_0) / scale_0,
roughly the cube [-0.5, 0.5]^3.
"""

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from im2mesh.data.sequences import (
    CLOUD_FOLDER,
    MESH_FOLDER,
    POINTS_FOLDER,
    DataError,
    Window,
    clip_files,
)
from im2mesh.data.storage import FileVersion, StorageError, StoredArrays, open_arrays
from im2mesh.data.transforms import NormalizationFrame, change_frames


@dataclass(frozen=True)
class LabelledPoints:
    """Points of one frame and whether each lies inside the body."""

    points: Float[np.ndarray, "N 3"]
    occupancy: Bool[np.ndarray, "N"]


@dataclass(frozen=True)
class SurfacePoints:
    """Points on the surface of one frame; row i is the same particle in all frames of a clip.

    `normals` are unit vectors pointing outward, None where the data has none (the official data).
    """

    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"] | None


def frame_path(root: str | Path, window: Window, frame: int, folder: str) -> str:
    """The file of one frame of a window in one of the clip's folders.

    Raises:
        DataError: If the clip has no such frame, or the folder lacks a frame of the clip.
    """
    files = clip_files(root, window.category, window.clip, folder)
    index = window.index(frame)
    if not (0 <= frame < window.num_frames and index < len(files)):
        raise DataError(f"clip {window.clip}: no frame {index}; it has {len(files)} frames")
    return files[index]


@functools.lru_cache(maxsize=1 << 17)
def window_frame(root: str | Path, window: Window) -> NormalizationFrame:
    """The frame of reference of a window: that of its first point cloud."""
    with _open(frame_path(root, window, 0, CLOUD_FOLDER), window) as arrays:
        return _normalization(arrays.version)


def count_points(root: str | Path, window: Window, frame: int, folder: str) -> int:
    """Number of points stored for a frame."""
    with _open(frame_path(root, window, frame, folder), window) as arrays:
        return len(_points(arrays))


def read_surface_points(root: str | Path, window: Window, frame: int) -> SurfacePoints:
    """All surface points of a frame, with normals where there are any."""
    with _open(frame_path(root, window, frame, CLOUD_FOLDER), window) as arrays:
        points = _to_window(_points(arrays), arrays, root, window)
        return SurfacePoints(points, _normals(arrays, len(points)))


def read_trajectories(
    root: str | Path,
    window: Window,
    rows: Int[np.ndarray, "N"],
    frames: Iterable[int] | None = None,
) -> Float[np.ndarray, "T N 3"]:
    """The given surface points, followed over the given frames of a window; None for all.

    Raises:
        DataError: If the frames differ in their number of points, so that rows cannot correspond.
    """
    frames = range(window.num_frames) if frames is None else frames
    total = count_points(root, window, 0, CLOUD_FOLDER)
    stored, sources = [], []
    for frame in frames:
        with _open(frame_path(root, window, frame, CLOUD_FOLDER), window) as arrays:
            points = _points(arrays)
            _check_same_rows(arrays, len(points), total)
            stored.append(_finite(points.take(rows, 0), arrays, "points"))
            sources.append(_normalization(arrays.version))
    return change_frames(np.stack(stored), sources, window_frame(root, window))


def _check_same_rows(arrays: StoredArrays, count: int, total: int) -> None:
    if count != total:
        raise StorageError(
            f"{arrays.path} holds {count} points, the first frame of the window {total}; "
            f"rows of {CLOUD_FOLDER} must correspond over all frames, or set "
            "data.input_pointcloud_corresponding to false, data.num_correspondence_points to 0 "
            "and evaluation.correspondence to false"
        )


def read_surface_rows(
    root: str | Path, window: Window, frame: int, rows: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "N 3"]:
    """The given surface points of one frame; only these are read."""
    with _open(frame_path(root, window, frame, CLOUD_FOLDER), window) as arrays:
        return _to_window(_points(arrays).take(rows, 0), arrays, root, window)


def read_labelled_points(
    root: str | Path,
    window: Window,
    frame: int,
    rows: Int[np.ndarray, "N"] | None = None,
    folder: str = POINTS_FOLDER,
) -> LabelledPoints:
    """Points of a frame with their occupancy: all of them, or the given rows."""
    with _open(frame_path(root, window, frame, folder), window) as arrays:
        points, packed = _points(arrays), arrays["occupancies"]
        if packed.dtype != np.uint8 or packed.ndim != 1 or packed.size * 8 < len(points):
            raise StorageError(
                f"{arrays.path}: occupancies must be the packed bits (uint8) of {len(points)} "
                f"flags, got {packed.dtype} {list(packed.shape)}; write numpy.packbits(inside)"
            )
        rows = np.arange(len(points)) if rows is None else rows
        bits = packed[rows >> 3] >> (7 - (rows & 7)).astype(np.uint8)  # packbits: high bit first
        occupancy = (bits & 1).astype(np.bool_)
        return LabelledPoints(_to_window(points[rows], arrays, root, window), occupancy)


def mesh_path(root: str | Path, window: Window, frame: int) -> Path | None:
    """The file of a frame's true mesh; None where the clip comes without meshes."""
    folder = Path(root) / window.category / window.clip / MESH_FOLDER
    return Path(frame_path(root, window, frame, MESH_FOLDER)) if folder.is_dir() else None


@contextmanager
def _open(path: str, window: Window) -> Iterator[StoredArrays]:
    """Storage knows files only; add the clip to what it reports."""
    try:
        yield open_arrays(path)
    except StorageError as error:
        raise DataError(f"clip {window.clip}: {error}") from error


def _points(arrays: StoredArrays) -> np.ndarray:
    return _vectors(arrays, "points")


def _normals(arrays: StoredArrays, count: int) -> Float[np.ndarray, "N 3"] | None:
    if "normals" not in arrays:
        return None
    normals = _finite(_vectors(arrays, "normals"), arrays, "normals")
    if len(normals) != count:
        raise StorageError(
            f"{arrays.path} holds {len(normals)} normals for {count} points; one for each, or none"
        )
    return normals.astype(np.float32)


def _vectors(arrays: StoredArrays, name: str) -> np.ndarray:
    """An array of vectors as it is stored; whether they are finite is not looked at."""
    vectors = arrays[name]
    shape = vectors.shape
    if len(shape) != 2 or shape[0] == 0 or shape[1] != 3:
        raise StorageError(
            f"{arrays.path}: {name} must have shape [N, 3], got {list(shape)}; write them as "
            "docs/data.md says"
        )
    return vectors


def _finite(vectors: np.ndarray, arrays: StoredArrays, name: str) -> np.ndarray:
    """Only rows that are used are looked at: the others stay on disk."""
    if not np.isfinite(vectors).all():
        raise StorageError(
            f"{arrays.path}: {name} hold NaN or infinity; create the file again without them"
        )
    return vectors


@functools.lru_cache(maxsize=1 << 17)
def _normalization(version: FileVersion) -> NormalizationFrame:
    """The frame of reference of a file's points."""
    arrays = open_arrays(version.path)
    loc, scale = arrays["loc"], arrays["scale"]
    is_valid = loc.shape == (3,) and scale.size == 1 and np.isfinite(loc).all()
    if not (is_valid and np.isfinite(scale).all() and (scale > 0).all()):
        raise StorageError(
            f"{arrays.path}: loc {loc.tolist()} and scale {scale.tolist()} are no valid frame; "
            "loc must be three numbers and scale one positive number"
        )
    return NormalizationFrame(loc.astype(np.float64), float(scale.item()))


def _to_window(
    points: np.ndarray, arrays: StoredArrays, root: str | Path, window: Window
) -> Float[np.ndarray, "N 3"]:
    points, source = _finite(points, arrays, "points"), _normalization(arrays.version)
    return change_frames(points[None], [source], window_frame(root, window))[0]
