"""Arrays of a glTF 2.0 file: typed, strided, normalised and sparse views (section 3.6.2)."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from im2mesh.meshing.formats.gltf.document import Document, mapping, whole_number

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_ZEROS = 2**20  # bytes that an array of zeros may take, or four times the size of its file


def read_array(
    document: Document, number: Any, kinds: tuple[str, ...], components: str = "iuf"
) -> Shaped[np.ndarray, "count width"]:
    """The values of an accessor, one row per element; normalised integers become float64.

    Args:
        number: Which accessor.
        kinds: The types it may have, such as VEC3.
        components: The kinds of numbers it may hold: i (signed), u (unsigned), f (fractions).
    """
    accessor = document.entry("accessors", number)
    dtype, width = _layout(accessor, kinds, components)
    count = whole_number(accessor.get("count"), "the length of an array")
    if "bufferView" in accessor:
        values = _view(document, accessor, dtype, count, width)
    else:
        values = _zeros(document, accessor, dtype, count, width)
    if "sparse" in accessor:
        values = _replaced(document, mapping(accessor, "sparse"), values)
    normalized = accessor.get("normalized", False)
    if normalized not in (True, False) or (normalized and dtype.kind == "f"):
        raise ValueError(f"an array of {dtype.name} cannot have 'normalized' {normalized!r}")
    return _as_fractions(values) if normalized else values


def _layout(
    accessor: dict[str, Any], kinds: tuple[str, ...], components: str
) -> tuple[np.dtype, int]:
    """The type of a number, and how many make a row."""
    code, kind = accessor.get("componentType"), accessor.get("type")
    if not isinstance(code, int) or code not in _COMPONENTS:
        raise ValueError(f"an array has the unknown component type {code!r}")
    if kind not in kinds:
        raise ValueError(f"an array has the type {kind!r}, expected {' or '.join(kinds)}")
    dtype = np.dtype(_COMPONENTS[code])
    if dtype.kind not in components:
        raise ValueError(f"an array holds {dtype.name}, which the standard does not allow there")
    return dtype, _WIDTHS[kind]


def _view(
    document: Document, place: dict[str, Any], dtype: np.dtype, count: int, width: int
) -> np.ndarray:
    """The rows of a buffer view, without a copy. `place` names the view and an offset in it."""
    view = document.entry("bufferViews", place.get("bufferView"))
    content = document.load_buffer(whole_number(view.get("buffer"), "an index of 'buffers'"))
    row = width * dtype.itemsize
    stride = whole_number(view.get("byteStride", row), "a byteStride")
    offset = whole_number(place.get("byteOffset", 0), "a byteOffset")
    start = whole_number(view.get("byteOffset", 0), "a byteOffset")
    length = whole_number(view.get("byteLength"), "the length of a buffer view")
    needed = offset + (count - 1) * stride + row if count else 0
    if stride < row:
        raise ValueError(f"an array has rows of {row} bytes and a byteStride of {stride}")
    if needed > length or start + length > len(content):
        raise ValueError(f"an array claims {count} rows, more than the file holds")
    if count == 0:
        return np.zeros((0, width), dtype)
    return np.ndarray((count, width), dtype, content, start + offset, (stride, dtype.itemsize))


def _zeros(
    document: Document, accessor: dict[str, Any], dtype: np.dtype, count: int, width: int
) -> np.ndarray:
    """The base of a sparse array that has no buffer view."""
    if "sparse" not in accessor:
        raise ValueError(
            "an array has no data of its own, as in files that are compressed "
            "(KHR_draco_mesh_compression); export it without compression"
        )
    size, most = count * width * dtype.itemsize, max(_ZEROS, 4 * document.size)
    if size > most:
        raise ValueError(f"a sparse array claims {size} bytes, at most {most} are allowed")
    return np.zeros((count, width), dtype)


def _replaced(document: Document, sparse: dict[str, Any], values: np.ndarray) -> np.ndarray:
    """A copy in which the rows that a sparse accessor names are replaced."""
    count = whole_number(sparse.get("count"), "the number of replaced rows")
    places, rows = mapping(sparse, "indices"), mapping(sparse, "values")
    dtype, _ = _layout({**places, "type": "SCALAR"}, ("SCALAR",), "u")
    indices = _view(document, places, dtype, count, 1)[:, 0].astype(np.int64)
    if count and (indices.max() >= len(values) or (np.diff(indices) <= 0).any()):
        raise ValueError(f"a sparse array replaces rows that do not increase below {len(values)}")
    replaced = values.copy()
    replaced[indices] = _view(document, rows, values.dtype, count, values.shape[1])
    return replaced


def _as_fractions(values: np.ndarray) -> np.ndarray:
    """Normalised integers as numbers in [0, 1] or [-1, 1] (section 3.6.2.2)."""
    if values.dtype.itemsize > 2:
        raise ValueError(f"an array of {values.dtype.name} cannot be normalised")
    return np.maximum(values / np.float64(np.iinfo(values.dtype).max), -1.0)
