"""Moving meshes as one animated .glb, which plays in any viewer of glTF 2.0 without extensions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from im2mesh.meshing.colors import linear_light
from im2mesh.meshing.formats.gltf.motion_basis import MotionBasis, motion_basis
from im2mesh.meshing.formats.gltf.write import glb_of
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.normals import unit_normals

_FLOAT = 5126
_MATERIAL = {
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8},
    "doubleSided": True,
}
"""Without one, viewers show dark metal."""


def moving_glb(
    first: Mesh, vertices: Float[np.ndarray, "T V 3"], seconds: Float[np.ndarray, "T"]
) -> bytes:
    """One mesh whose vertices move by morph targets (see `motion_basis`).

    Args:
        first: The mesh of the first frame, with its colours.
        vertices: Positions over time.
        seconds: Time of each frame, increasing.
    """
    normals = unit_normals(vertices, first.faces) if len(first.faces) else None
    shown = replace(
        first,
        colors=None if first.colors is None else _light(first.colors),
        normals=None if normals is None else normals[0],
    )
    basis = None if first.is_empty or len(vertices) == 1 else motion_basis(vertices, normals)

    def extend(buffer: dict[Any, bytes], tree: dict[str, Any]) -> None:
        file = _File(buffer, tree)
        file.paint()
        if basis is not None:
            _move(file, basis, seconds)

    return glb_of([shown], extend)


def flip_book_glb(meshes: Sequence[Mesh], seconds: Float[np.ndarray, "T"]) -> bytes:
    """Meshes without correspondence, each shown from its time to the next.

    The nodes of the others are scaled to 0, which hides them (section 3.5.3 of the standard).
    """
    shown = [k for k, mesh in enumerate(meshes) if not mesh.is_empty]

    def extend(buffer: dict[Any, bytes], tree: dict[str, Any]) -> None:
        file = _File(buffer, tree)
        file.paint()
        if len(meshes) > 1:
            _flip(file, shown, seconds)

    return glb_of([_with_normals(meshes[k]) for k in shown], extend)


@dataclass(frozen=True)
class _File:
    """The parts of a file that trimesh is about to write."""

    buffer: dict[Any, bytes]
    tree: dict[str, Any]

    def add(self, values: np.ndarray, kind: str) -> int:
        """Add an array of float32 and return its number."""
        values = np.ascontiguousarray(values, "<f4")
        accessors, rows = self.tree["accessors"], values.reshape(len(values), -1)
        number = len(accessors)
        accessors[f"added {number}"] = {
            "bufferView": len(self.buffer), "componentType": _FLOAT, "count": len(values),
            "type": kind, "min": rows.min(0).tolist(), "max": rows.max(0).tolist(),
        }  # fmt: skip
        self.buffer[f"added {number}"] = values.tobytes()
        return number

    def paint(self) -> None:
        """Give all meshes a material that shows their colours."""
        self.tree["materials"] = [_MATERIAL]
        for mesh in self.tree["meshes"]:
            for primitive in mesh["primitives"]:
                primitive["material"] = 0

    def nodes(self) -> list[int]:
        """The nodes that show a mesh, in the order of the meshes."""
        nodes = self.tree["nodes"]
        return sorted(
            (k for k, n in enumerate(nodes) if "mesh" in n), key=lambda k: nodes[k]["mesh"]
        )

    def animate(self, seconds: np.ndarray, moves: list[tuple[int, str, int]], how: str) -> None:
        """Add an animation. A move is a node, what moves, and the array of its values."""
        times = self.add(seconds, "SCALAR")
        self.tree["animations"] = [{
            "name": "motion",
            "samplers": [
                {"input": times, "output": output, "interpolation": how} for _, _, output in moves
            ],
            "channels": [
                {"sampler": k, "target": {"node": node, "path": path}}
                for k, (node, path, _) in enumerate(moves)
            ],
        }]  # fmt: skip


def _move(file: _File, basis: MotionBasis, seconds: np.ndarray) -> None:
    basis = basis.with_positive_weights()  # Blender sets negative ones aside
    targets = [{"POSITION": file.add(shape, "VEC3")} for shape in basis.positions]
    for target, shape in zip(targets, () if basis.normals is None else basis.normals, strict=False):
        target["NORMAL"] = file.add(shape, "VEC3")
    (mesh,) = file.tree["meshes"]
    mesh["weights"] = [0.0] * len(targets)
    for primitive in mesh["primitives"]:
        primitive["targets"] = targets
    weights = file.add(basis.weights.ravel(), "SCALAR")
    file.animate(seconds, [(file.nodes()[0], "weights", weights)], "LINEAR")


def _flip(file: _File, shown: Sequence[int], seconds: np.ndarray) -> None:
    moves = []
    for node, frame in zip(file.nodes(), shown, strict=True):
        _separate(file.tree["nodes"][node])["scale"] = [float(frame == 0)] * 3
        visible = np.zeros((len(seconds), 3), np.float32)
        visible[frame] = 1.0
        moves.append((node, "scale", file.add(visible, "VEC3")))
    file.animate(seconds, moves, "STEP")


def _separate(node: dict[str, Any]) -> dict[str, Any]:
    """The node with a translation in place of its matrix: nodes with a matrix must not move."""
    if "matrix" in node:
        node["translation"] = node.pop("matrix")[12:15]
    return node


def _light(colors: UInt8[np.ndarray, "V 3"]) -> UInt8[np.ndarray, "V 3"]:
    return np.rint(255.0 * linear_light(colors)).astype(np.uint8)


def _with_normals(mesh: Mesh) -> Mesh:
    if len(mesh.faces) == 0:
        return mesh
    return replace(mesh, normals=unit_normals(mesh.vertices[None], mesh.faces)[0])
