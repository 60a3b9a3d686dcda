"""One polygon that is not convex, cut into triangles by clipping its ears (Meisters, 1975)."""

from collections import deque

import numpy as np
from jaxtyping import Bool, Float, Int

MOST_CORNERS = 5000
"""Of a polygon that is not convex: the time grows with the square."""
_FLAT = 1e-7  # of the square of the polygon's extent: an area that counts as none


def clip_ears(corners: Float[np.ndarray, "N 3"]) -> Int[np.ndarray, "N-2 3"]:
    """Triangles of one polygon, which name its corners by their number.

    A triangle is cut off only if it has the orientation of the whole. If that succeeds to the end,
    the triangles cover what the outline goes around, and nothing twice.

    Raises:
        ValueError: If the outline crosses itself, or has more than `MOST_CORNERS` corners.
    """
    if len(corners) > MOST_CORNERS:
        raise ValueError(f"it has a face of {len(corners)} corners that is not convex")
    outline = _Outline(_project(corners))
    waiting, missed = deque(range(len(corners))), False
    triangles = []
    while len(triangles) < len(corners) - 3:
        if not waiting:
            if missed:
                triangles.append(outline.clip(outline.flattest(_FLAT)))
                waiting += triangles[-1][::2]
            else:  # what kept a corner from being an ear may have gone since it was tried
                missed, waiting = True, deque(outline.left())
            continue
        corner = waiting.popleft()
        if outline.is_ear(corner):
            triangles.append(outline.clip(corner))
            waiting += triangles[-1][::2]
            missed = False
    triangles.append(outline.clip(outline.flattest(np.inf)))
    return np.array(triangles)


def _project(corners: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 2"]:
    """Into the polygon's plane, counter-clockwise and about 1 in size."""
    corners = corners - corners.mean(0)
    corners = corners / max(np.abs(corners).max(), np.finfo(np.float64).tiny)
    normal = np.cross(corners, np.roll(corners, -1, axis=0)).sum(0)
    if not np.linalg.norm(normal) > 1e-15:
        raise ValueError("it has a face whose outline crosses itself")
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    second = np.cross(normal, first)
    return corners @ np.stack([a / np.linalg.norm(a) for a in (first, second)], axis=1)


class _Outline:
    """What is left of a polygon: a ring of corners, and how much each of them turns."""

    def __init__(self, places: Float[np.ndarray, "N 2"]) -> None:
        count = len(places)
        self.places = places
        self.before = (np.arange(count) - 1) % count
        self.after = (np.arange(count) + 1) % count
        self.is_left = np.ones(count, bool)
        self.turn = _areas(places[self.before], places, places[self.after])

    def left(self) -> list[int]:
        return np.flatnonzero(self.is_left).tolist()

    def is_ear(self, corner: int) -> bool:
        """Whether it turns to the left and its triangle holds no other corner."""
        if not self.is_left[corner] or self.turn[corner] <= 0:
            return False
        a, b, c = self.places[[self.before[corner], corner, self.after[corner]]]
        others = self.places[self.is_left & (self.turn <= 0)]
        inside: Bool[np.ndarray, "N"] = (
            (_areas(a, b, others) > 0) & (_areas(b, c, others) > 0) & (_areas(c, a, others) >= 0)
        )
        return not inside.any()

    def flattest(self, most: float) -> int:
        """The corner with the smallest triangle, at most so large and not turned over."""
        size = np.where(self.is_left & (self.turn >= -_FLAT), np.abs(self.turn), np.inf)
        corner = int(size.argmin())
        if not (np.isfinite(size[corner]) and size[corner] <= most):
            raise ValueError("it has a face whose outline crosses itself")
        return corner

    def clip(self, corner: int) -> tuple[int, int, int]:
        """Cut a corner off, and return its triangle."""
        before, after = int(self.before[corner]), int(self.after[corner])
        self.is_left[corner] = False
        self.after[before], self.before[after] = after, before
        for k in (before, after):
            a, b, c = self.places[[self.before[k], k, self.after[k]]]
            self.turn[k] = _areas(a, b, c)
        return before, corner, after


def _areas(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the areas of triangles in the plane; positive if counter-clockwise."""
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return np.asarray(ux * vy - uy * vx)
