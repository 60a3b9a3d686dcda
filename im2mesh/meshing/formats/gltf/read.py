"""All that a glTF 2.0 file shows, as one mesh."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from im2mesh.errors import Advice
from im2mesh.meshing.formats.arrays import Arrays
from im2mesh.meshing.formats.gltf.container import open_glb, open_gltf
from im2mesh.meshing.formats.gltf.document import Document, array, mapping, numbers
from im2mesh.meshing.formats.gltf.nodes import (
    Transforms,
    global_transforms,
    node_mesh,
    shown_nodes,
)
from im2mesh.meshing.formats.gltf.primitives import (
    POINTS,
    primitive_mode,
    read_colors,
    read_corners,
    read_positions,
    triangles,
)
from im2mesh.meshing.formats.gltf.skins import joint_matrices, skinned

_ROWS = 2**23  # vertices, corners and moved vertices of small files: nodes may repeat a mesh
_GEOMETRY = ("POSITION", "COLOR_0", "JOINTS_", "WEIGHTS_")  # attributes that are read


def read_glb(path: Path) -> Arrays:
    """Read a .glb: see `read_document`."""
    return _read_still(path, open_glb(path))


def read_gltf(path: Path) -> Arrays:
    """Read a .gltf and the buffers that it names: see `read_document`."""
    return _read_still(path, open_gltf(path))


def _read_still(path: Path, document: Document) -> Arrays:
    arrays = read_document(document)
    if document.entries("animations"):
        message = f"{path}: its animation is not played; it is read as it stands without"
        warnings.warn(message, Advice, stacklevel=2)
    return arrays


def read_document(document: Document) -> Arrays:
    """Join the primitives of all nodes of the scene, in the order of the file.

    Positions are those of the scene: moved by morph targets, then by the joints of a skin or else
    by the node, in the state that the file gives to nodes and weights; animations are not played.
    Nodes that are scaled to 0 are hidden.
    A transform that mirrors turns the triangles (section 3.5.3). Vertices are neither merged nor
    reordered; primitives of a mesh that name the same arrays share their vertices. Materials,
    textures, cameras and lights are left alone; vertices without a colour of their own are white
    if others have one.
    """
    joined = _Joined(document)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused by the caller
        for number in shown_nodes(document):
            joined.add_node(number)
    return joined.arrays()


@dataclass
class _Joined:
    """What has been read so far."""

    document: Document
    vertices: list[np.ndarray] = field(default_factory=list)
    faces: list[np.ndarray] = field(default_factory=list)
    colors: list[UInt8[np.ndarray, "V 3"] | None] = field(default_factory=list)
    modes: set[bool] = field(default_factory=set)  # whether primitives are points
    skins: dict[str, np.ndarray] = field(default_factory=dict)
    num_vertices: int = 0
    num_rows: int = 0
    num_hidden: int = 0  # nodes that are scaled to 0

    @cached_property
    def transforms(self) -> Transforms:
        return global_transforms(self.document)

    def add_node(self, number: int) -> None:
        node = self.document.entry("nodes", number)
        mesh_number = node_mesh(node)
        if mesh_number is None:
            return
        if self._is_hidden(number):
            self.num_hidden += 1
            return
        mesh = self.document.entry("meshes", mesh_number)
        primitives = array(mesh, "primitives")
        if not primitives:
            raise ValueError(f"its mesh {mesh_number} has no primitives")
        placed: dict[str, tuple[int, int, bool]] = {}
        for primitive in primitives:
            if not isinstance(primitive, dict):
                raise ValueError(f"a primitive of its mesh {mesh_number} is no JSON object")
            key = _arrays_of(primitive)
            if key not in placed:
                weights = _weights(node, mesh, primitive)
                placed[key] = self._add_vertices(number, primitive, weights)
            self._add_faces(primitive, *placed[key])

    def _is_hidden(self, number: int) -> bool:
        """Whether a node is scaled to 0, by which animations hide nodes (section 3.5.3)."""
        is_skinned = "skin" in self.document.entry("nodes", number)
        return not is_skinned and not self.transforms[number][:3, :3].any()

    def _add_vertices(
        self, number: int, primitive: dict[str, Any], weights: Float[np.ndarray, " N"]
    ) -> tuple[int, int, bool]:
        """Where the vertices start, how many they are, and whether they are mirrored."""
        count = self._count(mapping(primitive, "attributes").get("POSITION"))
        self._spend(count * (1 + int(np.count_nonzero(weights))))
        positions = read_positions(self.document, primitive, weights)
        vertices, mirrored = self._place(number, primitive, positions)
        start = self.num_vertices
        self.num_vertices += len(vertices)
        self.vertices.append(vertices)
        self.colors.append(read_colors(self.document, primitive, len(vertices)))
        return start, len(vertices), mirrored

    def _place(
        self, number: int, primitive: dict[str, Any], positions: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Positions in the coordinates of the scene, and whether they are mirrored."""
        node = self.document.entry("nodes", number)
        if "skin" in node:
            key = repr(node["skin"])
            if key not in self.skins:
                self.skins[key] = joint_matrices(self.document, node["skin"], self.transforms)
            return skinned(self.document, primitive, self.skins[key], positions)
        transform = self.transforms[number]
        if np.array_equal(transform, np.eye(4)):
            return positions, False
        moved = positions @ transform[:3, :3].T + transform[:3, 3]
        return moved, bool(np.linalg.det(transform[:3, :3]) < 0)

    def _add_faces(self, primitive: dict[str, Any], start: int, count: int, mirrored: bool) -> None:
        mode = primitive_mode(primitive)
        corners = read_corners(self.document, primitive, count)
        self._spend(len(corners))
        self.modes.add(mode == POINTS)
        if len(self.modes) > 1:
            raise ValueError("it has both triangles and single points; export one of them")
        if mode == POINTS:
            _check_all_named(corners, count)
            return
        faces = triangles(mode, corners)
        self.faces.append(start + (faces[:, [0, 2, 1]] if mirrored else faces))

    def _count(self, accessor: Any) -> int:
        """The claimed length of an array; reading it will check it."""
        if accessor is None:
            return 0
        count = self.document.entry("accessors", accessor).get("count")
        return count if type(count) is int else 0

    def _spend(self, rows: int) -> None:
        """Limit what a small file can cost by showing the same arrays again and again."""
        self.num_rows += rows
        most = max(_ROWS, self.document.size)
        if self.num_rows > most:
            raise ValueError(
                f"its nodes show {self.num_rows} vertices and corners, which is more than {most}, "
                "the most for a file of its size; export what they share once for each node"
            )

    def arrays(self) -> Arrays:
        if not self.vertices:
            if not self.num_hidden:
                _refuse_hidden_meshes(self.document)
            return np.zeros((0, 3)), np.zeros((0, 3), np.int32), None
        vertices = np.concatenate(self.vertices)
        faces = np.concatenate(self.faces) if self.faces else np.zeros((0, 3), np.int32)
        if all(colors is None for colors in self.colors):
            return vertices, faces, None
        pairs = zip(self.vertices, self.colors, strict=True)
        white = [np.full(v.shape, 255, np.uint8) if c is None else c for v, c in pairs]
        return vertices, faces, np.concatenate(white)


def _arrays_of(primitive: dict[str, Any]) -> str:
    """The arrays that make the vertices of a primitive, as a key."""
    attributes = mapping(primitive, "attributes")
    read = {name: attributes[name] for name in sorted(attributes) if name.startswith(_GEOMETRY)}
    return repr((read, array(primitive, "targets")))


def _weights(
    node: dict[str, Any], mesh: dict[str, Any], primitive: dict[str, Any]
) -> Float[np.ndarray, " N"]:
    """How far each morph target moves a primitive: as the node says, else the mesh, else 0."""
    targets = array(primitive, "targets")
    if not all(isinstance(target, dict) for target in targets):
        raise ValueError("a morph target is no JSON object")
    for owner in (node, mesh):
        weights = numbers(owner, "weights", len(targets))
        if weights is not None:
            return weights
    return np.zeros(len(targets))


def _check_all_named(corners: np.ndarray, count: int) -> None:
    """Points keep the order of the vertices, so indices may not leave any out."""
    is_named = np.zeros(count, bool)
    is_named[corners] = True
    if not is_named.all():
        raise ValueError("its indices leave out some of its points; export the shown points alone")


def _refuse_hidden_meshes(document: Document) -> None:
    """An empty scene is an empty mesh, unless the file holds meshes that nothing shows."""
    meshes = document.entries("meshes")
    if meshes:
        raise ValueError(
            f"it holds {len(meshes)} meshes, but its scene shows none; export them as part of it"
        )
