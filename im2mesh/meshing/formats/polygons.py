"""Triangles from polygons and from strips; corners are never merged, faces keep their order."""

import numpy as np
from jaxtyping import Float, Int, Shaped

from im2mesh.meshing.formats.ear_clipping import clip_ears
from im2mesh.meshing.validity import valid_indices

_FOLD = 1e-9  # of the polygon's area: a triangle turned by less is rounding


def triangulate(
    corners: Shaped[np.ndarray, "N"],
    lengths: Int[np.ndarray, "P"],
    vertices: Shaped[np.ndarray, "V 3"],
) -> Shaped[np.ndarray, "F 3"]:
    """Cut polygons into triangles that lie inside of them.

    Args:
        corners: The vertices of all polygons, one polygon after the other.
        lengths: How many corners each polygon has.
        vertices: Positions, as exact as the file has them.

    Raises:
        ValueError: If a polygon has fewer than three corners, or its outline crosses itself.
    """
    if (lengths == 3).all():
        return corners.reshape(-1, 3)
    if (lengths < 3).any():
        raise ValueError(f"it has a face of {lengths.min()} corners")
    corners = valid_indices(corners, len(vertices))
    starts, firsts = np.cumsum(lengths) - lengths, np.cumsum(lengths - 2) - (lengths - 2)
    triangles = np.empty(((lengths - 2).sum(), 3), corners.dtype)
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        polygons = corners[starts[chosen, None] + np.arange(length)]
        triangles[firsts[chosen, None] + np.arange(length - 2)] = _cut(polygons, vertices)
    return triangles


def _cut(
    polygons: Int[np.ndarray, "P corners"], vertices: Shaped[np.ndarray, "V 3"]
) -> Int[np.ndarray, "P triangles 3"]:
    """Fans around the first corner where they stay inside, around the second, or else ears."""
    triangles = _fans(polygons)
    if polygons.shape[1] == 3:
        return triangles
    left = np.flatnonzero(_leaves(polygons, vertices))
    turned = np.roll(polygons[left], -1, axis=1)
    stays = ~_leaves(turned, vertices)
    triangles[left[stays]] = _fans(turned[stays])
    for k in left[~stays]:
        corners = vertices[polygons[k]].astype(np.float64)
        triangles[k] = polygons[k][clip_ears(corners)]
    return triangles


def _fans(polygons: Int[np.ndarray, "P corners"]) -> Int[np.ndarray, "P triangles 3"]:
    first = np.broadcast_to(polygons[:, :1], polygons[:, 2:].shape)
    return np.stack([first, polygons[:, 1:-1], polygons[:, 2:]], axis=-1)


def _leaves(
    polygons: Int[np.ndarray, "P corners"], vertices: Shaped[np.ndarray, "V 3"]
) -> Shaped[np.ndarray, "P"]:
    """Where a triangle of the fan is turned against the polygon, so that it lies outside.

    Triangles with the polygon's own boundary that all have its orientation cover it once.
    """
    with np.errstate(all="ignore"):  # what is not finite is refused later
        places: Float[np.ndarray, "P corners 3"] = vertices[polygons].astype(np.float64)
        places -= places[:, :1].copy()
        areas = np.cross(places[:, 1:-1], places[:, 2:])
        normals = areas.sum(1)
        size = (normals**2).sum(-1)
        total = np.sqrt((areas**2).sum(-1)).sum(-1)
        turned = ((areas * normals[:, None]).sum(-1) < -_FOLD * size[:, None]).any(1)
        return turned | (size < (_FOLD * total) ** 2)  # the second: equal parts of both turns


def unroll_strips(corners: Shaped[np.ndarray, "N"]) -> Shaped[np.ndarray, "F 3"]:
    """Triangles of strips, between which stands -1.

    Every triangle shares two corners with the one before; every second one is turned over, so that
    all face the same way. Triangles that name a vertex twice only steer the strip, and are left
    out.

    Raises:
        ValueError: If a strip has only one or two corners.
    """
    if not len(corners):
        return np.zeros((0, 3), np.int32)
    is_end = np.append(corners == -1, True)
    ends = np.flatnonzero(is_end)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if np.isin(ends - starts, (1, 2)).any():
        raise ValueError("it has a strip of fewer than three corners")
    firsts = np.flatnonzero(~(is_end[:-2] | is_end[1:-1] | is_end[2:]))
    within = firsts - starts[np.searchsorted(ends, firsts)]
    odd = within % 2
    a, b, c = corners[firsts + odd], corners[firsts + 1 - odd], corners[firsts + 2]
    return np.stack([a, b, c], axis=1)[(a != b) & (b != c) & (a != c)]
