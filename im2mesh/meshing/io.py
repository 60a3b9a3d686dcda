"""Files of meshes and point clouds, and the names they have inside a sequence.

Vertex order, positions (float32) and faces survive a round trip exactly in every format: vertex i
of frame k must remain the same surface point as vertex i of frame 0.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.errors import UserError
from im2mesh.meshing import glb, ply, text_formats
from im2mesh.meshing.validity import valid_faces, valid_positions

MESH_FORMATS = ("ply", "off", "obj", "glb")

_READERS = {
    "ply": ply.read_ply,
    "off": text_formats.read_off,
    "obj": text_formats.read_obj,
    "glb": glb.read_glb,
}
_WRITERS = {
    "ply": ply.write_ply,
    "off": text_formats.write_off,
    "obj": text_formats.write_obj,
    "glb": glb.write_glb,
}


@dataclass(frozen=True)
class Mesh:
    """One mesh, or a point cloud when it has vertices and no faces.

    Attributes:
        vertices: Corner positions, in the coordinates of the file it came from.
        faces: Triangles, counter-clockwise seen from outside; [0, 3] for a point cloud.
        colors: One RGB colour per vertex, if known.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colors: UInt8[np.ndarray, "V 3"] | None = None

    @property
    def is_empty(self) -> bool:
        return len(self.vertices) == 0


def read_mesh(path: Path | str) -> Mesh:
    """Read a triangle mesh or point cloud (.ply, .off, .obj, .glb).

    Polygons of an .off or .obj file are cut into triangles; vertices are never merged or reordered.

    Raises:
        UserError: If the file does not exist or is broken, or its format is unknown.
    """
    path = Path(path)
    read = _READERS[_mesh_format(path)]
    if not path.is_file():
        raise UserError(f"no mesh at {path}")
    try:
        vertices, faces, colors = read(path)
        vertices = valid_positions(vertices)
        faces = valid_faces(faces, len(vertices))
    except Exception as error:  # readers fail in many ways; the user needs the name of the file
        raise UserError(f"{path}: not a readable mesh: {error}; copy or make it again") from error
    return Mesh(vertices, faces, colors)


def write_mesh(
    path: Path | str,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: UInt8[np.ndarray, "V 3"] | None = None,
    normals: Float[np.ndarray, "V 3"] | None = None,
) -> None:
    """Write one mesh in the format the file name ends in; normals go into .ply and .glb only."""
    path = Path(path)
    write = _WRITERS[_mesh_format(path)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, np.asarray(vertices, np.float32), np.asarray(faces, np.int32), colors, normals)


def numbered_meshes(folder: Path | str) -> list[Path]:
    """The mesh files of a folder whose names end in a number, sorted by that number.

    Raises:
        UserError: If there is no such folder, or two files carry the same number, for example in
        two formats.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder of meshes at {folder}")
    by_number: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        digits = re.search(r"\d+$", path.stem)
        if digits is None or path.suffix.lower()[1:] not in MESH_FORMATS:
            continue
        number = int(digits.group())
        if number in by_number:
            raise UserError(
                f"{folder}: {by_number[number].name} and {path.name} are both frame {number}; "
                "keep one file per frame"
            )
        by_number[number] = path
    return [by_number[number] for number in sorted(by_number)]


def write_numbered_meshes(
    folder: Path | str,
    frames: Sequence[Float[np.ndarray, "V 3"]] | Float[np.ndarray, "T V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: UInt8[np.ndarray, "V 3"] | None = None,
    normals: Float[np.ndarray, "T V 3"] | None = None,
    format: str = "ply",
) -> list[Path]:
    """Write one mesh per frame as 00000.<format>, 00001.<format>, ...

    Numbered meshes of an earlier run in the same folder (five digits and a mesh format) are removed
    first: a longer or differently formatted earlier sequence would otherwise mix with this one.
    """
    paths = _fresh_names(folder, len(frames), format)
    for k, path in enumerate(paths):
        write_mesh(path, frames[k], faces, colors, None if normals is None else normals[k])
    return paths


def write_independent_meshes(
    folder: Path | str,
    meshes: Sequence[Mesh],
    normals: Sequence[Float[np.ndarray, "_ 3"]] | None = None,
    format: str = "ply",
) -> None:
    """The same for meshes that share no faces."""
    for k, path in enumerate(_fresh_names(folder, len(meshes), format)):
        mesh = meshes[k]
        vertex_normals = None if normals is None else normals[k]
        write_mesh(path, mesh.vertices, mesh.faces, mesh.colors, vertex_normals)


def write_numbered_clouds(
    folder: Path | str, clouds: Float[np.ndarray, "T N 3"], format: str = "ply"
) -> list[Path]:
    """Write one point cloud per frame: meshes without faces; clears the folder likewise."""
    return write_numbered_meshes(folder, clouds, np.zeros((0, 3), np.int32), format=format)


def _fresh_names(folder: Path | str, count: int, format: str) -> list[Path]:
    """One file name per frame, after the numbered meshes of an earlier run are removed."""
    folder = Path(folder)
    _mesh_format(folder / f"00000.{format}")  # refuse an unknown format before removing anything
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if re.fullmatch(r"\d{5}", old.stem) and old.suffix[1:] in MESH_FORMATS:
            old.unlink()
    return [folder / f"{k:05d}.{format}" for k in range(count)]


def _mesh_format(path: Path) -> str:
    ending = path.suffix.lower()[1:]
    if ending not in MESH_FORMATS:
        raise UserError(
            f"{path}: unknown mesh format {path.suffix!r}; choose one of: {', '.join(MESH_FORMATS)}"
        )
    return ending
