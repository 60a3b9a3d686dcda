"""The surface from the clouds of all frames of a window, and its motion; each betters the other.

One sparse cloud leaves gaps that a network must guess; clouds of other frames, carried back along
the motion, fill them. That a point of time t, carried back to t = 0, tells the shape there is what
Occupancy Flow learns by (Niemeyer et al., ICCV 2019, sec. 3.3).
"""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree

from im2mesh.errors import Advice
from im2mesh.generation.fitting.carried_back import carry_back
from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.graph import NodeGraph, build_graph
from im2mesh.generation.fitting.guess import Guess, guess_motion
from im2mesh.generation.fitting.node_motion import FittedMotion, carry_points
from im2mesh.generation.fitting.settled import Settled
from im2mesh.generation.fitting.settling import settle
from im2mesh.generation.surface import SurfaceOfCloud
from im2mesh.meshing.mesh import Mesh

ROUNDS = 3
"""Surfaces that are tried where the first cloud is sparse: the one that is given, and then that of
all clouds together, twice."""
SPARSE = 600
"""Points of a first cloud from which its own surface is kept, and only moved. With 300 points the
clouds of all frames better it; with 1000 the errors of the motion between them make it worse."""
WHOLE = 0.5
"""Share of the size of the surface before, which a surface found anew must have."""


def settle_in_rounds(
    surface: Mesh,
    window: ObservedClip,
    extract: SurfaceOfCloud,
    guess: Guess,
    *,
    iterations: int,
    seed: int,
    progress: Callable[[], object] = lambda: None,
) -> Settled:
    """Find the surface at the first frame, and its motion, from the clouds of a window.

    Args:
        surface: The surface as it was guessed from the first frame.
        window: What was observed; its first frame is the key frame.
        extract: What gives a surface of the clouds, carried to the first frame.
        guess: Nodes of the surface -> the motion from which the first search begins.
        iterations: Number of steps of the search in every round.
        seed: Seed of the draws from large clouds.
        progress: Called after every round.
    """
    rng = np.random.default_rng(seed)
    for is_last in _rounds(window):
        graph = build_graph(surface)
        settled = settle(surface, graph, window, guess(graph), iterations=iterations, seed=seed)
        progress()
        if not is_last:
            found = extract(carry_back(settled, window, rng))
            surface = found if _is_whole(found, settled.surface) else settled.surface
            guess = _continued(settled, window.times)
    return settled


def num_rounds(window: ObservedClip) -> int:
    """Surfaces that are tried for a window."""
    return ROUNDS if len(window.clouds[0]) < SPARSE else 1


def _rounds(window: ObservedClip) -> list[bool]:
    """For every round, whether it is the last."""
    return [False] * (num_rounds(window) - 1) + [True]


def _is_whole(found: Mesh, before: Mesh) -> bool:
    """Whether a surface may take the place of another: where clouds of all frames make no sense to
    the network, it gives nothing, or a bit somewhere. That is told."""
    size = _diagonal(found) if len(found.faces) else 0.0
    if size >= WHOLE * _diagonal(before):
        return True
    warnings.warn(
        f"the clouds of all frames together give a surface of {size / _diagonal(before):.0%} of "
        "the size of the one before, which is kept; are they of one body, standing upright?",
        Advice,
        stacklevel=1,
    )
    return False


def _diagonal(mesh: Mesh) -> float:
    return float(np.linalg.norm(np.ptp(mesh.vertices, 0)))


def _continued(settled: Settled, times: Float[np.ndarray, "T"]) -> Guess:
    """The motion that one surface has, for the nodes of another surface of the same body: each goes
    with the nearest vertex of the old one."""
    pose = settled.motion.pose(times)
    tree = KDTree(settled.surface.vertices)

    def guess(graph: NodeGraph) -> FittedMotion:
        nearest = torch.from_numpy(tree.query(graph.positions.numpy())[1])
        shares = settled.graph.shares.of(nearest)
        paths = carry_points(settled.graph, pose, graph.positions, shares).numpy()
        return guess_motion(graph, paths, times)

    return guess
