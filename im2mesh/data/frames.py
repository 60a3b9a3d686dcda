"""One window as it is stored on disk: its clouds, labelled points and meshes.

Every frame on disk has its own normalisation (loc, scale). All positions returned here are in
the coordinates of the window's **first** frame, p = (loc_k + scale_k p_k - loc_0) / scale_0,
roughly the cube [-0.5, 0.5]^3. Nothing here is random.
"""

import functools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from im2mesh.data.clip_files import clip_files, frame_numbers, has_folder, packed_file
from im2mesh.data.frame_arrays import (
    FrameArrays,
    check_finite,
    check_same_rows,
    read_normalization,
    read_normals,
    read_points,
)
from im2mesh.data.layout import (
    CLOUD_FOLDER,
    DEPTH_FOLDER,
    MESH_FOLDER,
    POINTS_FOLDER,
    DataError,
    Window,
)
from im2mesh.data.packed import PackedClip, open_packed
from im2mesh.data.storage import Remembered, StorageError, open_arrays
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
        return files[self._index(frame, len(files))]

    def count_points(self, frame: int, folder: str) -> int:
        """Number of points stored for a frame."""
        with self._open(frame, folder) as arrays:
            return len(read_points(arrays))

    def surface_points(self, frame: int, folder: str = CLOUD_FOLDER) -> SurfacePoints:
        """All surface points of a frame, with normals where there are any."""
        with self._open(frame, folder) as arrays:
            points = self._in_window(read_points(arrays), arrays, folder)
            return SurfacePoints(points, read_normals(arrays, len(points)))

    def seen_by(self, frame: int) -> Int[np.ndarray, "N"]:
        """The number of the depth camera that saw each point of depth_seq in a frame."""
        with self._open(frame, DEPTH_FOLDER) as arrays:
            count, views = len(read_points(arrays)), arrays["views"]
            if views.shape != (count,) or views.dtype.kind not in "iu":
                raise StorageError(
                    f"{arrays.path}: views must be the number of the camera of each of {count} "
                    f"points, got {views.dtype} {list(views.shape)}"
                )
            return views.astype(np.int64)

    def surface_rows(
        self, frame: int, rows: Int[np.ndarray, "N"], folder: str = CLOUD_FOLDER
    ) -> Float[np.ndarray, "N 3"]:
        """The surface points in the given rows of one frame; only these rows are read."""
        with self._open(frame, folder) as arrays:
            return self._in_window(read_points(arrays).take(rows, 0), arrays, folder)

    def trajectories(
        self, rows: Int[np.ndarray, "N"], frames: Iterable[int] | None = None
    ) -> Float[np.ndarray, "T N 3"]:
        """Follow the surface points in the given rows over the given frames, or over all for None.

        Raises:
            DataError: If the frames differ in their number of points, so that rows cannot
                correspond.
        """
        frames = range(self.window.num_frames) if frames is None else frames
        with self._packed(CLOUD_FOLDER) as clip:
            read = self._rows_of_files if clip is None else partial(self._rows_of_clip, clip)
            stored, sources = read(rows, list(frames))
        clouds = change_frames(stored, sources, self.frame)
        return self._in_place(clouds, CLOUD_FOLDER)

    def _rows_of_files(
        self, rows: Int[np.ndarray, "N"], frames: Sequence[int]
    ) -> tuple[Shaped[np.ndarray, "T N 3"], Sequence[NormalizationFrame]]:
        """Surface points as they are stored, and the frame of reference of each frame."""
        total = self.count_points(0, CLOUD_FOLDER)
        stored, sources = [], []
        for frame in frames:
            with self._open(frame, CLOUD_FOLDER) as arrays:
                points = read_points(arrays)
                check_same_rows(arrays, len(points), total)
                stored.append(check_finite(points.take(rows, 0), arrays, "points"))
                sources.append(read_normalization(arrays))
        return np.stack(stored), sources

    def _rows_of_clip(
        self, clip: PackedClip, rows: Int[np.ndarray, "N"], frames: Sequence[int]
    ) -> tuple[Shaped[np.ndarray, "T N 3"], Sequence[NormalizationFrame]]:
        """The same, in one go: a step for each frame would take longer than to read the rows."""
        total = len(read_points(clip.frame(*self._numbers([0]))))
        places = np.array([clip.place(number) for number in self._numbers(frames)])
        for place in places[clip.num_rows("points", places) != total][:1].tolist():
            check_same_rows(clip.at(place), len(read_points(clip.at(place))), total)
        stored = clip.rows("points", places, rows)
        if not np.isfinite(stored).all():
            for points, place in zip(stored, places.tolist(), strict=True):
                check_finite(points, clip.at(place), "points")
        return stored, read_normalizations(clip, places)

    def has_labels(self) -> bool:
        """Whether the clip has points with their occupancy."""
        return has_folder(self.clip_folder, POINTS_FOLDER)

    def labelled_points(
        self, frame: int, rows: Int[np.ndarray, "N"] | None = None, folder: str = POINTS_FOLDER
    ) -> LabelledPoints:
        """Points of a frame with their occupancy: all of them, or the given rows."""
        with self._open(frame, folder) as arrays:
            points, packed = read_points(arrays), arrays["occupancies"]
            if packed.dtype != np.uint8 or packed.ndim != 1 or packed.size * 8 < len(points):
                raise StorageError(
                    f"{arrays.path}: occupancies must be the packed bits (uint8) of {len(points)} "
                    f"flags, got {packed.dtype} {list(packed.shape)}; write numpy.packbits(inside)"
                )
            rows = np.arange(len(points)) if rows is None else rows
            bits = packed[rows >> 3] >> (7 - (rows & 7)).astype(np.uint8)  # the high bit is first
            occupancy = (bits & 1).astype(np.bool_)
            return LabelledPoints(self._in_window(points[rows], arrays, folder), occupancy)

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

    def _index(self, frame: int, num_frames: int) -> int:
        """Index of a frame of the window among those of the clip."""
        index = self.window.index(frame)
        if not (0 <= frame < self.window.num_frames and index < num_frames):
            raise DataError(
                f"clip {self.window.clip}: no frame {index}; it has {num_frames} frames"
            )
        return index

    def _numbers(self, frames: Sequence[int]) -> list[int]:
        """The numbers in the file names of some frames."""
        numbers = frame_numbers(self.root, self.window.category, self.window.clip)
        for frame in (min(frames), max(frames)):
            self._index(frame, len(numbers))  # refuse what lies outside
        return [numbers[self.window.index(frame)] for frame in frames]

    @contextmanager
    def _open(self, frame: int, folder: str) -> Iterator[FrameArrays]:
        """Open the arrays of a frame, whichever file holds them."""
        with self._packed(folder) as clip:
            if clip is None:
                yield open_arrays(self.path(frame, folder))
            else:
                yield clip.frame(*self._numbers([frame]))

    @contextmanager
    def _packed(self, folder: str) -> Iterator[PackedClip | None]:
        """Open a packed folder; None for a folder of files. The reader of files knows no clips, so
        the clip is added to its errors."""
        place = (self.root, self.window.category, self.window.clip, folder)
        try:
            path = packed_file(*place)
            if path is None:
                yield None
            else:
                clip_files(*place)  # refuse a packed file that lacks a frame of the clip
                yield open_packed(path)
        except StorageError as error:
            raise DataError(f"clip {self.window.clip}: {error}") from error

    def _in_window(
        self, points: Shaped[np.ndarray, "N 3"], arrays: FrameArrays, folder: str
    ) -> Float[np.ndarray, "N 3"]:
        points, source = check_finite(points, arrays, "points"), read_normalization(arrays)
        moved = change_frames(points[None], [source], self.frame)[0]
        return self._in_place(moved, folder)

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
        return read_normalization(arrays)


def read_normalizations(
    clip: PackedClip, places: Int[np.ndarray, "T"]
) -> Sequence[NormalizationFrame]:
    """The frames of reference of some frames of a packed clip. They are remembered together, since
    to ask for one after another takes as long as to read a sample."""
    return _SEQUENCES.get(
        (clip.version, places.tobytes()),
        lambda: [read_normalization(clip.at(place)) for place in places.tolist()],
    )


_SEQUENCES: Remembered[Sequence[NormalizationFrame]] = Remembered(1 << 14)
