"""Meshes and clouds that are refused, for each message of the readers: rows of docs/errors.md."""

import gzip
import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.gltf_files import CORNERS, FACES, GltfFile
from tests.meshing import test_dialects as dialects
from tests.meshing.test_dialects import FACE, PLY, POINTS, VERTEX_FACE, V
from tests.meshing.test_dialects import F as F_LINES
from tests.meshing.test_gltf import DRACO, skinned
from tests.meshing.test_las import las
from tests.meshing.test_more_formats import axes, binary_stl, pcd, text_stl
from tests.readers import glb

Content = str | bytes


def _of_obj() -> dict[str, Content]:
    names = [
        "a curve", "lines alone", "another file", "an unknown keyword", "a vertex without numbers",
        "binary", "index 0", "a relative index before the vertices", "an index beyond the end",
        "an index that is not whole", "decimal commas", "infinity", "a weight", "two coordinates",
        "a face of blanks", "a face of two corners", "blanks around slashes",
        "a word split by a continuation", "a name that would swallow a vertex",
        "an outline that crosses itself", "nothing",
    ]  # fmt: skip
    outline = np.arange(5001) * 2 * np.pi / 5001
    radius = 1 + 0.5 * (np.arange(5001) % 2)
    star = zip(radius * np.cos(outline), radius * np.sin(outline), strict=True)
    star = "".join(f"v {x:.6f} {y:.6f} 0\n" for x, y in star)
    return {
        **{name: dialects.OBJ_REFUSED[name][0] for name in names},
        "a control character between numbers": V + "v 1 2 3\x1c4\n" + F_LINES,
        "a long outline that is not convex": star
        + f"f {' '.join(str(k + 1) for k in range(5001))}",
    }


def _of_off() -> dict[str, Content]:
    names = [
        "four dimensions", "binary", "another object of Geomview", "too few lines",
        "more lines than the counts say", "half a corner",
    ]  # fmt: skip
    return {name: dialects.OFF_REFUSED[name][0] for name in names}


def _of_ply() -> dict[str, Content]:
    names = [
        "an element of faces", "edges alone", "two elements of faces", "faces without lists",
        "another format", "an unknown type", "no end", "no beginning", "nothing", "x twice",
        "a negative count", "a short row", "a length that is not whole",
        "lists of whole numbers and no faces", "another version",
        "more than the header says", "cut", "a short strip",
    ]  # fmt: skip
    vertex = VERTEX_FACE[0]
    head = dialects.header(vertex, ("face", 1, FACE), format="binary_little_endian").encode()
    return {
        **{name: dialects.PLY_REFUSED[name][0] for name in names},
        "no format": PLY.replace("format ascii 1.0\n", "") + POINTS,
        "no vertices": dialects.header(VERTEX_FACE[1]),
        "vertices without z": dialects.header(("vertex", 1, "property int x\n")) + "1\n",
        "cut between vertices": head + bytes(50),
        "cut before a list": head + bytes(96),
    }


def _of_stl() -> dict[str, Content]:
    text, binary = text_stl(CORNERS[FACES]), binary_stl(CORNERS[FACES])
    return {
        "too short": b"a file",
        "cut": binary[:-1],
        "an unknown line": text.replace(b"outer loop", b"a comment", 1),
        "decimal commas": text.replace(b"vertex -1.", b"vertex -1,", 1),
        "four numbers": text.replace(b"vertex", b"vertex 0", 1),
        "a facet of two corners": text.replace(b"endloop", b"endloop\nendloop", 1),
    }


def _of_clouds() -> dict[str, tuple[str, Content]]:
    xyz: dict[str, Content] = {
        "nothing": "# nothing\n",
        "a count": "3\n0 0 0\n0 0 1\n0 1 0\n",
        "a short row": "0 0 0\n0 0\n",
    }
    other: dict[str, Content] = {
        "no beginning of data": b"x",
        "an unknown line": pcd(axes(), "binary", HEIGHT="MATRIX 1\n"),
        "compressed": pcd(axes(), "binary_compressed"),
        "an unknown storage": pcd(axes(), "weird"),
        "rows and columns that do not match": pcd(axes(), "binary", WIDTH="WIDTH 2\n"),
        "an unknown type": pcd(axes(), "binary", TYPE="TYPE F F X\n"),
        "an impossible size": pcd(axes(), "binary", SIZE="SIZE 4 4 3\n"),
        "no z": pcd(axes()[:2], "binary"),
        "a number too few in the header": pcd(axes(), "binary", SIZE="SIZE 4 4\n"),
        "cut": pcd(axes(), "binary")[:-1],
        "a point too many": pcd(axes(), "ascii") + b"1 2 3\n",
        "a number too many": pcd(axes(), "ascii").replace(b"0.5 1 2", b"0.5 1 2 3"),
    }
    triangle = np.zeros((3, 3))
    of_las: dict[str, Content] = {
        "compressed": las(triangle, kind=128),
        "too short": las(triangle)[:150],
        "something else": las(triangle, signature=b"LASX"),
        "more points than it holds": las(np.zeros((4, 3)))[:-1],
    }
    found = {f"XYZ: {title}": ("xyz", content) for title, content in xyz.items()}
    found |= {f"LAS: {title}": ("las", content) for title, content in of_las.items()}
    return found | {f"PCD: {title}": ("pcd", content) for title, content in other.items()}


def _of_packed() -> dict[str, tuple[str, Content]]:
    beside = {"asset": {"version": "2.0"}, "buffers": [{"uri": "a.bin", "byteLength": 1}]}
    return {
        "gzip: cut": ("ply.gz", gzip.compress(b"ply")[:-9]),
        "gzip: unpacks to very much": ("ply.gz", gzip.compress(bytes(2**27))),
        "gzip: a .gltf with its buffer beside": (
            "gltf.gz",
            gzip.compress(json.dumps(beside).encode()),
        ),
    }


Change = Callable[[dict[str, Any]], object]


def _put(*path: str | int, **keys: Any) -> Change:
    """Change keys of an object within the document."""

    def apply(document: dict[str, Any]) -> None:
        target: Any = document
        for step in path:
            target = target[step]
        target.update(keys)

    return apply


def _drop(*path: str | int) -> Change:
    def apply(document: dict[str, Any]) -> None:
        target: Any = document
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]

    return apply


_PART = ("meshes", 0, "primitives", 0)
_DOCUMENTS: dict[str, Change] = {
    "an extension that is not known": _put(extensionsRequired=list(DRACO)),
    "moved by Cesium": _put(extensions={"CESIUM_RTC": {}}),
    "another version": _put(asset={"version": "1.0"}),
    "no version": _put(asset={}),
    "instances": _put("nodes", 0, extensions={"EXT_mesh_gpu_instancing": {}}),
    "a hidden node": _put("nodes", 0, extensions={"KHR_node_visibility": {"visible": False}}),
    "compressed arrays": _drop("accessors", 0, "bufferView"),
    "a part without positions": _drop(*_PART, "attributes", "POSITION"),
    "lines": _put(*_PART, mode=1),
    "an unknown mode": _put(*_PART, mode=7),
    "offsets of some vertices": lambda document: [
        _put(*_PART, targets=[{"POSITION": 2}])(document), _put("nodes", 0, weights=[1])(document)],
    "a mesh without parts": _put("meshes", 0, primitives=[]),
    "a part that is a number": _put("meshes", 0, primitives=[3]),
    "no triangles": _put("accessors", 1, count=35),
    "a short strip": lambda document: [
        _put("accessors", 1, count=2)(document), _put(*_PART, mode=5)(document)],
    "a corner that is not there": _put("accessors", 0, count=7),
    "an entry that is not there": _put(scene=3),
    "an entry that is a number": _put(nodes=[1]),
    "a fraction as count": _put("accessors", 0, count=1.5),
    "a number instead of an object": _put(*_PART, attributes=3),
    "a number instead of an array": _put("nodes", 0, children=3),
    "a scale of two numbers": _put("nodes", 0, scale=[1, 1]),
    "a matrix that is not affine": _put("nodes", 0, matrix=[1] * 16),
    "a matrix and a scale": _put("nodes", 0, matrix=[0] * 16, scale=[1, 1, 1]),
    "a rotation of zeros": _put("nodes", 0, rotation=[0, 0, 0, 0]),
    "nodes in a loop": lambda document: document["nodes"].extend(
        [{"children": [2]}, {"children": [1]}]),
    "a node below two": lambda document: document["nodes"].extend(
        [{"children": [0]}, {"children": [0]}]),
    "a root below another node": lambda document: document["nodes"].append({"children": [0]}),
    "several scenes": lambda document: [
        _drop("scene")(document), document["scenes"].append({})],
    "a scene without the meshes": _put("scenes", 0, nodes=[]),
    "an unknown type of numbers": _put("accessors", 0, componentType=5130),
    "an array of another kind": _put(*_PART, indices=0),
    "fractions as corners": _put("accessors", 1, componentType=5126),
    "fractions that are normalised": _put("accessors", 0, normalized=True),
    "integers of 32 bits that are normalised": lambda document: [
        _put("accessors", 0, normalized=True)(document),
        _put("accessors", 0, componentType=5125)(document)],
    "a stride below a row": _put("bufferViews", 0, byteStride=4),
    "an array beyond its view": _put("accessors", 0, count=9),
    "a buffer beside a .glb": _put("buffers", 0, uri="elsewhere.bin"),
    "a buffer that is a number": _put("buffers", 0, uri=3),
    "a buffer that is too short": _put("buffers", 0, byteLength=10**6),
    "a data URI without a comma": _put("buffers", 0, uri="data:"),
    "a skin without joints": lambda document: [
        _put(skins=[{"joints": []}])(document), _put("nodes", 0, skin=0)(document)],
    "a skin without weights": lambda document: [
        _put(skins=[{"joints": [0]}])(document), _put("nodes", 0, skin=0)(document)],
    "a morph target that is a number": _put(*_PART, targets=[3]),
    "weights without targets": _put("nodes", 0, weights=[1]),
    "colours of some vertices": _put(*_PART, attributes={"POSITION": 0, "COLOR_0": 2}),
    "a long sparse array": lambda document: document["accessors"][0].update(
        count=2**21, sparse={}) or document["accessors"][0].pop("bufferView"),
    "sparse rows that do not increase": lambda document: document["accessors"][0].update(
        sparse={"count": 2, "indices": {"bufferView": 1, "componentType": 5123, "byteOffset": 4},
                "values": {"bufferView": 0}}),
    "very many nodes of one mesh": lambda document: _repeat(document),
    "triangles and points": lambda document: document["meshes"][0]["primitives"].append(
        {"attributes": {"POSITION": 0}, "mode": 0}),
    "points of which some are shown": _put(*_PART, mode=0, indices=3),
}  # fmt: skip


def _repeat(document: dict[str, Any]) -> None:
    document["meshes"][0]["primitives"] *= 2**9
    document["nodes"] *= 2**9
    document["scenes"][0]["nodes"] = list(range(2**9))


def _of_skins() -> dict[str, Content]:
    """Skins that make no sense: joints and weights of all vertices."""
    ones = np.tile([1, 0, 0, 0], (8, 1))
    mirrored = [{"scale": [-1, 1, 1]}, {"scale": [-1, 1, 1]}]
    either = np.where(np.arange(8)[:, None] < 4, ones, ones[:, ::-1])
    kinds: dict[str, Any] = {
        "skin weights that sum to 2": ([{}], 0 * ones, 2 * ones),
        "a negative skin weight": ([{}], 0 * ones, -ones),
        "a joint that is not there": ([{}], ones, ones),
        "skin weights of some vertices": ([{}], 0 * ones, ones[:5]),
        "joints that mirror and joints that do not": (mirrored, ones * 0 + [1, 0, 0, 0], either),
        "a joint without a bind matrix": ([{}, {}], 0 * ones, ones, "f4", [np.eye(4)]),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.glb"
        return {title: skinned(*kind).write(path).read_bytes() for title, kind in kinds.items()}


def _of_glb() -> dict[str, Content]:
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    file.array(CORNERS[:5], "f4")
    file.array([0, 1], "u1")
    file.document["buffers"] = [{"byteLength": len(file.binary)}]
    intact = json.dumps(file.document)
    content = glb(intact.encode(), file.binary)
    found: dict[str, Content] = {
        "no beginning": b"{}",
        "version 1": content[:4] + struct.pack("<I", 1) + content[8:],
        "cut": content[:-1],
        "a chunk beyond the end": content[:12] + struct.pack("<I", 10**6) + content[16:],
        "bytes behind the chunks": content[:8]
        + struct.pack("<I", len(content) + 1)
        + content[12:]
        + b"x",
        "no JSON": content[:16] + b"MINE" + content[20:],
        "no binary chunk": glb(intact.encode()),
    }
    for title, change in _DOCUMENTS.items():
        document = json.loads(intact)
        change(document)
        found[title] = glb(json.dumps(document).encode(), file.binary)
    return found | _of_skins()


def _of_gltf() -> dict[str, Content]:
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    with tempfile.TemporaryDirectory() as folder:
        text = file.write(Path(folder) / "a.gltf").read_text()
    return {
        "a buffer that is missing": text,
        "a buffer elsewhere": text.replace("a.bin", "../a.bin"),
        "a buffer whose name is none": text.replace("a.bin", "a\\\\b"),
    }


def refused_files() -> Mapping[str, tuple[str, Content]]:
    """Title of the row -> ending of the file, and what it holds."""
    formats: dict[str, dict[str, Content]] = {
        "obj": _of_obj(), "off": _of_off(), "ply": _of_ply(), "stl": _of_stl(), "glb": _of_glb(),
        "gltf": _of_gltf(),
    }  # fmt: skip
    found = {
        f"{'glTF' if ending == 'gltf' else ending.upper()}: {title}": (ending, content)
        for ending, contents in formats.items()
        for title, content in contents.items()
    }
    return found | _of_clouds() | _of_packed()
