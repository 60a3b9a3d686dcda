"""Few large steps of a fixed size, with positions between them by interpolation."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

RightHandSide = Callable[[Tensor, Tensor], Tensor]
"""(time [], state) -> derivative of the state."""

ROUNDING = 1e-4
"""Parts of a step by which a time may miss a step's end and still be taken for it."""


def solve_with_rk4(
    right_hand_side: RightHandSide,
    start: Float[Tensor, "*state"],
    times: Float[Tensor, "T"],
    step_size: float,
) -> Float[Tensor, "T *state"]:
    """Solve dy/dt = f(t, y) with Runge-Kutta steps of order 4 (Kutta's 3/8 rule).

    The steps divide the whole interval equally, wherever the times lie. Between steps the solution
    is the cubic that has the states and slopes of both ends (Hermite), which is as accurate as the
    steps: the error of either is O(h^4). A slope is evaluated once and serves both, so n steps take
    4n evaluations, and one more if a time lies inside the last.

    Gradients flow through the steps.

    Args:
        right_hand_side: f.
        start: State at times[0].
        times: At least two, strictly monotonic, in either direction.
        step_size: Length of the longest step.

    Returns:
        The state at each time; the first is `start` itself.
    """
    span = times[-1] - times[0]
    num_steps = max(1, math.ceil(abs(float(span)) / step_size - ROUNDING))
    h = span / num_steps
    wanted = ((times - times[0]) / h).tolist()[1:]  # in steps from the start
    states, state, slope = [start], start, right_hand_side(times[0], start)
    for step in range(num_steps):
        time = times[0] + step * h
        end = _rk4_step(right_hand_side, time, h, state, slope)
        inside = [x - step for x in wanted if step + ROUNDING < x < step + 1 - ROUNDING]
        is_last = step == num_steps - 1
        end_slope = slope if is_last and not inside else right_hand_side(time + h, end)
        states += [_hermite(x, h, state, slope, end, end_slope) for x in inside]
        if any(abs(x - step - 1) <= ROUNDING for x in wanted):
            states.append(end)
        state, slope = end, end_slope
    return torch.stack(states)


def _rk4_step(f: RightHandSide, t: Tensor, h: Tensor, y: Tensor, k1: Tensor) -> Tensor:
    k2 = f(t + h / 3, y + h / 3 * k1)
    k3 = f(t + 2 * h / 3, y + h * (k2 - k1 / 3))
    k4 = f(t + h, y + h * (k1 - k2 + k3))
    return y + h / 8 * (k1 + 3 * (k2 + k3) + k4)


def _hermite(x: float, h: Tensor, y0: Tensor, f0: Tensor, y1: Tensor, f1: Tensor) -> Tensor:
    """The cubic at the part x of a step."""
    moved = y0 + x * x * (3 - 2 * x) * (y1 - y0)
    return moved + x * (1 - x) * h * ((1 - x) * f0 - x * f1)
