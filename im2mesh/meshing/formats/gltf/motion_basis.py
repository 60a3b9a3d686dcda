"""A motion as few shapes and their weights over time, which is what morph targets are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

TOLERANCE = 1e-4
"""Largest distance of a vertex from its path, in units of the longest side of the first frame: a
fifth of a millimetre for a person."""
_COLUMNS = 2**14
_SAMPLE = 16  # every so many vertices are tried first


@dataclass(frozen=True)
class MotionBasis:
    """Vertices at time k are those of the first frame plus the sum over j of weights[k, j] times
    positions[j]; so are normals, before they get unit length.

    Attributes:
        positions, normals: Offsets from the first frame; normals are None for points.
        weights: Within [-1, 1]; 0 in the first frame.
    """

    positions: Float[np.ndarray, "K V 3"]
    normals: Float[np.ndarray, "K V 3"] | None
    weights: Float[np.ndarray, "T K"]

    def with_positive_weights(self) -> "MotionBasis":
        """The same motion, also between frames, with weights within [0, 1] and one shape more.

        The new shape takes back the sum of all others. So each of these may be raised by what the
        most negative weight of a frame lacks, if the new one is raised by as much.
        """
        lacking = np.maximum(-self.weights.min(1, keepdims=True), 0)
        weights = np.concatenate([self.weights + lacking, lacking], 1)
        largest = weights.max(0)

        def shapes(values: Float[np.ndarray, "K V 3"]) -> Float[np.ndarray, "L V 3"]:
            whole = np.concatenate([values, -values.sum(0, keepdims=True)])
            return (whole * largest[:, None, None])[used]

        used = largest > 0
        return MotionBasis(
            shapes(self.positions),
            None if self.normals is None else shapes(self.normals),
            weights[:, used] / largest[used],
        )


def motion_basis(
    vertices: Float[np.ndarray, "T V 3"], normals: Float[np.ndarray, "T V 3"] | None
) -> MotionBasis:
    """The fewest principal components of the offsets that hold every vertex within `TOLERANCE`.

    Bodies bend at few joints, so there are fewer components than frames; where there are not, the
    components of all frames are exact.
    """
    offsets = _offsets(vertices)
    _, directions = np.linalg.eigh(_products(offsets))
    directions = directions[:, ::-1].astype(np.float32)  # the largest first
    size = float(np.ptp(vertices[0], axis=0).max()) if vertices.size else 0.0
    count = _fewest(offsets, directions, TOLERANCE * size)
    chosen = directions[:, :count]
    largest = np.abs(chosen).max(0)

    def shapes(moved: Float[np.ndarray, "S N"]) -> Float[np.ndarray, "K V 3"]:
        return ((chosen * largest).T @ moved).reshape(count, -1, 3)

    weights = np.concatenate([np.zeros((1, count)), chosen / largest])
    turned = None if normals is None else shapes(_offsets(normals))
    return MotionBasis(shapes(offsets), turned, weights.astype(np.float32))


def _offsets(values: Float[np.ndarray, "T V 3"]) -> Float[np.ndarray, "S N"]:
    """Of the later frames from the first, a row for each frame."""
    return (values[1:] - values[0]).astype(np.float32).reshape(len(values) - 1, -1)


def _products(offsets: Float[np.ndarray, "S N"]) -> Float[np.ndarray, "S S"]:
    """The scalar products of all rows, summed in float64."""
    total = np.zeros((len(offsets), len(offsets)))
    for start in range(0, offsets.shape[1], _COLUMNS):
        part = offsets[:, start : start + _COLUMNS].astype(np.float64)
        total += part @ part.T
    return total


def _fewest(
    offsets: Float[np.ndarray, "S N"], directions: Float[np.ndarray, "S S"], tolerance: float
) -> int:
    """The least number of directions, at least one. Some of the vertices need no more than all of
    them do, and are tried sooner."""
    places = offsets.reshape(len(offsets), offsets.shape[1] // 3, 3)[:, ::_SAMPLE]
    few = places.reshape(len(offsets), 3 * places.shape[1])
    enough = _least_from(1, few, directions, tolerance)
    return _least_from(enough, offsets, directions, tolerance)


def _least_from(
    low: int,
    offsets: Float[np.ndarray, "S N"],
    directions: Float[np.ndarray, "S S"],
    tolerance: float,
) -> int:
    """The least number of directions from `low` on: steps are doubled until it is enough, then
    bisected, since few directions are tried sooner than many."""
    low, high, step = min(low, len(offsets)), low, 1
    while high < len(offsets) and _error(offsets, directions[:, :high]) > tolerance:
        low, high, step = high + 1, high + step, 2 * step
    high = min(high, len(offsets))
    while low < high:
        middle = (low + high) // 2
        if _error(offsets, directions[:, :middle]) <= tolerance:
            high = middle
        else:
            low = middle + 1
    return high


def _error(offsets: Float[np.ndarray, "S N"], directions: Float[np.ndarray, "S K"]) -> float:
    """The largest distance of a vertex from its path."""
    missing = (offsets - directions @ (directions.T @ offsets)).reshape(-1, 3)
    return float(np.sqrt(np.einsum("ij,ij->i", missing, missing).max(initial=0.0)))
