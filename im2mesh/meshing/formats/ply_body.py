"""The body of a PLY file: the values of every column, from text or binary."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int, Shaped

from im2mesh.meshing.formats.lines import Rows, gather, read_rows, to_text
from im2mesh.meshing.formats.ply_header import Column, Element, Header


@dataclass(frozen=True)
class Lists:
    """A column of lists: all values, one list after the other, and the length of each list."""

    values: Shaped[np.ndarray, "N"]
    lengths: Int[np.ndarray, "R"]


Table = dict[str, np.ndarray | Lists]  # name of a column -> its values; the last one of a name


def read_body(content: bytes, header: Header) -> list[Table]:
    """One table for each element of the header.

    A line of text is one row, and may hold more numbers than the header names; if there are not as
    many lines as rows, all numbers count as one sequence.

    Raises:
        ValueError: If there are fewer or more values than the header says.
    """
    elements = header.elements
    if not header.is_text:
        return _read_binary(content, header.end, elements)
    rows = read_rows(to_text(content[header.end :]))
    if len(rows) == sum(element.count for element in elements if element.columns):
        return _read_lines(rows, elements)
    numbers = [replace(element, columns=_as_doubles(element)) for element in elements]
    return _read_binary(rows.values.tobytes(), 0, numbers)


def _as_doubles(element: Element) -> list[Column]:
    double = np.dtype("f8")
    return [
        Column(c.name, double, None if c.count_dtype is None else double) for c in element.columns
    ]


def _read_lines(rows: Rows, elements: list[Element]) -> list[Table]:
    tables, start = [], 0
    for element in elements:
        end = start + element.count if element.columns else start
        tables.append(_read_line_columns(rows.part(start, end), element))
        start = end
    return tables


def _read_line_columns(rows: Rows, element: Element) -> Table:
    """Walk through the columns of all lines at once."""
    table: Table = {}
    place, end = rows.starts, rows.starts + rows.lengths
    for column in element.columns:
        _check_ends(place + 1, end, element)
        values, place = rows.values[place], place + 1
        if column.count_dtype is not None:
            lengths = _lengths(values, element)
            _check_ends(place + lengths, end, element)
            table[column.name] = Lists(gather(rows.values, place, lengths), lengths)
            place = place + lengths
        else:
            table[column.name] = values
    return table


def _check_ends(place: np.ndarray, end: np.ndarray, element: Element) -> None:
    short = place > end
    if short.any():
        raise ValueError(
            f"it ends early: row {short.argmax()} of {element.name!r} has too few numbers"
        )


def _lengths(counts: np.ndarray, element: Element) -> Int[np.ndarray, "R"]:
    """Lengths of lists, which may be written as any number."""
    if not ((counts >= 0) & (counts < 2**31) & (counts == np.floor(counts))).all():
        raise ValueError(f"it ends early: a list of {element.name!r} has an impossible length")
    return counts.astype(np.int64)


def _read_binary(content: bytes, start: int, elements: list[Element]) -> list[Table]:
    tables = []
    for element in elements:
        table, start = _read_element(content, start, element)
        tables.append(table)
    if content[start:].strip(b"\0 \t\r\n"):
        raise ValueError(f"it has {len(content) - start} bytes more than its header says")
    return tables


def _read_element(content: bytes, start: int, element: Element) -> tuple[Table, int]:
    """The values of each column, and the byte where the next element starts.

    If all lists are as long as in the first row, as in triangle meshes, rows are read as one array.
    """
    lengths = _first_lengths(content, start, element)
    fields = []
    for k, column in enumerate(element.columns):
        if column.count_dtype is not None:
            fields.append((f"count {k}", column.count_dtype))
        shape = () if column.count_dtype is None else (lengths[k],)
        fields.append((f"values {k}", column.dtype, shape))
    row = np.dtype(fields)
    size = element.count * row.itemsize
    if row.itemsize and start + size <= len(content):
        table = np.frombuffer(content, row, element.count, start)
        lists = [k for k, column in enumerate(element.columns) if column.count_dtype is not None]
        if all((table[f"count {k}"] == lengths[k]).all() for k in lists):
            return _columns(table, element), start + size
    if row.itemsize and not element.list_names:
        raise ValueError(
            f"it ends early: {len(content)} bytes, {element.count} rows expected at {start}"
        )
    return _read_rows(content, start, element)


def _columns(rows: np.ndarray, element: Element) -> Table:
    table: Table = {}
    for k, column in enumerate(element.columns):
        values = rows[f"values {k}"]
        if column.count_dtype is not None:
            lengths = np.full(len(rows), values.shape[1])
            table[column.name] = Lists(values.reshape(-1), lengths)
        else:
            table[column.name] = values
    return table


def _first_lengths(content: bytes, start: int, element: Element) -> list[int]:
    """Lengths of the lists in the first row; 0 for other columns."""
    if element.count == 0:
        return [0] * len(element.columns)
    lengths = []
    for column in element.columns:
        values, start = _read_value(content, start, column)
        lengths.append(0 if column.count_dtype is None else len(values))
    return lengths


def _read_rows(content: bytes, start: int, element: Element) -> tuple[Table, int]:
    """Read rows one by one, since lists may differ in length."""
    values: list[list[np.ndarray]] = [[] for _ in element.columns]
    for _ in range(element.count if element.columns else 0):
        for column, found in zip(element.columns, values, strict=True):
            value, start = _read_value(content, start, column)
            found.append(value)
    table: Table = {}
    for column, found in zip(element.columns, values, strict=True):
        joined = np.concatenate([np.zeros(0, column.dtype), *found])
        lengths = np.array([len(value) for value in found], np.int64)
        table[column.name] = joined if column.count_dtype is None else Lists(joined, lengths)
    return table, start


def _read_value(content: bytes, start: int, column: Column) -> tuple[np.ndarray, int]:
    """One value or list of one row, and the byte where the next one starts."""
    length = 1
    if column.count_dtype is not None:
        if start + column.count_dtype.itemsize > len(content):
            raise ValueError(f"it ends early: {len(content)} bytes, a list expected at {start}")
        count = np.frombuffer(content, column.count_dtype, 1, start)[0]
        length = int(count) if np.isfinite(count) and count == np.floor(count) else -1
        start += column.count_dtype.itemsize
    end = start + length * column.dtype.itemsize
    if length < 0 or end > len(content):
        raise ValueError(
            f"it ends early: {len(content)} bytes, {length} values expected at {start}"
        )
    return np.frombuffer(content, column.dtype, length, start), end
