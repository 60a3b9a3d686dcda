"""The angular velocity around every anchor: of the rigid motion that fits its neighbours best."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre
from torch import Tensor

from im2mesh.models.layers.neighbours import gather_rows, nearest_rows
from im2mesh.models.local.coherence import coherence
from im2mesh.models.local.paths import legendre_basis, positions_at, velocities_at

STRETCH = 0.005
"""Standard deviation of the distance to an anchor over time, in units of the first frame.
Neighbours that vary more belong to another part of the body and count little."""
DEGREE = 3
"""Degree of spins as polynomials in time; more changed no error on the synthetic bodies."""
RIDGE = 0.03
"""Resistance to turning, relative to the spread of the neighbours. It makes spins some 4 % too
small, and errors smaller: of .001 to .3, .03 is best for noise .001, and .1 for noise .005."""


def anchor_spins(paths: Float[Tensor, "B K N 3"], num_neighbours: int) -> Float[Tensor, "B J N 3"]:
    """Coefficients, over time, of the angular velocity (spin) of the space around every anchor.

    Spins minimise the sum over neighbours of |velocity difference - spin x offset|^2, at as many
    times as there are coefficients. Without spin, space would move with the anchor's velocity: an
    error of first order in the distance wherever a limb turns. Neighbours are the nearest at t = 0.

    Raises:
        ValueError: If there are not more than `num_neighbours` anchors.
    """
    nodes = _nodes(paths.device).to(paths)
    batch = len(paths)
    arms, velocities = (
        torch.stack([function(paths, t.expand(batch)) for t in nodes], 2)  # [B, N, J, 3]
        for function in (positions_at, velocities_at)
    )
    start = positions_at(paths, paths.new_zeros(batch))
    rows = nearest_rows(start, start, num_neighbours + 1)[..., 1:]  # without the anchor itself
    moving = torch.cat([arms, velocities], -1)
    near = gather_rows(moving.flatten(2), rows).unflatten(-1, moving.shape[2:])
    offsets, differences = (near - moving.unsqueeze(2)).split(3, -1)  # [B, N, k, J, 3]
    weights = coherence(offsets, STRETCH**2)[..., None, None]
    momentum = (weights * torch.linalg.cross(offsets, differences)).sum(2)
    spins = _solve_inertia(offsets, weights, momentum)  # [B, N, J, 3]
    fit = _interpolation(paths.device).to(paths)
    return (fit[:, None, :, None] * spins.unsqueeze(1)).sum(3)


def _solve_inertia(
    arms: Float[Tensor, "B N k J 3"],
    weights: Float[Tensor, "B N k 1 1"],
    momentum: Float[Tensor, "B N J 3"],
) -> Float[Tensor, "B N J 3"]:
    """Solve (sum of m (r^2 I - r r^T) + ridge) w = momentum for w, by Cramer's rule.

    Written out element by element: a batch of tiny matrices is slow to solve, and matrix products
    would be rounded under bf16 or tf32.
    """
    x, y, z = (weights * arms).unbind(-1)
    rx, ry, rz = arms.unbind(-1)
    xx, yy, zz = (x * rx).sum(2), (y * ry).sum(2), (z * rz).sum(2)
    xy, xz, yz = -(x * ry).sum(2), -(x * rz).sum(2), -(y * rz).sum(2)
    ridge = RIDGE * (xx + yy + zz) + 1e-9  # neighbours in one place do not turn
    a = torch.stack([yy + zz + ridge, xy, xz], -1)
    b = torch.stack([xy, xx + zz + ridge, yz], -1)
    c = torch.stack([xz, yz, xx + yy + ridge], -1)
    bc, ca, ab = torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)
    determinant = (a * bc).sum(-1, keepdim=True)
    solution = torch.stack([(row * momentum).sum(-1) for row in (bc, ca, ab)], -1)
    return solution / determinant


@lru_cache
def _nodes(device: torch.device) -> Float[Tensor, "J"]:
    """Gauss-Legendre nodes in [0, 1]."""
    return torch.from_numpy((legendre.leggauss(DEGREE + 1)[0] + 1) / 2).to(device)


@lru_cache
def _interpolation(device: torch.device) -> Float[Tensor, "J J"]:
    """Matrix from values at the nodes to Legendre coefficients."""
    basis = legendre_basis(_nodes(torch.device("cpu")), DEGREE)
    return torch.from_numpy(np.linalg.inv(basis.numpy())).to(device)
