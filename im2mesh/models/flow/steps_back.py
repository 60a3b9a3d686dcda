"""Steps back to t = 0, as many for every sequence of a batch as its own time needs."""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.models.flow.fixed_steps import ROUNDING, movement, rk4_step

VelocityOfFirst = Callable[[Tensor, Tensor], Tensor]
"""(times [A], points [A, N, 3]) -> velocities of the first A sequences of the batch."""


def solve_back_with_rk4(
    velocity: VelocityOfFirst,
    points_t: Float[Tensor, "B N 3"],
    t: Float[Tensor, "B"],
    fractions: Float[Tensor, "S"],
    step_size: float,
) -> Float[Tensor, "B S N 3"]:
    """Solve dp/dt = v(t, p) from each sequence's t back to 0; see `solve_with_rk4` for the method.

    All sequences take their first step together, then their second, and so on. One that has arrived
    at t = 0 takes no part in later steps. If t lies on a GPU, so that the host does not know it,
    those that have arrived stand still instead: the shapes and the number of steps are then the
    same for all t, and so are the results.

    Args:
        velocity: Velocity field; gradients flow through it.
        points_t: Positions at each sequence's t.
        t: Start times in [0, 1]; on the CPU in descending order, on a GPU in any.
        fractions: Stops on the way, as fractions of t, decreasing from 1; on the CPU.
        step_size: Largest length that a step may have.

    Returns:
        Positions at times fractions * t; the first step is points_t itself.
    """
    counts = torch.ceil(t / step_size - ROUNDING).clamp(min=1)
    going = _still_going(counts, step_size)
    t, counts = (x.to(points_t.device, non_blocking=True) for x in (t, counts))
    later = fractions[1:].tolist()
    stops = torch.stack([(1 - fraction) * counts for fraction in later])  # [S - 1, B], in steps
    step_time = t / counts

    def velocity_within(step: int, part: float, points: Tensor) -> Tensor:
        rows = slice(len(points))
        return velocity((t[rows] - (step + part) * step_time[rows]).clamp(min=0), points)

    state, path, end_velocity = points_t, points_t.expand(len(stops), *points_t.shape), None
    for step, count in enumerate(going):
        rows, start = slice(count), state[:count]
        h = (-step_time * (counts > step))[rows, None, None]
        velocity_here = partial(velocity_within, step)
        first = velocity_here(0.0, start) if end_velocity is None else end_velocity[rows]
        state = rk4_step(velocity_here, h, start, first)
        moved = (state - start).expand(len(stops), *start.shape)
        if any(fraction > 0 for fraction in later):  # between t and 0
            end_velocity = velocity_here(1.0, state)
            part = (stops[:, rows, None, None] - step).clamp(0, 1)
            moved = movement(part, h, start, first, state, end_velocity)
        path = torch.cat([path[:, rows] + moved, path[:, count:]], 1)
    return torch.cat([points_t[None], path]).transpose(0, 1)


def _still_going(counts: Float[Tensor, "B"], step_size: float) -> list[int]:
    """The number of sequences that take part in each step."""
    if counts.device.type != "cpu":
        return [len(counts)] * math.ceil(1 / step_size - ROUNDING)
    return [int((counts > step).sum()) for step in range(int(counts.max()))]
