"""The nodes that a glTF 2.0 file shows, and where they stand (sections 3.5.2 and 3.5.3)."""

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from im2mesh.meshing.formats.gltf.document import (
    Document,
    array,
    extensions,
    mapping,
    numbers,
    whole_number,
)

Transforms = list[Float[np.ndarray, "4 4"]]


def global_transforms(document: Document) -> Transforms:
    """The transform of every node to the coordinates of the scene."""
    count = len(document.entries("nodes"))
    parents = _parents(document)
    transforms: dict[int, np.ndarray] = {}
    waiting = [number for number in range(count) if number not in parents]
    while waiting:
        number = waiting.pop()
        node = document.entry("nodes", number)
        above = transforms[parents[number]] if number in parents else np.eye(4)
        transforms[number] = above @ _local_transform(node)
        waiting += array(node, "children")
    if len(transforms) < count:
        raise ValueError("its nodes form a loop")
    return [transforms[number] for number in range(count)]


def shown_nodes(document: Document) -> list[int]:
    """The nodes of the scene, in the order of the file.

    Without a scene all nodes are shown, but for those that stand in for others at a distance
    (MSFT_lod). Of several scenes the file must name one.
    """
    scenes = document.entries("scenes")
    if not scenes and "scene" not in document.content:
        left_out = _parents(document).keys() | _coarser_nodes(document)
        waiting = [k for k in range(len(document.entries("nodes"))) if k not in left_out]
    elif "scene" in document.content or len(scenes) == 1:
        scene = document.entry("scenes", document.content.get("scene", 0))
        waiting = list(array(scene, "nodes"))
    else:
        raise ValueError(
            f"it has {len(scenes)} scenes and does not say which one to show; export one scene"
        )
    _check_roots(document, waiting)
    shown: set[int] = set()
    while waiting:
        number = waiting.pop()
        node = document.entry("nodes", number)
        if number not in shown:
            shown.add(number)
            _refuse_extensions(node, number)
            waiting += array(node, "children")
    return sorted(shown)


def _parents(document: Document) -> dict[int, int]:
    """Child -> the node that it stands below."""
    parents: dict[int, int] = {}
    for number in range(len(document.entries("nodes"))):
        for child in array(document.entry("nodes", number), "children"):
            document.entry("nodes", child)
            if child in parents:
                raise ValueError(f"its node {child} stands below two nodes")
            parents[child] = number
    return parents


def _coarser_nodes(document: Document) -> set[int]:
    """The nodes that others name as their coarser levels of detail."""
    found: set[int] = set()
    for number in range(len(document.entries("nodes"))):
        levels = mapping(extensions(document.entry("nodes", number)), "MSFT_lod")
        for level in array(levels, "ids"):
            document.entry("nodes", level)
            found.add(level)
    return found


def _check_roots(document: Document, roots: list[Any]) -> None:
    parents = _parents(document)
    for root in roots:
        document.entry("nodes", root)
        if root in parents:
            raise ValueError(f"its scene names node {root}, which stands below another node")


def _refuse_extensions(node: dict[str, Any], number: int) -> None:
    """Refuse what shows a node more than once, or not at all."""
    found = extensions(node)
    if "EXT_mesh_gpu_instancing" in found:
        raise ValueError(
            f"its node {number} has EXT_mesh_gpu_instancing, which is not supported; "
            "export one node for each instance"
        )
    if mapping(found, "KHR_node_visibility").get("visible", True) is not True:
        raise ValueError(
            f"its node {number} is hidden (KHR_node_visibility); remove or show it in the file"
        )


def _local_transform(node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    matrix = numbers(node, "matrix", 16)
    rotation, scale = numbers(node, "rotation", 4), numbers(node, "scale", 3)
    translation = numbers(node, "translation", 3)
    if matrix is not None:
        if any(part is not None for part in (rotation, scale, translation)):
            raise ValueError("a node has both a matrix and a translation, rotation or scale")
        transform = matrix.reshape(4, 4).T  # stored by columns
        if not np.array_equal(transform[3], [0, 0, 0, 1]):
            raise ValueError("the matrix of a node is not affine: its last row is not 0, 0, 0, 1")
        return transform
    transform = np.eye(4)
    if rotation is not None:
        if not rotation.any():
            raise ValueError("the rotation of a node is 0, 0, 0, 0, which turns nothing")
        transform[:3, :3] = Rotation.from_quat(rotation).as_matrix()
    if scale is not None:
        transform[:3, :3] *= scale
    if translation is not None:
        transform[:3, 3] = translation
    return transform


def node_mesh(node: dict[str, Any]) -> int | None:
    return whole_number(node["mesh"], "an index of 'meshes'") if "mesh" in node else None
