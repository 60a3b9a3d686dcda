"""Files of meshes and point clouds, one by one or numbered in a folder.

Vertex order, positions and faces survive a round trip exactly in every format: vertex i of frame k
must remain the same surface point as vertex i of frame 0. Positions are float32, or float64 where
they lie far from 0 for the size of the mesh (see `compact_positions`); of these, .glb keeps the
distances from a centre in float32.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from im2mesh.errors import Advice, UserError, is_refused_by_system
from im2mesh.files.numbered import (
    PACKED,
    READ_ENDINGS,
    NumberedFilesError,
    find_numbered,
    split_name,
)
from im2mesh.files.written import replacing_files
from im2mesh.meshing.formats import clouds, las, obj, off, ply, stl
from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.gltf.container import buffer_files
from im2mesh.meshing.formats.gltf.read import read_glb, read_gltf
from im2mesh.meshing.formats.gltf.write import write_glb
from im2mesh.meshing.formats.packed import unpacked
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.validity import (
    coarse_step,
    compact_positions,
    valid_faces,
    valid_positions,
)

_READERS: dict[str, Callable[[Path], Arrays]] = {
    "ply": ply.read_ply,
    "off": off.read_off,
    "obj": obj.read_obj,
    "glb": read_glb,
    "gltf": read_gltf,
    "stl": stl.read_stl,
    "xyz": clouds.read_xyz,
    "pcd": clouds.read_pcd,
    "las": las.read_las,
}
"""Ending of a file name -> its reader. Each may have .gz behind it. `READ_ENDINGS` lists them."""
_WRITERS: dict[str, Callable[[Path, Mesh], None]] = {
    "ply": ply.write_ply,
    "off": off.write_off,
    "obj": obj.write_obj,
    "glb": write_glb,
}
MESH_FORMATS = tuple(_WRITERS)
"""The formats in which a mesh is written, ..."""
SEQUENCE_FORMATS = (*MESH_FORMATS, "usd")
"""... and those in which a moving one is, beside .npz."""


def read_mesh(path: Path | str) -> Mesh:
    """Read a triangle mesh (.ply, .off, .obj, .glb, .gltf, .stl) or point cloud (.xyz, .pcd, .las,
    .ply).

    The name may end in .gz behind that. Polygons are cut into triangles that lie inside of them.
    Vertices are never merged or reordered, but for those of .stl, which names the corners of each
    triangle: equal positions are joined, in the order of their first corner. What changes the
    geometry and is not understood is refused, never skipped.

    Raises:
        UserError: If the file does not exist or is broken, or its format is unknown.
    """
    path = Path(path)
    with _naming(path):
        vertices, faces, colors = _read(path)
        positions = valid_positions(vertices)
        mesh = Mesh(positions, valid_faces(faces, len(vertices)), colors)
    tell_coarse_steps(path, vertices)
    return mesh


def read_cloud(path: Path | str) -> Float[np.ndarray, "N 3"]:
    """The vertices of a file that `read_mesh` reads, among them those that are NaN or infinite:
    scanners write so where they saw nothing.

    Raises:
        UserError: If the file does not exist or is broken, or its format is unknown.
    """
    path = Path(path)
    with _naming(path):
        vertices, _, _ = _read(path)
    tell_coarse_steps(path, vertices)
    return vertices.astype(np.float64)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Readers fail in many ways; the user needs the name of the file."""
    try:
        yield
    except Exception as error:
        if is_refused_by_system(error) or isinstance(error, UserError):
            raise
        raise UserError(f"{path}: not a readable mesh: {error}; copy or make it again") from error


def tell_coarse_steps(path: Path, positions: Shaped[np.ndarray, "*N V 3"]) -> None:
    """Warn if the positions of a file have lost digits in float32."""
    step = coarse_step(positions)
    if step is not None:
        warnings.warn(
            f"{path}: its positions are float32 and so far from 0 that they are stored in steps of "
            f"{step:g}, which has bent the surface; write them as float64 (PLY double, OBJ with "
            "enough digits), or subtract an origin first",
            Advice,
            stacklevel=3,
        )


def write_mesh(
    path: Path | str,
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: UInt8[np.ndarray, "V 3"] | None = None,
    normals: Float[np.ndarray, "V 3"] | None = None,
) -> None:
    """Write one mesh in the format of the name's ending; only .ply and .glb take normals."""
    path = Path(path)
    write = _WRITERS[_mesh_format(path)]
    path.parent.mkdir(parents=True, exist_ok=True)
    positions = compact_positions(np.asarray(vertices))
    write(path, Mesh(positions, np.asarray(faces, np.int32), colors, normals))


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
        return [folder / name for name in find_numbered(folder, READ_ENDINGS).names.values()]
    except NumberedFilesError as error:
        raise UserError(str(error)) from error


def is_numbered_mesh(name: str) -> bool:
    """Whether a file of that name may be taken for a frame of a moving mesh."""
    stem, ending = split_name(name)
    return ending in READ_ENDINGS and re.search("[0-9]", stem) is not None


def write_numbered_meshes(
    folder: Path | str, meshes: Sequence[Mesh], format: str = "ply"
) -> list[Path]:
    """Write one mesh or point cloud per frame as 00000.<format>, 00001.<format>, ...

    Meshes that this function wrote into the folder before are removed: a longer or differently
    formatted earlier sequence would otherwise mix with this one.

    Raises:
        UserError: If the folder holds numbered meshes of somebody else, or the format is unknown.
    """
    folder = Path(folder)
    _mesh_format(folder / f"00000.{format}")  # refuse an unknown format before removing anything
    paths = [folder / f"{k:05d}.{format}" for k in range(len(meshes))]
    with replacing_files(folder, [path.name for path in paths], is_numbered_mesh) as place:
        for path, mesh in zip(paths, meshes, strict=True):
            write_mesh(place / path.name, mesh.vertices, mesh.faces, mesh.colors, mesh.normals)
    return paths


def files_of_mesh(path: Path) -> list[Path]:
    """The file of a mesh, and the other files that it is read from: the buffers of a .gltf."""
    return [path, *sorted(buffer_files(path))] if path.suffix.lower() == ".gltf" else [path]


def _read(path: Path) -> Arrays:
    ending = _read_format(path)
    if not path.is_file():
        raise UserError(f"no mesh at {path}")
    with np.errstate(all="ignore"):  # what is not finite is refused later, or is no position
        if path.suffix.lower() != f".{PACKED}":
            return _read_plain(path, ending)
        with unpacked(path) as inner:
            if ending == "gltf" and buffer_files(inner):
                raise ValueError("its buffers are other files, so it must be unpacked to be read")
            return _read_plain(inner, ending)


def _read_plain(path: Path, ending: str) -> Arrays:
    if not path.stat().st_size:
        raise ValueError("it is empty")
    return _READERS[ending](path)


def _read_format(path: Path) -> str:
    ending = split_name(path.name)[1].removesuffix(f".{PACKED}")
    if ending not in _READERS:
        raise UserError(
            f"{path}: unknown mesh format {path.suffix!r}; choose one of: "
            f"{', '.join(_READERS)}, which may have .{PACKED} behind it"
        )
    return ending


def _mesh_format(path: Path) -> str:
    ending = path.suffix.lower()[1:]
    if ending not in MESH_FORMATS:
        raise UserError(
            f"{path}: unknown mesh format {path.suffix!r}; choose one of: {', '.join(MESH_FORMATS)}"
        )
    return ending
