"""Meshes and images of a clip: the same bytes for the same content."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from im2mesh.files.atomic import atomic_file

_JPEG_QUALITY = 90
_DECIMALS = 6  # per OBJ coordinate in metres: finer than float32 at body height


def write_obj(path: Path, vertices: Float[np.ndarray, "V 3"], face_text: bytes) -> None:
    """Write a mesh; its face lines are the same in many files."""
    with atomic_file(path) as file:
        file.write(obj_vertices(vertices) + face_text)


def write_jpeg(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write an RGB image."""
    with atomic_file(path) as file:
        Image.fromarray(image).save(file, "JPEG", quality=_JPEG_QUALITY)


def obj_faces(faces: Int[np.ndarray, "F 3"]) -> bytes:
    """The face lines of an OBJ file."""
    return (("f %d %d %d\n" * len(faces)) % tuple((faces + 1).ravel().tolist())).encode()


def obj_vertices(vertices: Float[np.ndarray, "V 3"]) -> bytes:
    """The vertex lines of an OBJ file, made digit by digit for all numbers at once.

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
