"""Carrying many vertices at the price of few: neighbours move alike, and where not is measured.

A flow moves points by a smooth function of their place. So a part of the vertices is carried, and
the rest is interpolated. The error is measured at vertices that are carried for that purpose, and
more of them are carried where it is too large.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

Carry = Callable[[Float[np.ndarray, "N 3"]], Float[np.ndarray, "S N 3"]]
"""Positions at the first time -> their paths."""

COARSEST_CELL = 0.08
"""Spacing of the vertices that are carried first, in units of the first frame."""
HALVINGS = 3
"""How often the spacing is halved where the error is too large; then all vertices are carried."""
TESTED = 4
"""One of so many vertices of the next finer spacing measures the error."""
NEIGHBOURS = 12
"""Number of carried vertices from which a path is interpolated."""
MARGIN = 3
"""Where the measured error exceeds the tolerance divided by this, more vertices are carried. Few
are measured, so others nearby may be worse: with this margin, one vertex of a thousand was outside
of the tolerance, for a trained model of bodies (docs/performance.md)."""
DUPLICATES = 1e-9
"""Smoothing that lets two neighbours lie at one place."""
STIFFNESS = 1e-3
"""Penalty on the affine part, which keeps it determined across a plane of neighbours."""


def carry_by_interpolation(
    vertices: Float[np.ndarray, "V 3"], carry: Carry, tolerance: float
) -> Float[np.ndarray, "S V 3"]:
    """Paths of all vertices, of which only a part is carried.

    Args:
        vertices: Positions at the first time, in units of the first frame.
        carry: Function that carries positions, each by itself.
        tolerance: Error, at any time, that all but very few of the others may have.
    """
    if not len(vertices):
        return carry(vertices)
    paths = _Paths(vertices, carry)
    paths.carry(_one_per_cell(vertices, COARSEST_CELL, np.arange(len(vertices))))
    doubtful = np.ones(len(vertices), bool)
    for halving in range(1, HALVINGS + 1):
        finer = _one_per_cell(vertices, COARSEST_CELL / 2**halving, paths.left_out(doubtful))
        tested, others = finer[::TESTED], np.delete(finer, np.s_[::TESTED])
        if not len(tested):
            break
        is_wrong = paths.measure(tested) > tolerance / MARGIN
        doubtful &= _is_any_near(vertices, vertices[tested], is_wrong)
        paths.carry(others[doubtful[others]])
    else:
        paths.carry(paths.left_out(doubtful))
    return paths.complete()


class _Paths:
    """Paths of vertices, as far as they are known."""

    def __init__(self, vertices: Float[np.ndarray, "V 3"], carry: Carry) -> None:
        self.vertices = vertices
        self._carry = carry
        self.known = np.zeros(len(vertices), bool)
        self._moved = np.zeros((0, 0, 3), np.float32)  # [known, S, 3], in the order of `_rows`
        self._rows = np.zeros(0, np.int64)

    def left_out(self, among: Bool[np.ndarray, "V"]) -> Int[np.ndarray, "N"]:
        return np.flatnonzero(among & ~self.known)

    def carry(self, rows: Int[np.ndarray, "N"]) -> None:
        """Carry vertices that are not known yet."""
        if len(rows):
            moved = self._carry(self.vertices[rows]).transpose(1, 0, 2)
            moved = moved - self.vertices[rows, None]
            self._moved = np.concatenate([self._moved, moved]) if len(self._rows) else moved
            self._rows = np.concatenate([self._rows, rows])
            self.known[rows] = True

    def measure(self, rows: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
        """Carry vertices, and return by how much their interpolation would have been wrong."""
        expected = self._interpolate(rows)
        self.carry(rows)
        return np.linalg.norm(self._moved[-len(rows) :] - expected, axis=-1).max(1)

    def complete(self) -> Float[np.ndarray, "S V 3"]:
        """The paths of all vertices; those that were not carried are interpolated."""
        rest = np.flatnonzero(~self.known)
        moved = np.empty((len(self.vertices), *self._moved.shape[1:]), self._moved.dtype)
        moved[self._rows] = self._moved
        moved[rest] = self._interpolate(rest)
        return (moved + self.vertices[:, None]).transpose(1, 0, 2)

    def _interpolate(self, rows: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N S 3"]:
        carried = self.vertices[self._rows]
        count = min(NEIGHBOURS, len(carried))
        near = KDTree(carried).query(self.vertices[rows], count)[1].reshape(-1, count)
        weights = spline_weights(self.vertices[rows], carried[near])
        return np.einsum("nk,nksd->nsd", weights.astype(np.float32), self._moved[near])


def spline_weights(
    queries: Float[np.ndarray, "N 3"], neighbours: Float[np.ndarray, "N K 3"]
) -> Float[np.ndarray, "N K"]:
    """Weights of the polyharmonic spline r^3 with an affine part (Duchon, 1977) at each query.

    The weights sum to 1 and interpolate affine functions. Across a plane of neighbours, where an
    affine function is not determined, it is taken as constant.
    """
    offsets = (neighbours - queries[:, None]).astype(np.float64)
    distances = np.linalg.norm(offsets, axis=-1)
    size = distances.max(1)[:, None] + 1e-12
    offsets, distances = offsets / size[..., None], distances / size
    lengths = np.square(offsets).sum(-1)
    products = offsets @ offsets.transpose(0, 2, 1)
    squared = np.maximum(lengths[:, :, None] + lengths[:, None] - 2 * products, 0)  # distances
    count = neighbours.shape[1]
    system = np.zeros((len(queries), count + 4, count + 4))
    system[:, :count, :count] = squared * np.sqrt(squared) + DUPLICATES * np.eye(count)
    system[:, :count, count] = system[:, count, :count] = 1
    system[:, :count, count + 1 :] = offsets
    system[:, count + 1 :, :count] = offsets.transpose(0, 2, 1)
    diagonal = range(count + 1, count + 4)
    system[:, diagonal, diagonal] = -STIFFNESS
    at_query = np.concatenate(
        [distances**3, np.ones((len(queries), 1)), np.zeros((len(queries), 3))], axis=1
    )
    return np.linalg.solve(system, at_query[..., None])[:, :count, 0]


def _one_per_cell(
    vertices: Float[np.ndarray, "V 3"], cell: float, rows: Int[np.ndarray, "N"]
) -> Int[np.ndarray, "M"]:
    """The first of these vertices in every cell of a grid."""
    cells = np.floor(vertices[rows] / cell).astype(np.int64)
    return rows[np.sort(np.unique(cells, axis=0, return_index=True)[1])]


def _is_any_near(
    vertices: Float[np.ndarray, "V 3"],
    tested: Float[np.ndarray, "T 3"],
    is_wrong: Bool[np.ndarray, "T"],
) -> Bool[np.ndarray, "V"]:
    """Whether one of the three nearest tested vertices was wrong."""
    near = KDTree(tested).query(vertices, min(3, len(tested)))[1]
    return np.asarray(is_wrong[near.reshape(len(vertices), -1)].any(1))
