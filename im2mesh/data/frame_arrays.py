"""The arrays of one frame, in a file of its own or in a packed one, and what they must be like."""

import warnings
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Shaped

from im2mesh.data.storage import FileVersion, FrameVersion, Remembered, StorageError
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import Advice


@runtime_checkable
class FrameArrays(Protocol):
    """The arrays of one frame by name, read-only.

    Attributes:
        path: Name of the file, for messages; where a file holds several frames, also of the frame.
    """

    @property
    def path(self) -> str: ...

    @property
    def version(self) -> FileVersion | FrameVersion: ...

    def __contains__(self, member: str) -> bool: ...

    def __getitem__(self, member: str) -> np.ndarray: ...


def check_same_rows(arrays: FrameArrays, count: int, total: int) -> None:
    if count != total:
        raise StorageError(
            f"{arrays.path} holds {count} points, the first frame of the window {total}; "
            "rows of pcl_seq must correspond over all frames, or set "
            "data.input_pointcloud_corresponding to false, data.num_correspondence_points to 0 "
            "and evaluation.correspondence to false"
        )


def read_points(arrays: FrameArrays) -> Shaped[np.ndarray, "N 3"]:
    return read_vectors(arrays, "points")


def read_normals(arrays: FrameArrays, count: int) -> Float[np.ndarray, "N 3"] | None:
    """The normals of `count` points; None where the data has none."""
    if "normals" not in arrays:
        return None
    normals = check_finite(read_vectors(arrays, "normals"), arrays, "normals")
    if len(normals) != count:
        raise StorageError(
            f"{arrays.path} holds {len(normals)} normals for {count} points; one for each, or none"
        )
    return normals.astype(np.float32)


def read_vectors(arrays: FrameArrays, name: str) -> Shaped[np.ndarray, "N 3"]:
    """An array of vectors as it is stored; `check_finite` checks the rows that are used."""
    vectors = arrays[name]
    shape = vectors.shape
    if len(shape) != 2 or shape[0] == 0 or shape[1] != 3:
        raise StorageError(
            f"{arrays.path}: {name} must have shape [N, 3], got {list(shape)}; write them as "
            "docs/data.md says"
        )
    return vectors


def check_finite(vectors: np.ndarray, arrays: FrameArrays, name: str) -> np.ndarray:
    """Refuse NaN and infinity. Callers pass only the rows they use: the others stay on disk."""
    if not np.isfinite(vectors).all():
        raise StorageError(
            f"{arrays.path}: {name} hold NaN or infinity; create the file again without them"
        )
    return vectors


def read_normalization(arrays: FrameArrays) -> NormalizationFrame:
    """The frame of reference of a frame's points."""
    return _NORMALIZATIONS.get(arrays.version, lambda: _normalization(arrays))


_NORMALIZATIONS: Remembered[NormalizationFrame] = Remembered(1 << 17)


def _normalization(arrays: FrameArrays) -> NormalizationFrame:
    loc, scale = arrays["loc"], arrays["scale"]
    is_valid = loc.shape == (3,) and scale.size == 1 and np.isfinite(loc).all()
    if not (is_valid and np.isfinite(scale).all() and (scale > 0).all()):
        raise StorageError(
            f"{arrays.path}: loc {loc.tolist()} and scale {scale.tolist()} are not a frame of "
            "reference; loc must be three numbers and scale one positive number"
        )
    step = float(np.spacing(np.abs(loc)).max()) if loc.dtype.kind == "f" else 0.0
    if step > 0.01 * scale.item():
        warnings.warn(
            f"{Path(arrays.path).parent}: loc is {loc.dtype} and so far from 0 that it has steps "
            f"of {step:g}, while scale is {scale.item():g}; write it as float64, from the start",
            Advice,
            stacklevel=5,
        )
    return NormalizationFrame(loc.astype(np.float64), float(scale.item()))
