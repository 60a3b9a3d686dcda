"""OFF, the text format of Geomview, with the dialects of other programs.

Numbers have the digits that bring them back exactly.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.lines import (
    Rows,
    gather,
    read_rows,
    to_text,
    without_comments,
    without_mark,
)
from im2mesh.meshing.formats.polygons import triangulate
from im2mesh.meshing.formats.printing import position_row, print_rows
from im2mesh.meshing.formats.vertex_colors import to_colors
from im2mesh.meshing.mesh import Mesh

_COUNTS = re.compile(r"\s*(\d{1,15})\s+(\d{1,15})(?:\s+(\d{1,15}))?[ \t]*(?:\n|$)")


@dataclass(frozen=True)
class _Header:
    """What stands before the rows.

    Attributes:
        letters: The keyword without OFF: C for colours, N for normals, ST for texture coordinates.
        end: Where the rows begin.
    """

    letters: str
    num_vertices: int
    num_faces: int
    end: int


def write_off(path: Path, mesh: Mesh) -> None:
    """Write OFF, or COFF with one RGBA colour per vertex; normals are not written."""
    keyword, row = "OFF", f"{position_row(mesh)}\n"
    if mesh.colors is not None:
        keyword, row = "COFF", f"{position_row(mesh)} %d %d %d 255\n"
    path.write_text(
        f"{keyword}\n{len(mesh.vertices)} {len(mesh.faces)} 0\n"
        + print_rows(row, mesh.vertices, mesh.colors)
        + print_rows("3 %d %d %d\n", mesh.faces)
    )


def read_off(path: Path) -> Arrays:
    """Read positions, colours and faces: one line for each vertex, then one for each face.

    Colours after a position are kept; normals, texture coordinates and the colours of faces are
    dropped. Binary files and positions of other than three numbers are refused.
    """
    content = path.read_bytes()
    if re.match(rb"(?:\s|#[^\n]*\n)*\w*OFF\s+BINARY", without_mark(content[:10_000])):
        raise ValueError("it is binary OFF, and only text is read")
    text = without_comments(to_text(content))
    header = _read_header(text)
    lines = [line for line in text[header.end :].split("\n") if line.strip()]
    expected = header.num_vertices + header.num_faces
    if len(lines) != expected:
        problem = "it ends early" if len(lines) < expected else "its counts are wrong"
        raise ValueError(f"{len(lines)} lines, expected {expected}: {problem}")
    table = read_rows("\n".join(lines[: header.num_vertices]), num_strict=3)
    if len(table) != header.num_vertices or (table.lengths < 3).any():
        raise ValueError("it has a vertex of fewer than three numbers")
    vertices = table.columns(0, 3)
    rows = read_rows("\n".join(lines[header.num_vertices :]), mostly_whole=True)
    faces = _read_faces(rows, vertices)
    return vertices, faces, _read_colors(table, header.letters)


def _read_header(text: str) -> _Header:
    """The keyword, which may be missing or joined with the counts; the number of edges may miss."""
    start = re.match(r"\s*(?:(\S*?)(OFF|off))?", text)
    assert start is not None  # it matches nothing at all
    letters = start[1] or ""
    if re.fullmatch(r"(?:ST|C|N)*[4n]+", letters):
        raise ValueError(f"it is {letters}OFF, and only positions of three numbers are read")
    counts = _COUNTS.match(text, start.end())
    if counts is None or not re.fullmatch(r"(?:ST|C|N)*", letters):
        raise ValueError(
            "it does not start with OFF (or COFF, NOFF, STOFF) and the counts of vertices, faces "
            f"and edges, but with {text.strip()[:40]!r}"
        )
    return _Header(letters, int(counts[1]), int(counts[2]), counts.end())


def _read_faces(rows: Rows, vertices: np.ndarray) -> Shaped[np.ndarray, "F 3"]:
    """Triangles of lines that start with their number of corners; colours may follow."""
    if not len(rows):
        return np.zeros((0, 3), np.int32)
    counts = rows.values[rows.starts]
    wrong = ~((counts > 0) & (counts < rows.lengths) & (counts == np.floor(counts)))
    if wrong.any():
        k = int(wrong.argmax())
        claimed = f"{counts[k]:.15g}"
        raise ValueError(f"a face claims {claimed} corners and has {rows.lengths[k] - 1} numbers")
    lengths = counts.astype(np.int64)
    return triangulate(gather(rows.values, rows.starts + 1, lengths), lengths, vertices)


def _read_colors(table: Rows, letters: str) -> UInt8[np.ndarray, "V 3"] | None:
    """Colours of a file that says so, or of plain OFF with further columns."""
    if not len(table) or (letters and "C" not in letters):
        return None
    width = int(table.lengths[0]) - 2 * ("ST" in letters)
    first = 6 if "N" in letters else 3
    if (table.lengths != table.lengths[0]).any() or width < first + 3:
        return None
    if "N" in letters and _are_bytes(table.columns(3, 7)):
        first = 3  # MeshLab writes colours before normals
    elif "N" in letters and not _are_normals(table.columns(3, 6)):
        return None
    return to_colors(table.columns(first, min(width, first + 4)))


def _are_bytes(columns: np.ndarray) -> bool:
    """Whether all are whole numbers, not negative, and not only 0 and 1."""
    return bool((columns == np.rint(columns)).all() and columns.min() >= 0 and columns.max() > 1)


def _are_normals(columns: np.ndarray) -> bool:
    """Whether all are unit vectors; zeros stand for unknown normals."""
    length = np.linalg.norm(columns, axis=1)
    return bool(((np.abs(length - 1) < 0.01) | (length == 0)).all())
