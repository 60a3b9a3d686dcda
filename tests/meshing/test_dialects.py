"""OBJ, OFF and PLY as other programs write them: read rightly, or refused by name.

The files in `cases` follow public reports of bugs. All but two hold the same cube.
"""

import codecs
import itertools
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest

from im2mesh.errors import Advice, UserError
from im2mesh.meshing.io import read_mesh, write_mesh

CASES = Path(__file__).parent / "cases"
CORNERS = np.array(list(itertools.product((-1, 1), repeat=3)), np.float32)
TRIANGLES = np.array(
    ["130", "410", "032", "240", "173", "514", "571", "372", "642", "276", "654", "756"], "U3"
).view("U1").reshape(-1, 3).astype(np.int32)  # fmt: skip
QUADS = ["0132", "4576", "0451", "2376", "0264", "1573"]
XYZ = "property float x\nproperty float y\nproperty float z\n"
FACE = "property list uchar int vertex_indices\n"


def rows(table, before="", after=""):
    return "".join(f"{before}{' '.join(map(str, row))}{after}\n" for row in table)


V, F = rows(CORNERS.astype(int), "v "), rows(TRIANGLES + 1, "f ")
POINTS, FACES = rows(CORNERS.astype(int)), rows(TRIANGLES, "3 ")
COUNTS = "8 12 0\n"


def header(*elements, format="ascii"):
    """Of a PLY file; an element is a name, a count and its properties."""
    body = "".join(f"element {name} {count}\n{columns}" for name, count, columns in elements)
    return f"ply\nformat {format} 1.0\n{body}end_header\n"


VERTEX_FACE = (("vertex", 8, XYZ), ("face", 12, FACE))
PLY = header(*VERTEX_FACE)


def read(folder, ending, content):
    path = folder / f"a.{ending}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_mesh(path)


def is_cube(mesh):
    return (
        np.array_equal(mesh.vertices, CORNERS)
        and np.array_equal(mesh.faces, TRIANGLES)
        and mesh.colors is None
    )


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return (a * np.cross(b, c)).sum() / 6


def area(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


@pytest.mark.parametrize("path", sorted(CASES.glob("cube_*")), ids=lambda path: path.name)
def test_cubes_of_public_reports(path):
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)
    assert mesh.colors is None and volume(mesh) == 8


def test_there_is_a_case_of_every_format():
    assert {path.suffix for path in CASES.glob("cube_*")} == {".glb", ".obj", ".off", ".ply"}


def test_other_public_reports():
    tetrahedron = read_mesh(CASES / "tetra_one_indented.obj")
    assert len(tetrahedron.vertices) == 5 and volume(tetrahedron) == pytest.approx(1 / 6)
    prism = read_mesh(CASES / "l_prism.obj")
    assert len(prism.vertices) == 12 and len(prism.faces) == 20
    assert volume(prism) == pytest.approx(3) and area(prism) == pytest.approx(14)


OBJ = {
    "tabs": V.replace(" ", "\t") + F.replace(" ", "\t"),
    "mixed line ends": V.replace("\n", "\r\n") + F.replace("\n", "\r"),
    "blanks at both ends": rows(CORNERS, " \t v  ", " \t") + rows(TRIANGLES + 1, "\tf\t", "  "),
    "mark of UTF-8": codecs.BOM_UTF8 + (V + F).encode(),
    "UTF-16": (V + F).encode("utf-16"),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + (V + F).encode("utf-16-be"),
    "UTF-32": (V + F).encode("utf-32"),
    "names in Latin-1": "o Körper\ng Ä Ö\nusemtl grün\n".encode("latin-1") + (V + F).encode(),
    "a byte that Unicode takes for a line end": b"# K\x85 v 9 9 9\n" + (V + F).encode(),
    "a comment in Shift-JIS": "# 立方体\n".encode("shift-jis") + (V + F).encode(),
    "a comment right behind a number": V + F.replace("\n", "#v 1 2 3\n"),
    "a comment that ends in a backslash": "# C:\\models\\\n" + V + "# f \\\n" + F,
    "continued twice": V.replace("v ", "v \\\n \\\n\t") + F.replace("f ", "f \\ \t\n"),
    "continued with CRLF": (V + F.replace(" ", " \\\n ")).replace("\n", "\r\n"),
    "a name that goes on": "g a b \\\n  c d\n" + V + F,
    "indices from the last vertex": V + rows(TRIANGLES - 8, "f "),
    "both kinds of indices in a face": V + "".join(
        f"f {a + 1} {b - 8}//-1 {c + 1}/1\n" for a, b, c in TRIANGLES),
    "all forms of corners": "vt 0 0\nvn 0 0 1\n" + V + "".join(
        f"f {a + 1}/1 {b + 1}//1 {c + 1}/1/1\n" for a, b, c in TRIANGLES),
    "empty texture indices": V + "".join(
        f"f {a + 1}/ {b + 1}// {c + 1}//1\n" for a, b, c in TRIANGLES),
    "materials, groups and smoothing": "mtllib a.mtl\no Cube\ng default\n" + V + "vt 0 0 0\n"
        "vn 0 0 1\nusemtl None\ns off\n" + F[:64] + "g sides\ns 1\nusemtl b\n" + F[64:],
    "faces before vertices": F + V,
    "a weight of one": V.replace("\n", " 1.0\n") + F,
    "colours of some vertices": V.replace("\n", " 1 0 0\n", 3) + F,
    "colours with two channels": V.replace("\n", " 1 0\n") + F,
    "NaN of Microsoft as colour": V.replace("\n", " -1.#IND -1.#IND 0\n") + F,
    "infinite colours": V.replace("\n", " inf 0 0\n") + F,
    "normals in the place of colours": V.replace("\n", " 0 0 -1\n") + F,
    "form feeds and vertical tabs": V.replace(" ", "\f \v") .replace("v\f \v", "v ") + F,
    "a comment behind a continuation": V + F.replace(" ", " \\\n", 1).replace("\n", " # x\n", 2)
        .replace("\\ # x\n", "\\\n"),
    "a texture index before the first": V + F.replace("\n", "/-1/-1\n"),
    "colours with alpha of some": V.replace("\n", " 1 0 0 1\n", 3) + F,
    "a mark, then blanks": codecs.BOM_UTF8 + b"\n \t" + (V + F).encode(),
    "vertices after faces that name them by number": F[:64] + V + F[64:],
    "normals that are no numbers": "vn nan nan nan\nvt x y\n" + V + F,
    "a comment right behind a point": V.replace(" 1\n", " 1.# v\n") + F,
    "numbers in other notations": V.replace("-1", "-1.0e+0").replace(" 1", " +1.") + F,
}  # fmt: skip


@pytest.mark.parametrize("content", OBJ.values(), ids=OBJ)
def test_obj_of_other_programs(tmp_path, content):
    assert is_cube(read(tmp_path, "obj", content))


def test_relative_indices_count_from_the_vertices_read_so_far(tmp_path):
    """Several objects, as Rhino and others write them: each names its own vertices."""
    other = rows(CORNERS.astype(int) + 5, "v ")
    content = V + rows(TRIANGLES - 8, "f ") + "o second\n" + other + rows(TRIANGLES - 8, "f ")
    mesh = read(tmp_path, "obj", content)
    np.testing.assert_array_equal(mesh.vertices, np.concatenate([CORNERS, CORNERS + 5]))
    np.testing.assert_array_equal(mesh.faces, np.concatenate([TRIANGLES, TRIANGLES + 8]))


OBJ_REFUSED = {
    "a curve": (V + F + "curv 0 1 1 2\n", r"free-form curves or surfaces \(curv\)"),
    "a surface": (V + F + "cstype bspline\n", r"free-form curves or surfaces \(cstype\)"),
    "lines alone": (V + "l 1 2 3\n", r"lines \(l\) and no faces"),
    "another file": (V + F + "call other.obj\n", r"runs other files or commands \(call\)"),
    "an unknown keyword": (V + F + "face 1 2 3\n", "starts with 'face', which is no keyword"),
    "keywords in capitals": ((V + F).upper(), "starts with 'F', which is no keyword"),
    "a pointer of Git LFS": ("version https://git-lfs\noid sha256:1\n", "no keyword of OBJ"),
    "binary": (b"\0\1\2v 0 0 0", "zero bytes"),
    "UTF-16 without its mark": ((V + F).encode("utf-16-le"), "zero bytes"),
    "index 0": (V + F + "f 0 1 2\n", "names vertex 0"),
    "a relative index before the vertices": (F.replace("f ", "f -") + V, "above the first one"),
    "an index beyond the end": (V + F + "f 1 2 9\n", "faces name vertices 0 to 8"),
    "an index that is not whole": (V + F + "f 1 2 2.5\n", "not whole"),
    "decimal commas": (V.replace(" 1", " 1,0") + F, "'1,0' is no number, in the line"),
    "digits of Python": (V + "v 1_0 0 0\n" + F, "'1_0' is no number"),
    "numbers run together": (V + "v 1-2 0 0\n" + F, "'1-2' is no number"),
    "hexadecimal numbers": (V.replace("v 1", "v 0x1") + F, "'0x1' is no number"),
    "exponents of Fortran": (V.replace(" 1", " 1d0") + F, "'1d0' is no number"),
    "an index beyond 64 bits": (V + "f 1 2 99999999999999999999\n", "faces name vertices"),
    "an index far below": (V + "f 1 2 -99999999999999999999\n", "above the first one|faces name"),
    "NaN as index": (V + "f 1 2 nan\n", "faces name vertices|not whole"),
    "infinity": (V + "v 1 2 inf\n" + F, "NaN, infinite"),
    "an old keyword of faces": (V + "fo 1 2 3\n", "starts with 'fo', which is no keyword"),
    "a weight": (V.replace("\n", " 0.5\n") + F, "weight"),
    "two coordinates": (V + "v 1 2\n" + F, "fewer than three numbers"),
    "a vertex without numbers": (V + "v\n" + F, "'v' without numbers"),
    "a vertex of blanks": (V + "v  \n" + F, "fewer than three numbers"),
    "a face of blanks": (V + "f  \n" + F, "face of 0 corners"),
    "a face of two corners": (V + "f 1 2\n" + F, "face of 2 corners"),
    "blanks around slashes": (V + "f 1 / 1 2 / 2 3 / 3\n", "slash that follows no index"),
    "a word split by a continuation": (V + "f 1 2 3\\\n4\n", "middle of a word"),
    "a name that would swallow a vertex": ("g C:\\a \\\n" + V + F, "join it with the next line"),
    "an outline that crosses itself": (
        "v 0 0 0\nv 2 2 0\nv 2 0 0\nv 0 1 0\nf 1 2 3 4\n", "crosses itself"),
    "nothing": ("\n \n", "blank"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), OBJ_REFUSED.values(), ids=OBJ_REFUSED)
def test_obj_that_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"a\.obj: not a readable mesh: .*{message}"):
        read(tmp_path, "obj", content)


@pytest.mark.parametrize("left_out", ["l 1 2\n", "p 1\n"])
def test_lines_beside_faces_are_told(tmp_path, left_out):
    with pytest.warns(Advice, match=rf"a\.obj: lines or points \({left_out[0]}\) are left out"):
        assert is_cube(read(tmp_path, "obj", V + F + left_out))
    edges = header(*VERTEX_FACE, ("edge", 1, "property int vertex1\nproperty int vertex2\n"))
    with pytest.warns(Advice, match=r"a\.ply: edges are left out"):
        assert is_cube(read(tmp_path, "ply", edges + POINTS + FACES + "0 1\n"))
    others = header(*VERTEX_FACE, ("patch", 1, "property list uchar short at\n"))
    with pytest.warns(Advice, match=r"a\.ply: its element 'patch' is left out; faces are read"):
        assert is_cube(read(tmp_path, "ply", others + POINTS + FACES + "2 0 1\n"))


def test_an_obj_that_ends_behind_its_beginning_is_told(tmp_path):
    with pytest.warns(Advice, match=r"a\.obj: it holds no vertices, so it counts as an empty mesh"):
        assert read(tmp_path, "obj", "# made by a program\nmtllib a.mtl\no Body\n").is_empty
    write_mesh(tmp_path / "b.obj", CORNERS[:0], TRIANGLES[:0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_mesh(tmp_path / "b.obj").is_empty


def test_points_alone_are_a_cloud(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mesh = read(tmp_path, "obj", V + "p 1 2 3 4 5 6 7 8\n")
    assert len(mesh.vertices) == 8 and len(mesh.faces) == 0


OFF = {
    "keyword and counts in one line": "OFF 8 12 0\n" + POINTS + FACES,
    "keyword joined with two counts": "OFF8 12\n" + POINTS + FACES,
    "no keyword, two counts": "8 12\n" + POINTS + FACES,
    "one count a line": "OFF\n8\n12\n0\n" + POINTS + FACES,
    "edges on a line of their own": "OFF\n8 12\n18\n" + POINTS + FACES,
    "lower case": "off\n" + COUNTS + POINTS + FACES,
    "no last line end": ("OFF\n" + COUNTS + POINTS + FACES).rstrip(),
    "CR": ("OFF\n" + COUNTS + POINTS + FACES).replace("\n", "\r"),
    "CRLF and blank lines": ("OFF\n" + COUNTS + POINTS + FACES).replace("\n", " \r\n\r\n"),
    "tabs": ("OFF\n" + COUNTS + POINTS + FACES).replace(" ", "\t"),
    "comments everywhere": ("# \xff\nOFF # x\n#\n" + COUNTS + POINTS + "# faces\n" + FACES).replace(
        "\n", "# é\n").encode("latin-1"),
    "UTF-16": ("OFF\n" + COUNTS + POINTS + FACES).encode("utf-16"),
    "normals": "NOFF\n" + COUNTS + rows(CORNERS, after=" 0 0 1") + FACES,
    "normals joined with the counts": "NOFF8 12 0\n" + rows(CORNERS, after=" 0 0 1") + FACES,
    "texture": "STOFF\n" + COUNTS + rows(CORNERS, after=" 0.5 0.25") + FACES,
    "texture and normals": "STNOFF\n" + COUNTS + rows(CORNERS, after=" 0 0 1 0.5 1") + FACES,
    "colours by an index into a map": "OFF\n" + COUNTS + POINTS + rows(TRIANGLES, "3 ", " 7"),
    "all letters": "STCNOFF\n" + COUNTS + rows(CORNERS, after=" 0 0 1 1 1 nan 1 0 0") + FACES,
    "comments with keywords": "#OFF BINARY\n# 4OFF\nOFF # BINARY\n" + COUNTS + POINTS + FACES,
    "a mark and a comment": codecs.BOM_UTF8 + b"# x\n\nOFF " + (COUNTS + POINTS + FACES).encode(),
    "UTF-32, big end first": codecs.BOM_UTF32_BE + (
        "OFF\n" + COUNTS + POINTS + FACES).encode("utf-32-be"),
    "colours of faces": "OFF\n" + COUNTS + POINTS + rows(TRIANGLES, "3 ", " 255 0 0"),
    "fractions and alpha": "OFF\n" + COUNTS + POINTS + rows(TRIANGLES, "3 ", " 1.0 0.5 0 1"),
    "colours of some faces": "OFF\n" + COUNTS + POINTS + FACES.replace("\n", " 1 2 3\n", 5),
    "colours of some vertices": "COFF\n" + COUNTS + POINTS.replace("\n", " 1 2 3 4\n", 2) + FACES,
    "NaN of Windows as colour": "COFF\n" + COUNTS + rows(CORNERS, after=" 1.#QNAN 0 0") + FACES,
    "NaN as colour": "COFF\n" + COUNTS + rows(CORNERS, after=" nan nan nan 1") + FACES,
    "a keyword for colours that are missing": "COFF\n" + COUNTS + POINTS + FACES,
    "normals in plain OFF": "OFF\n" + COUNTS + rows(CORNERS, after=" 0 -1 0") + FACES,
}  # fmt: skip


@pytest.mark.parametrize("content", OFF.values(), ids=OFF)
def test_off_of_other_programs(tmp_path, content):
    assert is_cube(read(tmp_path, "off", content))


OFF_REFUSED = {
    "four dimensions": ("4OFF\n" + COUNTS + POINTS + FACES, "it is 4OFF"),
    "n dimensions": ("nOFF\n3\n" + COUNTS + POINTS + FACES, "it is nOFF"),
    "both, with colours": ("C4nOFF\n4\n" + COUNTS + POINTS + FACES, "it is C4nOFF"),
    "binary": (b"OFF BINARY\n" + struct.pack(">3i", 8, 12, 0), "it is binary OFF"),
    "binary with colours": (b"# a\nCOFF BINARY\n\0\0", "it is binary OFF"),
    "another object of Geomview": ("LIST\n{ OFF\n1 0 0\n0 0 0 }\n", "does not start with OFF"),
    "an unknown keyword": ("XOFF\n" + COUNTS + POINTS + FACES, "does not start with OFF"),
    "in braces": ("{ OFF\n" + COUNTS + POINTS + FACES + "}\n", "does not start with OFF"),
    "mixed capitals": ("Off\n" + COUNTS + POINTS + FACES, "does not start with OFF"),
    "negative counts": ("OFF\n-8 12 0\n" + POINTS + FACES, "does not start with OFF"),
    "vertices in one line": (
        "OFF\n" + COUNTS + POINTS.replace("\n", " ") + "\n" + FACES,
        "13 lines, expected 20",
    ),
    "binary behind a mark": (codecs.BOM_UTF8 + b"OFF BINARY\n\0", "it is binary OFF"),
    "NaN as corner": ("OFF\n8 1 0\n" + POINTS + "3 0 1 nan\n", "faces name vertices|not whole"),
    "no counts": ("OFF\n" + POINTS + FACES, "does not start with OFF"),
    "too few lines": ("OFF\n" + COUNTS + POINTS + FACES[:-8], "19 lines, expected 20"),
    "more lines than the counts say": ("OFF\n8 11 0\n" + POINTS + FACES, "counts are wrong"),
    "no count is kept": ("OFF\n0 0 0\n" + POINTS + FACES, "counts are wrong"),
    "two coordinates": ("OFF\n1 0 0\n0 0\n", "fewer than three numbers"),
    "a word": ("OFF\n1 0 0\n0 x 0\n", "'x' is no number, in the line '0 x 0'"),
    "a line": ("OFF\n8 1 0\n" + POINTS + "2 0 1\n", "face of 2 corners"),
    "half a corner": ("OFF\n8 1 0\n" + POINTS + "2.5 0 1 2\n", "claims 2.5 corners"),
    "a negative index": ("OFF\n8 1 0\n" + POINTS + "3 0 1 -1\n", "faces name vertices -1"),
    "zero bytes at the end": ("OFF\n" + COUNTS + POINTS + FACES + "\0\0", "zero bytes"),
}


@pytest.mark.parametrize(("content", "message"), OFF_REFUSED.values(), ids=OFF_REFUSED)
def test_off_that_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"a\.off: not a readable mesh: .*{message}"):
        read(tmp_path, "off", content)


def binary(*tables, order="<"):
    return b"".join(np.asarray(table, dtype).astype(np.dtype(dtype).newbyteorder(order)).tobytes()
                    for table, dtype in tables)  # fmt: skip


def packed_faces(order="<", count="B", index="i"):
    return b"".join(struct.pack(f"{order}{count}3{index}", 3, *corners) for corners in TRIANGLES)


SHUFFLED = (
    "property uchar a\nproperty double z\nproperty list ushort float c\nproperty short y\n"
    "property float32 x\n"
)
PLY_FILES = {
    "CRLF": (PLY + POINTS + FACES).replace("\n", "\r\n"),
    "CR": (PLY + POINTS + FACES).replace("\n", "\r"),
    "a mark of UTF-8": codecs.BOM_UTF8 + (PLY + POINTS + FACES).encode(),
    "UTF-16": (PLY + POINTS + FACES).encode("utf-16"),
    "comments and obj_info": PLY.replace(
        "element", "comment end_header\ncomment\nobj_info end_header \xe9\nelement").encode(
        "latin-1") + (POINTS + FACES).encode(),
    "the other line end within a comment": PLY.replace(
        "element", "comment \rend_header\nelement", 1) + POINTS + FACES,
    "the same in a file of CR": (PLY + POINTS + FACES).replace("\n", "\r").replace(
        "element", "comment \nend_header\relement", 1),
    "blanks at line ends": PLY.replace("\n", " \n") + POINTS + FACES,
    "blank lines": PLY + (POINTS + FACES).replace("\n", "\n\n"),
    "all in one line": PLY + (POINTS + FACES).replace("\n", " "),
    "rows over several lines": PLY + (POINTS + FACES).replace(" ", "\n"),
    "longer rows of faces": PLY + POINTS + FACES.replace("\n", " 200 100 0\n"),
    "longer rows here and there": PLY + POINTS.replace("\n", " 1 2 3\n", 4)
        + FACES.replace("\n", " 7\n", 2),
    "longer rows everywhere": PLY + POINTS.replace("\n", " 1\n") + FACES.replace("\n", " 7\n"),
    "other order and types": header(("vertex", 8, SHUFFLED), ("face", 12, FACE))
        + "".join(f"7 {z} 2 5 5 {y} {x}\n" for x, y, z in CORNERS.astype(int)) + FACES,
    "the same in binary": header(
        ("vertex", 8, SHUFFLED), ("face", 12, FACE), format="binary_big_endian").encode()
        + b"".join(struct.pack(">BdHffhf", 7, z, 2, 5, 5, int(y), x) for x, y, z in CORNERS)
        + packed_faces(">"),
    "lists of unequal length": header(
        ("vertex", 8, XYZ + "property list uchar uchar a\n"), ("face", 12, FACE),
        format="binary_little_endian").encode()
        + b"".join(struct.pack("<3fB", *corner, k) + bytes(k) for k, corner in enumerate(CORNERS))
        + packed_faces("<"),
    "faces first": header(*VERTEX_FACE[::-1]) + FACES + POINTS,
    "further elements": header(
        ("camera", 1, "property float fx\n"), VERTEX_FACE[0],
        ("material", 2, "property list uchar uchar name\n"), VERTEX_FACE[1],
        ("extra", 1, "property int a\n"), ("nothing", 0, "")) + "0.5\n" + POINTS + "2 1 1\n0\n"
        + FACES + "1\n",
    "unsigned indices": header(
        VERTEX_FACE[0], ("face", 12, "property list uint uint vertex_index\n"),
        format="binary_little_endian").encode()
        + binary((CORNERS, "f4")) + packed_faces("<", "I", "I"),
    "64 bits": header(
        ("vertex", 8, XYZ.replace("float", "double")),
        ("face", 12, "property list uint8 int64 vertex_indices\n"),
        format="binary_little_endian").encode()
        + binary((CORNERS, "f8")) + packed_faces("<", "B", "q"),
    "properties of faces": header(
        VERTEX_FACE[0], ("face", 12, "property uchar red\n" + FACE
                         + "property list uchar float texcoord\nproperty int texnumber\n"))
        + POINTS + rows(TRIANGLES, "9 3 ", " 6 0 0 1 0 0 1 0"),
    "strips in text": header(
        VERTEX_FACE[0], ("tristrips", 1, "property list int int vertex_indices\n")) + POINTS
        + f"{4 * 12 - 1} " + " -1 ".join(f"{a} {b} {c}" for a, b, c in TRIANGLES) + "\n",
    "a strip a row": header(
        VERTEX_FACE[0], ("tristrips", 12, "property list int int vertex_index\n")) + POINTS + FACES,
    "a mark before binary": codecs.BOM_UTF8 + header(
        *VERTEX_FACE, format="binary_little_endian").encode() + binary((CORNERS, "f4"))
        + packed_faces(),
    "strips of bytes": header(
        VERTEX_FACE[0], ("tristrips", 1, "property list uchar int8 vertex_indices\n"),
        format="binary_little_endian").encode() + binary(
            (CORNERS, "f4"), ([47], "u1"), (np.insert(TRIANGLES, 3, -1, 1).ravel()[:-1], "i1")),
    "unsigned strips in text": header(
        VERTEX_FACE[0], ("tristrips", 1, "property list int uint vertex_index\n")) + POINTS
        + "47 " + " 4294967295 ".join(f"{a} {b} {c}" for a, b, c in TRIANGLES) + "\n",
    "strips of 16 bits, big end first": header(
        VERTEX_FACE[0], ("tristrips", 1, "property list ushort short vertex_indices\n"),
        format="binary_big_endian").encode() + binary(
            (CORNERS, "f4"), ([48], "u2"), (np.insert(TRIANGLES, 3, -1, 1), "i2"), order=">"),
    "an element of lists first": header(
        ("names", 2, "property list int uchar letters\n"), *VERTEX_FACE,
        format="binary_big_endian").encode() + struct.pack(">i3si1s", 3, b"end", 1, b"\n")
        + binary((CORNERS, "f4"), order=">") + packed_faces(">"),
    "an empty element of faces": header(
        VERTEX_FACE[0], ("polygon", 0, FACE), VERTEX_FACE[1]) + POINTS + FACES,
    "header in CRLF, binary": header(*VERTEX_FACE, format="binary_little_endian").replace(
        "\n", "\r\n").encode() + binary((CORNERS, "f4")) + packed_faces(),
    "unsigned strips": header(
        VERTEX_FACE[0], ("tristrips", 1, "property list int uint vertex_indices\n"),
        format="binary_big_endian").encode()
        + binary((CORNERS, "f4"), ([48], "i4"), (np.insert(TRIANGLES, 3, -1, 1), "i4"), order=">"),
    "a line end after the binary": header(*VERTEX_FACE, format="binary_little_endian").encode()
        + binary((CORNERS, "f4")) + packed_faces() + b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("content", PLY_FILES.values(), ids=PLY_FILES)
def test_ply_of_other_programs(tmp_path, content):
    assert is_cube(read(tmp_path, "ply", content))


def test_lines_of_a_binary_header_may_end_in_any_way(tmp_path):
    """The body starts with a byte that is a line feed, which belongs to the numbers."""
    first = np.frombuffer(b"\n\r\n?", "<f4")[0]
    body = binary(([first, 2, 3], "f4"))
    text = header(("vertex", 1, XYZ), format="binary_little_endian")
    for end in ("\n", "\r\n", "\r"):
        mesh = read(tmp_path, "ply", text.replace("\n", end).encode() + body)
        np.testing.assert_array_equal(mesh.vertices, [[first, 2, 3]])


def test_strips_turn_every_second_triangle(tmp_path):
    strips = header(VERTEX_FACE[0], ("tristrips", 2, "property list int int vertex_indices\n"))
    mesh = read(tmp_path, "ply", strips + POINTS + "9 0 1 2 3 -1 6 7 4 5\n8 0 1 2 2 4 5 -1 -1\n")
    expected = [[0, 1, 2], [2, 1, 3], [6, 7, 4], [4, 7, 5], [0, 1, 2], [4, 2, 5]]
    got = mesh.faces.tolist()
    assert [canonical(face) for face in got] == [canonical(face) for face in expected]


def canonical(face):
    """The same triangle, its smallest corner first."""
    k = face.index(min(face))
    return face[k:] + face[:k]


def unroll_slowly(strip):
    """A naive twin of the reader: the last two corners, which change places at every step."""
    faces, last = [], []
    for corner in strip:
        if corner < 0:
            last, turn = [], 0
        elif len(last) < 2:
            last, turn = [*last, corner], 0
        else:
            face = [*(last if turn % 2 == 0 else last[::-1]), corner]
            faces += [canonical(face)] if len(set(face)) == 3 else []
            last, turn = [last[1], corner], turn + 1
    return faces


@pytest.mark.parametrize("seed", range(5))
def test_random_strips(tmp_path, seed):
    rng = np.random.default_rng(seed)
    pieces = [[*rng.integers(0, 8, rng.integers(3, 9)), -1, *[-1] * (k % 2)] for k in range(9)]
    strip = np.concatenate(pieces)
    strips = ("tristrips", 1, "property list int int vertex_indices\n")
    content = header(VERTEX_FACE[0], strips, format="binary_big_endian").encode()
    body = binary((CORNERS, "f4"), ([len(strip)], "i4"), (strip, "i4"), order=">")
    faces = read(tmp_path, "ply", content + body).faces.tolist()
    assert [canonical(face) for face in faces] == unroll_slowly(strip.tolist())


BINARY = header(*VERTEX_FACE, format="binary_little_endian").encode() + binary((CORNERS, "f4"))
PLY_REFUSED = {
    "an element of faces": (
        header(VERTEX_FACE[0], ("polygon", 1, FACE)) + POINTS + "3 0 1 2\n", "'polygon'"),
    "faces under another name": (
        header(VERTEX_FACE[0], ("Faces", 1, FACE)) + POINTS + "3 0 1 2\n", "element 'Faces'"),
    "lists of whole numbers and no faces": (
        header(VERTEX_FACE[0], ("patch", 1, "property list uchar int at\n")) + POINTS
        + "3 0 1 2\n", "'patch', which may hold faces"),
    "columns of whole numbers and no faces": (
        header(VERTEX_FACE[0], ("shell", 1, "property int a\nproperty int b\nproperty int c\n"))
        + POINTS + "0 1 2\n", "'shell', which may hold faces"),
    "another version": (PLY.replace("1.0", "2.0"), "line 'format ascii 2.0'"),
    "tetrahedra": (
        header(*VERTEX_FACE, ("cell", 1, "property list uchar int v\n")) + POINTS + FACES
        + "4 0 1 2 3\n", "'cell', which may hold faces"),
    "a range grid": (
        header(VERTEX_FACE[0], ("range_grid", 2, FACE)) + POINTS + "1 0\n0\n", "'range_grid'"),
    "edges alone": (
        header(VERTEX_FACE[0], ("edge", 1, "property int vertex1\n")) + POINTS + "0\n", "no faces"),
    "two elements of faces": (
        header(*VERTEX_FACE, VERTEX_FACE[1]) + POINTS + FACES + FACES, "more than one"),
    "faces without lists": (
        header(VERTEX_FACE[0], ("face", 1, "property int vertex_indices\n")) + POINTS + "1\n",
        "none of the columns vertex_indices"),
    "another format": (PLY.replace("ascii", "binary_mixed"), "line 'format binary_mixed 1.0'"),
    "an unknown type": (PLY.replace("float x", "half x"), "property 'half x'"),
    "an unknown line": (PLY.replace("element", "elements"), "a line 'elements vertex 8'"),
    "no end": (PLY.replace("end_header\n", "comment end_header\n"), "no end_header line"),
    "nothing": ("", "it is empty"),
    "no beginning": ("plyx" + PLY[3:], "does not start with a line 'ply'"),
    "x twice": (header(("vertex", 1, XYZ + XYZ)) + "1 2 3 4 5 6\n", "two columns: x, x"),
    "two columns of indices": (
        header(VERTEX_FACE[0], ("face", 1, FACE + FACE.replace("indices", "index")))
        + POINTS + "3 0 1 2 3 0 1 2\n", "'face' has two columns: vertex_indices, vertex_index"),
    "a comment in the body": (PLY + "comment x\n" + POINTS + FACES, "'comment' is no number"),
    "a keyword in capitals": (PLY.upper() + POINTS + FACES, "does not start with a line 'ply'"),
    "a negative count": (PLY.replace("vertex 8", "vertex -8") + POINTS, "cannot have -8 rows"),
    "restarts in a byte without sign": (
        header(VERTEX_FACE[0], ("tristrips", 1, "property list uchar uchar vertex_indices\n"))
        + POINTS + "7 0 1 2 255 1 2 3\n", "faces name vertices 0 to 255"),
    "a short row": (PLY + POINTS.replace(" 1\n", "\n", 1) + FACES, "row 1 of 'vertex'"),
    "a short list": (PLY + POINTS + FACES.replace("3 ", "4 ", 1), "row 0 of 'face'"),
    "a length that is not whole": (PLY + POINTS + FACES.replace("3 ", "2.5 ", 1), "length"),
    "more than the header says, in text": (
        header(("vertex", 4, XYZ)) + POINTS, "more than its header says"),
    "more than the header says": (
        header(("vertex", 4, XYZ), format="binary_little_endian").encode()
        + binary((CORNERS, "f4")), "48 bytes more than its header says"),
    "no rows, though there are": (
        header(("vertex", 0, XYZ), format="binary_little_endian").encode()
        + binary((CORNERS, "f4")), "more than its header says"),
    "cut": (BINARY + packed_faces()[:-1], "ends early"),
    "a word": (PLY + POINTS + FACES.replace("3 ", "x ", 1), "'x' is no number"),
    "a short strip": (
        header(VERTEX_FACE[0], ("tristrips", 1, FACE)) + POINTS + "5 0 1 2 -1 3\n",
        "strip of fewer than three"),
    "a strip beyond the end": (
        header(VERTEX_FACE[0], ("tristrips", 1, FACE)) + POINTS + "3 0 1 8\n",
        "faces name vertices 0 to 8"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), PLY_REFUSED.values(), ids=PLY_REFUSED)
def test_ply_that_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=rf"a\.ply: not a readable mesh: .*{message}"):
        read(tmp_path, "ply", content)


@pytest.mark.parametrize(
    "content",
    [
        V + rows([[int(c) + 1 for c in quad] for quad in QUADS], "f "),
        "OFF\n8 6 0\n" + POINTS + rows([list(quad) for quad in QUADS], "4 "),
        header(VERTEX_FACE[0], ("face", 6, FACE)) + POINTS + rows(map(list, QUADS), "4 "),
    ],
    ids=["obj", "off", "ply"],
)
def test_squares_become_two_triangles_each(tmp_path, content):
    ending = "obj" if content[0] == "v" else content[:3].lower()
    mesh = read(tmp_path, ending, content)
    expected = [[int(q[i]) for i in corners] for q in QUADS for corners in ((0, 1, 2), (0, 2, 3))]
    np.testing.assert_array_equal(mesh.faces, expected)
    assert area(mesh) == 24


COLORS = np.arange(24).reshape(8, 3) * 10
COLORED = {
    "whole numbers in OBJ": ("obj", rows(np.hstack([CORNERS, COLORS]), "v ") + F),
    "fractions in OBJ": ("obj", rows(np.hstack([CORNERS, COLORS / 255]), "v ") + F),
    "alpha in OBJ": ("obj", rows(np.hstack([CORNERS, COLORS / 255]), "v ", " 1") + F),
    "whole numbers in OFF": (
        "off", "COFF\n" + COUNTS + rows(np.hstack([CORNERS, COLORS]), after=" 255") + FACES),
    "fractions in OFF": (
        "off", "COFF\n" + COUNTS + rows(np.hstack([CORNERS, COLORS / 255]), after=" 1.0") + FACES),
    "three channels in OFF": (
        "off", "COFF\n" + COUNTS + rows(np.hstack([CORNERS, COLORS])) + FACES),
    "plain OFF": ("off", "OFF\n" + COUNTS + rows(np.hstack([CORNERS, COLORS])) + FACES),
    "normals before colours": ("off", "NCOFF\n" + COUNTS + rows(
        np.hstack([CORNERS, np.full((8, 3), 3**-0.5), COLORS]), after=" 255") + FACES),
    "colours before normals": ("off", "NCOFF\n" + COUNTS + rows(
        np.hstack([CORNERS, COLORS, np.full((8, 1), 255), CORNERS * 4.5])) + FACES),
    "bytes in a PLY of text": ("ply", header(
        ("vertex", 8, XYZ + "property uchar red\nproperty uchar green\nproperty uchar blue\n"),
        VERTEX_FACE[1]) + rows(np.hstack([CORNERS, COLORS])) + FACES),
    "fractions in PLY": ("ply", header(
        ("vertex", 8, XYZ + "property float red\nproperty float green\nproperty float blue\n"),
        VERTEX_FACE[1]) + rows(np.hstack([CORNERS, COLORS / 255])) + FACES),
    "whole numbers of 32 bits in PLY": ("ply", header(
        ("vertex", 8, XYZ + "property int red\nproperty int green\nproperty int blue\n"),
        VERTEX_FACE[1]) + rows(np.hstack([CORNERS, COLORS])) + FACES),
    "bytes as floats in PLY": ("ply", header(
        ("vertex", 8, XYZ + "property float red\nproperty float green\nproperty float blue\n"),
        VERTEX_FACE[1]) + rows(np.hstack([CORNERS, COLORS])) + FACES),
    "16 bits in PLY": ("ply", header(
        ("vertex", 8, "property ushort b\nproperty ushort g\nproperty ushort r\n" + XYZ),
        VERTEX_FACE[1]) + rows(np.hstack([257 * COLORS[:, ::-1], CORNERS])) + FACES),
}  # fmt: skip


@pytest.mark.parametrize(("ending", "content"), COLORED.values(), ids=COLORED)
def test_colours_of_other_programs(tmp_path, ending, content):
    mesh = read(tmp_path, ending, content)
    np.testing.assert_array_equal(mesh.vertices, CORNERS)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)
    np.testing.assert_array_equal(mesh.colors, COLORS)


@pytest.mark.parametrize("format", ["ply", "off", "obj"])
@pytest.mark.parametrize("most", [0, 1, 2, 255])
def test_dark_colours_come_back(tmp_path, format, most):
    """In OFF, only alpha tells a nearly black mesh in bytes from a white one in fractions."""
    colors = np.full((8, 3), most, np.uint8)
    write_mesh(tmp_path / f"a.{format}", CORNERS, TRIANGLES, colors)
    np.testing.assert_array_equal(read_mesh(tmp_path / f"a.{format}").colors, colors)


@pytest.mark.parametrize("kind", ["uchar", "short", "int", "uint"])
def test_nearly_black_bytes_of_ply_are_no_fractions(tmp_path, kind):
    columns = "".join(f"property {kind} {name}\n" for name in ("red", "green", "blue"))
    text = header(("vertex", 8, XYZ + columns), VERTEX_FACE[1])
    mesh = read(tmp_path, "ply", text + rows(CORNERS, after=" 1 0 1") + FACES)
    np.testing.assert_array_equal(mesh.colors, [[1, 0, 1]] * 8)


def test_doubles_far_from_0_stay_exact(tmp_path):
    """Also in big-endian binary, and in an OBJ with enough digits."""
    far = CORNERS * 0.3 + np.array([500_000, 30, 5_400_000])
    text = header(("vertex", 8, XYZ.replace("float", "double")), VERTEX_FACE[1],
                  format="binary_big_endian")  # fmt: skip
    content = text.encode() + binary((far, "f8"), order=">") + packed_faces(">")
    np.testing.assert_array_equal(read(tmp_path, "ply", content).vertices, far)
    lines = rows([[f"{x:.17g}" for x in row] for row in far], "v ")
    np.testing.assert_array_equal(read(tmp_path, "obj", lines + F).vertices, far)


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("ending", ["obj", "off", "ply"])
def test_quads_with_a_reflex_corner_are_cut_inside(tmp_path, ending, first):
    """An arrow head of area 1.5 in a tilted plane, listed from each of its corners."""
    quad = np.roll(np.arange(4), first)
    plane = np.array([[0, 0], [2, 1], [0, 2], [0.5, 1]]) @ np.array([[1, 0, 1], [0, 1, 0]])
    points, corners = rows(plane), " ".join(map(str, quad))
    content = {
        "obj": rows(plane, "v ") + f"f {' '.join(map(str, quad + 1))}\n",
        "off": f"OFF\n4 1 0\n{points}4 {corners}\n",
        "ply": header(("vertex", 4, XYZ), ("face", 1, FACE)) + f"{points}4 {corners}\n",
    }[ending]
    mesh = read(tmp_path, ending, content)
    assert len(mesh.faces) == 2 and area(mesh) == pytest.approx(1.5 * np.sqrt(2))


@pytest.mark.parametrize("first", range(6))
def test_a_polygon_that_starts_with_a_straight_line(tmp_path, first):
    """Corners in the middle of an edge, the last one not quite in the plane."""
    square = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 2, 0], [1, 2, 1e-3], [0, 2, 0]]
    corners = " ".join(str(k + 1) for k in np.roll(np.arange(6), first))
    mesh = read(tmp_path, "obj", rows(square, "v ") + f"f {corners}\n")
    assert len(mesh.faces) == 4 and area(mesh) == pytest.approx(4, rel=1e-3)
