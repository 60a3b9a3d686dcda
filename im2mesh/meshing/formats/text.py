"""OFF and OBJ, the text formats, parsed and printed as whole arrays.

Nine significant digits bring every float32 back exactly, seventeen every float64.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from im2mesh.meshing.formats.arrays import Arrays, fans, parse_numbers
from im2mesh.meshing.mesh import Mesh


def write_off(path: Path, mesh: Mesh) -> None:
    """Write OFF, or COFF with one RGBA colour per vertex; normals are not written."""
    keyword, row = "OFF", f"{_position_row(mesh)}\n"
    if mesh.colors is not None:
        keyword, row = "COFF", f"{_position_row(mesh)} %d %d %d 255\n"
    path.write_text(
        f"{keyword}\n{len(mesh.vertices)} {len(mesh.faces)} 0\n"
        + _print_rows(row, mesh.vertices, mesh.colors)
        + _print_rows("3 %d %d %d\n", mesh.faces)
    )


def write_obj(path: Path, mesh: Mesh) -> None:
    """Write OBJ; colours follow the position as numbers in [0, 1], as most viewers expect."""
    row, colors = f"v {_position_row(mesh)}\n", None
    if mesh.colors is not None:
        row, colors = f"v {_position_row(mesh)} %.5g %.5g %.5g\n", mesh.colors / 255.0
    path.write_text(
        f"# {len(mesh.vertices)} vertices, {len(mesh.faces)} faces\n"
        + _print_rows(row, mesh.vertices, colors)
        + _print_rows("f %d %d %d\n", mesh.faces + 1)
    )


def read_off(path: Path) -> Arrays:
    """Read OFF or COFF: colours after the position are kept, colours after a face are dropped."""
    text = path.read_text("utf-8")
    if "#" in text:
        text = re.sub(r"#[^\n]*", "", text)
    header = re.match(r"\s*C?OFF\s+(\d+)\s+(\d+)\s+\d+[ \t]*\n", text)
    if header is None:
        raise ValueError("it does not start with 'OFF' or 'COFF' and three counts")
    num_vertices, num_faces = int(header.group(1)), int(header.group(2))
    lines = [line for line in text[header.end() :].splitlines() if line.strip()]
    if len(lines) < num_vertices + num_faces:
        raise ValueError(f"{len(lines)} lines, expected {num_vertices + num_faces}: it ends early")
    table = _parse_rows(lines[:num_vertices])
    colors = _colors(table[:, 3:6], 255.0 if table[:, 3:6].max(initial=0) > 1 else 1.0)
    faces = _parse_faces(lines[num_vertices : num_vertices + num_faces], has_count=True)
    return table[:, :3], faces, colors


def read_obj(path: Path) -> Arrays:
    """Read positions, colours and faces of an OBJ; texture and normal indices are dropped."""
    text = path.read_text("utf-8")
    if not text.strip():
        raise ValueError("it is blank")
    lines = text.replace("\t", " ").splitlines()
    table = _parse_rows([line[2:] for line in lines if line.startswith("v ")])
    face_lines = [line[2:] for line in lines if line.startswith("f ")]
    if any("/" in line for line in face_lines[:1]):
        face_lines = [re.sub(r"/\S*", "", line) for line in face_lines]
    faces = _parse_faces(face_lines, has_count=False)
    if len(faces) and faces.min() < 1:
        raise ValueError("indices relative to the end of the file are not supported")
    return table[:, :3], faces - 1, _colors(table[:, 3:6], 1.0)


def _position_row(mesh: Mesh) -> str:
    """The format of a position, with the digits that its numbers need."""
    return "%.17g %.17g %.17g" if mesh.vertices.dtype == np.float64 else "%.9g %.9g %.9g"


def _print_rows(row: str, left: np.ndarray, right: np.ndarray | None = None) -> str:
    """All rows at once: one format string, one tuple of numbers."""
    if right is None:
        return (row * len(left)) % tuple(left.ravel().tolist())
    return (row * len(left)) % tuple(np.concatenate([left, right], axis=1).ravel().tolist())


def _parse_rows(lines: list[str]) -> Float[np.ndarray, "N columns"]:
    """Numbers of lines that all have as many columns as the first."""
    if not lines:
        return np.zeros((0, 3))
    num_columns = len(lines[0].split())
    table = parse_numbers("\n".join(lines))
    if num_columns < 3 or table.size != num_columns * len(lines):
        raise ValueError(f"{table.size} numbers in {len(lines)} rows of {num_columns} columns")
    return table.reshape(len(lines), num_columns)


def _parse_faces(lines: list[str], has_count: bool) -> Shaped[np.ndarray, "F 3"]:
    """Triangles of face lines; polygons become fans around their first corner."""
    if not lines:
        return np.zeros((0, 3), np.int64)
    table = _parse_table(lines)
    if table is not None and has_count and (table[:, 0] == 3).all() and table.shape[1] > 3:
        return table[:, 1:4]
    if table is not None and not has_count and table.shape[1] == 3:
        return table
    return fans([int(word) for word in _corner_words(line, has_count)] for line in lines)


def _parse_table(lines: list[str]) -> Int[np.ndarray, "N columns"] | None:
    """Whole numbers of equally long lines; None if lengths differ or a number is not whole."""
    try:
        numbers = parse_numbers("\n".join(lines), np.int64)
    except (DeprecationWarning, ValueError):
        return None  # fractions, such as the colours of faces
    num_columns = len(lines[0].split())
    if numbers.size != num_columns * len(lines):
        return None
    return numbers.reshape(len(lines), num_columns)


def _corner_words(line: str, has_count: bool) -> list[str]:
    words = line.split()
    if not has_count:
        return words
    count = int(words[0])
    if not 0 < count < len(words):
        raise ValueError(f"a face claims {count} corners and has {len(words) - 1} numbers")
    return words[1 : 1 + count]


def _colors(columns: np.ndarray, full: float) -> UInt8[np.ndarray, "V 3"] | None:
    if columns.shape[1] < 3:
        return None
    if not np.isfinite(columns).all():
        raise ValueError("it has colours that are NaN or infinite")
    return np.clip(np.rint(columns / full * 255.0), 0, 255).astype(np.uint8)
