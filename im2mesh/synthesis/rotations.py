"""Rotation matrices for posing: angles in degrees, matrices in the last two axes.

Coordinates of the synthetic bodies: x to the body's left, y up, z to its front (right-handed).
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

Angle = int | float | Float[np.ndarray, "T"]
Matrices = Float[np.ndarray, "*T 3 3"]


def rotate_x(degrees: Angle) -> Matrices:
    """Turn y towards z: a trunk leans forward, a hanging limb swings backward."""
    return _rotate(degrees, axis=0)


def rotate_y(degrees: Angle) -> Matrices:
    """Turn z towards x: a body turns to its left."""
    return _rotate(degrees, axis=1)


def rotate_z(degrees: Angle) -> Matrices:
    """Turn x towards y: a body leans to its right, a hanging left arm rises sideways."""
    return _rotate(degrees, axis=2)


def _rotate(degrees: Angle, axis: int) -> Matrices:
    radians = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*radians.shape, 3, 3))
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(radians)
    matrix[..., second, first] = np.sin(radians)
    matrix[..., first, second] = -np.sin(radians)
    return matrix


def rotate_about(axis: Float[np.ndarray, "3"], degrees: Angle) -> Matrices:
    """Turn about a fixed axis, right-handed."""
    vector = np.deg2rad(np.asarray(degrees, dtype=np.float64))[..., None] * unit(axis)
    return Rotation.from_rotvec(vector).as_matrix()


def unit(vectors: Float[np.ndarray, "*T 3"]) -> Float[np.ndarray, "*T 3"]:
    """Vectors scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def across(
    vectors: Float[np.ndarray, "*T 3"], directions: Float[np.ndarray, "*T 3"]
) -> Float[np.ndarray, "*T 3"]:
    """Unit part of `vectors` at right angles to the unit `directions`."""
    along = np.sum(vectors * directions, axis=-1, keepdims=True) * directions
    return unit(vectors - along)


def limb_axes(bone: Float[np.ndarray, "*T 3"], front: Float[np.ndarray, "*T 3"]) -> Matrices:
    """Axes of a limb in columns: along the bone, its front, and the hinge between them."""
    along = unit(bone)
    forward = across(np.broadcast_to(front, along.shape), along)
    return np.stack([along, forward, np.cross(along, forward)], axis=-1)


def hinged_axes(bone: Float[np.ndarray, "*T 3"], hinge: Float[np.ndarray, "*T 3"]) -> Matrices:
    """Axes as in `limb_axes`, from the bone and a unit hinge at right angles to it."""
    along = unit(bone)
    return np.stack([along, np.cross(hinge, along), hinge], axis=-1)


def shortest_arc(
    start: Float[np.ndarray, "3"], ends: Float[np.ndarray, "T 3"]
) -> Float[np.ndarray, "T 3 3"]:
    """Rotation without twist that takes one direction to each of `ends`."""
    start, ends = unit(start), unit(ends)
    axis = np.cross(start, ends)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (ends @ start)[..., None])
    return Rotation.from_rotvec(axis / np.maximum(sine, 1e-12) * angle).as_matrix()


def part_of(rotations: Float[np.ndarray, "T 3 3"], share: float) -> Float[np.ndarray, "T 3 3"]:
    """Rotations about the same axes, by the given share of each angle."""
    return Rotation.from_rotvec(share * Rotation.from_matrix(rotations).as_rotvec()).as_matrix()
