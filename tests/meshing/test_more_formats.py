"""STL, XYZ, PCD, and files that gzip has compressed: read as others read them, or refused."""

import gzip
import re
import struct
import time
import warnings

import numpy as np
import pytest
import trimesh

from im2mesh.errors import UserError
from im2mesh.meshing.formats import packed
from im2mesh.meshing.formats.stl import join_equal
from im2mesh.meshing.io import MESH_FORMATS, numbered_meshes, read_mesh, write_mesh
from tests.gltf_files import CORNERS, FACES, GltfFile

CLOUD = np.array([[0.5, 1, 2], [3, -4, 5e-3], [6, 7, 8]])


def binary_stl(triangles, head=b"", count=None):
    rows = np.zeros(len(triangles), [("n", "<f4", 3), ("t", "<f4", (3, 3)), ("a", "<u2")])
    rows["t"], rows["a"] = triangles, 7
    count = len(rows) if count is None else count
    return head.ljust(80, b"\0") + struct.pack("<I", count) + rows.tobytes()


def text_stl(triangles, name="a cube", end="\n"):
    lines = [f"solid {name}"]
    for triangle in triangles:
        lines += ["  facet normal 0 0 0", "    outer loop"]
        lines += [f"      vertex {x:.6e} {y:g} {z:g}" for x, y, z in triangle]
        lines += ["    endloop", "  endfacet"]
    return (end.join([*lines, f"endsolid {name}"]) + end).encode("latin-1")


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_mesh(path)
    assert str(error.value).startswith(f"{path}: not a readable mesh")


CUBE_STL = {
    "binary": binary_stl(CORNERS[FACES]),
    "binary that starts with solid": binary_stl(CORNERS[FACES], b"solid made by a program"),
    "text": text_stl(CORNERS[FACES]),
    "text with other line ends": text_stl(CORNERS[FACES], end="\r\n"),
    "text in capitals": text_stl(CORNERS[FACES]).upper(),
    "text of two solids": text_stl(CORNERS[FACES[:5]], "one") + text_stl(CORNERS[FACES[5:]], ""),
    "text with an odd name": text_stl(CORNERS[FACES], "vertex endsolid\xe4 facet"),
    "text of a name in UTF-8": text_stl(CORNERS[FACES], "K\xc3\x85 \x1c\x85 x"),
    "text without normals": text_stl(CORNERS[FACES]).replace(
        b"0 0 0\n    outer", b"nan nan -nan\n outer"
    ),
    "text with CR": text_stl(CORNERS[FACES], end="\r"),
    "text with further blanks": text_stl(CORNERS[FACES])
    .replace(b" ", b"\t  ")
    .replace(b"\n", b" \n\n"),
    "binary with colours": binary_stl(CORNERS[FACES], b"COLOR=\xff\0\0\xff,MATERIAL=\xff"),
    "text with a mark": b"\xef\xbb\xbf\n" + text_stl(CORNERS[FACES]),
    "text in UTF-16": text_stl(CORNERS[FACES]).decode().encode("utf-16"),
    "binary that starts with a mark": binary_stl(CORNERS[FACES], b"\xff\xfe"),
}


@pytest.mark.parametrize("kind", CUBE_STL)
def test_a_cube_as_stl_has_shared_vertices(tmp_path, kind):
    (tmp_path / "a.stl").write_bytes(CUBE_STL[kind])
    mesh = read_mesh(tmp_path / "a.stl")
    np.testing.assert_array_equal(mesh.vertices[mesh.faces], CORNERS[FACES])
    assert len(mesh.vertices) == 8
    closed = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert closed.is_watertight and closed.volume == pytest.approx(8)
    order = list(dict.fromkeys(FACES.ravel().tolist()))  # of their first corners
    np.testing.assert_array_equal(mesh.vertices, CORNERS[order])


@pytest.mark.parametrize("file_type", ["stl", "stl_ascii"])
def test_stl_of_another_program(tmp_path, file_type):
    ball = trimesh.creation.icosphere(subdivisions=2)
    (tmp_path / "a.stl").write_bytes(_as_bytes(ball.export(file_type=file_type)))
    mesh = read_mesh(tmp_path / "a.stl")
    assert (len(mesh.vertices), len(mesh.faces)) == (162, 320)
    np.testing.assert_allclose(mesh.vertices[mesh.faces], ball.triangles, atol=1e-6)
    theirs = trimesh.load_mesh(tmp_path / "a.stl", process=False)
    np.testing.assert_allclose(mesh.vertices[mesh.faces], theirs.triangles, atol=1e-6)


def _as_bytes(content):
    return content.encode() if isinstance(content, str) else content


def test_frames_of_stl_correspond(tmp_path):
    """The same triangles in the same order give the same faces, wherever the vertices are."""
    ball = trimesh.creation.icosphere(subdivisions=1)
    moved = ball.vertices * [1, 2, 3] + [5, 0, 0]
    meshes = []
    for k, vertices in enumerate((ball.vertices, moved)):
        (tmp_path / f"{k}.stl").write_bytes(binary_stl(vertices[ball.faces]))
        meshes.append(read_mesh(tmp_path / f"{k}.stl"))
    first, second = meshes
    np.testing.assert_array_equal(first.faces, second.faces)
    np.testing.assert_allclose(second.vertices, first.vertices * [1, 2, 3] + [[5, 0, 0]], atol=1e-6)


def test_equal_positions_are_joined_like_by_a_dictionary():
    positions = np.random.default_rng(0).integers(-1, 2, (500, 3)).astype(np.float32)
    positions[::7] *= -1  # some become -0.0
    found, places = {}, []
    for row in (positions + 0.0).tolist():
        places.append(found.setdefault(tuple(row), len(found)))
    vertices, indices = join_equal(positions)
    np.testing.assert_array_equal(vertices, list(found))
    np.testing.assert_array_equal(indices, places)
    zeros = np.array([[0.0, 0, 0], [-0.0, 0, -0.0], [1, 0, 0]])
    assert join_equal(zeros)[1].tolist() == [0, 0, 1]


def test_nan_that_signals_is_refused_without_a_warning(tmp_path):
    signal = b"\x01\0\x80\x7f"
    stl, cloud = CUBE_STL["binary"], pcd(axes("f4"), "binary")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(tmp_path / "a.stl", stl[:96] + signal + stl[100:], "positions that are NaN")
        refused(tmp_path / "a.pcd", cloud[:-4] + signal, "positions that are NaN")


def test_stl_without_triangles_is_an_empty_mesh(tmp_path):
    for content in (binary_stl(CORNERS[FACES[:0]]), b"solid nothing\nendsolid nothing\n"):
        (tmp_path / "a.stl").write_bytes(content)
        assert read_mesh(tmp_path / "a.stl").is_empty


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (CUBE_STL["binary"][:-1], "683 bytes, but its triangles need 684"),
        (CUBE_STL["binary"] + b"more", "688 bytes, but its triangles need 684"),
        (binary_stl(CORNERS[FACES], count=2**32 - 1), "its triangles need 214748364834"),
        (CUBE_STL["binary that starts with solid"][:-50], "634 bytes, but its triangles need 684"),
        (CUBE_STL["text"][:-20], "ends early"),
        (CUBE_STL["text"][:400], "line 19 of it is no line of STL, or it ends early"),
        (b"solid", "ends early"),
        (CUBE_STL["text"].replace(b"1.000000e+00", b"nan", 1), "NaN"),
        (CUBE_STL["text"].replace(b"vertex 1", b"vertex x1", 1), "'x1.000000e\\+00' is no number"),
        (CUBE_STL["text"].replace(b"vertex", b"vertex 0", 1), "line 4 of it has 4 numbers"),
        (
            CUBE_STL["text"].replace(b"facet", b"color 1 0 0\nfacet", 1),
            "line 2 of it is no line of",
        ),
        (CUBE_STL["text"].replace(b"-1.", b"-1,"), "'-1,000000e\\+00' is no number"),
        (binary_stl(CORNERS[FACES], count=11), "684 bytes, but its triangles need 634"),
        (binary_stl(CORNERS[FACES], count=13), "684 bytes, but its triangles need 734"),
        (CUBE_STL["text"].replace(b"endloop", b"vertex 0 0 0\nendloop", 1), "three corners each"),
        (CUBE_STL["text"].replace(b"outer loop", b"a comment", 1), "line 3 of it is no line of"),
        (CUBE_STL["text"].replace(b"    endloop\n", b"", 1), "not made of solids"),
    ],
)
def test_stl_that_is_broken(tmp_path, content, message):
    refused(tmp_path / "a.stl", content, message)


@pytest.mark.parametrize("format", [*MESH_FORMATS, "stl"])
def test_compressed_files(tmp_path, format):
    plain = tmp_path / f"00007.{format}"
    if format == "stl":
        plain.write_bytes(CUBE_STL["binary"])
    else:
        write_mesh(plain, CORNERS, FACES.astype(np.int32))
    expected, content = read_mesh(plain), plain.read_bytes()
    plain.unlink()
    path = tmp_path / f"00007.{format.upper()}.gz"
    path.write_bytes(gzip.compress(content))
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, expected.vertices)
    np.testing.assert_array_equal(mesh.faces, expected.faces)
    assert numbered_meshes(tmp_path) == [path]
    half = len(content) // 2
    path.write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    np.testing.assert_array_equal(read_mesh(path).vertices, expected.vertices)
    assert sorted(tmp_path.iterdir()) == [path]


def test_compressed_files_that_are_broken(tmp_path):
    write_mesh(tmp_path / "a.ply", CORNERS, FACES.astype(np.int32))
    content = gzip.compress((tmp_path / "a.ply").read_bytes())
    path = tmp_path / "a.ply.gz"
    wrong = bytearray(content)
    wrong[-6] ^= 1  # of the checksum
    for broken in (b"", b"ply\n", content[:-9], content[:30], content + b"more", bytes(wrong)):
        refused(path, broken, "not a readable mesh")
    refused(path, content[:-9], "it is no intact gzip file")
    refused(path, gzip.compress(b"ply\nno header"), "no end_header|not a readable mesh")
    refused(tmp_path / "a.gltf.gz", gzip.compress(b"{}"), r"no asset\.version")
    with pytest.raises(UserError, match=r"a\.gz: unknown mesh format '\.gz'"):
        read_mesh(tmp_path / "a.gz")
    with pytest.raises(UserError, match=r"a\.npz\.gz: unknown mesh format"):
        read_mesh(tmp_path / "a.npz.gz")


def test_a_compressed_gltf_holds_its_buffers(tmp_path):
    file = GltfFile()
    file.node(mesh=file.mesh(file.cube()))
    content = file.write_in_one(tmp_path / "a.gltf").read_bytes()
    (tmp_path / "a.gltf.gz").write_bytes(gzip.compress(content))
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.gltf.gz").faces, FACES)
    content = file.write(tmp_path / "b.gltf").read_bytes()
    refused(tmp_path / "b.gltf.gz", gzip.compress(content), "its buffers are other files")


def test_compressed_files_cannot_unpack_to_much(tmp_path, monkeypatch):
    bomb = gzip.compress(b"ply\n" + bytes(2 * packed.MAX_UNPACKED))
    assert len(bomb) * packed.MAX_RATIO < 2 * packed.MAX_UNPACKED
    before = time.perf_counter()
    refused(tmp_path / "a.ply.gz", bomb, "unpacks to more than .* bytes, 64 times its size")
    assert time.perf_counter() - before < 10
    monkeypatch.setattr(packed, "MAX_UNPACKED", 10)
    write_mesh(tmp_path / "b.ply", CORNERS, FACES.astype(np.int32))
    (tmp_path / "b.ply.gz").write_bytes(gzip.compress((tmp_path / "b.ply").read_bytes()))
    assert len(read_mesh(tmp_path / "b.ply.gz").vertices) == 8  # within 64 times its size


def test_two_files_of_one_frame_are_refused_in_any_ending(tmp_path):
    write_mesh(tmp_path / "00003.ply", CORNERS, FACES.astype(np.int32))
    (tmp_path / "00003.stl.gz").write_bytes(gzip.compress(CUBE_STL["binary"]))
    with pytest.raises(UserError, match=r"00003\.ply and 00003\.stl\.gz are both frame 3"):
        numbered_meshes(tmp_path)


@pytest.mark.parametrize(
    ("text", "colors"),
    [
        ("0.5 1 2\n3 -4 5e-3\n6 7 8", None),
        ("# made by hand\n//X Y Z\n\n  0.5\t1  2 \r\n3 -4 5e-3\n6 7 8\n\n", None),
        ("\ufeff0.5 1 2 255 0 10\n3 -4 5e-3 0 0 0\n6 7 8 9 9 9", [[255, 0, 10], [0] * 3, [9] * 3]),
        ("0.5 1 2 0 0 1\n3 -4 5e-3 0 1 0\n6 7 8 0.6 0.8 0", None),
        ("0.5 1 2 0 0 1\n3 -4 5e-3 0 1 0\n6 7 8 1 0 0", None),  # unit vectors are normals
        ("0.5 1 2 0 0 -1\n3 -4 5e-3 0 1 0\n6 7 8 0.6 0.8 0", None),
        ("# Kopf \xe4\n0.5 1 2\r3 -4 5e-3\r6 7 8", None),
        ("0.5 1 2 1.5 0 9\n3 -4 5e-3 0 1 0\n6 7 8 0.6 0.8 0", None),  # neither, so left out
        ("0.5 1 2 0 0 256\n3 -4 5e-3 0 1 0\n6 7 8 0 0 0", None),
        ("0.5 1 2 nan nan nan\n3 -4 5e-3 0 1 0\n6 7 8 0 0 0", None),
        ("0.5 1 2 9 9 9 0 0 1\n3 -4 5e-3 9 9 9 0 0 1\n6 7 8 9 9 9 0 0 1", [[9] * 3] * 3),
    ],
)  # fmt: skip
def test_xyz(tmp_path, text, colors):
    for encoding in ("utf-8", "latin-1", "utf-16"):
        plain = text if encoding == "utf-8" else text.removeprefix("\ufeff")
        (tmp_path / "a.xyz").write_text(plain, encoding)
        mesh = read_mesh(tmp_path / "a.xyz")
        np.testing.assert_array_equal(mesh.vertices, CLOUD.astype(np.float32))
        assert mesh.faces.shape == (0, 3)
        np.testing.assert_array_equal(mesh.colors, colors)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("# nothing\n", "holds no points"),
        ("3\n\nC 0 0 0\nH 0 0 1\nH 0 1 0", "its first row is '3', expected 3, 6 or 9 numbers"),
        ("1 0 0 0\n2 0 0 1", "expected 3, 6 or 9 numbers"),
        ("0,0,1\n0,1,0", "its first row is '0,0,1'"),
        ("0, 0, 1\n0, 1, 0", "'0,' is no number, in the line '0, 0, 1'"),
        ("0 0 1 7\n0 1 0 7", "expected 3, 6 or 9 numbers"),
        ("0 0 0x10\n", "'0x10' is no number"),
        ("0 0 1_0\n", "'1_0' is no number"),
        ("0 0 0\n0 0", "its row '0 0' has not 3 numbers"),
        ("x y z\n0 0 0", "'x' is no number"),
        ("0 0 nan\n", "NaN"),
        ("0 0 1e99\n", "too large"),
        ("0 0 \xff\n", "not a readable mesh"),
    ],
)
def test_xyz_that_is_not_understood(tmp_path, text, message):
    refused(tmp_path / "a.xyz", text.encode("latin-1"), message)


HEADER = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS {fields}
SIZE {sizes}
TYPE {types}
COUNT {counts}
WIDTH {count}
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS {count}
DATA {storage}
"""
PACKED_COLORS = [0xFF0102, 0x030405, 0xFE0000]


def pcd(columns, storage, count=None, **others):
    """A PCD file of columns of any type, each [N] or [N, count]."""
    row = np.dtype([(f"{k}", array.dtype, array.shape[1:]) for k, (_, array) in enumerate(columns)])
    table = np.empty(len(columns[0][1]), row)
    for k, (_, array) in enumerate(columns):
        table[f"{k}"] = array
    widths = [array[0].size for _, array in columns]
    header = HEADER.format(
        fields=" ".join(name for name, _ in columns), counts=" ".join(map(str, widths)),
        sizes=" ".join(str(array.dtype.itemsize) for _, array in columns),
        types=" ".join(array.dtype.kind.upper() for _, array in columns),
        count=len(table) if count is None else count, storage=storage,
    )  # fmt: skip
    for key, value in others.items():
        header = re.sub(rf"^{key} .*\n", value, header, flags=re.MULTILINE)
    if storage != "ascii":
        return header.encode() + table.tobytes()
    rows = [" ".join(f"{v:.9g}" for part in row for v in np.ravel(part)) for row in table]
    return "\n".join([header.rstrip(), *rows, ""]).encode()


def axes(dtype="f4"):
    return [(axis, CLOUD[:, k].astype(dtype)) for k, axis in enumerate("xyz")]


def colored(dtype="u4"):
    colors = np.array(PACKED_COLORS, "u4")
    noise = ("_", np.full((3, 5), 77, "u1"))
    shape = ("fpfh", np.full((3, 3), 0.25, "f4"))
    rgb = ("rgb", colors.view("f4") if dtype == "f4" else colors)
    return [noise, axes()[2], shape, rgb, *axes()[:2], noise]


@pytest.mark.parametrize("storage", ["ascii", "binary"])
def test_pcd(tmp_path, storage):
    path = tmp_path / "a.pcd"
    for dtype in ("f4", "f8"):
        path.write_bytes(pcd(axes(dtype), storage))
        mesh = read_mesh(path)
        np.testing.assert_array_equal(mesh.vertices, CLOUD.astype(np.float32))
        assert mesh.colors is None and mesh.faces.shape == (0, 3)
    for dtype in ("u4", "f4"):
        path.write_bytes(pcd(colored(dtype), storage))
        mesh = read_mesh(path)
        np.testing.assert_array_equal(mesh.vertices, CLOUD.astype(np.float32))
        np.testing.assert_array_equal(mesh.colors, [[255, 1, 2], [3, 4, 5], [254, 0, 0]])
    path.write_bytes(pcd(axes("i2"), storage))
    np.testing.assert_array_equal(read_mesh(path).vertices, CLOUD.astype("i2"))


def test_pcd_of_other_programs(tmp_path):
    """Fields in any order, clouds in rows and columns, comments in any encoding."""
    path = tmp_path / "a.pcd"
    shuffled = [("normal_x", np.full(3, np.nan, "f4")), *axes()[::-1], ("t", np.ones((3, 2), "f8"))]
    for storage in ("ascii", "binary"):
        content = pcd(shuffled, storage, WIDTH="WIDTH 1\n", HEIGHT="HEIGHT 3\n")
        path.write_bytes(b"# K\xf6rper \x85 DATA binary\n" + content)
        np.testing.assert_array_equal(read_mesh(path).vertices, CLOUD.astype(np.float32))
    far = [(name, column + 5_400_000) for name, column in axes("f8")]
    path.write_bytes(pcd(far, "binary"))
    np.testing.assert_array_equal(read_mesh(path).vertices, CLOUD + 5_400_000)
    gap = [("x", np.array([np.nan, 1, 2], "f4")), *axes()[1:]]
    for storage in ("ascii", "binary"):
        refused(path, pcd(gap, storage), "NaN")


@pytest.mark.parametrize("value", [b"nan", b"-1e99", b"1e20"])
def test_colours_of_pcd_that_a_text_has_lost(tmp_path, value):
    """With an alpha of 255, the packed float is NaN, which a text does not bring back."""
    content = pcd([*axes(), ("rgb", np.array(PACKED_COLORS, "u4"))], "ascii")
    content = content.replace(str(PACKED_COLORS[0]).encode(), value)
    for kind in (b"U", b"I", b"F"):
        (tmp_path / "a.pcd").write_bytes(content.replace(b"F F F U", b"F F F " + kind))
        mesh = read_mesh(tmp_path / "a.pcd")
        np.testing.assert_array_equal(mesh.vertices, CLOUD.astype(np.float32))
        assert mesh.colors is None or (kind, value) == (b"F", b"1e20")


def test_pcd_of_one_row_of_header_less(tmp_path):
    content = pcd(axes(), "ascii", COUNT="", POINTS="", VIEWPOINT="")
    (tmp_path / "a.pcd").write_bytes(content.replace(b"\n", b"\r\n"))
    vertices = read_mesh(tmp_path / "a.pcd").vertices
    np.testing.assert_array_equal(vertices, CLOUD.astype(np.float32))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (pcd(axes(), "binary_compressed"), "compressed .binary_compressed., which is not"),
        (pcd(axes(), "weird"), "stored as 'weird'"),
        (pcd(axes(), "binary")[:-1], "bytes, but its points need"),
        (pcd(axes(), "binary") + b"more", "bytes, but its points need"),
        (pcd(axes(), "binary", count=10**12), "bytes, but its points need"),
        (pcd(axes(), "ascii", count=10**12), "3 rows of points, 1000000000000 expected"),
        (pcd(axes(), "ascii") + b"1 2 3\n", "4 rows of points, 3 expected"),
        (pcd(axes(), "ascii").replace(b"0.5 1 2", b"0.5 1 2,0"), "'2,0' is no number"),
        (pcd(axes(), "ascii").replace(b"0.5 1 2\n3 -4", b"0.5 1 2 3\n-4"), "3 expected in"),
        (pcd(axes(), "binary", VERSION="COLUMNS x y z\n"), "line 'COLUMNS x y z', which"),
        (pcd(axes(), "ascii") .replace(b"0.5 1 2", b"0.5 1 2 3"), "10 numbers, 3 expected in each"),
        (pcd(axes()[:2], "binary"), "its fields are x y, expected x, y and z"),
        (pcd([*axes(), *axes()[:1]], "binary"), "not a readable mesh"),
        (pcd(axes(), "binary", SIZE="SIZE 4 4\n"), "a line SIZE with 3 whole numbers"),
        (pcd(axes(), "binary", SIZE="SIZE 4 4 3\n"), "cannot have SIZE 3"),
        (pcd(axes(), "binary", COUNT="COUNT 1 1 99999999999\n"), "cannot have SIZE 4 and COUNT"),
        (pcd(axes(), "binary", TYPE="TYPE F F X\n"), "TYPE out of I, U and F"),
        (pcd(axes(), "binary", WIDTH="WIDTH 2\n"), "claims 3 points in 1 rows of 2"),
        (pcd(axes(), "binary", HEIGHT="HEIGHT -1\n"), "a line HEIGHT with 1 whole numbers"),
        (pcd(axes(), "binary", HEIGHT="MATRIX 1\n"), "line 'MATRIX 1', which is unknown or double"),
        (pcd(axes(), "ascii").replace(b"0.5", b"nan"), "NaN"),
    ],
)  # fmt: skip
def test_pcd_that_is_not_understood(tmp_path, content, message):
    refused(tmp_path / "a.pcd", content, message)
