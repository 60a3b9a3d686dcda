"""A solver with few large steps of a fixed size; positions within a step are interpolated."""

import math
from collections.abc import Callable

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
    first, *later = times.double().tolist()
    span = later[-1] - first
    num_steps = max(1, math.ceil(abs(span) / step_size - ROUNDING))
    h = span / num_steps
    places = [_place((time - first) / h, num_steps) for time in later]
    states, state = [start], start
    slope = right_hand_side(times[0], state)
    for step in range(num_steps):
        time = times[0] + step * h
        end = _rk4_step(right_hand_side, time, h, state, slope)
        wanted = [part for number, part in places if number == step]
        needs_slope = step < num_steps - 1 or any(part < 1 for part in wanted)
        end_slope = right_hand_side(time + h, end) if needs_slope else slope
        for part in wanted:
            states.append(_hermite(part, h, state, slope, end, end_slope) if part < 1 else end)
        state, slope = end, end_slope
    return torch.stack(states)


def _place(steps: float, num_steps: int) -> tuple[int, float]:
    """Index of the step that holds a time, and the fraction of it that has passed; 1 is its end."""
    nearest = round(steps)
    if abs(steps - nearest) <= ROUNDING and nearest > 0:
        return min(nearest, num_steps) - 1, 1.0
    number = min(int(steps), num_steps - 1)
    return number, steps - number


def _rk4_step(f: RightHandSide, t: Tensor, h: float, y: Tensor, k1: Tensor) -> Tensor:
    k2 = f(t + h / 3, y + h / 3 * k1)
    k3 = f(t + 2 * h / 3, y + h * (k2 - k1 / 3))
    k4 = f(t + h, y + h * (k1 - k2 + k3))
    return y + h / 8 * (k1 + 3 * (k2 + k3) + k4)


def _hermite(x: float, h: float, y0: Tensor, f0: Tensor, y1: Tensor, f1: Tensor) -> Tensor:
    """The Hermite cubic at a fraction x of a step."""
    moved = y0 + x * x * (3 - 2 * x) * (y1 - y0)
    return moved + x * (1 - x) * h * ((1 - x) * f0 - x * f1)
