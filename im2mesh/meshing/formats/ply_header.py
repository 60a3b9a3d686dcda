"""The header of a PLY file: how its body is written, and what each row holds."""

import re
from dataclasses import dataclass

import numpy as np

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8",
}  # fmt: skip
_FORMATS = {"ascii 1.0": None, "binary_little_endian 1.0": "<", "binary_big_endian 1.0": ">"}
"""Byte order of each format."""
_FREE_TEXT = ("comment", "obj_info")


@dataclass(frozen=True)
class Column:
    """A property of an element. A list has its length, in a type of its own, before its values."""

    name: str
    dtype: np.dtype
    count_dtype: np.dtype | None = None


@dataclass(frozen=True)
class Element:
    """A table of the body, such as vertices or faces."""

    name: str
    count: int
    columns: list[Column]

    @property
    def list_names(self) -> list[str]:
        return [column.name for column in self.columns if column.count_dtype is not None]


@dataclass(frozen=True)
class Header:
    """What stands before the body.

    Attributes:
        is_text: Whether numbers are written out in digits, one line per row.
        elements: In the order of the body.
        end: The byte where the body starts.
    """

    is_text: bool
    elements: list[Element]
    end: int


def read_header(content: bytes) -> Header:
    """Parse the header. Its lines end in a line feed, a carriage return or both.

    Comments may hold any bytes, among them the word that ends the header.

    Raises:
        ValueError: If there is no header, or a line of it is not understood.
    """
    start = re.match(rb"ply[ \t]*(\r\n|\n|\r)", content)
    if start is None:
        raise ValueError("it does not start with a line 'ply'")
    before, line_end = (rb"\r", rb"\r") if start[1] == b"\r" else (rb"\n", rb"\r?\n")
    last = re.compile(rb"(?<=" + before + rb")[ \t]*end_header[ \t]*" + line_end).search(content)
    if last is None:
        raise ValueError("its header has no end_header line")
    text = content[start.end() : last.start()].decode("ascii", "replace")
    lines = re.split("\r" if start[1] == b"\r" else "\r?\n", text)
    return _parse_lines([line.split() for line in lines], last.end())


def _parse_lines(lines: list[list[str]], end: int) -> Header:
    byte_order: str | None = ""
    elements: list[Element] = []
    for words in lines:
        if not words or words[0] in _FREE_TEXT:
            continue
        if words[0] == "format" and " ".join(words[1:]) in _FORMATS:
            byte_order = _FORMATS[" ".join(words[1:])]
        elif words[0] == "element" and len(words) == 3:
            if byte_order == "":
                raise ValueError("its header has no format before the elements")
            elements.append(Element(words[1], _count(words), []))
        elif words[0] == "property" and elements:
            elements[-1].columns.append(_parse_column(words[1:], byte_order or ""))
        else:
            raise ValueError(f"its header has a line {' '.join(words)[:80]!r}")
    return Header(byte_order is None, elements, end)


def _count(words: list[str]) -> int:
    if not words[2].isdecimal() or len(words[2]) > 18:
        raise ValueError(f"it cannot have {words[2][:40]} rows of {words[1]!r}")
    return int(words[2])


def _parse_column(words: list[str], byte_order: str) -> Column:
    is_list = words[:1] == ["list"]
    types = words[1:3] if is_list else words[:1]
    if len(words) != (4 if is_list else 2) or not set(types) <= set(TYPES):
        raise ValueError(f"its header has a property {' '.join(words)[:80]!r}")
    dtypes = [np.dtype(byte_order + TYPES[name]) for name in types]
    return Column(words[-1], dtypes[-1], dtypes[0] if is_list else None)
