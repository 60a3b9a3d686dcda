"""Which point of the moving surface was observed: the nearest one, asked anew during a fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from im2mesh.generation.fitting.graph import NodeGraph, Shares
from im2mesh.generation.fitting.node_motion import Pose, carry_points
from im2mesh.generation.fitting.planes import local_planes, nearest
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.normals import vertex_normals

CELL = 0.02
"""Spacing of the vertices that are asked, in units of the first frame: distances are measured along
the normal, so where exactly the surface is met matters little."""
MOST_OBSERVED = 400
"""Points of a frame that an iteration looks at; of larger clouds, others each time."""
NUM_NEIGHBOURS = 12
"""Points through which the planes of a cloud are laid that stands for a surface."""
SLIDING = 0.02
"""Weight of the distance within the surface to the nearest point, which is hardly the one seen."""


@dataclass(frozen=True)
class SurfacePoints:
    """Points of the surface at rest, their unit normals, and the nodes that carry them."""

    points: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    shares: Shares

    def of(self, rows: Int[Tensor, "M"]) -> "SurfacePoints":
        return SurfacePoints(self.points[rows], self.normals[rows], self.shares.of(rows))


@dataclass(frozen=True)
class Matches:
    """Observed points, their frames, and the points of the surface that they may be.

    Attributes:
        sliding: Weight of the distance within the surface; 1 as along the normal.
    """

    observed: Float[Tensor, "M 3"]
    frames: Int[Tensor, "M"]
    surface: SurfacePoints
    sliding: float


def sparse_surface(surface: Mesh, shares: Shares, cell: float = CELL) -> SurfacePoints:
    """One vertex of the surface in every cell of a grid of that width.

    A cloud has no normals of its own: those of planes through neighbouring points take their place.
    """
    cells = np.floor(surface.vertices / cell).astype(np.int64)
    rows = np.sort(np.unique(cells, axis=0, return_index=True)[1])
    if not len(surface.faces):
        near = nearest(surface.vertices, NUM_NEIGHBOURS)
        normals = local_planes(surface.vertices, near)[1]
    else:
        normals = vertex_normals(surface.vertices[None], surface.faces)[0]
    kept = torch.from_numpy(rows)
    everything = SurfacePoints(
        torch.from_numpy(surface.vertices.astype(np.float32)),
        torch.from_numpy(normals.astype(np.float32)),
        shares,
    )
    return everything.of(kept)


def tracked_surface(cloud: Float[np.ndarray, "N 3"], surface: SurfacePoints) -> SurfacePoints:
    """Points that were observed at rest, as points of the surface that the nearest nodes carry."""
    nearest = surface.of(torch.from_numpy(KDTree(surface.points.numpy()).query(cloud)[1]))
    return SurfacePoints(
        torch.from_numpy(cloud.astype(np.float32)), nearest.normals, nearest.shares
    )


def match_rows(
    tracked: SurfacePoints, clouds: Sequence[Float[np.ndarray, "N 3"]], rng: np.random.Generator
) -> Matches:
    """Match points that are tracked: row n of every cloud is point n of the surface."""
    count = min(MOST_OBSERVED, len(clouds[0]))
    rows = rng.choice(len(clouds[0]), count, replace=False)
    observed = np.concatenate([cloud[rows] for cloud in clouds[1:]])
    return Matches(
        torch.from_numpy(observed.astype(np.float32)),
        torch.arange(1, len(clouds)).repeat_interleave(count),
        tracked.of(torch.from_numpy(np.tile(rows, len(clouds) - 1))),
        sliding=1.0,
    )


def match_nearest(
    graph: NodeGraph,
    pose: Pose,
    surface: SurfacePoints,
    clouds: Sequence[Float[np.ndarray, "_ 3"]],
    rng: np.random.Generator,
    first: int,
) -> Matches:
    """Match observed points of all frames from `first` on with their nearest points of the surface.

    That nothing is observed somewhere says nothing: no point of the surface asks for a cloud.
    """
    carried = carry_points(graph, pose, surface.points, surface.shares).numpy()
    observed, frames, rows = [], [], []
    for k, cloud in enumerate(clouds):
        if k < first or not len(cloud):
            continue
        if len(cloud) > MOST_OBSERVED:
            cloud = cloud[rng.choice(len(cloud), MOST_OBSERVED, replace=False)]
        tree = KDTree(carried[k], balanced_tree=False, compact_nodes=False)  # built faster
        rows.append(tree.query(cloud)[1])
        observed.append(cloud)
        frames.append(np.full(len(cloud), k))
    if not rows:
        raise ValueError("no frame but the first has points, so there is no motion to be fitted")
    return Matches(
        torch.from_numpy(np.concatenate(observed).astype(np.float32)),
        torch.from_numpy(np.concatenate(frames)),
        surface.of(torch.from_numpy(np.concatenate(rows))),
        SLIDING,
    )
