"""Files of meshes and point clouds, one by one or numbered in a folder.

Vertex order, positions (float32) and faces survive a round trip exactly in every format: vertex i
of frame k must remain the same surface point as vertex i of frame 0.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from im2mesh.errors import UserError, is_refused_by_system
from im2mesh.files.numbered import NumberedFilesError, find_numbered
from im2mesh.files.written import replacing_files
from im2mesh.meshing.formats import glb, ply, text
from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import valid_faces, valid_positions

_FORMATS: dict[str, tuple[Callable[[Path], Arrays], Callable[[Path, Mesh], None]]] = {
    "ply": (ply.read_ply, ply.write_ply),
    "off": (text.read_off, text.write_off),
    "obj": (text.read_obj, text.write_obj),
    "glb": (glb.read_glb, glb.write_glb),
}
"""Ending of a file name -> its reader and its writer."""
MESH_FORMATS = tuple(_FORMATS)


def read_mesh(path: Path | str) -> Mesh:
    """Read a triangle mesh or point cloud (.ply, .off, .obj, .glb).

    Polygons of an .off or .obj file are cut into triangles; vertices are never merged or reordered.

    Raises:
        UserError: If the file does not exist or is broken, or its format is unknown.
    """
    path = Path(path)
    read = _FORMATS[_mesh_format(path)][0]
    if not path.is_file():
        raise UserError(f"no mesh at {path}")
    try:
        vertices, faces, colors = read(path)
        vertices = valid_positions(vertices)
        faces = valid_faces(faces, len(vertices))
    except Exception as error:  # readers fail in many ways; the user needs the name of the file
        if is_refused_by_system(error):
            raise
        raise UserError(f"{path}: not a readable mesh: {error}; copy or make it again") from error
    return Mesh(vertices, faces, colors)


def write_mesh(
    path: Path | str,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: UInt8[np.ndarray, "V 3"] | None = None,
    normals: Float[np.ndarray, "V 3"] | None = None,
) -> None:
    """Write one mesh in the format of the name's ending; only .ply and .glb take normals."""
    path = Path(path)
    write = _FORMATS[_mesh_format(path)][1]
    path.parent.mkdir(parents=True, exist_ok=True)
    write(
        path, Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32), colors, normals)
    )


def numbered_meshes(folder: Path | str) -> list[Path]:
    """The mesh files of a folder whose names hold a number, sorted by that number.

    Raises:
        UserError: If there is no such folder, or it is not plain which file is which frame (see
            `find_numbered`).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder of meshes at {folder}")
    try:
        return [folder / name for name in find_numbered(folder, MESH_FORMATS).names.values()]
    except NumberedFilesError as error:
        raise UserError(str(error)) from error


def is_numbered_mesh(name: str) -> bool:
    """Whether a file of that name may be taken for a frame of a moving mesh."""
    path = Path(name)
    return path.suffix.lower()[1:] in MESH_FORMATS and re.search("[0-9]", path.stem) is not None


def write_numbered_meshes(
    folder: Path | str, meshes: Sequence[Mesh], format: str = "ply"
) -> list[Path]:
    """Write one mesh or point cloud per frame as 00000.<format>, 00001.<format>, ...

    Meshes that this function wrote into the folder before are removed first: a longer or
    differently formatted earlier sequence would otherwise mix with this one.

    Raises:
        UserError: If the folder holds numbered meshes of somebody else, or the format is unknown.
    """
    folder = Path(folder)
    _mesh_format(folder / f"00000.{format}")  # refuse an unknown format before removing anything
    paths = [folder / f"{k:05d}.{format}" for k in range(len(meshes))]
    with replacing_files(folder, [path.name for path in paths], is_numbered_mesh):
        for path, mesh in zip(paths, meshes, strict=True):
            write_mesh(path, mesh.vertices, mesh.faces, mesh.colors, mesh.normals)
    return paths


def _mesh_format(path: Path) -> str:
    ending = path.suffix.lower()[1:]
    if ending not in MESH_FORMATS:
        raise UserError(
            f"{path}: unknown mesh format {path.suffix!r}; choose one of: {', '.join(MESH_FORMATS)}"
        )
    return ending
