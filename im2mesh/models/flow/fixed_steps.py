"""A solver with few large steps of a fixed size; positions within a step are interpolated."""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

RightHandSide = Callable[[Tensor, Tensor], Tensor]
"""(time [], state) -> time derivative of the state."""

ROUNDING = 1e-4
"""Distance from a step's end, as a fraction of a step, at which a time counts as that end."""


def solve_with_rk4(
    right_hand_side: RightHandSide,
    start: Float[Tensor, "*state"],
    times: Float[Tensor, "T"],
    step_size: float,
) -> Float[Tensor, "T *state"]:
    """Solve dy/dt = f(t, y) with Runge-Kutta steps of order 4 (Kutta's 3/8 rule).

    The steps divide the whole interval equally, wherever the times lie. Within a step, the
    solution is the cubic with the states and slopes at both ends of the step (Hermite). It is as
    accurate as the steps: both errors are O(h^4). Steps and cubics share the slopes, so n steps
    take 4n evaluations, and one more if a time lies inside the last step.

    Gradients flow through the steps.

    Args:
        right_hand_side: Function f(t, y).
        start: State at times[0].
        times: At least two, strictly monotonic, in either direction.
        step_size: Largest length that a step may have.

    Returns:
        The state at each time; the first is `start` itself.
    """
    first, *later = times.double().tolist()  # the host plans the steps by them
    span = later[-1] - first
    num_steps = max(1, math.ceil(abs(span) / step_size - ROUNDING))
    h = span / num_steps
    places = [_place((time - first) / h, num_steps) for time in later]

    def slope_within(step: int, part: float, state: Tensor) -> Tensor:
        return right_hand_side(state.new_full((), first + (step + part) * h), state)

    states, state = [start.unsqueeze(0)], start
    slope = slope_within(0, 0.0, state)
    for step in range(num_steps):
        end = rk4_step(partial(slope_within, step), h, state, slope)
        wanted = [part for number, part in places if number == step]
        needs_slope = step < num_steps - 1 or any(part < 1 for part in wanted)
        end_slope = slope_within(step, 1.0, end) if needs_slope else slope
        if wanted:
            parts = torch.stack([start.new_full((), part) for part in wanted])
            parts = parts.view(-1, *[1] * start.dim())
            states.append(state + movement(parts, h, state, slope, end, end_slope))
        state, slope = end, end_slope
    return torch.cat(states)


def _place(steps: float, num_steps: int) -> tuple[int, float]:
    """Index of the step that holds a time, and the fraction of it that has passed; 1 is its end."""
    nearest = round(steps)
    if abs(steps - nearest) <= ROUNDING and nearest > 0:
        return min(nearest, num_steps) - 1, 1.0
    number = min(int(steps), num_steps - 1)
    return number, steps - number


def rk4_step(
    f: Callable[[float, Tensor], Tensor], h: float | Tensor, y: Tensor, k1: Tensor
) -> Tensor:
    """The state after one step of length h, for f(fraction of the step, state) and k1 = f(0, y)."""
    k2 = f(1 / 3, y + h / 3 * k1)
    k3 = f(2 / 3, y + h * (k2 - k1 / 3))
    k4 = f(1.0, y + h * (k1 - k2 + k3))
    return y + h / 8 * (k1 + 3 * (k2 + k3) + k4)


def movement(
    x: float | Tensor, h: float | Tensor, y0: Tensor, f0: Tensor, y1: Tensor, f1: Tensor
) -> Tensor:
    """How far the state has come at a fraction x of a step, along the Hermite cubic."""
    return x * x * (3 - 2 * x) * (y1 - y0) + x * (1 - x) * h * ((1 - x) * f0 - x * f1)
