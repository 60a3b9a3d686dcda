"""Clouds of a user, of any sizes and with gaps -> one array, as models read them."""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from im2mesh.errors import Advice

MOST_POINTS = 3000
"""Of a frame that a network sees; it has been trained with at most so many."""


def gather_for_network(
    inputs: Sequence[np.ndarray], seed: int, *, corresponding: bool
) -> Float[np.ndarray, "K N 3"]:
    """As `gather_clouds`, but of large clouds `MOST_POINTS`: the same rows of all.

    Raises:
        ValueError: As `gather_clouds`.
    """
    clouds = gather_clouds(inputs, seed, corresponding=corresponding, min_points=1)
    if clouds.shape[1] > MOST_POINTS:
        rows = np.random.default_rng(seed).choice(clouds.shape[1], MOST_POINTS, replace=False)
        clouds = clouds[:, rows]
    return clouds.astype(np.float32)


def gather_clouds(
    inputs: Sequence[np.ndarray] | np.ndarray, seed: int, *, corresponding: bool, min_points: int
) -> Float[np.ndarray, "K N 3"]:
    """Clouds of one size. Where rows need not correspond, points that hold NaN or infinity are left
    out, and clouds are drawn down to the size of the smallest; a warning says so.

    Args:
        inputs: One cloud [N, 3] per frame.
        seed: Seed of the draw.
        corresponding: Whether row n must be the same particle in all clouds.
        min_points: Number of points that the model needs.

    Raises:
        ValueError: If a cloud has another shape or too few points, or rows must correspond and
            cannot.
    """
    clouds = [_cloud(cloud, inputs) for cloud in inputs]
    if not clouds:
        raise ValueError(f"clouds must have shape [T, N, 3], got {list(np.shape(inputs))}")
    if corresponding:
        _refuse_without_rows(clouds)
    else:
        clouds = _drawn_down(_without_gaps(clouds), np.random.default_rng(seed))
    if len(clouds[0]) < min_points:
        raise ValueError(
            f"the smallest cloud has {len(clouds[0])} points, and this model needs at least "
            f"{min_points} in every frame; leave the frame out, or give more points"
        )
    return np.stack(clouds)


def _cloud(cloud: np.ndarray, inputs: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    try:
        points = np.asarray(cloud, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"clouds must be numbers of shape [T, N, 3]: {error}") from error
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        if isinstance(inputs, np.ndarray):
            raise ValueError(f"clouds must have shape [T, N, 3], got {list(inputs.shape)}")
        raise ValueError(f"each cloud must have shape [N, 3], got {list(points.shape)}")
    return points


def _refuse_without_rows(clouds: Sequence[np.ndarray]) -> None:
    sizes = [len(cloud) for cloud in clouds]
    way_out = "or train a model with data.input_pointcloud_corresponding false"
    if min(sizes) < max(sizes):
        raise ValueError(
            f"clouds have from {min(sizes)} to {max(sizes)} points, but for this model row n must "
            f"be the same particle in all frames; give clouds of one size, {way_out}"
        )
    if not all(np.isfinite(cloud).all() for cloud in clouds):
        raise ValueError(
            "clouds hold NaN or infinity; remove those points in all frames, since for this model "
            f"row n must be the same particle, {way_out}"
        )


def _without_gaps(clouds: Sequence[np.ndarray]) -> list[np.ndarray]:
    kept = [cloud[np.isfinite(cloud).all(axis=1)] for cloud in clouds]
    for frame, cloud in enumerate(kept):
        if not len(cloud):
            raise ValueError(f"cloud {frame} has no point without NaN or infinity; leave it out")
    lost = sum(map(len, clouds)) - sum(map(len, kept))
    if lost:
        warnings.warn(f"{lost} points with NaN or infinity are left out", Advice, stacklevel=5)
    return kept


def _drawn_down(clouds: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    sizes = [len(cloud) for cloud in clouds]
    least = min(sizes)
    if least == max(sizes):
        return list(clouds)
    warnings.warn(
        f"clouds have from {least} to {max(sizes)} points; {least} random ones of each are used",
        Advice,
        stacklevel=5,
    )
    return [cloud[rng.permutation(len(cloud))[:least]] for cloud in clouds]
