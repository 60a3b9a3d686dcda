"""Vertices that follow the joints of a skeleton (section 3.7.3).

The joints stand where the nodes of the file stand: animations are not played.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from im2mesh.meshing.formats.gltf.accessors import read_array
from im2mesh.meshing.formats.gltf.document import Document, array, mapping
from im2mesh.meshing.formats.gltf.nodes import Transforms

_TOLERANCE = 0.05  # of the sum of a vertex's weights; bytes that were rounded one by one reach it


def joint_matrices(
    document: Document, number: Any, transforms: Transforms
) -> Float[np.ndarray, "joints 4 4"]:
    """What each joint of a skin does to a vertex: out of the bind pose, to where the joint is."""
    skin = document.entry("skins", number)
    joints = array(skin, "joints")
    for joint in joints:
        document.entry("nodes", joint)
    if not joints:
        raise ValueError("it has a skin without joints")
    placed = np.stack([transforms[joint] for joint in joints])
    if "inverseBindMatrices" not in skin:
        return placed
    inverse = read_array(document, skin["inverseBindMatrices"], ("MAT4",), "f")
    if len(inverse) < len(joints):
        raise ValueError(f"a skin has {len(joints)} joints and {len(inverse)} bind matrices")
    return placed @ inverse[: len(joints)].reshape(-1, 4, 4).transpose(0, 2, 1)


def skinned(
    document: Document, primitive: dict[str, Any], matrices: np.ndarray, positions: np.ndarray
) -> tuple[Float[np.ndarray, "V 3"], bool]:
    """Positions in the coordinates of the scene, and whether the joints mirror the surface."""
    moved, total = np.zeros((len(positions), 3)), np.zeros(len(positions))
    used = np.zeros(len(matrices), bool)
    for joints, weights in _influences(document, primitive, len(matrices), len(positions)):
        turned = np.einsum("vij,vj->vi", matrices[joints, :3, :3], positions)
        moved += weights[:, None] * (turned + matrices[joints, :3, 3])
        total += weights
        used[joints[weights > 0]] = True
    if (np.abs(total - 1) > _TOLERANCE).any():
        raise ValueError("the skin weights of its vertices do not sum to 1; normalise them")
    determinants = np.linalg.det(matrices[used, :3, :3])
    if (determinants < 0).any() and (determinants > 0).any():
        raise ValueError("some joints of a skin mirror the mesh and others do not")
    return moved / total[:, None], bool((determinants < 0).any())


def _influences(
    document: Document, primitive: dict[str, Any], num_joints: int, num_vertices: int
) -> Iterator[tuple[Int[np.ndarray, "V"], Float[np.ndarray, "V"]]]:
    """A joint of each vertex and its weight, as often as there are columns of both."""
    attributes = mapping(primitive, "attributes")
    number = 0
    while f"JOINTS_{number}" in attributes or number == 0:
        names = f"JOINTS_{number}", f"WEIGHTS_{number}"
        if not set(names) <= set(attributes):
            raise ValueError(f"a mesh with a skin lacks {' or '.join(names)}")
        joints = read_array(document, attributes[names[0]], ("VEC4",), "u").astype(np.int64)
        weights = read_array(document, attributes[names[1]], ("VEC4",), "uf")
        if weights.dtype.kind != "f" or not len(joints) == len(weights) == num_vertices:
            raise ValueError(f"{names[1]} must be fractions, and four for each vertex")
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError("a skin weight is negative or not finite")
        if joints.size and joints.max() >= num_joints:
            raise ValueError(f"a vertex names joint {joints.max()}, there are {num_joints}")
        for column in range(4):
            yield joints[:, column], weights[:, column].astype(np.float64)
        number += 1
