"""The nodes of a surface, spread evenly over it, and which of them carry a point of the surface.

Embedded deformation (Sumner et al., SIGGRAPH 2007): few nodes move, and every point moves with a
blend of its nearest ones. Near means along the surface: a hand beside a hip moves with its arm.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import KDTree
from torch import Tensor

from im2mesh.meshing.mesh import Mesh

NUM_NODES = 120
CARRIERS = 6
"""Nodes that carry a point."""
NEIGHBOURS = 6
"""Nodes whose motion should be like that of a node."""
CLOUD_NEIGHBOURS = 8
"""Points of a cloud without faces that count as joined to a point."""
FAR = 4
"""Distances along the surface are known up to so many spacings of the nodes."""
UNJOINED = 10.0
"""How many times its length a way counts that leaves the surface: between separate parts."""


@dataclass(frozen=True)
class Shares:
    """The nodes that carry points, and their weights, which sum to 1."""

    nodes: Int[Tensor, "N k"]
    weights: Float[Tensor, "N k"]

    def of(self, rows: Int[Tensor, "M"]) -> "Shares":
        return Shares(self.nodes[rows], self.weights[rows])


@dataclass(frozen=True)
class NodeGraph:
    """Nodes of a surface at rest.

    Attributes:
        rows: Vertices of the surface that are nodes.
        positions: Places of the nodes.
        neighbours: The nearest other nodes of each node.
        spacing: Usual distance of a node to its third nearest one.
        shares: The nodes that carry each vertex of the surface.
    """

    rows: Int[np.ndarray, "K"]
    positions: Float[Tensor, "K 3"]
    neighbours: Int[Tensor, "K n"]
    spacing: float
    shares: Shares


def build_graph(surface: Mesh, num_nodes: int = NUM_NODES) -> NodeGraph:
    """Spread nodes over a surface.

    Args:
        surface: Mesh, or a cloud as a mesh without faces, in units of the first frame.
        num_nodes: Number of nodes, or of vertices, if there are fewer.

    Raises:
        ValueError: If the surface has too few vertices for a node to have neighbours.
    """
    vertices = surface.vertices.astype(np.float64)
    if len(vertices) <= NEIGHBOURS:
        raise ValueError(
            f"the surface has {len(vertices)} vertices, and a fit needs more than {NEIGHBOURS}"
        )
    rows = _spread_rows(vertices, min(num_nodes, len(vertices)))
    straight = np.linalg.norm(vertices[:, None] - vertices[rows], axis=-1)  # [V, K]
    usual = float(np.median(np.sort(straight[rows], 1)[:, 3]))
    ways = _ways(_joined(vertices, surface.faces), rows, FAR * usual)
    distances = np.where(np.isfinite(ways), ways, UNJOINED * straight)
    between = distances[rows]
    spacing = float(np.median(np.sort(between, 1)[:, 3]))
    return NodeGraph(
        rows,
        _tensor(vertices[rows]),
        torch.from_numpy(np.argsort(between, 1)[:, 1 : NEIGHBOURS + 1].copy()),
        spacing,
        _shares(distances, spacing),
    )


def _shares(distances: Float[np.ndarray, "N K"], spacing: float) -> Shares:
    nodes = np.argsort(distances, 1)[:, :CARRIERS]
    near = np.take_along_axis(distances, nodes, 1)
    near = near - near[:, :1]  # a point far from all nodes has weights, too
    weights = np.exp(-((near / spacing) ** 2) / 2)
    return Shares(torch.from_numpy(nodes.copy()), _tensor(weights / weights.sum(1, keepdims=True)))


def _spread_rows(points: Float[np.ndarray, "N 3"], count: int) -> Int[np.ndarray, "K"]:
    """Farthest points: each next row is the one that is farthest from all that are chosen."""
    first = int(np.square(points - points.mean(0)).sum(1).argmax())
    rows, distances = [first], np.square(points - points[first]).sum(1)
    for _ in range(count - 1):
        rows.append(int(distances.argmax()))
        distances = np.minimum(distances, np.square(points - points[rows[-1]]).sum(1))
    return np.array(rows)


def _joined(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> csr_matrix:
    """Lengths of the edges of a mesh; of a cloud, of the ways to each point's nearest ones."""
    if len(faces):
        pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    else:
        count = min(CLOUD_NEIGHBOURS + 1, len(vertices))
        near = np.asarray(KDTree(vertices).query(vertices, count)[1])
        pairs = np.stack([np.repeat(near[:, 0], count - 1), near[:, 1:].reshape(-1)], 1)
    lengths = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    lengths = np.maximum(lengths, 1e-9)  # a length of 0 would be no way
    graph = csr_matrix((lengths, (pairs[:, 0], pairs[:, 1])), shape=(len(vertices),) * 2)
    return csr_matrix(graph.maximum(graph.T))


def _ways(joined: csr_matrix, rows: Int[np.ndarray, "K"], limit: float) -> Float[np.ndarray, "V K"]:
    return dijkstra(joined, directed=False, indices=rows, limit=limit).T


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
