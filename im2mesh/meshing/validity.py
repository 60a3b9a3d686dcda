"""Checks of the positions, triangles and frames of reference that come from a file."""

import numpy as np
from jaxtyping import Float, Int32, Shaped


def valid_positions(positions: Shaped[np.ndarray, "*N 3"]) -> np.ndarray:
    """Positions as float32.

    Raises:
        ValueError: If they are not triples of finite numbers.
    """
    if positions.ndim < 2 or positions.shape[-1] != 3:
        raise ValueError(f"positions must have shape [..., 3], got {list(positions.shape)}")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        positions = np.ascontiguousarray(positions, dtype=np.float32)
    if not np.isfinite(positions).all():
        raise ValueError("it has positions that are NaN, infinite or too large for float32")
    return positions


def valid_faces(faces: Shaped[np.ndarray, "F 3"], num_vertices: int) -> Int32[np.ndarray, "F 3"]:
    """Triangles as int32.

    Raises:
        ValueError: If they are not triples of indices of vertices.
    """
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces must have shape [F, 3], got {list(faces.shape)}")
    return valid_indices(faces, num_vertices)


def valid_indices(indices: Shaped[np.ndarray, "*N"], num_vertices: int) -> Int32[np.ndarray, "*N"]:
    """Indices of vertices as int32, checked before they are cut to 32 bits.

    Raises:
        ValueError: If they are not whole numbers, or there is no such vertex.
    """
    if indices.size and not (indices.min() >= 0 and indices.max() < num_vertices):
        raise ValueError(
            f"faces name vertices {indices.min():.15g} to {indices.max():.15g}, "
            f"there are {num_vertices}"
        )
    whole = np.ascontiguousarray(indices, dtype=np.int32)
    if indices.dtype.kind == "f" and (whole != indices).any():
        raise ValueError("faces name vertices by numbers that are not whole")
    return whole


def valid_frame(loc: np.ndarray, scale: np.ndarray) -> tuple[Float[np.ndarray, "3"], float]:
    """World position of the origin, in metres, and the metres per unit.

    Raises:
        ValueError: If they are not three finite numbers and a positive one.
    """
    if loc.shape != (3,) or scale.size != 1 or not np.isfinite(loc).all():
        raise ValueError(f"loc must be 3 numbers, scale 1; got shapes {loc.shape}, {scale.shape}")
    if not 0 < scale.item() < np.inf:
        raise ValueError(f"scale must be a positive number, got {scale.item()}")
    return loc, float(scale.item())
