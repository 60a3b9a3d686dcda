"""The flow: a velocity field, and a solver that carries points forward and backward along it.

No other file uses torchdiffeq; `fixed_steps.py` is the one solver of our own.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torchdiffeq import odeint, odeint_adjoint
from torchdiffeq._impl.fixed_adams import AdamsBashforthMoulton
from torchdiffeq._impl.odeint import SOLVERS  # not public, but the one list of method names
from torchdiffeq._impl.rk_common import RKAdaptiveStepsizeODESolver
from torchdiffeq._impl.solvers import FixedGridODESolver

from im2mesh.config.schema import OdeConfig
from im2mesh.models.code import Code, Conditions
from im2mesh.models.flow.carrier import Carrier
from im2mesh.models.flow.fixed_steps import solve_with_rk4
from im2mesh.models.flow.solver_errors import explain_solver_failure, refuse_not_finite_path
from im2mesh.models.flow.steps_back import solve_back_with_rk4
from im2mesh.models.flow.velocity_fields import VelocityField
from im2mesh.models.layers.pointwise import piece_by_piece

DEFAULT_STEP_SIZE = 1 / 16  # the frame spacing of the paper's windows


class Flow(Carrier):
    """The flow of dp/dt = v(t, p) over the window, t in [0, 1] (Niemeyer et al., eq. 1).

    Positions are in the frame of the first mesh, roughly the cube [-0.5, 0.5]^3.

    Args:
        velocity_field: (t [B], points [B, N, 3], conditions) -> velocity [B, N, 3].
        ode: Settings of the solver: method, steps, tolerances, and how gradients are computed.

    Attributes:
        nfe: Evaluations of the velocity field since this was last set to 0. With the adjoint,
            those of the backward solves are counted while gradients are computed.

    Raises:
        ValueError: If the method is unknown or does not go with the other settings.

    Example:
        >>> from im2mesh.models.code import empty_code
        >>> class Drift(VelocityField):
        ...     def forward(self, t, points, conditions):
        ...         return torch.tensor([1.0, 0.0, 0.0]).expand_as(points)
        >>> times = torch.tensor([0.0, 0.5, 1.0])
        >>> path = Flow(Drift()).integrate_forward(torch.zeros(1, 1, 3), times, empty_code(1))
        >>> [[round(x, 4) for x in p] for p in path[0, :, 0].tolist()]
        [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, velocity_field: VelocityField, ode: OdeConfig | None = None) -> None:
        super().__init__()
        self.velocity_field = velocity_field
        self.reads = velocity_field.reads
        self.ode = OdeConfig() if ode is None else ode
        check_solver(self.ode)

    def velocity(
        self, points_t: Float[Tensor, "B N 3"], t: float, code: Code
    ) -> Float[Tensor, "B N 3"]:
        """The velocity field itself, without gradients; see `Carrier.velocity`."""
        with torch.no_grad():
            now = points_t.new_full((len(points_t),), t)
            return self._velocity(now, points_t, self.velocity_field.condition(code))

    def _carry_forward(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], code: Code
    ) -> Float[Tensor, "B T N 3"]:
        """Solve dp/dt = v(t, p) from t = 0 to all times at once."""
        conditions = self.velocity_field.condition(code).as_arguments()

        def right_hand_side(t: Tensor, points: Tensor) -> Tensor:
            return self._velocity(t.expand(len(points)), points, conditions)

        return self._solve(right_hand_side, points_0, times, conditions).transpose(0, 1)

    def _carry_back(
        self,
        points_t: Float[Tensor, "B N 3"],
        t: Float[Tensor, "B"],
        fractions: Float[Tensor, "S"],
        code: Code,
    ) -> Float[Tensor, "B S N 3"]:
        """Integrate back to t = 0, each sequence from a time t of its own.

        No sequence visits times outside [0, t], and none depends on the times of its batch mates.
        """
        if self.ode.interpolate and points_t.numel() and len(fractions) > 1:
            return self._step_back(points_t, t, fractions, code)
        conditions = self.velocity_field.condition(code).as_arguments()
        t = t.to(points_t.device, non_blocking=True)

        def right_hand_side(s: Tensor, points: Tensor) -> Tensor:
            # with time t(1 - s) and velocity -t v, every sequence runs over s in [0, 1]
            return -t.view(-1, 1, 1) * self._velocity(t * (1 - s), points, conditions)

        return self._solve(right_hand_side, points_t, 1 - fractions, conditions).transpose(0, 1)

    def _step_back(
        self,
        points_t: Float[Tensor, "B N 3"],
        t: Float[Tensor, "B"],
        fractions: Float[Tensor, "S"],
        code: Code,
    ) -> Float[Tensor, "B S N 3"]:
        """Steps of a fixed length, not bound to output times, are as many as each t needs."""
        order = t.argsort(descending=True, stable=True)
        rows = order.to(points_t.device, non_blocking=True)
        conditions = self.velocity_field.condition(code).of(rows)

        def velocity(times: Tensor, points: Tensor) -> Tensor:
            return self._velocity(times, points, conditions.first(len(points)))

        velocity = _in_present_precision(velocity, points_t.device.type)
        path = solve_back_with_rk4(
            velocity, points_t[rows], t[order].to(points_t.dtype), fractions, _step_size(self.ode)
        )
        refuse_not_finite_path(path.transpose(0, 1), 1 - fractions, self.ode)
        return path[rows.argsort()]

    def _velocity(self, t: Tensor, points: Tensor, conditions: Conditions) -> Tensor:
        self.nfe += 1
        velocity = piece_by_piece(lambda piece: self.velocity_field(t, piece, conditions), points)
        return velocity.to(points.dtype)

    def _solve(
        self,
        right_hand_side: Callable,
        points: Tensor,
        times: Tensor,
        conditions: Conditions,
    ) -> Float[Tensor, "T B N 3"]:
        if points.numel() == 0 or len(times) == 1:
            return points.expand(len(times), *points.shape)
        right_hand_side = _in_present_precision(right_hand_side, points.device.type)
        times = times.to(points.dtype)
        with explain_solver_failure(self.ode):
            if self.ode.interpolate:
                path = solve_with_rk4(right_hand_side, points, times, _step_size(self.ode))
            else:
                path = self._call_torchdiffeq(right_hand_side, points, times, conditions)
        refuse_not_finite_path(path, times, self.ode)
        return path

    def _call_torchdiffeq(
        self, right_hand_side: Callable, points: Tensor, times: Tensor, conditions: Conditions
    ) -> Float[Tensor, "T B N 3"]:
        times = times.to(points.device, non_blocking=True)
        settings = {
            "method": self.ode.method,
            "rtol": self.ode.rtol,
            "atol": self.ode.atol,
            "options": _step_options(self.ode, times, times[-1:]),
        }
        if self.ode.gradient == "direct" or not torch.is_grad_enabled():
            return cast(Tensor, odeint(right_hand_side, points, times, **settings))
        # What the field depends on must be declared: conditions that the function above merely
        # captures would get no gradient, without any warning.
        depends_on = (*conditions.tensors(), *self.velocity_field.weights_of_evaluation())
        path = odeint_adjoint(
            right_hand_side,
            points,
            times,
            adjoint_params=depends_on,
            adjoint_options=_step_options(self.ode, times, times),
            **settings,
        )
        return cast(Tensor, path)


def _in_present_precision(right_hand_side: Callable, device_type: str) -> Callable:
    """Keep the present autocast during the backward pass, where otherwise none is active."""
    enabled = torch.is_autocast_enabled(device_type)
    dtype = torch.get_autocast_dtype(device_type)

    def evaluate(t: Tensor, points: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype, enabled=enabled):
            return right_hand_side(t, points)

    return evaluate


def _is_fixed_step(method: str) -> bool:
    return issubclass(SOLVERS[method], FixedGridODESolver)


def _step_options(ode: OdeConfig, times: Tensor, stops: Tensor) -> dict[str, Any]:
    """Options for torchdiffeq, with which the steps of the solver land exactly on `stops`.

    Left to itself, an adaptive solver steps past the end of the interval and interpolates back, so
    it evaluates the field at times outside the window.
    """
    if issubclass(SOLVERS[ode.method], RKAdaptiveStepsizeODESolver):
        return {"step_t": stops, "max_num_steps": ode.max_steps}
    step_size = _step_size(ode)
    return {"grid_constructor": lambda _func, _y0, times: step_grid(times, step_size)}


def _step_size(ode: OdeConfig) -> float:
    return DEFAULT_STEP_SIZE if ode.step_size is None else ode.step_size


def step_grid(times: Float[Tensor, "T"], step_size: float) -> Float[Tensor, "S"]:
    """Divide each interval between output times into equal steps no longer than `step_size`.

    Every output time ends a step. torchdiffeq's own `step_size` ignores the output times in its
    grid and interpolates linearly between grid points, which costs the method its order.

    Example:
        >>> step_grid(torch.tensor([0.0, 0.5, 0.6]), 0.25).tolist()
        [0.0, 0.25, 0.5, 0.6000000238418579]
    """
    steps = []
    for start, end in pairwise(times):
        count = max(1, math.ceil(abs(float(end - start)) / step_size - 1e-4))
        steps.append(torch.linspace(0, 1, count + 1).to(times)[:-1] * (end - start) + start)
    return torch.cat([*steps, times[-1:]])


SOLVER_METHODS = tuple(
    name
    for name, solver in SOLVERS.items()
    if issubclass(solver, RKAdaptiveStepsizeODESolver | FixedGridODESolver)
    and not issubclass(solver, AdamsBashforthMoulton)  # multistep, for equal steps only
)
"""Names of the Runge-Kutta methods of torchdiffeq."""


def check_solver(ode: OdeConfig) -> None:
    """Refuse settings of the solver that do not go together.

    Raises:
        ValueError: If the method is unknown or does not go with the other settings.
    """
    if ode.method not in SOLVER_METHODS:
        raise ValueError(
            f"ode.method is '{ode.method}'; choose one of: {', '.join(SOLVER_METHODS)}"
        )
    if not _is_fixed_step(ode.method) and ode.step_size is not None:
        raise ValueError(
            f"method '{ode.method}' picks its own steps, so ode.step_size must be null, "
            f"got {ode.step_size}; for fixed steps use 'rk4'"
        )
    if ode.interpolate and (ode.method != "rk4" or ode.gradient != "direct"):
        raise ValueError(
            "ode.interpolate is for ode.method 'rk4' with ode.gradient 'direct', got "
            f"'{ode.method}' and '{ode.gradient}'; set these, or ode.interpolate to false"
        )
