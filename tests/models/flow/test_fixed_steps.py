"""Few large steps: their order, what lies between them, and what they cost."""

import math

import pytest
import torch
from torchdiffeq import odeint

from im2mesh.build import build_config
from im2mesh.config.schema import OdeConfig
from im2mesh.models.code import Code, empty_code
from im2mesh.models.flow.fixed_steps import solve_with_rk4
from im2mesh.models.flow.flow import Flow, check_solver
from tests.pretend_device import FarTensor, pretended_device, to_device
from tests.problems import Conditioned, Rotation

FAST = build_config("configs/fast/oflow.yaml").ode
QUARTERS = OdeConfig(**{**FAST.model_dump(), "step_size": 0.25})
BETWEEN = torch.tensor([0.0, 0.1, 0.35, 0.5, 0.77, 0.9], dtype=torch.float64)


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def turn(t, y):
    """y'' = -(1 + t) y, as a system."""
    return torch.stack([y[1], -(1 + t) * y[0]])


def test_equals_torchdiffeq_where_steps_end():
    times = torch.tensor([0.0, 0.25, 0.5, 1.0])
    start = torch.tensor([1.0, 0.5])
    ours = solve_with_rk4(turn, start, times, 0.25)
    theirs = odeint(turn, start, times, method="rk4", options={"step_size": 0.25})
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("times", [BETWEEN, 1 - BETWEEN], ids=["forward", "backward"])
def test_between_steps_the_order_is_four(times):
    start = torch.tensor([1.0, 0.5])
    exact = odeint(turn, start, times, rtol=1e-12, atol=1e-12)

    def error(step_size: float) -> float:
        return (solve_with_rk4(turn, start, times, step_size) - exact).abs().max().item()

    assert error(1 / 8) > 1e-8
    assert error(1 / 64) < error(1 / 8) / 12**3  # 16 in the limit, up and down with the times


@pytest.mark.parametrize(
    ("times", "evaluations"),
    [([0.0, 1.0], 16), ([0.0, 0.5, 1.0], 16), ([0.0, 0.9, 1.0], 17), ([0.0, 0.4], 8)],
)
def test_a_slope_is_evaluated_once(times, evaluations):
    flow = Flow(Rotation(), QUARTERS)
    flow.integrate_forward(torch.rand(2, 5, 3), torch.tensor(times), empty_code(2))
    assert flow.nfe == evaluations


def test_times_that_miss_a_step_by_rounding_are_the_step():
    times = torch.arange(17, dtype=torch.float32) / 16
    start = torch.rand(1, 5, 3, dtype=torch.float32)
    flow = Flow(Rotation().float(), QUARTERS)
    path = flow.integrate_forward(start, times, empty_code(1))
    assert path.shape == (1, 17, 5, 3) and flow.nfe == 17


@pytest.mark.parametrize(
    ("times", "step_size"),
    [
        ([0.0, 1e-5, 1.0], 0.25),
        ([0.0, 0.5 - 1e-5, 0.5, 0.5 + 1e-5, 1.0], 0.25),
        ([0.0, 0.33333334, 0.6666667, 1.0], 1 / 3000),
        ([1.0, 0.9999, 0.0], 0.5),
    ],
)
def test_every_time_gets_its_state(times, step_size):
    solution = solve_with_rk4(
        lambda t, y: torch.ones_like(y), torch.zeros(2), torch.tensor(times), step_size
    )
    expected = torch.tensor(times) - times[0]
    torch.testing.assert_close(solution, expected[:, None].expand(-1, 2), atol=2e-4, rtol=0)


def test_gradients_are_those_of_the_steps():
    flow, c = Flow(Conditioned(), FAST), torch.rand(2, 4, requires_grad=True)

    def paths(c, points):
        return flow.integrate_forward(points, BETWEEN, Code(c, c[:, :0]))

    assert torch.autograd.gradcheck(paths, (c, torch.rand(2, 3, 3, requires_grad=True)))


def test_the_way_back_meets_the_way_there():
    flow = Flow(Conditioned(), OdeConfig(**{**FAST.model_dump(), "step_size": 1 / 32}))
    code, points = Code(torch.rand(2, 4), torch.zeros(2, 0)), torch.rand(2, 5, 3)
    there = flow.integrate_forward(points, torch.tensor([0.0, 0.7]), code)[:, -1]
    back = flow.integrate_backward(there, torch.full((2,), 0.7), code)[:, -1]
    torch.testing.assert_close(back, points, atol=1e-8, rtol=0)


def test_on_the_way_back_a_sequence_takes_the_steps_that_its_interval_needs():
    visited = []

    class Recorder(Conditioned):
        def forward(self, t, points, conditions):
            visited.append(t.tolist())
            return super().forward(t, points, conditions)

    flow = Flow(Recorder(), FAST)
    t = torch.tensor([0.1, 0.9, 0.0, 0.2])
    step = flow.ode.step_size
    code, points = Code(torch.rand(4, 4), torch.zeros(4, 0)), torch.rand(4, 5, 3)
    together = flow.integrate_backward(points, t, code)
    num_steps = math.ceil(0.9 / step)
    assert [len(times) for times in visited] == [4] * 4 + [1] * 4 * (num_steps - 1)
    assert flow.nfe == 4 * num_steps and min(map(min, visited)) >= 0
    for b in range(4):
        alone = flow.integrate_backward(
            points[b : b + 1], t[b : b + 1], Code(code.c[b : b + 1], code.z[b : b + 1])
        )
        torch.testing.assert_close(together[b : b + 1], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("fractions", [None, torch.tensor([1.0, 0.9, 0.5, 0.2, 0.0])])
def test_sequences_whose_times_only_a_gpu_knows_stand_still_when_they_have_arrived(
    monkeypatch, fractions, without_shape_checks
):
    """The same positions and gradients, with shapes that do not depend on the times."""
    flow, t = Flow(Conditioned(), FAST), torch.tensor([0.1, 0.9, 0.0, 0.2])
    c = torch.rand(4, 4, requires_grad=True)
    code, points = Code(c, torch.zeros(4, 0)), torch.rand(4, 5, 3)
    known = flow.integrate_backward(points, t, code, fractions)
    expected = torch.autograd.grad(known.square().sum(), c)[0]
    with pretended_device(monkeypatch) as notes:
        far = FarTensor(c.detach()).requires_grad_()
        code = Code(far, FarTensor(torch.zeros(4, 0)))
        to_device(flow)
        found = flow.integrate_backward(FarTensor(points), FarTensor(t), code, fractions)
        gradient = torch.autograd.grad(found.square().sum(), far)[0]
    assert not notes
    torch.testing.assert_close(found.near, known, atol=1e-12, rtol=0)
    torch.testing.assert_close(gradient.near, expected, atol=1e-12, rtol=0)


def test_stops_on_the_way_back_lie_on_the_way_there():
    flow = Flow(Conditioned(), OdeConfig(**{**FAST.model_dump(), "step_size": 1 / 32}))
    code, points = Code(torch.rand(1, 4), torch.zeros(1, 0)), torch.rand(1, 5, 3)
    times = torch.tensor([0.0, 0.11, 0.3, 0.45, 0.7])
    there = flow.integrate_forward(points, times, code)
    back = flow.integrate_backward(there[:, -1], times[-1:], code, times.flip(0) / 0.7)
    torch.testing.assert_close(back.flip(1), there, atol=1e-8, rtol=0)


def test_a_batch_of_no_sequences_has_no_way_back():
    back = Flow(Conditioned(), FAST).integrate_backward(
        torch.zeros(0, 5, 3), torch.zeros(0), Code(torch.zeros(0, 4), torch.zeros(0, 0))
    )
    assert back.shape == (0, 2, 5, 3)


def test_gradients_of_the_way_back_reach_every_sequence():
    flow, t = Flow(Conditioned(), FAST), torch.tensor([0.9, 0.1, 0.6])

    def paths(c, points):
        return flow.integrate_backward(points, t, Code(c, c[:, :0]))

    inputs = (torch.rand(3, 4, requires_grad=True), torch.rand(3, 2, 3, requires_grad=True))
    assert torch.autograd.gradcheck(paths, inputs)


@pytest.mark.parametrize("change", [{"method": "euler"}, {"gradient": "adjoint"}])
def test_other_settings_are_refused_with_the_way_out(change):
    with pytest.raises(ValueError, match=r"set these, or ode\.interpolate to false"):
        check_solver(OdeConfig(**{**FAST.model_dump(), **change}))
