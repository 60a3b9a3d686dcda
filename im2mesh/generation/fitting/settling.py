"""A surface that a network has guessed -> where the clouds of all frames of a window say it is.

A guessed surface lies a little off. A fit that took it for exact at its first frame would move it
onto the clouds of the other frames, and take that correction for motion: on a real clip with 300
points a frame that was a fifth of the error.
"""

from dataclasses import replace

import numpy as np
import torch

from im2mesh.generation.fitting.clip import ObservedClip
from im2mesh.generation.fitting.graph import NodeGraph
from im2mesh.generation.fitting.matching import sparse_surface
from im2mesh.generation.fitting.motion_fit import fit_motion
from im2mesh.generation.fitting.node_motion import FittedMotion, carry_points
from im2mesh.generation.fitting.settled import Settled
from im2mesh.meshing.mesh import Mesh


def settle(
    surface: Mesh,
    graph: NodeGraph,
    window: ObservedClip,
    guess: FittedMotion,
    *,
    iterations: int,
    seed: int,
) -> Settled:
    """Fit the motion of a window together with one correction of the surface for all frames.

    Args:
        surface: The surface as it was guessed at the first frame.
        graph: Its nodes.
        window: What was observed, the first frame among it.
        guess: Motion from which the search begins.
        iterations: Number of steps of the search.
        seed: Seed of the draws from large clouds.
    """
    still = torch.zeros(len(graph.positions), 1, 6)
    begun = replace(
        guess,
        basis=replace(guess.basis, with_rest=True),
        coefficients=torch.cat([still, guess.coefficients], 1),
    )
    points = sparse_surface(surface, graph.shares)
    found = fit_motion(
        graph, points, window.clouds, window.times, begun, iterations=iterations, seed=seed
    )
    rest = found.pose(window.times[:1])
    vertices = torch.from_numpy(surface.vertices.astype(np.float32))
    corrected = carry_points(graph, rest, vertices, graph.shares)[0].numpy()
    return Settled(
        Mesh(corrected, surface.faces),
        replace(graph, positions=graph.positions + rest.shifts[0]),
        replace(guess, coefficients=found.coefficients[:, 1:]),
    )
