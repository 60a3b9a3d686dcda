"""The clouds of all frames of a window, carried back to its first frame: one cloud of many points.

Many points say more than a few: which of them belong to no surface, and, where several see the same
piece of it, where between them it lies.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree

from im2mesh.data.clouds import MOST_POINTS
from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.matching import sparse_surface
from im2mesh.generation.fitting.node_motion import carry_points, uncarry_points
from im2mesh.generation.fitting.planes import onto_planes
from im2mesh.generation.fitting.settled import Settled

FAR = 3.0
"""Distance from the moving surface, in medians of all points, from which one is left out, ..."""
LEAST_FAR = 0.03
"""... but not below this distance, in units of the first frame."""
MOST_CARRIED = 10 * MOST_POINTS
"""Points that are carried back; of larger clouds, a part of each."""
NUM_NEIGHBOURS = 8
"""Points through which a plane is laid."""
REACH = 0.035
"""Distance within which these must lie, in units of the first frame. Those of 17 clouds of 100
points each lie farther, around a whole limb."""


def carry_back(
    settled: Settled, window: ObservedClip, rng: np.random.Generator
) -> Float[np.ndarray, "N 3"]:
    """Points of all clouds where the surface that they are nearest to was at first.

    Points far from the surface (outliers) are left out, and noise is averaged between neighbours.
    At most as many as a network reads are kept, drawn at random.
    """
    points, distances = _carried(settled, window, rng)
    on_body = points[distances < max(FAR * np.median(distances), LEAST_FAR)]
    flat = onto_planes(on_body, NUM_NEIGHBOURS, REACH).astype(np.float32)
    return flat[rng.permutation(len(flat))[:MOST_POINTS]]


def _carried(
    settled: Settled, window: ObservedClip, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N"]]:
    """Points, carried back, and how far each is from the surface in its own frame."""
    share = min(1, MOST_CARRIED / max(1, sum(map(len, window.clouds))))
    points = sparse_surface(settled.surface, settled.graph.shares)
    found, distances = [], []
    for time, cloud in zip(window.times, window.clouds, strict=True):
        seen = cloud[rng.permutation(len(cloud))[: round(share * len(cloud))]]
        if not len(seen):
            continue
        pose = settled.motion.pose(np.array([time]))
        carried = carry_points(settled.graph, pose, points.points, points.shares)[0].numpy()
        far, rows = KDTree(carried).query(seen)
        near = torch.from_numpy(rows)
        observed, shares = torch.from_numpy(seen.astype(np.float32)), points.shares.of(near)
        found.append(uncarry_points(settled.graph, pose.at(0), observed, shares).numpy())
        distances.append(far)
    return np.concatenate(found), np.concatenate(distances)
