"""OBJ of Wavefront, as text: positions, colours and polygons.

Numbers have the digits that bring them back exactly.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from im2mesh.errors import Advice
from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.lines import (
    Rows,
    is_blank,
    read_rows,
    to_text,
    without_comments,
)
from im2mesh.meshing.formats.polygons import triangulate
from im2mesh.meshing.formats.printing import position_row, print_rows
from im2mesh.meshing.formats.vertex_colors import to_colors
from im2mesh.meshing.mesh import Mesh

_NAMES = {"g", "o", "usemtl", "mtllib", "usemap", "maplib", "shadow_obj", "trace_obj"}
_IGNORED = _NAMES | {"", "vn", "vt", "vp", "s", "mg", "lod", "bevel", "c_interp", "d_interp"}
_CURVED = {
    "curv", "curv2", "surf", "cstype", "deg", "bmat", "step", "parm", "trim", "hole", "scrv", "sp",
    "end", "con", "ctech", "stech", "bsp", "bzp", "cdc", "cdp", "res",
}  # fmt: skip


@dataclass(frozen=True)
class _Statements:
    """What follows the keyword, line by line.

    Attributes:
        lines: All lines, with their keywords.
        vertices: After v.
        faces: After f.
        others: All further keywords.
    """

    lines: list[str]
    vertices: list[str]
    faces: list[str]
    others: set[str]

    def num_above(self) -> Int[np.ndarray, "L"]:
        """For each face, how many vertices stand above it."""
        kinds = np.array([line[:2] for line in self.lines])
        return np.cumsum(kinds == "v ")[kinds == "f "]


def write_obj(path: Path, mesh: Mesh) -> None:
    """Write OBJ; colours follow the position as numbers in [0, 1], as most viewers expect."""
    row, colors = f"v {position_row(mesh)}\n", None
    if mesh.colors is not None:
        row, colors = f"v {position_row(mesh)} %.5g %.5g %.5g\n", mesh.colors / 255.0
    path.write_text(
        f"# {len(mesh.vertices)} vertices, {len(mesh.faces)} faces\n"
        + print_rows(row, mesh.vertices, colors)
        + print_rows("f %d %d %d\n", mesh.faces + 1)
    )


def read_obj(path: Path) -> Arrays:
    """Read positions, colours and faces; texture, normals, groups and materials are dropped.

    Indices may count from the first vertex (1) or back from the last one read so far (-1). Curves,
    surfaces and keywords that are not known are refused.
    """
    text = to_text(path.read_bytes())
    if not text.strip():
        raise ValueError("it is blank")
    statements = _split(_join_lines(without_comments(text)))
    _check_keywords(statements, path)
    if not statements.vertices and not text.startswith("# 0 vertices"):  # as `write_obj` says it
        message = f"{path}: it holds no vertices, so it counts as an empty mesh; was it cut?"
        warnings.warn(message, Advice, stacklevel=2)
    table = read_rows("\n".join(statements.vertices), num_strict=3)
    if len(table) != len(statements.vertices) or (table.lengths < 3).any():
        raise ValueError("it has a vertex of fewer than three numbers")
    vertices = table.columns(0, 3)
    corners = _read_corners(statements)
    faces = triangulate(corners.values, corners.lengths, vertices)
    return vertices, faces, _read_colors(table)


def _join_lines(text: str) -> str:
    """Lines that end in a backslash go on in the next one. Blanks at the start are removed."""
    if "\\" in text:
        if re.search(r"[^\s\\]\\[ \t]*\n[^\s]", text):
            raise ValueError("a line is continued in the middle of a word (a backslash at its end)")
        names = "|".join(sorted(_NAMES))
        if re.search(rf"(?m)^[ \t]*(?:{names})\b[^\n]*\\[ \t]*\n[ \t]*[vflp]n?t?[ \t]", text):
            raise ValueError("a name ends in a backslash, which would join it with the next line")
        text = re.sub(r"\\[ \t]*\n", " ", text)
    if "\t" in text:
        text = text.replace("\t", " ")
    return re.sub(r"\n +", "\n", text.lstrip()) if "\n " in text or text[:1] == " " else text


def _split(text: str) -> _Statements:
    lines, vertices, faces, others = text.split("\n"), [], [], set()
    for line in lines:
        keyword = line[:2]
        if keyword == "v ":
            vertices.append(line[2:])
        elif keyword == "f ":
            faces.append(line[2:])
        else:
            others.add(line.partition(" ")[0].rstrip())
    return _Statements(lines, vertices, faces, others)


def _check_keywords(statements: _Statements, path: Path) -> None:
    """Nothing that carries geometry may be skipped without a word."""
    for keyword in sorted(statements.others - _IGNORED - {"l", "p"}):
        if keyword in _CURVED:
            raise ValueError(f"it has free-form curves or surfaces ({keyword}), not only polygons")
        if keyword in ("v", "f"):
            raise ValueError(f"it has a line {keyword!r} without numbers")
        if keyword in ("call", "csh"):
            raise ValueError(f"it runs other files or commands ({keyword}), which is not done")
        raise ValueError(f"a line starts with {keyword[:40]!r}, which is no keyword of OBJ")
    if "l" in statements.others and not statements.faces:
        raise ValueError("it has lines (l) and no faces, so it is no surface")
    left_out = sorted(statements.others & {"l", "p"})
    if left_out and statements.faces:
        message = f"{path}: lines or points ({', '.join(left_out)}) are left out; faces are read"
        warnings.warn(message, Advice, stacklevel=2)


def _read_corners(statements: _Statements) -> Rows:
    """The vertices of each face, counted from 0."""
    text = "\n".join(statements.faces)
    if "/" in text:
        text = _without_slashes(text)
    rows = read_rows(text, mostly_whole=True)
    if len(rows) != len(statements.faces):
        raise ValueError("it has a face of 0 corners")
    return Rows(_from_zero(rows, statements), rows.starts, rows.lengths)


def _without_slashes(text: str) -> str:
    """Remove from each word what follows its first slash: texture and normal. Regular expressions
    take several times as long."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8)
    is_space, is_slash = is_blank(codes), codes == ord("/")
    if is_slash[0] or (is_slash[1:] & is_space[:-1]).any():
        raise ValueError("a face has a slash that follows no index")
    places = np.arange(len(codes))
    last_space = np.maximum.accumulate(np.where(is_space, places, -1))
    last_slash = np.maximum.accumulate(np.where(is_slash, places, -1))
    return codes[last_slash <= last_space].tobytes().decode("ascii")


def _from_zero(rows: Rows, statements: _Statements) -> Shaped[np.ndarray, "N"]:
    corners, is_relative = rows.values, rows.values < 0
    if (corners == 0).any():
        raise ValueError("a face names vertex 0, and vertices are counted from 1")
    if not is_relative.any():
        return corners - 1
    above = np.repeat(statements.num_above(), rows.lengths)
    if (-corners > above).any():
        raise ValueError(f"a face names a vertex {-corners.min():.15g} back, above the first one")
    return np.where(is_relative, above + corners, corners - 1)


def _read_colors(table: Rows) -> UInt8[np.ndarray, "V 3"] | None:
    """Colours after the positions, if every vertex has one."""
    weights: Shaped[np.ndarray, "N"] = table.values[table.starts[table.lengths == 4] + 3]
    if (weights != 1).any():
        raise ValueError("its vertices have a weight (a fourth number) that is not 1")
    if not len(table) or table.lengths.min() < 6:
        return None
    return to_colors(table.columns(3, 6))
