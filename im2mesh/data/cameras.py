"""Cameras of the images of a view, in the file cameras.npz beside them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import CAMERA_FILE, EXTRINSIC, IMAGE_FOLDER, INTRINSIC, DataError
from im2mesh.data.storage import StorageError, StoredArrays, open_arrays
from im2mesh.data.transforms import NormalizationFrame

REACH = 0.96
"""Half the diagonal of the cube that holds all points asked for, in sizes of the body: a camera
must be farther away."""
_WAY_OUT = (
    "write it as docs/data.md says, or make the data anew with make_bodies.py --views 4 "
    "--overwrite; or set data.view_cameras: false"
)


def read_cameras(
    stored: StoredWindow, view: str, frames: Sequence[int]
) -> Float[np.ndarray, "K 3 4"]:
    """The cameras of some frames of a window, float32.

    Args:
        stored: The window.
        view: Name of the view's folder.
        frames: Numbers of the frames within the window, from 0.

    Returns:
        Matrices from positions in the window's first frame to the image (see `Views.cameras`).

    Raises:
        DataError: If the view has no cameras, or they are damaged.
    """
    path = stored.clip_folder / IMAGE_FOLDER / view / CAMERA_FILE
    try:
        arrays = open_arrays(str(path))
        cameras = [_camera(arrays, stored.window.index(frame)) for frame in frames]
        return in_frame(np.stack(cameras), stored.frame).astype(np.float32)
    except StorageError as error:
        raise DataError(f"clip {stored.window.clip}: {error}; {_WAY_OUT}") from error
    except ValueError as error:
        raise DataError(f"clip {stored.window.clip}: {path}: {error}; {_WAY_OUT}") from error


def in_frame(
    cameras: Float[np.ndarray, "K 3 4"], frame: NormalizationFrame
) -> Float[np.ndarray, "K 3 4"]:
    """Cameras of the world as cameras of a frame of reference, in which a body has size 1.

    The rows of a camera may have any common factor. Afterwards the last gives 1 at the origin.

    Raises:
        ValueError: If a camera does not see a plane, or stands in the body.
    """
    if (np.linalg.matrix_rank(cameras) < 3).any():
        raise ValueError("a camera does not see a plane")
    to_world = np.eye(4)
    to_world[:3, :3] *= frame.scale
    to_world[:3, 3] = frame.loc
    local = cameras @ to_world
    nearest = REACH * np.linalg.norm(local[:, 2, :3], axis=1)
    if (np.abs(local[:, 2, 3]) <= nearest).any():
        raise ValueError("a camera stands in the body")
    return local / local[:, 2:, 3:]


def _camera(arrays: StoredArrays, number: int) -> Float[np.ndarray, "3 4"]:
    """The camera of one image of a view, or the one that holds for all of them."""
    extrinsic = _matrix(arrays, EXTRINSIC, number, (3, 4))
    return _matrix(arrays, INTRINSIC, number, (3, 3)) @ extrinsic


def _matrix(
    arrays: StoredArrays, name: str, number: int, shape: tuple[int, int]
) -> Float[np.ndarray, "3 _"]:
    key = f"{name}_{number}" if f"{name}_{number}" in arrays else name
    if key not in arrays:
        raise ValueError(f"it has neither {name}_{number} nor {name}")
    matrix = np.asarray(arrays[key], np.float64)
    if matrix.shape != shape or not np.isfinite(matrix).all():
        raise ValueError(f"{key} must be finite numbers of shape {list(shape)}")
    return matrix
