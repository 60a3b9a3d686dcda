"""The arrays of one frame's files, read whole so that checksums count, and checked one by one."""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from im2mesh.data.images import FORMATS
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import UserError
from im2mesh.files.npz import NpzError
from im2mesh.meshing.validity import valid_frame
from im2mesh.preparation.checks.stored import Cloud, Labels
from im2mesh.preparation.checks.stored_frames import StoredFrame

_AGAIN = "copy or make it again"


class FileFaultError(UserError):
    """What is wrong with one file, without its name."""


def read_cloud(frame: StoredFrame) -> Cloud:
    """Raises FileFaultError if the file is not whole, or lacks something."""
    arrays = _arrays(frame)
    points = _vectors(arrays, "points")
    normals = _vectors(arrays, "normals") if "normals" in arrays else None
    if normals is not None and len(normals) != len(points):
        raise FileFaultError(
            f"{frame.folder} has {len(normals)} normals for {len(points)} points; {_AGAIN}"
        )
    return Cloud(points, normals, _frame(arrays))


def read_labels(frame: StoredFrame) -> Labels:
    """Raises FileFaultError if the file is not whole, or lacks something."""
    arrays = _arrays(frame)
    points, packed = _vectors(arrays, "points"), _member(arrays, "occupancies")
    if packed.dtype != np.uint8 or packed.shape != ((len(points) + 7) // 8,):
        raise FileFaultError(
            f"occupancies of {frame.folder} are {packed.dtype} {list(packed.shape)}, and not "
            "the packed bits of the points; write numpy.packbits(inside)"
        )
    return Labels(points, np.unpackbits(packed)[: len(points)].astype(bool), _frame(arrays))


def check_image(path: Path) -> None:
    """Raises FileFaultError if an image is not whole."""
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
            image.load()
    except Exception as error:  # Pillow fails in many ways on damaged files
        raise FileFaultError(f"an image of {path.parent.name} is not intact; {_AGAIN}") from error


def _arrays(frame: StoredFrame) -> dict[str, np.ndarray]:
    try:
        return frame.arrays()
    except NpzError as error:
        raise FileFaultError(
            f"{frame.folder} is not an intact npz file ({error}); {_AGAIN}"
        ) from error


def _member(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise FileFaultError(
            f"it has no array '{name}', but {', '.join(arrays) or 'nothing'}; {_AGAIN}"
        )
    return arrays[name]


def _vectors(arrays: dict[str, np.ndarray], name: str) -> Float[np.ndarray, "N 3"]:
    found = _member(arrays, name)
    if found.ndim != 2 or found.shape[1] != 3 or len(found) == 0 or found.dtype.kind != "f":
        raise FileFaultError(
            f"{name} must be numbers of shape [N, 3], got {found.dtype} {list(found.shape)}; "
            f"{_AGAIN}"
        )
    if not np.isfinite(found).all():
        raise FileFaultError(f"{name} hold NaN or infinity; {_AGAIN}")
    return found.astype(np.float64)


def _frame(arrays: dict[str, np.ndarray]) -> NormalizationFrame:
    try:
        loc, scale = valid_frame(_member(arrays, "loc"), _member(arrays, "scale"))
    except ValueError as error:
        raise FileFaultError(f"{error}; {_AGAIN}") from error
    return NormalizationFrame(loc.astype(np.float64), scale)
