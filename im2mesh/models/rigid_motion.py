"""The rigid motion that fits the velocities of some anchors best, asked for at a point."""

import torch
from jaxtyping import Float
from torch import Tensor

RIDGE = 0.1
"""Resistance to rotation, relative to the spread of the anchors. Measured best of .03, .1 and .3
for clouds of 128 points with noise .001, and close to it for 300."""


def rigid_velocity(
    points: Float[Tensor, "B Q 3"],
    anchors: Float[Tensor, "B Q k 3"],
    velocities: Float[Tensor, "B Q k 3"],
    weights: Float[Tensor, "B Q k"],
) -> Float[Tensor, "B Q 3"]:
    """v + w x (p - c), with v, w the weighted least-squares fit to the anchors of each point.

    A mean of the anchors' velocities is wrong to first order in their distance wherever a limb
    turns; a rigid motion is not, and bodies move nearly rigidly in every small part. Anchors on a
    line leave the rotation about it open; the ridge keeps it at 0.
    """
    weights = (weights / weights.sum(-1, keepdim=True)).unsqueeze(-1)
    centre = (weights * anchors).sum(2)
    mean = (weights * velocities).sum(2)
    arms = anchors - centre.unsqueeze(2)
    momentum = (weights * _cross(arms, velocities - mean.unsqueeze(2))).sum(2)
    rotation = _solve_inertia(arms, weights, momentum)
    return mean + _cross(rotation, points - centre)


def _solve_inertia(
    arms: Float[Tensor, "B Q k 3"], weights: Float[Tensor, "B Q k 1"], momentum: Tensor
) -> Float[Tensor, "B Q 3"]:
    """w with (sum of m (r^2 I - r r^T) + ridge) w = momentum, by Cramer's rule.

    Written out element by element: a batch of tiny matrices is slow to solve, and matrix products
    would be rounded under bf16 or tf32.
    """
    x, y, z = (weights * arms).unbind(-1)
    rx, ry, rz = arms.unbind(-1)
    xx, yy, zz = (x * rx).sum(2), (y * ry).sum(2), (z * rz).sum(2)
    xy, xz, yz = -(x * ry).sum(2), -(x * rz).sum(2), -(y * rz).sum(2)
    spread = xx + yy + zz
    ridge = RIDGE * spread + 1e-9  # anchors in one place do not turn
    a = torch.stack([yy + zz + ridge, xy, xz], -1)
    b = torch.stack([xy, xx + zz + ridge, yz], -1)
    c = torch.stack([xz, yz, xx + yy + ridge], -1)
    bc, ca, ab = _cross(b, c), _cross(c, a), _cross(a, b)
    determinant = (a * bc).sum(-1, keepdim=True)
    solution = torch.stack([(row * momentum).sum(-1) for row in (bc, ca, ab)], -1)
    return solution / determinant


def _cross(a: Float[Tensor, "*batch 3"], b: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    return torch.linalg.cross(a, b)
