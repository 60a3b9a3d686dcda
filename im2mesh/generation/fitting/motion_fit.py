"""A surface follows clouds: the motion of its nodes that explains what was observed.

Observed points are matched with the carried surface, and measured along its normal. Matching points
of two sparse clouds drowns in their sampling; the distance to a surface does not. In the spirit of
Li et al., Global Correspondence Optimization for Non-Rigid Registration (SGP 2008), with a smooth
motion over all frames of a window at once.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.generation.fitting.graph import NodeGraph
from im2mesh.generation.fitting.matching import Matches, SurfacePoints, match_nearest, match_rows
from im2mesh.generation.fitting.node_motion import (
    FittedMotion,
    Pose,
    carry_matched,
    move_nodes,
    stretch,
)
from im2mesh.generation.fitting.smoothing import Smoothing

LEARNING_RATE = 8e-3
"""Of Adam: radians, and units of the first frame, of a step that all nodes take alike. It falls to
a twentieth of it."""
STIFFNESS = (4e-3, 4e-4)
"""Weight of stretching against squared distances, at the start and at the end, in units of the
first frame: first the body moves as a whole, then its parts."""
TURNING = 0.75
"""Weight of different turns of neighbours, relative to stretching, per unit of the first frame:
stretching is a length, and this the square of one."""
REACH = (0.03, 0.02)
"""Distance, at the start and at the end, at which an observed point counts a quarter: farther ones
belong to other things. A wider one at the start was worse."""
BENDING = 0.3
"""Weight of squared accelerations per frame."""
MATCH_EVERY = 3
"""Iterations between two searches for the nearest points."""


def fit_motion(
    graph: NodeGraph,
    surface: SurfacePoints,
    clouds: Sequence[Float[np.ndarray, "_ 3"]],
    times: Float[np.ndarray, "T"],
    guess: FittedMotion,
    *,
    iterations: int,
    tracked: SurfacePoints | None = None,
    seed: int = 0,
) -> FittedMotion:
    """Fit the motion of a surface to the clouds of a window.

    Args:
        graph: Nodes of the surface at rest.
        surface: Points of the surface at rest.
        clouds: Observed points of every frame, any number of them, in the units of the surface. The
            first is used only if the basis says that the surface at rest is uncertain; else the
            surface is there in the pose from which the guess starts.
        times: Times of the frames, strictly increasing, in any unit.
        guess: Motion from which the search begins.
        iterations: Number of steps of the search.
        tracked: The points of the surface that the rows of all clouds are; None if rows do not
            correspond.
        seed: Seed of the draws from large clouds.

    Raises:
        ValueError: If only the first cloud has points.
    """
    rng = np.random.default_rng(seed)
    values, bends = guess.basis.values(times), guess.basis.bends(times)
    smoothing = Smoothing.over(graph)
    variables = smoothing.variables(guess.coefficients).requires_grad_()
    search = torch.optim.Adam([variables], lr=LEARNING_RATE)
    with torch.enable_grad():
        for iteration in range(iterations):
            done = iteration / iterations
            search.param_groups[0]["lr"] = LEARNING_RATE * (1.05 - done)
            coefficients = smoothing.values(variables)
            pose = move_nodes(values, coefficients, guess.start)
            if iteration % MATCH_EVERY == 0:
                if tracked is None:
                    first = 0 if guess.basis.with_rest else 1  # else the first frame is certain
                    matches = match_nearest(graph, pose.detached(), surface, clouds, rng, first)
                else:
                    matches = match_rows(tracked, clouds, rng)
            rigid, turned = stretch(graph, pose)
            bent = torch.einsum("td,kdc->tkc", bends, coefficients[..., 3:])
            loss = _distance(graph, pose, matches, _between(REACH, done))
            loss = loss + _between(STIFFNESS, done) * (rigid + TURNING * turned)
            loss = loss + BENDING * bent.square().sum(-1).mean()
            search.zero_grad()
            loss.backward()
            search.step()
    return replace(guess, coefficients=smoothing.values(variables.detach()))


def _distance(graph: NodeGraph, pose: Pose, matches: Matches, reach: float) -> Float[Tensor, ""]:
    """Mean squared distance of observed points to the surface, of which far ones count little
    (weights of Geman and McClure, 1987)."""
    at = matches.surface
    carried, normals = carry_matched(graph, pose, matches.frames, at.points, at.normals, at.shares)
    offsets = matches.observed - carried
    along, whole = (offsets * normals).sum(-1).square(), offsets.square().sum(-1)
    weights = (1 + whole.detach() / reach**2) ** -2
    return (weights * (along + matches.sliding * (whole - along))).mean()


def _between(ends: tuple[float, float], done: float) -> float:
    """A number that goes from one to the other by equal factors."""
    return ends[0] * (ends[1] / ends[0]) ** done
