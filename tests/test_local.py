"""Local codes: smooth paths, rigid motions, weights without jumps, gradients, and bad input."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from im2mesh.config import OdeConfig
from im2mesh.models.code import AnchoredCode
from im2mesh.models.decoders import DecoderCBatchNorm, DecoderLocalAttention
from im2mesh.models.encoders import PointnetLocal
from im2mesh.models.flow import Flow
from im2mesh.models.neighbourhood import find_neighbourhood
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.paths import fit_paths, legendre_basis, positions_at, velocities_at
from im2mesh.models.rigid_motion import rigid_velocity
from im2mesh.models.velocity_fields import VelocityFieldAnchored
from tests.test_models import randomize, times

B, T, N, C = 2, 5, 30, 6


def turning_clouds(num_frames: int = T, speed: float = 0.5) -> Tensor:
    """Clouds of particles that turn about z."""
    cloud = torch.rand(B, 1, N, 3) - 0.5
    angle = speed * torch.linspace(0, 1, num_frames).view(1, -1, 1)
    x, y, z = cloud.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z.expand(-1, num_frames, -1)], -1)


def a_code(clouds: Tensor, smoothing: float = 0.0) -> AnchoredCode:
    """What an encoder gives, with random features."""
    batch, frames, count, _ = clouds.shape
    paths = fit_paths(clouds, times(frames, batch), min(5, frames - 1), smoothing)
    c = torch.randn(batch, C).to(clouds)
    return AnchoredCode(c, c.new_zeros(batch, 0), paths, torch.randn(batch, count, C).to(clouds))


class TestPaths:
    def test_a_polynomial_is_found_again(self, double_precision):
        truth = torch.randn(B, 4, N, 3)
        moments = times(7)[:B].double() ** 2  # irregular
        basis = legendre_basis(moments, 3)
        clouds = torch.einsum("btk,bkni->btni", basis, truth)
        torch.testing.assert_close(fit_paths(clouds, moments, 3, 0.0), truth, rtol=0, atol=1e-6)

    def test_velocity_is_the_derivative_of_position(self, double_precision):
        paths, t, h = torch.randn(B, 6, N, 3), torch.tensor([0.2, 0.9]), 1e-6
        difference = (positions_at(paths, t + h) - positions_at(paths, t - h)) / (2 * h)
        torch.testing.assert_close(velocities_at(paths, t), difference, rtol=1e-6, atol=1e-6)

    def test_smoothing_takes_noise_away(self):
        truth = turning_clouds(17)
        noisy = truth + 0.01 * torch.randn_like(truth)
        paths = fit_paths(noisy, times(17, B))
        fitted = torch.stack([positions_at(paths, t.expand(B)) for t in times(17, 1)[0]], 1)
        assert (fitted - truth).norm(dim=-1).mean() < 0.65 * (noisy - truth).norm(dim=-1).mean()

    def test_one_frame_stands_still(self):
        cloud = torch.rand(B, 1, N, 3)
        paths = fit_paths(cloud, torch.zeros(B, 1))
        for t in (0.0, 0.5, 1.0):
            moment = torch.full((B,), t)
            torch.testing.assert_close(positions_at(paths, moment), cloud[:, 0])
            torch.testing.assert_close(velocities_at(paths, moment), torch.zeros(B, N, 3))

    def test_beyond_the_last_frame_a_path_goes_on_calmly(self):
        clouds = turning_clouds(9)
        seen = times(9, B) * 0.5
        end = positions_at(fit_paths(clouds + 1e-3 * torch.randn_like(clouds), seen), torch.ones(B))
        assert (end - clouds[:, -1]).norm(dim=-1).max() < 1.0

    @pytest.mark.parametrize("wrong", [[0.0, 0.5, 0.5], [0.0, 0.7, 0.4]])
    def test_times_that_do_not_increase_are_refused(self, wrong):
        with pytest.raises(ValueError, match="must increase strictly, got .*leave out frames"):
            fit_paths(torch.rand(1, 3, N, 3), torch.tensor([wrong]))

    def test_bf16_does_not_round_positions(self):
        clouds = turning_clouds(17)
        exact = positions_at(fit_paths(clouds, times(17, B)), torch.full((B,), 0.3))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = positions_at(fit_paths(clouds, times(17, B)), torch.full((B,), 0.3))
        assert torch.equal(rounded, exact)


class TestRigidMotion:
    def velocity(self, points: Tensor, spin: Tensor, drift: Tensor) -> Tensor:
        return torch.linalg.cross(spin.expand_as(points), points) + drift

    def test_a_turning_body_is_met_exactly_also_off_its_points(self, double_precision, monkeypatch):
        monkeypatch.setattr("im2mesh.models.rigid_motion.RIDGE", 0.0)
        spin, drift = torch.randn(3), torch.randn(3)
        anchors, points = torch.randn(B, 7, 8, 3), torch.randn(B, 7, 3)
        found = rigid_velocity(
            points, anchors, self.velocity(anchors, spin, drift), torch.rand(B, 7, 8)
        )
        expected = self.velocity(points, spin, drift)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)

    def test_it_is_nearer_than_the_mean_with_the_ridge_too(self):
        spin = torch.tensor([0.0, 0.0, 1.0])
        anchors, weights = torch.randn(B, 50, 8, 3), torch.rand(B, 50, 8)
        points = anchors.mean(2) + 0.5 * torch.randn(B, 50, 3)
        velocities = self.velocity(anchors, spin, torch.zeros(3))
        truth = self.velocity(points, spin, torch.zeros(3))
        mean = (weights.unsqueeze(-1) * velocities).sum(2) / weights.sum(2, keepdim=True)
        rigid = rigid_velocity(points, anchors, velocities, weights)
        assert (rigid - truth).norm(dim=-1).mean() < 0.5 * (mean - truth).norm(dim=-1).mean()

    def test_anchors_in_one_place_or_on_a_line_have_a_velocity(self):
        velocities = torch.randn(1, 1, 8, 3)
        in_one_place = torch.zeros(1, 1, 8, 3)
        found = rigid_velocity(torch.ones(1, 1, 3), in_one_place, velocities, torch.ones(1, 1, 8))
        torch.testing.assert_close(found[0, 0], velocities[0, 0].mean(0))
        on_a_line = torch.linspace(0, 1, 8).view(1, 1, 8, 1) * torch.tensor([1.0, 0.0, 0.0])
        found = rigid_velocity(torch.ones(1, 1, 3), on_a_line, velocities, torch.ones(1, 1, 8))
        assert found.isfinite().all()
        assert found.norm() < 20


def path_through(function, steps: int = 4000) -> Tensor:
    """Values at points on a line through a cloud."""
    s = torch.linspace(-0.6, 0.6, steps).view(1, -1, 1)
    line = s * torch.tensor([0.8, 0.5, 0.3]) + 0.01
    return function(line.expand(B, -1, -1))


def largest_jump(values: Tensor) -> Tensor:
    """Of neighbouring values along dimension 1, in units of their mean change."""
    changes = (values[:, 1:] - values[:, :-1]).abs()
    return changes.max() / changes.mean()


class TestContinuity:
    """Neighbours change along a line; nothing may jump there."""

    def test_velocity_has_no_jump(self):
        code = a_code(turning_clouds() + 0.1 * torch.randn(B, T, N, 3))
        field = randomize(VelocityFieldAnchored(C, 0, hidden_size=8, num_neighbours=4))
        values = path_through(lambda p: field(torch.full((B,), 0.4), p, code))
        assert largest_jump(values) < 60

    def test_plain_inverse_distance_weights_do_jump(self):
        """What the test above would show if weights did not end at 0."""
        anchors, values = torch.rand(B, N, 3) - 0.5, torch.randn(B, N, 1)

        def blend(p: Tensor) -> Tensor:
            near = find_neighbourhood(p, anchors, 4)
            weights = (near.distances + 0.02) ** -2
            return (weights * near.take(values).squeeze(-1)).sum(-1, keepdim=True) / weights.sum(
                -1, keepdim=True
            )

        assert largest_jump(path_through(blend)) > 100

    def test_occupancy_has_no_jump(self):
        code = a_code(torch.rand(B, 1, N, 3) - 0.5)
        decoder = randomize(DecoderLocalAttention(3, C, 0, hidden_size=8, num_neighbours=4))
        values = path_through(lambda p: decoder(p, code).unsqueeze(-1))
        assert largest_jump(values) < 60

    def test_a_higher_order_solver_keeps_its_advantage(self, double_precision):
        code = a_code(turning_clouds().double(), smoothing=1e-4)
        field = VelocityFieldAnchored(C, 0, hidden_size=8, num_neighbours=6)
        points = 0.8 * (torch.rand(B, 40, 3) - 0.5)

        def end(method: str, step: float) -> Tensor:
            flow = Flow(field, OdeConfig(method=method, step_size=step))
            return flow.integrate_forward(points, torch.tensor([0.0, 1.0]), code)[:, -1]

        exact = end("rk4", 1 / 256)
        errors = [(end("rk4", step) - exact).norm(dim=-1).mean() for step in (1 / 4, 1 / 16)]
        assert errors[1] < errors[0] / 16  # order 2 at least, in spite of kinks
        assert errors[0] < 1e-3


class TestAnchoredField:
    def field(self, **options: int) -> VelocityFieldAnchored:
        return VelocityFieldAnchored(C, 0, hidden_size=8, **options)

    def test_untrained_it_carries_points_with_the_observed_motion(self):
        seen = turning_clouds(9)
        others = turning_clouds(9)
        flow = Flow(self.field(), OdeConfig(method="rk4", step_size=1 / 8))
        path = flow.integrate_forward(others[:, 0], times(9, 1)[0], a_code(seen, 1e-6))
        moved = (others[:, -1] - others[:, 0]).norm(dim=-1).mean()
        assert (path[:, -1] - others[:, -1]).norm(dim=-1).mean() < 0.1 * moved

    def test_forward_then_backward_returns(self):
        flow = Flow(randomize_a_little(self.field()), OdeConfig(method="rk4", step_size=1 / 32))
        code, points = a_code(turning_clouds(9), 1e-6), turning_clouds()[:, 0]
        end = flow.integrate_forward(points, torch.tensor([0.0, 1.0]), code)[:, -1]
        back = flow.integrate_backward(end, torch.ones(B), code)[:, -1]
        assert (back - points).norm(dim=-1).max() < 2e-3

    def test_order_of_the_anchors_does_not_matter(self):
        field, code = randomize(self.field()), a_code(turning_clouds())
        order = torch.randperm(N)
        shuffled = replace(code, paths=code.paths[:, :, order], features=code.features[:, order])
        points, t = torch.rand(B, 9, 3), torch.tensor([0.1, 0.7])
        torch.testing.assert_close(field(t, points, shuffled), field(t, points, code))

    def test_sequences_do_not_see_each_other(self):
        field, code = randomize(self.field()), a_code(turning_clouds())
        points, t = torch.rand(B, 9, 3), torch.tensor([0.1, 0.7])
        alone = AnchoredCode(code.c[1:], code.z[1:], code.paths[1:], code.features[1:])
        together = field(t, points, code)[1:]
        torch.testing.assert_close(field(t[1:], points[1:], alone), together, rtol=1e-4, atol=1e-5)

    def test_all_points_in_one_place(self):
        field, code = randomize(self.field()), a_code(torch.zeros(B, T, N, 3))
        assert field(torch.zeros(B), torch.rand(B, 9, 3), code).isfinite().all()

    def test_fewer_points_than_neighbours_are_an_error(self):
        code = a_code(turning_clouds()[:, :, :8])
        with pytest.raises(ValueError, match="9 neighbours are needed, but there are 8 points"):
            self.field()(torch.zeros(B), torch.rand(B, 9, 3), code)


def randomize_a_little(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.05)
    return module


class TestGradients:
    """Everything is declared to the adjoint: features, anchors, weights."""

    def problem(self) -> tuple[VelocityFieldAnchored, AnchoredCode, Tensor]:
        field = randomize_a_little(VelocityFieldAnchored(C, 0, hidden_size=8, num_neighbours=5))
        code = a_code(turning_clouds().double(), 1e-4)
        leaves = replace(
            code,
            c=code.c.requires_grad_(),
            paths=code.paths.requires_grad_(),
            features=code.features.requires_grad_(),
        )
        return field, leaves, torch.rand(B, 6, 3, requires_grad=True)

    @staticmethod
    def loss(field: nn.Module, code: AnchoredCode, points: Tensor, gradient: str) -> Tensor:
        flow = Flow(field, OdeConfig(method="rk4", step_size=1 / 24, gradient=gradient))  # type: ignore[arg-type]
        forward = flow.integrate_forward(points, torch.tensor([0.0, 0.6]), code)[:, -1]
        backward = flow.integrate_backward(points, torch.tensor([0.3, 1.0]), code)[:, -1]
        return forward.square().sum() + backward.square().sum()

    def test_adjoint_equals_direct(self, double_precision):
        field, code, points = self.problem()
        inputs = (points, code.c, code.paths, code.features, *field.parameters())
        direct, adjoint = (
            torch.autograd.grad(self.loss(field, code, points, kind), inputs)
            for kind in ("direct", "adjoint")
        )
        for a, b in zip(direct, adjoint, strict=True):
            assert a.abs().sum() > 0
            assert (a - b).norm() < 2e-3 * a.norm()

    @pytest.mark.parametrize("what", ["paths", "features", "c"])
    def test_direct_equals_finite_differences(self, what, double_precision):
        field, code, points = self.problem()
        value = getattr(code, what)
        (gradient,) = torch.autograd.grad(self.loss(field, code, points, "direct"), value)
        direction = torch.randn_like(value)

        def shifted(h: float) -> Tensor:
            moved = replace(code, **{what: value.detach() + h * direction})
            return self.loss(field, moved, points, "direct")

        difference = (shifted(1e-6) - shifted(-1e-6)) / 2e-6
        expected = (gradient * direction).sum()
        torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-7)


class TestEncoder:
    def test_a_feature_per_point_follows_its_point(self):
        encoder = randomize(PointnetLocal(1, C, hidden_size=8, num_neighbours=4))
        cloud, order = torch.rand(B, 1, N, 3), torch.randperm(N)
        code = encoder(cloud, torch.zeros(B, 1))
        shuffled = encoder(cloud[:, :, order], torch.zeros(B, 1))
        torch.testing.assert_close(shuffled.features, code.features[:, order])
        torch.testing.assert_close(shuffled.c, code.c)
        assert code.features.shape == (B, N, C)
        assert code.c.shape == (B, C)

    def test_any_number_of_frames_at_any_times(self):
        encoder = PointnetLocal(17, C, hidden_size=8)
        for count in (1, 2, 5, 30):
            code = encoder(turning_clouds(count), times(count, B) ** 2)
            assert code.paths.shape == (B, 6, N, 3)
            assert code.features.isfinite().all()

    def test_every_weight_gets_a_gradient_through_the_whole_model(self):
        model = OccupancyFlow(
            PointnetLocal(1, C, hidden_size=8),
            PointnetLocal(T, C, hidden_size=8),
            DecoderLocalAttention(3, C, 0, hidden_size=8),
            Flow(VelocityFieldAnchored(C, 0, hidden_size=8), OdeConfig(method="rk4")),
        )
        randomize_a_little(model)
        codes = model.encode(turning_clouds(), times(T, B))
        points = torch.rand(B, 20, 3) - 0.5
        loss = model.occupancy_logits(points, torch.tensor([0.5, 1.0]), codes).square().sum()
        loss.backward()
        without = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]
        assert without == []

    def test_the_papers_decoder_reads_the_code_of_all_points(self):
        encoder = randomize(PointnetLocal(1, C, hidden_size=8))
        code = encoder(torch.rand(B, 1, N, 3), torch.zeros(B, 1))
        assert DecoderCBatchNorm(3, C, 0, hidden_size=8)(torch.rand(B, 9, 3), code).shape == (B, 9)

    def test_points_in_space_and_time_are_refused(self):
        with pytest.raises(ValueError, match="looks for neighbours in space at one time"):
            DecoderLocalAttention(4, C, 0)
