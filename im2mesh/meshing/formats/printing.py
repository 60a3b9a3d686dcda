"""Rows of numbers as text, for the writers of text formats."""

import numpy as np

from im2mesh.meshing.mesh import Mesh


def position_row(mesh: Mesh) -> str:
    """The format of a position: nine significant digits bring every float32 back exactly,
    seventeen every float64."""
    return "%.17g %.17g %.17g" if mesh.vertices.dtype == np.float64 else "%.9g %.9g %.9g"


def print_rows(row: str, left: np.ndarray, right: np.ndarray | None = None) -> str:
    """All rows at once: one format string, one tuple of numbers."""
    if right is None:
        return (row * len(left)) % tuple(left.ravel().tolist())
    return (row * len(left)) % tuple(np.concatenate([left, right], axis=1).ravel().tolist())
