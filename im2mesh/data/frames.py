"""One window as it is stored on disk: its clouds, labelled points and meshes.

Every frame on disk has its own normalisation (loc, scale). All positions returned here are in
the coordinates of the window's **first** frame, p = (loc_k + scale_k p_k - loc_0) / scale_0,
roughly the cube [-0.5, 0.5]^3. Nothing here is random.
"""

import functools
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from im2mesh.data.layout import (
    CLOUD_FOLDER,
    MESH_FOLDER,
    POINTS_FOLDER,
    DataError,
    Window,
    clip_files,
)
from im2mesh.data.storage import FileVersion, StorageError, StoredArrays, open_arrays
from im2mesh.data.transforms import NormalizationFrame, change_frames
from im2mesh.errors import Advice
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.orientation import face_outwards, tell_turned
from im2mesh.meshing.placement import FACTOR, tell_misplaced


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


@dataclass(frozen=True)
class StoredWindow:
    """A window and the data folder that holds its clip. Each method reads one kind of file.

    Frames are numbered from 0 within the window.

    Raises:
        DataError: In all methods, if a file is missing or broken; the message names the clip.
    """

    root: str | Path
    window: Window

    @property
    def clip_folder(self) -> Path:
        return Path(self.root) / self.window.category / self.window.clip

    @property
    def frame(self) -> NormalizationFrame:
        """The frame of reference of the window: that of its first point cloud."""
        return first_frame(self)

    def path(self, frame: int, folder: str) -> str:
        """Path of the file of a frame, in one of the clip's folders."""
        files = clip_files(self.root, self.window.category, self.window.clip, folder)
        index = self.window.index(frame)
        if not (0 <= frame < self.window.num_frames and index < len(files)):
            raise DataError(
                f"clip {self.window.clip}: no frame {index}; it has {len(files)} frames"
            )
        return files[index]

    def count_points(self, frame: int, folder: str) -> int:
        """Number of points stored for a frame."""
        with self._open(frame, folder) as arrays:
            return len(_points(arrays))

    def surface_points(self, frame: int) -> SurfacePoints:
        """All surface points of a frame, with normals where there are any."""
        with self._open(frame, CLOUD_FOLDER) as arrays:
            points = self._in_window(_points(arrays), arrays)
            return SurfacePoints(points, _normals(arrays, len(points)))

    def surface_rows(self, frame: int, rows: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N 3"]:
        """The surface points in the given rows of one frame; only these rows are read."""
        with self._open(frame, CLOUD_FOLDER) as arrays:
            return self._in_window(_points(arrays).take(rows, 0), arrays)

    def trajectories(
        self, rows: Int[np.ndarray, "N"], frames: Iterable[int] | None = None
    ) -> Float[np.ndarray, "T N 3"]:
        """Follow the surface points in the given rows over the given frames, or over all for None.

        Raises:
            DataError: If the frames differ in their number of points, so that rows cannot
                correspond.
        """
        frames = range(self.window.num_frames) if frames is None else frames
        total = self.count_points(0, CLOUD_FOLDER)
        stored, sources = [], []
        for frame in frames:
            with self._open(frame, CLOUD_FOLDER) as arrays:
                points = _points(arrays)
                _check_same_rows(arrays, len(points), total)
                stored.append(_finite(points.take(rows, 0), arrays, "points"))
                sources.append(_normalization(arrays.version))
        clouds = change_frames(np.stack(stored), sources, self.frame)
        return self._in_place(clouds, CLOUD_FOLDER)

    def has_labels(self) -> bool:
        """Whether the clip has points with their occupancy."""
        return (self.clip_folder / POINTS_FOLDER).is_dir()

    def labelled_points(
        self, frame: int, rows: Int[np.ndarray, "N"] | None = None, folder: str = POINTS_FOLDER
    ) -> LabelledPoints:
        """Points of a frame with their occupancy: all of them, or the given rows."""
        with self._open(frame, folder) as arrays:
            points, packed = _points(arrays), arrays["occupancies"]
            if packed.dtype != np.uint8 or packed.ndim != 1 or packed.size * 8 < len(points):
                raise StorageError(
                    f"{arrays.path}: occupancies must be the packed bits (uint8) of {len(points)} "
                    f"flags, got {packed.dtype} {list(packed.shape)}; write numpy.packbits(inside)"
                )
            rows = np.arange(len(points)) if rows is None else rows
            bits = packed[rows >> 3] >> (7 - (rows & 7)).astype(np.uint8)  # the high bit is first
            occupancy = (bits & 1).astype(np.bool_)
            return LabelledPoints(self._in_window(points[rows], arrays), occupancy)

    def mesh(self, frame: int) -> Mesh | None:
        """The true mesh of a frame, its faces outwards; None where the clip comes without meshes.

        Raises:
            UserError: If the file is not a readable mesh.
        """
        if not (self.clip_folder / MESH_FOLDER).is_dir():
            return None
        path = self.path(frame, MESH_FOLDER)
        mesh, found = face_outwards(read_mesh(path))
        tell_turned(f"clip {self.window.clip}: {path}", found)
        local = self.frame.from_world(mesh.vertices.astype(np.float64))
        tell_misplaced(
            f"clip {self.window.clip}: {path}",
            local,
            self.surface_points(frame).points,
            f"the cloud of {CLOUD_FOLDER}; write both in the same world coordinates, in metres",
        )
        return Mesh(local.astype(np.float32), mesh.faces)

    @contextmanager
    def _open(self, frame: int, folder: str) -> Iterator[StoredArrays]:
        """Open a file. The reader of files knows no clips, so add the clip to its errors."""
        path = self.path(frame, folder)
        try:
            yield open_arrays(path)
        except StorageError as error:
            raise DataError(f"clip {self.window.clip}: {error}") from error

    def _in_window(self, points: np.ndarray, arrays: StoredArrays) -> Float[np.ndarray, "N 3"]:
        points, source = _finite(points, arrays, "points"), _normalization(arrays.version)
        moved = change_frames(points[None], [source], self.frame)[0]
        return self._in_place(moved, Path(arrays.path).parent.name)

    def _in_place(
        self, points: Float[np.ndarray, "*N 3"], folder: str
    ) -> Float[np.ndarray, "*N 3"]:
        """The points; a warning if they lie where no body of size 1 in its first frame goes."""
        if points.size and np.abs(points).max() > FACTOR:
            warnings.warn(
                f"clip {self.window.clip}: points of {folder} lie more than {FACTOR} times the "
                "size of the body from its first frame; points must be (world - loc) / scale, as "
                "docs/data.md says",
                Advice,
                stacklevel=4,
            )
        return points


@functools.lru_cache(maxsize=1 << 17)
def first_frame(stored: StoredWindow) -> NormalizationFrame:
    with stored._open(0, CLOUD_FOLDER) as arrays:
        return _normalization(arrays.version)


def _check_same_rows(arrays: StoredArrays, count: int, total: int) -> None:
    if count != total:
        raise StorageError(
            f"{arrays.path} holds {count} points, the first frame of the window {total}; "
            f"rows of {CLOUD_FOLDER} must correspond over all frames, or set "
            "data.input_pointcloud_corresponding to false, data.num_correspondence_points to 0 "
            "and evaluation.correspondence to false"
        )


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
    """An array of vectors as it is stored; `_finite` checks the rows that are used."""
    vectors = arrays[name]
    shape = vectors.shape
    if len(shape) != 2 or shape[0] == 0 or shape[1] != 3:
        raise StorageError(
            f"{arrays.path}: {name} must have shape [N, 3], got {list(shape)}; write them as "
            "docs/data.md says"
        )
    return vectors


def _finite(vectors: np.ndarray, arrays: StoredArrays, name: str) -> np.ndarray:
    """Refuse NaN and infinity. Callers pass only the rows they use: the others stay on disk."""
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
            f"{arrays.path}: loc {loc.tolist()} and scale {scale.tolist()} are not a frame of "
            "reference; loc must be three numbers and scale one positive number"
        )
    step = float(np.spacing(np.abs(loc)).max()) if loc.dtype.kind == "f" else 0.0
    if step > 0.01 * scale.item():
        warnings.warn(
            f"{Path(arrays.path).parent}: loc is {loc.dtype} and so far from 0 that it has steps "
            f"of {step:g}, while scale is {scale.item():g}; write it as float64, from the start",
            Advice,
            stacklevel=4,
        )
    return NormalizationFrame(loc.astype(np.float64), float(scale.item()))
