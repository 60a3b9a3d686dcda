"""Read one kind of file for one frame of a window, in the window's coordinates. No randomness.

Every frame on disk has its own normalisation (loc, scale). All positions returned here are in
the coordinates of the window's **first** frame, p = (loc_k + scale_k p_k - loc_0) / scale_0,
roughly the cube [-0.5, 0.5]^3.
"""

from collections.abc import Iterator
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
    frame_files,
    frame_numbers,
)
from im2mesh.data.storage import MissingArrayError, StorageError, map_array
from im2mesh.data.transforms import NormalizationFrame, change_frame


@dataclass(frozen=True)
class LabelledPoints:
    """Points of one frame and whether each lies inside the body."""

    points: Float[np.ndarray, "N 3"]
    occupancy: Bool[np.ndarray, "N"]


@dataclass(frozen=True)
class SurfacePoints:
    """Points on the surface of one frame; row i is the same particle in all frames of a clip."""

    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"] | None


def window_frame(root: str | Path, window: Window) -> NormalizationFrame:
    """The frame of reference of a window: that of its first point cloud."""
    return _read_frame(frame_path(root, window, 0, CLOUD_FOLDER), window)


def frame_path(root: str | Path, window: Window, frame: int, folder: str) -> Path:
    """The file of one frame of a window in one of the clip's folders.

    Raises:
        DataError: If the clip has no such frame, or the folder has no file of its number.
    """
    clip_folder = Path(root) / window.category / window.clip
    numbers = frame_numbers(Path(root), window.category, window.clip)
    index = window.start + frame
    if not (0 <= frame < window.num_frames and index < len(numbers)):
        raise DataError(f"clip {window.clip}: no frame {index}; it has {len(numbers)} frames")
    files = frame_files(clip_folder / folder)
    if numbers[index] not in files:
        raise DataError(
            f"clip {window.clip}: {clip_folder / folder} has no file for frame {numbers[index]}, "
            f"which {CLOUD_FOLDER} has"
        )
    return clip_folder / folder / files[numbers[index]]


def count_points(root: str | Path, window: Window, frame: int, folder: str) -> int:
    """Number of points stored for a frame."""
    path = frame_path(root, window, frame, folder)
    with _naming_clip(window):
        return len(_map_points(path))


def read_surface_points(
    root: str | Path, window: Window, frame: int, rows: Int[np.ndarray, "K"] | None = None
) -> SurfacePoints:
    """Surface points of a frame: all of them, or the given rows (only those are read)."""
    path = frame_path(root, window, frame, CLOUD_FOLDER)
    with _naming_clip(window):
        points = _map_points(path)
        try:
            normals = map_array(path, "normals")
        except MissingArrayError:  # the official data has none
            normals = None
        if rows is None:
            rows = np.arange(len(points))
        elif len(rows) and rows.max() >= len(points):
            raise StorageError(
                f"{path} holds {len(points)} points, fewer than other frames of this clip; "
                "rows of pcl_seq must correspond over all frames"
            )
        positions = _to_window(points[rows], path, root, window)
        return SurfacePoints(
            positions, None if normals is None else normals[rows].astype(np.float32)
        )


def read_labelled_points(
    root: str | Path,
    window: Window,
    frame: int,
    rows: Int[np.ndarray, "K"] | None = None,
    folder: str = POINTS_FOLDER,
) -> LabelledPoints:
    """Points of a frame with their occupancy: all of them, or the given rows."""
    path = frame_path(root, window, frame, folder)
    with _naming_clip(window):
        points = _map_points(path)
        packed = map_array(path, "occupancies")
        if packed.dtype != np.uint8 or len(packed) * 8 < len(points):
            raise StorageError(
                f"{path}: occupancies must be the packed bits (uint8) of {len(points)} flags, "
                f"got {packed.dtype} {list(packed.shape)}"
            )
        rows = np.arange(len(points)) if rows is None else rows
        bits = packed[rows >> 3] >> (7 - (rows & 7)).astype(np.uint8)  # np.packbits: high bit first
        return LabelledPoints(
            _to_window(points[rows], path, root, window), (bits & 1).astype(np.bool_)
        )


def mesh_path(root: str | Path, window: Window, frame: int) -> Path | None:
    """The file of a frame's true mesh; None where the clip comes without meshes."""
    folder = Path(root) / window.category / window.clip / MESH_FOLDER
    return frame_path(root, window, frame, MESH_FOLDER) if folder.is_dir() else None


def _to_window(
    points: np.ndarray, path: Path, root: str | Path, window: Window
) -> Float[np.ndarray, "N 3"]:
    return change_frame(points, _read_frame(path, window), window_frame(root, window))


def _map_points(path: Path) -> np.ndarray:
    points = map_array(path, "points")
    if points.ndim != 2 or points.shape[1] != 3:
        raise StorageError(f"{path}: points must have shape [N, 3], got {list(points.shape)}")
    return points


def _read_frame(path: Path, window: Window) -> NormalizationFrame:
    with _naming_clip(window):
        loc = np.array(map_array(path, "loc"), dtype=np.float64)
        scale = float(np.array(map_array(path, "scale")))
        if loc.shape != (3,) or not (scale > 0 and np.isfinite(loc).all() and np.isfinite(scale)):
            raise StorageError(f"{path}: loc {loc.tolist()} and scale {scale} are no valid frame")
        return NormalizationFrame(loc, scale)


@contextmanager
def _naming_clip(window: Window) -> Iterator[None]:
    """Storage knows files only; add the clip to what it reports."""
    try:
        yield
    except StorageError as error:
        raise DataError(f"clip {window.clip}: {error}") from error
