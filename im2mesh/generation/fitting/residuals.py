"""How far a fitted surface is from what was observed, so that one sees where not to trust it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree

from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.fitted_clip import FittedClip
from im2mesh.generation.fitting.matching import SurfacePoints, sparse_surface
from im2mesh.generation.fitting.node_motion import carry_matched, carry_points

CELL = 0.012
"""Spacing of the vertices to which distances are measured, in units of the first frame."""
BESIDE = 2 * CELL
"""Distance to the nearest of these vertices from which a point is not above the surface but beyond
its edge, so that the distance along the normal says nothing."""
OF_ANOTHER = 0.1
"""Distance, in units of the first frame, from which a point is taken for one of another thing."""


@dataclass(frozen=True)
class Residuals:
    """Distances of observed points to the surface, in its units.

    Attributes:
        median, high: Of the points of each frame, the median and the 95th percentile; NaN without
            points.
        foreign: Share of each frame's points that are `OF_ANOTHER` or more from the surface.
        nodes: Mean distance around each node of the graph; NaN where nothing was observed.
    """

    median: Float[np.ndarray, "T"]
    high: Float[np.ndarray, "T"]
    foreign: Float[np.ndarray, "T"]
    nodes: Float[np.ndarray, "T K"]


def measure_residuals(fitted: FittedClip, clip: ObservedClip) -> Residuals:
    """Measure every observed point along the normal where it is nearest to the surface."""
    points = sparse_surface(fitted.surface, fitted.graph.shares, CELL)
    frames = [_measure_frame(fitted, points, clip, k) for k in range(len(clip.times))]
    return Residuals(*(np.array(values) for values in zip(*frames, strict=True)))


def vertex_residuals(fitted: FittedClip, residuals: Residuals) -> Float[np.ndarray, "T V"]:
    """Those of the nodes, at every vertex; NaN where no node that carries it knows."""
    shares = fitted.graph.shares
    near = residuals.nodes[:, shares.nodes.numpy()]  # [T, V, k]
    known = ~np.isnan(near)
    weights = known * shares.weights.numpy()
    total = weights.sum(-1)
    sums = (weights * np.where(known, near, 0)).sum(-1)
    return np.where(total > 0, sums / np.maximum(total, 1e-12), np.nan).astype(np.float32)


def _measure_frame(
    fitted: FittedClip, points: SurfacePoints, clip: ObservedClip, k: int
) -> tuple[float, float, float, Float[np.ndarray, "K"]]:
    cloud, num_nodes = clip.clouds[k], len(fitted.graph.positions)
    if not len(cloud):
        return np.nan, np.nan, np.nan, np.full(num_nodes, np.nan)
    pose = fitted.pose(float(clip.times[k])).as_frames()
    carried = carry_points(fitted.graph, pose, points.points, points.shares)[0]
    straight, rows = map(np.asarray, KDTree(carried.numpy()).query(cloud))
    at = points.of(torch.from_numpy(rows))
    frames = torch.zeros(len(rows), dtype=torch.int64)
    nearest, normals = carry_matched(fitted.graph, pose, frames, at.points, at.normals, at.shares)
    along = ((torch.from_numpy(cloud) - nearest) * normals).sum(-1).abs().numpy()
    distances = np.where(straight < BESIDE, along, straight)
    nodes = points.shares.nodes[rows].reshape(-1).numpy()
    weights = points.shares.weights[rows].double().numpy()
    sums = np.bincount(nodes, (weights * distances[:, None]).ravel(), num_nodes)
    totals = np.bincount(nodes, weights.ravel(), num_nodes)
    with np.errstate(invalid="ignore"):
        means = np.where(totals > 1e-3, sums / totals, np.nan)
    high, foreign = np.quantile(distances, 0.95), (distances >= OF_ANOTHER).mean()
    return float(np.median(distances)), float(high), float(foreign), means
