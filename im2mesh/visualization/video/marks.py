"""Marks in space, as meshes that hide and are hidden: arrows of velocities, trails of points."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial import KDTree

from im2mesh.meshing.containment import points_inside_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.rendering import BACKGROUND

SIDES = 8
ARROW_COLOR = (24, 28, 36)
SHAFT, HEAD = 0.0035, 0.011  # radii
SHORTEST = 0.012
"""Of arrows; shorter ones would be specks."""
HEAD_LENGTH, MOST_HEAD = 0.03, 0.5  # of a long arrow; of a short one, this share of its length
TRAIL_RADIUS = 0.006
TRAIL_FRAMES = 16
"""Number of frames after which a trail has faded."""


def cones(
    starts: Float[np.ndarray, "N 3"],
    ends: Float[np.ndarray, "N 3"],
    radii: Float[np.ndarray, "N 2"],
    colors: UInt8[np.ndarray, "N 2 3"],
) -> Mesh:
    """Open truncated cones from starts to ends, each with a radius and a colour at both ends."""
    axis = ends - starts
    axis = axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-12)
    least = np.eye(3)[np.abs(axis).argmin(axis=1)]  # far from the axis
    side = np.cross(axis, least)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    angles = 2 * np.pi * np.arange(SIDES) / SIDES
    ring = (
        np.cos(angles)[:, None] * side[:, None]
        + np.sin(angles)[:, None] * np.cross(axis, side)[:, None]
    )  # [N, SIDES, 3]
    rings = np.stack([starts, ends], axis=1)[:, :, None] + radii[:, :, None, None] * ring[:, None]
    k = np.arange(SIDES)
    after = (k + 1) % SIDES
    of_one = np.concatenate(
        [np.stack([k, after, SIDES + after], 1), np.stack([k, SIDES + after, SIDES + k], 1)]
    )
    faces = (of_one[None] + 2 * SIDES * np.arange(len(starts))[:, None, None]).reshape(-1, 3)
    painted = np.repeat(colors.reshape(-1, 3), SIDES, axis=0)
    return Mesh(rings.reshape(-1, 3).astype(np.float32), faces.astype(np.int32), painted)


def joined(*meshes: Mesh) -> Mesh:
    """Meshes with colours as one."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
    colors = [mesh.colors for mesh in meshes if mesh.colors is not None]
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    return Mesh(vertices, np.concatenate(faces).astype(np.int32), np.concatenate(colors))


def arrows(starts: Float[np.ndarray, "N 3"], vectors: Float[np.ndarray, "N 3"]) -> Mesh:
    """Arrows from starts to starts + vectors, where these are not too short."""
    lengths = np.linalg.norm(vectors, axis=1)
    seen = lengths > SHORTEST
    starts, lengths = starts[seen], lengths[seen, None]
    direction = vectors[seen] / lengths
    head = np.minimum(HEAD_LENGTH, MOST_HEAD * lengths)
    thickness = head / HEAD_LENGTH  # short arrows are thin, too
    necks, tips = starts + (lengths - head) * direction, starts + lengths * direction
    colors = np.broadcast_to(np.array(ARROW_COLOR, np.uint8), (len(starts), 2, 3))
    shaft = SHAFT * np.maximum(thickness, 0.5) * np.ones((1, 2))
    point = HEAD * thickness * np.array([[1.0, 0.0]])
    base = necks + 0.02 * head * direction
    return joined(
        cones(starts, necks, shaft, colors),
        cones(necks, tips, point, colors),
        cones(base, necks, point[:, ::-1], colors),  # closes the head from behind
    )


def trails(paths: Float[np.ndarray, "T N 3"], frame: int, colors: UInt8[np.ndarray, "N 3"]) -> Mesh:
    """Where points have come from: the older, the thinner and the nearer to the background."""
    first = max(0, frame - TRAIL_FRAMES)
    age = 1 - (frame - np.arange(first, frame + 1)) / TRAIL_FRAMES  # [K], 1 is now
    past = paths[first : frame + 1]
    paint = BACKGROUND + np.sqrt(age)[:, None, None] * (
        0.62 * colors.astype(np.float32) - BACKGROUND
    )
    paint = np.rint(paint).astype(np.uint8)  # [K, N, 3]
    radii = np.broadcast_to(TRAIL_RADIUS * (0.25 + 0.75 * age)[:, None], past.shape[:2])
    ends = [np.stack([x[:-1], x[1:]], axis=2) for x in (radii, paint)]
    tubes = cones(
        past[:-1].reshape(-1, 3),
        past[1:].reshape(-1, 3),
        ends[0].reshape(-1, 2),
        ends[1].reshape(-1, 2, 3),
    )
    return joined(tubes, _beads(paths[frame], paint[-1]))


def _beads(points: Float[np.ndarray, "N 3"], colors: UInt8[np.ndarray, "N 3"]) -> Mesh:
    """Small double cones at points."""
    up, both = np.array([0, 1.6 * TRAIL_RADIUS, 0]), np.stack([colors, colors], axis=1)
    wide = np.full((len(points), 2), [2 * TRAIL_RADIUS, 0.0])
    return joined(cones(points, points + up, wide, both), cones(points, points - up, wide, both))


def spread_points(points: Float[np.ndarray, "V 3"], count: int) -> Int[np.ndarray, "N"]:
    """Rows of points that are far from each other: each is the farthest from those before it."""
    chosen = [int(np.argmin(points @ np.array([0.0, 1.0, 0.0])))] if len(points) else []
    distances = np.full(len(points), np.inf)
    while 0 < len(chosen) < min(count, len(points)):
        distances = np.minimum(distances, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(distances.argmax()))
    return np.array(chosen[:count], np.int64)


def velocities_of(
    vertices: Float[np.ndarray, "T V 3"], seconds: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T V 3"]:
    """Velocities of points that are followed: central differences, one-sided at both ends."""
    if len(seconds) < 2:
        return np.zeros_like(vertices)
    return np.gradient(vertices, seconds, axis=0)


@dataclass(frozen=True)
class Slice:
    """A regular grid in a plane that faces the camera.

    The field is meant in the body and close to it: there are the points whose occupancy it was
    trained to carry, so it is asked inside of the mesh and at most `REACH` outside of it.

    Attributes:
        center: A point of the plane and of the grid.
        right, up: Unit vectors that span the plane.
    """

    center: Float[np.ndarray, "3"]
    right: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]

    STEP = 0.06
    REACH = 0.03

    def points(self, mesh: Mesh) -> Float[np.ndarray, "N 3"]:
        """The points of the grid in a mesh or close to it; they keep their places over time."""
        axes = np.stack([self.right, self.up])
        place = (mesh.vertices - self.center) @ axes.T / self.STEP
        low, high = np.floor(place.min(0)) - 1, np.ceil(place.max(0)) + 2
        grid = np.stack(np.meshgrid(*map(np.arange, low, high)), axis=-1).reshape(-1, 2)
        points = self.center + self.STEP * grid @ axes
        is_near = KDTree(mesh.vertices).query(points)[0] < self.REACH
        return points[is_near | points_inside_mesh(points, mesh.vertices, mesh.faces)]

    def in_plane(self, vectors: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """The parts of vectors that lie in the plane."""
        axes = np.stack([self.right, self.up])
        return vectors @ axes.T @ axes

    def behind(self, mesh: Mesh) -> Mesh:
        """The faces of a mesh that lie behind the plane for the camera: the body cut open."""
        toward = np.cross(self.right, self.up)
        depth = (mesh.vertices[mesh.faces] - self.center) @ toward
        return Mesh(mesh.vertices, mesh.faces[depth.max(axis=1) < 0], mesh.colors)


@dataclass(frozen=True)
class ArrowScale:
    """One length for all arrows of a film.

    Attributes:
        length: Length of an arrow, for a speed of 1.
        unit: Unit of speeds, in words.
    """

    length: float
    unit: str

    LONGEST = 0.13
    """Length of the arrow of the highest speed, in units of the body."""

    @classmethod
    def of(cls, speeds: Float[np.ndarray, " N"], unit: str) -> "ArrowScale":
        """The scale at which nearly all speeds have arrows of at most the longest length."""
        fast = float(np.percentile(speeds, 99.5)) if len(speeds) else 0.0
        return cls(cls.LONGEST / max(fast, 1e-9), unit)

    @property
    def legend_speed(self) -> float:
        """A round speed, whose arrow is not longer than the longest."""
        limit = self.LONGEST / self.length
        power = 10.0 ** np.floor(np.log10(limit))
        return float(power * max(step for step in (1, 2, 5) if step * power <= limit * (1 + 1e-9)))
