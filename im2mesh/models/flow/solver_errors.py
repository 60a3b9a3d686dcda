"""Errors of the solver, in words that a user can act on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config.schema import OdeConfig
from im2mesh.errors import UserError

FAILURES = {
    "underflow in dt": "the solver's steps became too small to go on",
    "max_num_steps": "the solver needed more steps than ode.max_steps",
    "non-finite values in state": "positions became NaN or infinite",
}
"""Part of an assertion message of torchdiffeq -> what the assertion means."""


class SolverError(UserError):
    """Positions could not be carried along the velocity field."""


@contextmanager
def explain_solver_failure(ode: OdeConfig) -> Iterator[None]:
    """Turn the assertions of torchdiffeq into one error, in forward and backward passes.

    Raises:
        SolverError: If torchdiffeq gives up; says what went wrong and what to change.
    """
    try:
        yield
    except AssertionError as error:
        meaning = next((FAILURES[key] for key in FAILURES if key in str(error)), None)
        if meaning is None:
            raise
        detail = re.split(r"[:(]", str(error))[0].strip()
        raise SolverError(_message(f"{meaning} ({detail})", ode)) from error


def refuse_not_finite_path(path: Float[Tensor, "T *state"], times: Tensor, ode: OdeConfig) -> None:
    """Refuse a solution with a position that is NaN or infinite.

    With gradients on a GPU nothing is checked: the host would wait for the answer, and the loss
    shows the same a little later.

    Raises:
        SolverError: If there is one; names the first time at which there is.
    """
    if torch.is_grad_enabled() and path.device.type != "cpu":
        return
    is_finite = path.isfinite().flatten(1).all(1)
    if not bool(is_finite.all()):
        first = times[int(is_finite.int().argmin())]
        raise SolverError(
            _message(f"positions became NaN or infinite by {float(first):.3g} of the way", ode)
        )


def _message(failure: str, ode: OdeConfig) -> str:
    tolerances = f", rtol {ode.rtol:g}, atol {ode.atol:g}" if ode.step_size is None else ""
    step = "" if ode.step_size is None else f", step_size {ode.step_size:g}"
    return (
        f"solving the flow failed: {failure}; method {ode.method}{tolerances}{step}. "
        "The velocity field has become too steep, or its weights are not finite: take an older "
        "checkpoint; with sound weights, raise ode.rtol, ode.atol and ode.max_steps, or take "
        "fixed steps (configs/parts/fast.yaml)"
    )
