"""Writing files whole or not at all, and the same bytes for the same content."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

_DECIMALS = 6  # of an OBJ coordinate in metres: finer than float32 at body height


def write_bytes(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_text(path: Path, content: str) -> None:
    """Write text as UTF-8 with plain line ends."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_npz(path: Path, **members: np.ndarray) -> None:
    """Write arrays stored, not deflated, so that rows can be memory-mapped in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **members)  # pyright: ignore[reportArgumentType]
    temporary.replace(path)


def obj_faces(faces: Int[np.ndarray, "F 3"]) -> bytes:
    """The face lines of an OBJ file."""
    return (("f %d %d %d\n" * len(faces)) % tuple((faces + 1).ravel().tolist())).encode()


def obj_vertices(vertices: Float[np.ndarray, "V 3"]) -> bytes:
    """The vertex lines of an OBJ file, digit by digit for all numbers at once.

    Each number takes the same width, like " -0.123456", so the text is one array of bytes.
    """
    scaled = np.rint(np.asarray(vertices, dtype=np.float64) * 10**_DECIMALS).astype(np.int64)
    digits = max(_DECIMALS + 1, len(str(int(np.abs(scaled).max(initial=0)))))
    text = np.full((len(scaled), 3, digits + 3), ord(" "), dtype=np.uint8)
    text[:, :, 1][scaled < 0] = ord("-")
    rest = np.abs(scaled)
    point = digits + 2 - _DECIMALS
    for column in (*range(digits + 2, point, -1), *range(point - 1, 1, -1)):
        rest, digit = np.divmod(rest, 10)
        text[:, :, column] = digit + ord("0")
    text[:, :, point] = ord(".")
    lines = np.full((len(scaled), 3 * (digits + 3) + 2), ord("\n"), dtype=np.uint8)
    lines[:, 0] = ord("v")
    lines[:, 1:-1] = text.reshape(len(scaled), -1)
    return lines.tobytes()
