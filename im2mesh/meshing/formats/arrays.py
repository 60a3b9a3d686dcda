"""Shared by the readers of mesh formats: numbers from text, and triangles from polygons."""

import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Shaped

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # vertices [V, 3], faces [F, 3], colours


def parse_numbers(text: str, dtype: type = np.float64) -> np.ndarray:
    """All numbers of a text; anything else in it is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy only warns when it stops early
        return np.fromstring(text, dtype=dtype, sep=" ")


def fans(polygons: Iterable[Sequence[int | float]]) -> Shaped[np.ndarray, "F 3"]:
    """Cut polygons into triangles around their first corner. A plain loop: polygons are rare."""
    triangles = []
    for corners in polygons:
        if len(corners) < 3:
            raise ValueError(f"it has a face of {len(corners)} corners")
        triangles += [(corners[0], a, b) for a, b in pairwise(corners[1:])]
    return np.array(triangles).reshape(-1, 3)
