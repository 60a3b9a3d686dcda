"""The JSON part of a glTF 2.0 file. Its numbers may claim anything, so access to them is checked.

Sections of the standard are those of the Khronos glTF 2.0 Specification, version 2.0.1.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

_HARMLESS = re.compile(
    "KHR_mesh_quantization|KHR_(materials|texture|lights|xmp)_.*|EXT_(texture|lights)_.*"
    "|KHR_animation_pointer|MSFT_texture_.*|FB_ngon_encoding|EXT_mesh_manifold"
)
"""Extensions that a file may require: integers as positions, and what moves no vertex."""


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        content: The JSON object.
        size: Bytes of the file and of the other files that it reads.
        load_buffer: Number of a buffer -> its bytes.
    """

    content: dict[str, Any]
    size: int
    load_buffer: Callable[[int], memoryview]

    def entries(self, kind: str) -> list[Any]:
        """All entries of one of the top arrays, such as "nodes"."""
        return array(self.content, kind)

    def entry(self, kind: str, number: Any) -> dict[str, Any]:
        """One entry of a top array, by its number."""
        found, index = self.entries(kind), whole_number(number, f"an index of '{kind}'")
        if index >= len(found):
            raise ValueError(f"it names entry {index} of '{kind}', which has {len(found)}")
        if not isinstance(found[index], dict):
            raise ValueError(f"entry {index} of '{kind}' is no JSON object")
        return found[index]


def check_version(content: Any) -> None:
    """Refuse what is not glTF 2, or requires an extension that is not understood."""
    version = mapping(content, "asset").get("version") if isinstance(content, dict) else None
    if not isinstance(version, str):
        raise ValueError("it has no asset.version, which every glTF file has")
    lowest = str(content["asset"].get("minVersion", "2.0"))
    if not re.fullmatch(r"2\.\d+", version) or lowest != "2.0":
        needed = version if lowest == "2.0" else lowest
        raise ValueError(f"it is glTF {needed[:20]}, and only 2.0 is read")
    for name in array(content, "extensionsRequired"):
        if not isinstance(name, str) or not _HARMLESS.fullmatch(name):
            raise ValueError(
                f"it requires the extension {name}, which is not supported; export it without"
            )
    if "CESIUM_RTC" in mapping(content, "extensions"):
        raise ValueError("it is moved by the extension CESIUM_RTC, which is not supported")


def extensions(entry: dict[str, Any]) -> dict[str, Any]:
    return mapping(entry, "extensions")


def mapping(entry: dict[str, Any], key: str) -> dict[str, Any]:
    """A JSON object of an entry; empty if it is absent."""
    value = entry.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f"'{key}' is no JSON object")
    return value


def array(entry: dict[str, Any], key: str) -> list[Any]:
    """A JSON array of an entry; empty if it is absent."""
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"'{key}' is no JSON array")
    return value


def whole_number(value: Any, what: str) -> int:
    """Refuse what is no count or index: JSON also has fractions and negative numbers."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} cannot be {what}")
    return value


def numbers(entry: dict[str, Any], key: str, length: int) -> Float[np.ndarray, " N"] | None:
    """So many finite numbers; None if the key is absent."""
    if key not in entry:
        return None
    values = array(entry, key)
    if len(values) != length or not all(_is_finite(value) for value in values):
        raise ValueError(f"'{key}' must be {length} finite numbers")
    return np.array(values, np.float64)


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
