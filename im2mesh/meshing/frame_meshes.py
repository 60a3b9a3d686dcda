"""Meshes of one window without correspondence: each frame has vertices and faces of its own."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from im2mesh.config.times import exact_ends
from im2mesh.errors import UserError, is_refused_by_system
from im2mesh.files.atomic import atomic_file
from im2mesh.files.npz import NpzError, locate_arrays, read_arrays
from im2mesh.meshing.animated_file import animated_path, seconds_of
from im2mesh.meshing.animated_saving import save_flip_book
from im2mesh.meshing.io import write_numbered_meshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence, refuse_other_npz
from im2mesh.meshing.validity import (
    compact_positions,
    valid_faces,
    valid_frame,
    valid_positions,
)

_COUNTS = "vertex_counts"  # an array that files of a MeshSequence do not have


@dataclass(frozen=True)
class FrameMeshes:
    """One mesh per frame, each extracted by itself; an empty mesh is legal.

    Attributes:
        meshes: Meshes in the frame of the window's first mesh (or world, see `in_world`).
        times: Times of the meshes, strictly increasing within [0, 1].
        normals: Unit vertex normals of each mesh, or None if they were not computed.
        loc, scale: Place in the world, in metres: world = loc + scale * vertices.
    """

    meshes: tuple[Mesh, ...]
    times: Float[np.ndarray, " T"]
    normals: tuple[Float[np.ndarray, "_ 3"], ...] | None = None
    loc: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", exact_ends(self.times))
        if len(self.meshes) == 0 or len(self.meshes) != len(self.times):
            raise ValueError(f"{len(self.meshes)} meshes need as many times, got {self.times.size}")
        if not (np.diff(self.times) > 0).all() or self.times[0] < 0 or self.times[-1] > 1:
            raise ValueError(f"times must increase strictly within [0, 1], got {self.times}")

    @property
    def num_frames(self) -> int:
        return len(self.meshes)

    @property
    def num_vertices(self) -> int:
        """Number of vertices of all frames together."""
        return sum(len(mesh.vertices) for mesh in self.meshes)

    @property
    def num_faces(self) -> int:
        """Number of faces of all frames together."""
        return sum(len(mesh.faces) for mesh in self.meshes)

    @property
    def is_empty(self) -> bool:
        return all(mesh.is_empty for mesh in self.meshes)

    def in_world(self) -> "FrameMeshes":
        """The same meshes in world coordinates (metres, float64), so loc is 0 and scale 1."""
        loc, scale = self.loc, self.scale
        vertices = (loc + scale * mesh.vertices.astype(np.float64) for mesh in self.meshes)
        meshes = tuple(
            replace(mesh, vertices=moved) for mesh, moved in zip(self.meshes, vertices, strict=True)
        )
        return replace(self, meshes=meshes, loc=np.zeros(3), scale=1.0)

    def save(
        self, path: Path | str, format: str | None = None, duration: float | None = None
    ) -> None:
        """Write all frames as .npz or animated (.glb, .usdc), or a folder of one mesh per frame
        (ply by default); see `MeshSequence.save`."""
        path = Path(path)
        if path.suffix == ".npz" and format in (None, "npz"):
            return self._save_npz(path)
        animated = animated_path(path, format)
        if animated is not None:
            compact = [replace(m, vertices=compact_positions(m.vertices)) for m in self.meshes]
            seconds = seconds_of(self.times, duration)
            return save_flip_book(animated, compact, seconds, self.loc, self.scale)
        normals = self.normals or [None] * self.num_frames
        meshes = [replace(mesh, normals=n) for mesh, n in zip(self.meshes, normals, strict=True)]
        write_numbered_meshes(path, meshes, format=format or "ply")

    def _save_npz(self, path: Path) -> None:
        refuse_other_npz(path)
        arrays = {
            "vertices": np.concatenate([compact_positions(mesh.vertices) for mesh in self.meshes]),
            "faces": np.concatenate([mesh.faces for mesh in self.meshes]),
            _COUNTS: np.array([len(mesh.vertices) for mesh in self.meshes], np.int64),
            "face_counts": np.array([len(mesh.faces) for mesh in self.meshes], np.int64),
            "times": self.times.astype(np.float64),
            "loc": self.loc.astype(np.float64),
            "scale": np.float64(self.scale),
        }
        if self.normals is not None:
            arrays["normals"] = np.concatenate(self.normals)
        with atomic_file(path) as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]

    @staticmethod
    def load(path: Path | str) -> "FrameMeshes":
        """Read what `save` wrote as .npz.

        Raises:
            UserError: If the file is broken or lacks an array.
        """
        try:
            stored = read_arrays(path)
            vertices = map(valid_positions, _split(stored["vertices"], stored[_COUNTS]))
            faces = _split(stored["faces"], stored["face_counts"])
            meshes = [Mesh(v, valid_faces(f, len(v))) for v, f in zip(vertices, faces, strict=True)]
            normals = stored.get("normals")
            return FrameMeshes(
                tuple(meshes),
                stored["times"],
                None if normals is None else tuple(_split(normals, stored[_COUNTS])),
                *valid_frame(stored["loc"], stored["scale"]),
            )
        except Exception as error:  # readers fail in many ways; the user needs the file's name
            if is_refused_by_system(error):
                raise
            raise UserError(
                f"{path}: not readable meshes: {error}; copy or make it again"
            ) from error


Reconstruction = MeshSequence | FrameMeshes
"""Meshes that a method makes of a window, with correspondence over time or without."""


def load_reconstruction(path: Path | str) -> Reconstruction:
    """Read a sequence.npz, with correspondence over time or without."""
    return FrameMeshes.load(path) if _has_counts(path) else MeshSequence.load(path)


def _has_counts(path: Path | str) -> bool:
    try:
        return _COUNTS in locate_arrays(path)
    except NpzError:
        return False  # MeshSequence.load will say what is wrong


def _split(stacked: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError("numbers of rows must be whole and not negative")
    total = sum(counts.tolist())  # Python integers do not overflow
    if total != len(stacked):
        raise ValueError(f"{len(stacked)} rows, {total} were expected")
    return np.split(stacked, np.cumsum(counts)[:-1])
