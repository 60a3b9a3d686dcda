"""A moving mesh: one topology, one set of vertex positions per frame."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file
from im2mesh.files.npz import read_arrays
from im2mesh.meshing.io import MESH_FORMATS, Mesh, write_numbered_meshes
from im2mesh.meshing.validity import valid_faces, valid_frame, valid_positions

_OKLAB_TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_CONES_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@dataclass(frozen=True)
class MeshSequence:
    """Meshes of one window in dense correspondence: vertex i is the same surface point in all
    frames.

    The empty mesh (V = 0, F = 0) is legal; so is a sequence of moving points (V > 0, F = 0).

    Attributes:
        faces: Triangles, counter-clockwise seen from outside, shared by all frames.
        vertices: Positions, in the frame of the window's first mesh (or world, see `in_world`).
        times: Strictly increasing within [0, 1]: 0 is the window's first frame, 1 its last.
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
        """A colour per vertex that encodes its place in the first frame: over time, equal colours
        are equal surface points."""
        return position_colors(self.vertices[0])

    def in_world(self) -> "MeshSequence":
        """The same meshes with vertices in world coordinates (metres), so loc is 0 and scale 1."""
        vertices = (self.loc + self.scale * self.vertices.astype(np.float64)).astype(np.float32)
        return replace(self, vertices=vertices, loc=np.zeros(3), scale=1.0)

    def save(self, path: Path | str, format: str | None = None) -> None:
        """Write one .npz for the whole sequence, or a folder of one coloured mesh per frame.

        Args:
            path: A file name ending in .npz, or a folder; created if missing.
            format: Mesh format for a folder: ply (default, binary), off, obj or glb.

        Raises:
            ValueError: If path names one mesh file, or the format is unknown.
        """
        path = Path(path)
        if path.suffix == ".npz" and format in (None, "npz"):
            return self._save_npz(path)
        if path.suffix[1:] in (*MESH_FORMATS, "npz") or format == "npz":
            raise ValueError(
                f"cannot save to {path} with format {format!r}: give a name that ends in .npz for "
                f"one file, or a folder and one of the formats {', '.join(MESH_FORMATS)}"
            )
        colors = self.colors
        write_numbered_meshes(
            path, self.vertices, self.faces, colors, self.normals, format=format or "ply"
        )

    def _save_npz(self, path: Path) -> None:
        arrays = {
            "faces": self.faces.astype(np.int32),
            "vertices": self.vertices.astype(np.float32),
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
        """Read a sequence written by `save` as .npz.

        Raises:
            UserError: If there is no such file, or it is broken or lacks an array.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"no mesh sequence at {path}; run generate.py first")
        try:
            stored = read_arrays(path)
            vertices = valid_positions(stored["vertices"])
            faces = valid_faces(stored["faces"], vertices.shape[1])
            loc, scale = valid_frame(stored["loc"], stored["scale"])
            return MeshSequence(faces, vertices, stored["times"], stored.get("normals"), loc, scale)
        except Exception as error:  # file, key and shape errors alike: name the file
            raise UserError(
                f"{path}: not a readable mesh sequence: {error}; copy or make it again"
            ) from error


def position_colors(
    points: Float[np.ndarray, "N 3"],
    lower: Float[np.ndarray, "3"] | None = None,
    upper: Float[np.ndarray, "3"] | None = None,
) -> UInt8[np.ndarray, "N 3"]:
    """Colour points by position: height sets the hue, left to right goes from dark to light.

    Colours lie in OkLCh space, where equal steps look equally large and shading stays visible.

    Args:
        points: Positions.
        lower, upper: Corners of the box that spans the colours; by default the bounding box of the
            points. Pass the same box for two shapes whose colours are to be compared.
    """
    if len(points) == 0:
        return np.zeros((0, 3), np.uint8)
    low = points.min(axis=0) if lower is None else lower
    high = points.max(axis=0) if upper is None else upper
    x, y, z = np.clip((points - low) / np.maximum(high - low, 1e-9), 0.0, 1.0).T
    hue = np.radians(10.0 + 290.0 * y + 50.0 * (x - 0.5) + 30.0 * (z - 0.5))
    return _oklch_to_rgb(0.64 + 0.2 * x, np.full_like(x, 0.13), hue)


def _oklch_to_rgb(
    lightness: Float[np.ndarray, " N"],
    chroma: Float[np.ndarray, " N"],
    hue: Float[np.ndarray, " N"],
) -> UInt8[np.ndarray, "N 3"]:
    """Bjorn Ottosson's OkLab (2020) to sRGB; what lies outside sRGB is clipped."""
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1)
    cones = (lab @ _OKLAB_TO_CONES.T) ** 3
    linear = np.clip(cones @ _CONES_TO_RGB.T, 0.0, 1.0)
    rgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.rint(255.0 * rgb).astype(np.uint8)
