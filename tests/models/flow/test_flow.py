"""The flow against closed forms, against itself, and its gradients against plain ones."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from im2mesh.config.schema import OdeConfig
from im2mesh.models.code import Code, empty_code
from im2mesh.models.flow.flow import SOLVER_METHODS, Flow, step_grid
from im2mesh.models.flow.velocity_fields import VelocityField, VelocityFieldConcat
from tests.problems import Accelerated, Conditioned, Constant, Expansion, Rotation

TIMES = torch.tensor([0.0, 0.1, 0.35, 0.8, 1.0])
EXACT = OdeConfig(method="dopri5", rtol=1e-9, atol=1e-11)
ORDERS = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4}


def some_points(batch: int = 2, count: int = 5) -> Tensor:
    return torch.rand(batch, count, 3) - 0.5


def some_code(batch: int = 2, size: int = 4) -> Code:
    return Code(c=torch.randn(batch, size), z=torch.zeros(batch, 0))


@pytest.mark.parametrize(
    "field", [Constant(), Rotation(), Expansion()], ids=lambda f: type(f).__name__
)
def test_forward_equals_closed_form(field, double_precision):
    field = field.double()
    points, times = some_points(), TIMES.double()
    path = Flow(field, EXACT).integrate_forward(points, times, empty_code(2))
    expected = torch.stack([field.path(points, t) for t in times], dim=1)
    torch.testing.assert_close(path, expected, rtol=0, atol=1e-7)


def test_first_step_is_the_input():
    points = some_points()
    path = Flow(Rotation()).integrate_forward(points, TIMES, empty_code(2))
    assert torch.equal(path[:, 0], points)


def test_backward_from_a_time_of_its_own_per_sequence(double_precision):
    code, t = some_code(3), torch.tensor([0.0, 0.4, 1.0])
    field, points_0 = Accelerated(), some_points(3)
    points_t = field.path(points_0, t, code.c)
    back = Flow(field, EXACT).integrate_backward(points_t, t, code)
    torch.testing.assert_close(back[:, -1], points_0, rtol=0, atol=1e-8)


def test_backward_does_not_depend_on_batch_mates(double_precision):
    field, code, points = Conditioned(), some_code(), some_points()
    t = torch.tensor([0.2, 0.9])
    flow = Flow(field, OdeConfig(method="rk4", step_size=0.25))
    together = flow.integrate_backward(points, t, code)
    alone = flow.integrate_backward(points[:1], t[:1], Code(code.c[:1], code.z[:1]))
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", ["dopri5", "bosh3", "rk4"])
def test_no_solve_leaves_the_window(method):
    visited = []

    class Recorder(Constant):
        def forward(self, t, points, code):
            visited.append(t.clone())
            return super().forward(t, points, code)

    t = torch.tensor([0.0, 0.3, 1.0])
    points = some_points(3).requires_grad_()
    flow = Flow(Recorder(), OdeConfig(method=method))
    flow.integrate_backward(points, t, empty_code(3)).sum().backward()
    times = torch.stack(visited)
    assert times.min() >= -1e-6
    assert (times <= t + 1e-6).all()
    visited.clear()
    flow.integrate_forward(points, TIMES, empty_code(3)).sum().backward()
    times = torch.stack(visited)
    assert times.min() >= -1e-6 and times.max() <= 1 + 1e-6


def test_backward_undoes_forward(double_precision):
    flow, code, points = Flow(Conditioned(), EXACT), some_code(), some_points()
    end = flow.integrate_forward(points, torch.tensor([0.0, 1.0]), code)[:, -1]
    back = flow.integrate_backward(end, torch.ones(2), code)[:, -1]
    torch.testing.assert_close(back, points, rtol=0, atol=1e-7)


def test_backward_stops_on_the_way(double_precision):
    field, points = Expansion().double(), some_points()
    fractions = torch.tensor([1.0, 0.5, 0.25, 0.0])
    ones = torch.ones(2)
    path = Flow(field, EXACT).integrate_backward(
        field.path(points, ones[0]), ones, empty_code(2), fractions
    )
    expected = torch.stack([field.path(points, t) for t in fractions], dim=1)
    torch.testing.assert_close(path, expected, rtol=0, atol=1e-8)


def _gradients(ode: OdeConfig, code: Code, backward: bool, field: Conditioned) -> list[Tensor]:
    points = torch.linspace(-0.5, 0.5, 30).view(2, 5, 3).requires_grad_()
    c = code.c.clone().requires_grad_()
    flow, code = Flow(field, ode), Code(c, code.z)
    if backward:
        result = flow.integrate_backward(points, torch.tensor([0.3, 1.0]), code)[:, -1]
    else:
        result = flow.integrate_forward(points, TIMES.to(points), code)
    weights = torch.linspace(-1, 1, result.numel()).view_as(result)
    loss = (weights * result).sum() + result.square().sum()
    return list(torch.autograd.grad(loss, [points, c, *field.parameters()]))


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_adjoint_and_direct_gradients_agree(backward, double_precision):
    field, code = Conditioned(), some_code()
    adjoint = _gradients(EXACT, code, backward, field)
    direct = _gradients(
        OdeConfig(method="rk4", step_size=1 / 64, gradient="direct"), code, backward, field
    )
    for a, b in zip(adjoint, direct, strict=True):
        assert a.abs().max() > 1e-3  # points, code and every weight do get a gradient
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_gradients_agree_with_finite_differences(double_precision):
    field, code, points = Conditioned(), some_code(1), some_points(1, 2)
    flow = Flow(field, OdeConfig(method="rk4", step_size=0.25, gradient="direct"))

    def end(points, c):
        return flow.integrate_forward(points, torch.tensor([0.0, 0.6]), Code(c, code.z))

    inputs = (points.requires_grad_(), code.c.clone().requires_grad_())
    assert torch.autograd.gradcheck(end, inputs)


def test_the_adjoint_of_the_paper_s_field_is_exact(double_precision, without_shape_checks):
    """Weights that only condition() uses are no parameters of the adjoint; they get the same.

    The field has kinks, at which gradients through adaptive steps are not exact: small steps are.
    """
    points, t = some_points(), torch.rand(2)
    field = VelocityFieldConcat(4, 2, hidden_size=8, num_blocks=2)
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)

    def gradients(ode: OdeConfig) -> list[torch.Tensor]:
        flow = Flow(field, ode)
        c, z = (torch.linspace(-1, 1, 2 * n).view(2, n).requires_grad_() for n in (4, 2))
        there = flow.integrate_forward(points, TIMES, Code(c, z))
        back = flow.integrate_backward(points, t, Code(c, z))
        loss = (there**2).sum() + (back[:, -1] ** 3).sum()
        return list(torch.autograd.grad(loss, [c, z, *field.parameters()]))

    adjoint = gradients(OdeConfig(rtol=1e-4, atol=1e-6))
    exact = gradients(OdeConfig(method="rk4", step_size=1 / 64, gradient="direct"))
    for ours, expected in zip(adjoint, exact, strict=True):
        assert (ours - expected).norm() < 1e-2 * expected.norm()


@dataclass(frozen=True)
class AnchoredCode(Code):
    """A code with more than vectors, as the flow must hand through and declare."""

    features: Tensor


class Anchored(VelocityField):
    def forward(self, t, points, code):
        return code.features.mean(1, keepdim=True) * points + code.c[:, None, :3]


@pytest.mark.parametrize("gradient", ["adjoint", "direct"])
def test_every_tensor_of_a_richer_code_gets_a_gradient(gradient, double_precision):
    features = torch.rand(2, 7, 3, requires_grad=True)
    c = torch.rand(2, 3, requires_grad=True)
    code = AnchoredCode(c * 2, torch.zeros(2, 0), features.sin())  # not leaves, as in training
    ode = OdeConfig(rtol=1e-9, atol=1e-11, gradient=gradient)
    end = Flow(Anchored(), ode).integrate_forward(some_points(), torch.tensor([0.0, 1.0]), code)
    end[:, -1].sum().backward()
    assert features.grad is not None and features.grad.abs().min() > 0
    assert c.grad is not None and c.grad.abs().min() > 0


@pytest.mark.parametrize("method", SOLVER_METHODS)
def test_every_runge_kutta_method_of_torchdiffeq_works_by_name(method):
    points = some_points()
    field = Rotation(1.0)
    step_size = 1 / 64 if method == "euler" else None
    ode = OdeConfig(method=method, step_size=step_size, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        path = Flow(field, ode).integrate_forward(points, TIMES, empty_code(2))
        expected = torch.stack([field.path(points, t) for t in TIMES], dim=1)
    assert (path - expected).abs().max() < 1e-2


@pytest.mark.parametrize("method", ORDERS)
def test_fixed_steps_keep_their_order_at_any_output_time(method, double_precision):
    field, points = Rotation(2.0).double(), some_points()
    times = torch.tensor([0.0, 0.13, 0.77, 1.0])

    def error(step_size: float) -> float:
        flow = Flow(field, OdeConfig(method=method, step_size=step_size, gradient="direct"))
        path = flow.integrate_forward(points, times, empty_code(2))
        expected = torch.stack([field.path(points, t) for t in times], dim=1)
        return (path - expected).abs().max().item()

    ratio = error(1 / 16) / error(1 / 32)
    assert ratio > 0.75 * 2 ** ORDERS[method]


def test_step_grid_holds_every_output_time():
    grid = step_grid(TIMES, 0.3)
    assert all((grid == t).any() for t in TIMES)
    assert (grid.diff() > 0).all() and (grid.diff() <= 0.3 + 1e-6).all()


def test_evaluations_are_counted_forward_and_backward():
    points = some_points().requires_grad_()
    flow = Flow(Rotation(), OdeConfig(method="rk4", step_size=0.5, gradient="adjoint"))
    end = flow.integrate_forward(points, torch.tensor([0.0, 1.0]), empty_code(2))
    assert flow.nfe == 8
    end.sum().backward()
    assert flow.nfe == 16


@pytest.mark.parametrize("gradient", ["adjoint", "direct"])
def test_bfloat16_networks_keep_positions_in_float32(gradient):
    dtypes = []

    class Recorder(Conditioned):
        def forward(self, t, points, code):
            velocity = super().forward(t, points, code)
            dtypes.append(velocity.dtype)
            return velocity

    points = some_points().requires_grad_()
    flow = Flow(Recorder(), OdeConfig(method="rk4", gradient=gradient))
    with torch.autocast("cpu", torch.bfloat16):
        path = flow.integrate_forward(points, TIMES, some_code())
    path.sum().backward()  # outside of autocast, where the adjoint evaluates the field again
    assert set(dtypes) == {torch.bfloat16}
    assert path.dtype == torch.float32 and points.grad is not None


def test_no_points_is_no_error():
    path = Flow(Rotation()).integrate_forward(torch.zeros(2, 0, 3), TIMES, empty_code(2))
    assert path.shape == (2, 5, 0, 3)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.1, 0.5], "must start at 0"),
        ([0.0, 0.5, 0.5], "increase strictly"),
        ([0.0, 1.5], "end at 1 at the latest"),
    ],
)
def test_bad_times_are_refused(times, message):
    with pytest.raises(ValueError, match=message):
        Flow(Rotation()).integrate_forward(some_points(), torch.tensor(times), empty_code(2))


def test_backward_from_outside_the_window_is_refused():
    with pytest.raises(ValueError, match=r"t must lie in \[0, 1\]"):
        Flow(Rotation()).integrate_backward(some_points(), torch.tensor([0.5, 1.1]), empty_code(2))


@pytest.mark.parametrize(
    ("ode", "message"),
    [
        (OdeConfig(method="rk5"), "ode.method is 'rk5'; choose one of: .*rk4"),
        (OdeConfig(method="dopri5", step_size=0.05), "step_size must be null, got 0.05; .* 'rk4'"),
        (OdeConfig(method="scipy_solver"), "ode.method is 'scipy_solver'; choose one of: .*rk4"),
        (OdeConfig(method="fixed_adams"), "ode.method is 'fixed_adams'; choose one of: .*rk4"),
    ],
)
def test_impossible_solvers_are_refused(ode, message):
    with pytest.raises(ValueError, match=message):
        Flow(Rotation(), ode)
