"""Checks of the positions, triangles and frames of reference that come from a file."""

import numpy as np
from jaxtyping import Float, Int32, Shaped

FAR = 16
"""Times the size of a mesh: farther from 0, float32 may move a vertex by a millionth of the size"""


def compact_positions(positions: Shaped[np.ndarray, "*N V 3"]) -> np.ndarray:
    """Positions as float32 where that is exact enough, else as float64.

    It is not where points lie far from 0 for their size, as in coordinates of a map or of a large
    hall: steps of float32 are half a metre at 5,400,000 m. Of several frames, each counts alone.
    """
    if positions.size == 0:
        return np.ascontiguousarray(positions, np.float32)
    low, high = (side(-2).astype(np.float64) for side in (positions.min, positions.max))
    with np.errstate(invalid="ignore"):  # infinity is for others to refuse
        reach, size = np.maximum(-low, high).max(-1), (high - low).max(-1)
        needs_float64 = bool((reach > FAR * size).any())
    return np.ascontiguousarray(positions, np.float64 if needs_float64 else np.float32)


def coarse_step(positions: Shaped[np.ndarray, "*N V 3"]) -> float | None:
    """Distance between neighbouring float32 numbers, where positions that came as float32 lie so
    far from 0 that it exceeds a thousandth of their size; else None. NaN and infinity do not count.
    """
    if positions.dtype != np.float32 or positions.shape[-1:] != (3,):
        return None
    is_finite = np.isfinite(positions).all(-1)
    if not is_finite.any():
        return None
    if not is_finite.all():
        positions = positions[is_finite]
    size = float((positions.max(-2) - positions.min(-2)).max())
    step = float(np.spacing(np.abs(positions).max()))
    return step if step > 1e-3 * size > 0 else None


def valid_positions(positions: Shaped[np.ndarray, "*N 3"]) -> np.ndarray:
    """Positions as float32, or as float64 where `compact_positions` says so.

    Raises:
        ValueError: If they are not triples of finite numbers.
    """
    if positions.ndim < 2 or positions.shape[-1] != 3:
        raise ValueError(f"positions must have shape [..., 3], got {list(positions.shape)}")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        is_finite = np.isfinite(np.asarray(positions, np.float32)).all()
    if not is_finite:
        raise ValueError("it has positions that are NaN, infinite or too large for float32")
    return compact_positions(positions)


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
