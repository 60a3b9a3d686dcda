"""A moving mesh: one topology, one set of vertex positions per frame."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.config.times import exact_ends
from im2mesh.errors import UserError, is_refused_by_system
from im2mesh.files.atomic import atomic_file
from im2mesh.files.npz import NpzError, locate_arrays, read_arrays
from im2mesh.meshing.animated_file import (
    FILE_NAMES,
    animated_path,
    is_animated_name,
    is_usd,
    seconds_of,
)
from im2mesh.meshing.animated_saving import save_moving
from im2mesh.meshing.colors import position_colors
from im2mesh.meshing.formats.gltf.read_moving import read_moving_glb
from im2mesh.meshing.formats.moving import MovingMeshes
from im2mesh.meshing.formats.usd.read import read_moving_usd
from im2mesh.meshing.io import SEQUENCE_FORMATS, is_numbered_mesh, write_numbered_meshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import (
    compact_positions,
    valid_faces,
    valid_frame,
    valid_positions,
)

ARRAYS = ("vertices", "faces", "times", "loc", "scale")
"""Names of the arrays in each .npz of a sequence of meshes, ..."""
OTHER_ARRAYS = ("normals", "vertex_counts", "face_counts")
"""... and of those in some: with normals, or without correspondence over time."""


@dataclass(frozen=True)
class MeshSequence:
    """Meshes of one window in dense correspondence: vertex i is one surface point in all frames.

    The empty mesh (V = 0, F = 0) is legal; so is a sequence of moving points (V > 0, F = 0).

    Attributes:
        faces: Triangles, counter-clockwise seen from outside, shared by all frames.
        vertices: Positions, in the frame of the window's first mesh (or world, see `in_world`).
        times: Strictly increasing times in [0, 1]: 0 is the window's first frame, 1 its last.
        normals: Unit vertex normals, or None if they were not computed.
        loc: World position of the origin, in metres.
        scale: Metres per unit; world = loc + scale * vertices.

    Raises:
        ValueError: If shapes or times do not fit together, or a face names a missing vertex.
    """

    faces: Int[np.ndarray, "F 3"]
    vertices: Float[np.ndarray, "T V 3"]
    times: Float[np.ndarray, " T"]
    normals: Float[np.ndarray, "T V 3"] | None = None
    loc: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", exact_ends(self.times))
        shape = self.vertices.shape
        if len(shape) != 3 or shape[2] != 3 or shape[0] == 0:
            raise ValueError(f"vertices must have shape [T, V, 3] with T > 0, got {list(shape)}")
        if self.times.shape != shape[:1]:
            raise ValueError(f"{shape[0]} frames need {shape[0]} times, got {self.times.size}")
        if not (np.diff(self.times) > 0).all() or self.times[0] < 0 or self.times[-1] > 1:
            raise ValueError(f"times must increase strictly within [0, 1], got {self.times}")
        if self.normals is not None and self.normals.shape != shape:
            raise ValueError(f"normals must have shape {list(shape)}, got {self.normals.shape}")
        if self.faces.size and (self.faces.min() < 0 or self.faces.max() >= shape[1]):
            raise ValueError(
                f"faces name vertices {self.faces.min()} to {self.faces.max()}, "
                f"there are {shape[1]} vertices"
            )

    @property
    def num_frames(self) -> int:
        return len(self.vertices)

    @property
    def num_vertices(self) -> int:
        return self.vertices.shape[1]

    @property
    def num_faces(self) -> int:
        return len(self.faces)

    @property
    def meshes(self) -> list[Mesh]:
        """One mesh per frame."""
        return [Mesh(vertices, self.faces) for vertices in self.vertices]

    @property
    def is_empty(self) -> bool:
        return self.num_vertices == 0

    @property
    def colors(self) -> UInt8[np.ndarray, "V 3"]:
        """One colour per vertex, by its position in the first frame: vertices keep it over time."""
        return position_colors(self.vertices[0])

    def in_world(self) -> "MeshSequence":
        """The same meshes in world coordinates (metres, float64), so loc is 0 and scale 1."""
        vertices = self.loc + self.scale * self.vertices.astype(np.float64)
        return replace(self, vertices=vertices, loc=np.zeros(3), scale=1.0)

    def save(
        self, path: Path | str, format: str | None = None, duration: float | None = None
    ) -> None:
        """Write the whole sequence in one file, or a coloured mesh per frame.

        Args:
            path: A file name ending in .npz, or .glb or .usdc (animated), or a folder; created if
                missing.
            format: Mesh format for a folder: ply (default, binary), off or obj; glb or usd for one
                animated file in it.
            duration: Seconds from time 0 to 1, for animated files; None for 60 frames a second.

        Raises:
            ValueError: If path names one mesh file, or the format is unknown.
            UserError: If files of somebody else would be replaced, or would mix with ours; or if
                usd-core, which .usdc needs, is not installed.
        """
        path = Path(path)
        if path.suffix == ".npz" and format in (None, "npz"):
            return self._save_npz(path)
        animated = animated_path(path, format)
        if animated is not None:
            return self._save_animated(animated, duration)
        if path.suffix[1:] in (*SEQUENCE_FORMATS, "npz") or format == "npz":
            raise ValueError(
                f"cannot save to {path} with format {format!r}: give a name that ends in .npz, "
                ".glb or .usdc for one file, or a folder and one of the formats "
                f"{', '.join(SEQUENCE_FORMATS)}"
            )
        colors, normals = self.colors, self.normals
        normals = [None] * self.num_frames if normals is None else normals
        frames = zip(self.vertices, normals, strict=True)
        meshes = [Mesh(vertices, self.faces, colors, n) for vertices, n in frames]
        write_numbered_meshes(path, meshes, format=format or "ply")

    def _save_animated(self, path: Path, duration: float | None) -> None:
        vertices = compact_positions(self.vertices)
        first = Mesh(vertices[0], self.faces, self.colors)
        seconds = seconds_of(self.times, duration)
        save_moving(path, first, vertices, seconds, self.loc, self.scale)

    def _save_npz(self, path: Path) -> None:
        refuse_other_npz(path)
        arrays = {
            "faces": self.faces.astype(np.int32),
            "vertices": compact_positions(self.vertices),
            "times": self.times.astype(np.float64),
            "loc": self.loc.astype(np.float64),
            "scale": np.float64(self.scale),
        }
        if self.normals is not None:
            arrays["normals"] = self.normals.astype(np.float32)
        with atomic_file(path) as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]

    @staticmethod
    def load(path: Path | str) -> "MeshSequence":
        """Read a sequence written by `save` as .npz, as .usdc or, to `TOLERANCE`, as .glb.

        A .glb has no place in the world: its positions are those that were written.

        Raises:
            UserError: If there is no such file, or it is broken or lacks an array; or if usd-core,
                which .usdc needs, is not installed.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no mesh sequence at {path}; run generate.py first")
        try:
            if is_animated_name(path):
                return _from_animated(path)
            stored = read_arrays(path)
            vertices = valid_positions(stored["vertices"])
            faces = valid_faces(stored["faces"], vertices.shape[1])
            loc, scale = valid_frame(stored["loc"], stored["scale"])
            return MeshSequence(faces, vertices, stored["times"], stored.get("normals"), loc, scale)
        except Exception as error:  # readers fail in many ways; the user needs the file's name
            if is_refused_by_system(error) or isinstance(error, UserError):
                raise
            raise UserError(
                f"{path}: not a readable mesh sequence: {error}; copy or make it again"
            ) from error


def read_moving(path: Path) -> MovingMeshes:
    """Read the meshes of all frames of an animated file, with correspondence or without.

    Raises:
        ValueError: If it is broken, or holds what is not understood.
        UserError: If usd-core, which .usdc needs, is not installed.
    """
    return read_moving_usd(path) if is_usd(path) else read_moving_glb(path)


def _from_animated(path: Path) -> MeshSequence:
    moving = read_moving(path)
    first, seconds = moving.meshes[0], moving.seconds
    if not all(np.array_equal(mesh.faces, first.faces) for mesh in moving.meshes):
        raise ValueError("its frames have faces of their own, so they do not correspond")
    vertices = np.stack([mesh.vertices for mesh in moving.meshes])
    times = seconds / max(seconds[-1], 1e-9)
    return MeshSequence(first.faces, vertices, times, loc=moving.loc, scale=moving.scale)


def is_written_mesh(name: str) -> bool:
    """Whether a file of that name in a folder of meshes may be one that `save` wrote."""
    return name in FILE_NAMES.values() or is_numbered_mesh(name)


def refuse_other_npz(path: Path) -> None:
    """Refuse to replace a file that holds anything but a sequence of meshes, or more than that.

    Raises:
        UserError: If there is such a file.
    """
    if not path.exists():
        return
    try:
        is_sequence = set(ARRAYS) <= locate_arrays(path).keys() <= {*ARRAYS, *OTHER_ARRAYS}
    except NpzError:
        is_sequence = False
    if not is_sequence:
        raise UserError(
            f"{path} exists and holds no sequence of meshes, so this program did not write it; "
            "choose another name, or move it away"
        )
