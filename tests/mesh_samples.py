"""Intact and odd meshes of every format, as bytes: what the fuzzing of mesh readers starts from."""

import base64
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import trimesh

from im2mesh.meshing.io import MESH_FORMATS, write_mesh

CASES = Path(__file__).parent / "meshing" / "cases"
FAR = np.array([500_000, 30, 5_400_000])
NORMALS = np.array(list(itertools.product((-1, 1), repeat=3))) * 3**-0.5
BUFFER = "a.bin"
"""The file that a .gltf of the samples reads beside itself."""


def mesh_samples(format: str) -> tuple[bytes, ...]:
    """Files of this project, of public reports, and those that tests of the format construct."""
    samples = [*_written(format)] if format in MESH_FORMATS else []
    samples += [path.read_bytes() for path in sorted(CASES.glob(f"*.{format}"))]
    return *samples, *_CONSTRUCTED[format]()


def refused_samples(format: str) -> tuple[bytes, ...]:
    """Files that tests construct and that are refused, for more than damage."""
    from tests.meshing import test_dialects as dialects

    refused = {
        "obj": dialects.OBJ_REFUSED,
        "off": dialects.OFF_REFUSED,
        "ply": dialects.PLY_REFUSED,
    }
    return tuple(_as_bytes(content) for content, _ in refused.get(format, {}).values())


def gltf_with_buffer() -> tuple[bytes, bytes]:
    """A .gltf and the buffer that it reads from the file `BUFFER`."""
    from tests.meshing.test_gltf import morphed

    file, _ = morphed([0.5, 1])
    with tempfile.TemporaryDirectory() as folder:
        path = file.write(Path(folder) / Path(BUFFER).with_suffix(".gltf"))
        return path.read_bytes(), (path.parent / BUFFER).read_bytes()


def _written(format: str) -> list[bytes]:
    """By this project: with and without faces, colours and normals, and far from 0."""
    ball = trimesh.creation.icosphere(subdivisions=1)
    vertices, faces = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    colors = np.arange(vertices.size).reshape(vertices.shape).astype(np.uint8)
    kinds: list[tuple[Any, ...]] = [
        (vertices, faces), (vertices, faces, colors, vertices), (vertices, faces[:0]),
        (vertices + FAR, faces, colors), (vertices[:0], faces[:0]),
    ]  # fmt: skip
    contents = []
    with tempfile.TemporaryDirectory() as folder:
        for arrays in kinds:
            path = Path(folder) / f"a.{format}"
            write_mesh(path, *arrays)
            contents.append(path.read_bytes())
    return contents


def _as_bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _obj() -> list[bytes]:
    from tests.meshing import test_dialects as dialects

    normals = "".join(f"vn {x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in NORMALS)
    others = [
        "mtllib ../../canary\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1 2/1 3/1 4/1\n",
        dialects.V + normals + dialects.F.replace("\n", "//1\n"),
    ]
    return [*map(_as_bytes, [*dialects.OBJ.values(), *others]), *_colored("obj")]


def _off() -> list[bytes]:
    from tests.meshing import test_dialects as dialects

    polygons = "# a comment\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n3 0 1 2 255 0 0\n"
    contents = [*dialects.OFF.values(), f"OFF\n{polygons}"]
    return [*map(_as_bytes, contents), *_colored("off")]


def _ply() -> list[bytes]:
    from tests.meshing import test_dialects as dialects

    contents = [PLY_OF_POLYGONS, *dialects.PLY_FILES.values()]
    return [*map(_as_bytes, contents), *_colored("ply")]


def _colored(format: str) -> list[bytes]:
    from tests.meshing import test_dialects as dialects

    return [_as_bytes(text) for ending, text in dialects.COLORED.values() if ending == format]


def _las() -> list[bytes]:
    from tests.meshing.test_las import las

    return [las(np.arange(30).reshape(10, 3)), las(np.arange(9).reshape(3, 3), size=37)]


def _glb() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.glb"
        return [file.write(path).read_bytes() for file in _gltf_files()]


def _gltf() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gltf"
        contents = [file.write_in_one(path).read_bytes() for file in _gltf_files()]
    from tests.readers import glb_chunks

    for path in sorted(CASES.glob("*.glb")):
        document, binary = glb_chunks(path.read_bytes())
        contents.append(with_data(json.loads(document), binary))
    rich = _rich(json.loads(contents[-1]))
    return [*contents, rich]


def _gltf_files() -> list[Any]:
    """Morphed, sparse, skinned, scaled by its node, and of two scenes."""
    from tests.meshing import test_gltf as gltf

    weights = np.eye(4)[np.zeros(8, int)]
    joints = np.zeros((8, 4), int)
    skin = gltf.skinned([{"translation": [1, 2, 3]}], joints, weights, "u1", np.eye(4)[None])
    file = gltf.GltfFile()
    colors = file.array(np.full((8, 4), 9), "u1")
    file.node(mesh=file.mesh(file.cube(COLOR_0=colors)), scale=[-2, -2, -2])
    file.document["scenes"].append({"nodes": []})
    return [gltf.morphed([0.5, 1])[0], gltf.morphed([0.5, 1], sparse=True)[0], skin, file]


def _rich(document: dict[str, Any]) -> bytes:
    """A skinned, morphed, mirrored mesh of two primitives, a strip and a fan."""
    vertices = np.linspace(-1, 1, 24, dtype="<f4").tobytes()
    joints, weights = bytes(32), np.tile(np.array([1, 0, 0, 0], "<f4"), 8).tobytes()
    binary = vertices + joints + weights + np.arange(6, dtype="<u2").tobytes()
    views = [(0, 96), (96, 32), (128, 128), (256, 12)]
    document["bufferViews"] = [{"buffer": 0, "byteOffset": a, "byteLength": n} for a, n in views]
    kinds = [(5126, 8, "VEC3"), (5121, 8, "VEC4"), (5126, 8, "VEC4"), (5123, 6, "SCALAR")]
    document["accessors"] = [
        {"bufferView": k, "componentType": code, "count": count, "type": kind}
        for k, (code, count, kind) in enumerate(kinds)
    ]
    replaced = {"bufferView": 3, "componentType": 5123}
    sparse = {"count": 3, "indices": replaced, "values": {"bufferView": 0}}
    document["accessors"].append(
        {"componentType": 5126, "count": 8, "type": "VEC3", "sparse": sparse}
    )
    part = {"attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}, "indices": 3, "mode": 5}
    part["targets"] = [{"POSITION": 4}]
    document["meshes"] = [{"primitives": [part, {**part, "mode": 6}], "weights": [0.5]}]
    document["skins"] = [{"joints": [1, 2]}]
    document["nodes"] = [
        {"mesh": 0, "skin": 0, "children": [1]}, {"scale": [-1, 1, 1], "children": [2]},
        {"rotation": [0, 0, 1, 0], "translation": [1, 2, 3]},
    ]  # fmt: skip
    return with_data(document, binary)


def with_data(document: dict[str, Any], binary: bytes) -> bytes:
    """A .gltf whose buffer is a data URI."""
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    buffers = [{"byteLength": len(binary), "uri": uri}]
    return json.dumps({**document, "buffers": buffers}).encode()


def _stl() -> list[bytes]:
    from tests.meshing.test_more_formats import CUBE_STL

    ball = trimesh.creation.icosphere(subdivisions=1)
    ball = trimesh.Trimesh(ball.vertices, ball.faces[:9], process=False)
    text = cast(str, ball.export(file_type="stl_ascii"))
    return [cast(bytes, ball.export(file_type="stl")), text.encode(), *CUBE_STL.values()]


def _xyz() -> list[bytes]:
    texts = [
        "# x\n0 0 0\n1 0 0.5\n", "0 0 0 255 0 0\n1 0 0.5 0 9 0\n", "0 0 0 0 0 1\n1 2 3 1 0 0\n",
        "0 0 0 9 9 9 0 0 1\n1 2 3 9 9 9 1 0 0\n", "500000.25 30 5400000\n500001 31 5400001.125\n",
    ]  # fmt: skip
    return [text.encode() for text in texts]


def _pcd() -> list[bytes]:
    from tests.meshing.test_more_formats import axes, colored, pcd

    columns = [axes("f4"), axes("f8"), axes("i2"), colored("u4"), colored("f4")]
    return [pcd(table, storage) for storage in ("ascii", "binary") for table in columns]


PLY_OF_POLYGONS = b"""ply
format ascii 1.0
comment TextureFile ../../canary
element camera 1
property float focus
element vertex 4
property float x
property float y
property float z
element face 2
property list uchar int vertex_indices
property uchar flags
end_header
0.5
0 0 0
1 0 0
1 1 0
0 1 0
4 0 1 2 3 7
3 0 1 2 7
"""
_CONSTRUCTED: dict[str, Callable[[], list[bytes]]] = {
    "obj": _obj, "off": _off, "ply": _ply, "glb": _glb, "gltf": _gltf, "stl": _stl, "xyz": _xyz,
    "pcd": _pcd, "las": _las,
}  # fmt: skip
