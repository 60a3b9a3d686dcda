"""Local codes: smooth paths, rigid motions, weights without jumps, gradients, and bad input."""

import pytest
import torch
from torch import Tensor, nn

from im2mesh.build import build_config, build_model
from im2mesh.config.schema import OdeConfig
from im2mesh.errors import ConfigError
from im2mesh.models.decoders import DecoderCBatchNorm
from im2mesh.models.deformations.given import Carried
from im2mesh.models.flow.flow import Flow
from im2mesh.models.local.anchor_motion import AnchorMotion
from im2mesh.models.local.codes import AnchoredCode, MovingCode
from im2mesh.models.local.decoder import DecoderLocalAttention
from im2mesh.models.local.deformation import Anchored
from im2mesh.models.local.encoder import PointnetLocal, PointnetTracked
from im2mesh.models.local.neighbourhood import find_neighbourhood
from im2mesh.models.local.paths import (
    DEGREE,
    SMOOTHINGS,
    fit_paths,
    integrals_at,
    legendre_basis,
    positions_at,
    velocities_at,
)
from im2mesh.models.local.rigid_motion import anchor_spins
from im2mesh.models.local.soft_matching import SoftMatching
from im2mesh.models.local.trajectories import follow_points
from im2mesh.models.local.velocity_fields import VelocityFieldAnchored
from im2mesh.models.occupancy_flow import OccupancyFlow
from tests.models.test_models import randomize, times

B, T, N, C = 2, 5, 30, 6


def turning_clouds(num_frames: int = T, speed: float = 0.5) -> Tensor:
    """Clouds of particles that turn about z."""
    cloud = torch.rand(B, 1, N, 3) - 0.5
    angle = speed * torch.linspace(0, 1, num_frames).view(1, -1, 1)
    x, y, z = cloud.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z.expand(-1, num_frames, -1)], -1)


def with_outliers(clouds: Tensor, noise: float = 0.0) -> Tensor:
    """The first 6 rows are anywhere, in every frame anew, as outliers of the data."""
    generator = torch.Generator().manual_seed(0)
    spoilt = clouds + noise * torch.randn(clouds.shape, generator=generator)
    spoilt[:, :, :6] = torch.rand(*clouds.shape[:2], 6, 3, generator=generator) - 0.5
    return spoilt


def a_code(clouds: Tensor, smoothing: float = 0.0, std: float = 0.3) -> MovingCode:
    """What an encoder gives, with random features and random weights of the learned motion."""
    batch, frames, count, _ = clouds.shape
    paths = fit_paths(clouds, times(frames, batch), min(5, frames - 1), (smoothing,))
    motion = AnchorMotion(C, 8)
    for parameter in motion.parameters():
        nn.init.normal_(parameter, std=std)
    return motion(paths, torch.randn(batch, count, C).to(clouds), torch.randn(batch, C).to(clouds))


def part(code: MovingCode, items: slice, order: Tensor) -> MovingCode:
    """Some sequences, their anchors in another order."""
    return MovingCode(
        code.c[items],
        code.z[items],
        code.paths[items][:, :, order],
        code.features[items][:, order],
        code.twists[items][:, :, order],
        code.weights[items][:, order],
    )


class TestPaths:
    def test_a_polynomial_is_found_again(self, double_precision):
        truth = torch.randn(B, 4, N, 3)
        moments = times(7)[:B].double() ** 2  # irregular
        basis = legendre_basis(moments, 3)
        clouds = torch.einsum("btk,bkni->btni", basis, truth)
        torch.testing.assert_close(fit_paths(clouds, moments, 3, (0.0,)), truth, rtol=0, atol=1e-6)

    def test_velocity_is_the_derivative_of_position(self, double_precision):
        paths, t, h = torch.randn(B, 6, N, 3), torch.tensor([0.2, 0.9]), 1e-6
        difference = (positions_at(paths, t + h) - positions_at(paths, t - h)) / (2 * h)
        torch.testing.assert_close(velocities_at(paths, t), difference, rtol=1e-6, atol=1e-6)

    def test_integral_is_that_of_the_position(self, double_precision):
        paths, t, h = torch.randn(B, 6, N, 3), torch.tensor([0.2, 0.9]), 1e-6
        difference = (integrals_at(paths, t + h) - integrals_at(paths, t - h)) / (2 * h)
        torch.testing.assert_close(positions_at(paths, t), difference, rtol=1e-6, atol=1e-6)
        assert integrals_at(paths, torch.zeros(B)).abs().max() < 1e-12
        constant = torch.randn(B, 1, N, 3)
        torch.testing.assert_close(integrals_at(constant, t), t.view(-1, 1, 1) * constant[:, 0])

    def test_smoothing_takes_noise_away(self):
        truth = turning_clouds(17)
        noisy = truth + 0.01 * torch.randn_like(truth)
        paths = fit_paths(noisy, times(17, B))
        fitted = torch.stack([positions_at(paths, t.expand(B)) for t in times(17, 1)[0]], 1)
        assert (fitted - truth).norm(dim=-1).mean() < 0.65 * (noisy - truth).norm(dim=-1).mean()

    @pytest.mark.parametrize("noise", [0.0, 0.001, 0.02])
    @pytest.mark.parametrize("speed", [0.3, 4.0])
    def test_how_smooth_is_decided_by_the_data(self, noise, speed):
        """Nearly as good as the best of all weights would be, which only the truth can tell."""
        truth = turning_clouds(17, speed)
        noisy = truth + noise * torch.randn_like(truth)
        moments = times(17, B)
        basis = legendre_basis(moments, DEGREE)

        def error(paths):
            fitted = torch.einsum("btk,bkni->btni", basis, paths)
            return (fitted - truth).norm(dim=-1).mean().item()

        best = min(error(fit_paths(noisy, moments, DEGREE, (weight,))) for weight in SMOOTHINGS)
        assert error(fit_paths(noisy, moments)) < 1.25 * best + 1e-4

    def test_each_path_gets_its_own_smoothness(self):
        """Whatever the others do, in its sequence or beside it."""
        clouds = torch.cat([turning_clouds(17, 0.3)[:1], turning_clouds(17, 4.0)[1:]])
        clouds = clouds + 0.003 * torch.randn(B, 17, N, 3)
        clouds[:, :, :6] = torch.rand(B, 17, 6, 3) - 0.5
        moments = times(17, B)
        together = fit_paths(clouds, moments)
        for k in range(B):
            alone = fit_paths(clouds[k : k + 1, :, 6:], moments[k : k + 1])
            torch.testing.assert_close(together[k : k + 1, :, 6:], alone)

    def test_one_frame_stands_still(self):
        cloud = torch.rand(B, 1, N, 3)
        paths = fit_paths(cloud, torch.zeros(B, 1))
        for t in (0.0, 0.5, 1.0):
            moment = torch.full((B,), t)
            torch.testing.assert_close(positions_at(paths, moment), cloud[:, 0])
            torch.testing.assert_close(velocities_at(paths, moment), torch.zeros(B, N, 3))

    def test_beyond_the_last_frame_a_path_goes_on(self):
        """Seen in the first half alone: better than standing still where it was seen last."""
        clouds = turning_clouds(17)
        seen = clouds[:, :9] + 1e-3 * torch.randn(B, 9, N, 3)
        end = positions_at(fit_paths(seen, times(9, B) * 0.5), torch.ones(B))
        still = (clouds[:, 8] - clouds[:, -1]).norm(dim=-1).mean()
        assert (end - clouds[:, -1]).norm(dim=-1).mean() < 0.7 * still

    def test_bf16_does_not_round_positions(self):
        clouds = turning_clouds(17)
        exact = positions_at(fit_paths(clouds, times(17, B)), torch.full((B,), 0.3))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = positions_at(fit_paths(clouds, times(17, B)), torch.full((B,), 0.3))
        assert torch.equal(rounded, exact)


class TestRigidMotion:
    def test_the_spin_of_a_turning_body_is_found(self, double_precision, monkeypatch):
        monkeypatch.setattr("im2mesh.models.local.rigid_motion.RIDGE", 0.0)
        paths = fit_paths(turning_clouds(9).double(), times(9, B).double(), 6, (0.0,))
        spins = anchor_spins(paths, 6)
        for t in (0.0, 0.4, 1.0):
            found = positions_at(spins, torch.full((B,), t))
            torch.testing.assert_close(
                found, torch.tensor([0.0, 0.0, 0.5]).expand_as(found), rtol=0, atol=1e-4
            )

    def test_the_ridge_makes_spins_a_little_small(self):
        """On a flat piece of surface, where a spin about its normal is hardest to see."""
        cloud = turning_clouds(9) * torch.tensor([1.0, 1.0, 0.05])
        spins = positions_at(anchor_spins(fit_paths(cloud, times(9, B)), 12), torch.ones(B) / 2)
        assert 0.46 < spins[..., 2].median() <= 0.5

    def test_neighbours_of_another_part_count_little(self):
        """Half of the points turn, the other half, which lies between them, stays put."""
        turning = turning_clouds(9)
        clouds = torch.cat(
            [turning[:, :, : N // 2], turning[:, :1, N // 2 :].expand(-1, 9, -1, -1)], 2
        )
        spins = positions_at(anchor_spins(fit_paths(clouds, times(9, B)), 12), torch.zeros(B))
        assert spins[:, : N // 2, 2].median() > 0.3
        assert spins[:, N // 2 :, 2].abs().median() < 0.1

    def test_points_in_one_place_or_on_a_line_have_a_spin(self):
        in_one_place = fit_paths(torch.zeros(1, T, N, 3), times(T, 1))
        assert torch.equal(anchor_spins(in_one_place, 6), torch.zeros(1, 4, N, 3))
        line = torch.rand(1, 1, N, 1) * torch.tensor([1.0, 0.0, 0.0])
        moving = line + 0.1 * times(T, 1).view(1, T, 1, 1)
        assert anchor_spins(fit_paths(moving, times(T, 1)), 6).abs().max() < 0.1


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
        field = VelocityFieldAnchored(C, 0, num_neighbours=4)
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
        code = a_code(turning_clouds().double(), smoothing=1e-4, std=0.0)
        field = VelocityFieldAnchored(C, 0, num_neighbours=6)
        points = 0.8 * (torch.rand(B, 40, 3) - 0.5)

        def end(method: str, step: float) -> Tensor:
            flow = Flow(field, OdeConfig(method=method, step_size=step))
            return flow.integrate_forward(points, torch.tensor([0.0, 1.0]), code)[:, -1]

        exact = end("rk4", 1 / 256)
        errors = [(end("rk4", step) - exact).norm(dim=-1).mean() for step in (1 / 4, 1 / 16)]
        assert errors[1] < errors[0] / 16  # order 2 at least, in spite of kinks
        assert errors[0] < 1e-3


class TestAnchoredField:
    def test_untrained_it_carries_points_with_the_observed_motion(self):
        seen, others = turning_clouds(9), turning_clouds(9)
        flow = Flow(VelocityFieldAnchored(C, 0), OdeConfig(method="rk4", step_size=1 / 8))
        code = a_code(seen, 1e-6, std=0.0)
        path = flow.integrate_forward(others[:, 0], times(9, 1)[0], code)
        moved = (others[:, -1] - others[:, 0]).norm(dim=-1).mean()
        assert (path[:, -1] - others[:, -1]).norm(dim=-1).mean() < 0.1 * moved

    def test_forward_then_backward_returns(self):
        flow = Flow(VelocityFieldAnchored(C, 0), OdeConfig(method="rk4", step_size=1 / 32))
        code, points = a_code(turning_clouds(9), 1e-6, std=0.05), turning_clouds()[:, 0]
        end = flow.integrate_forward(points, torch.tensor([0.0, 1.0]), code)[:, -1]
        back = flow.integrate_backward(end, torch.ones(B), code)[:, -1]
        assert (back - points).norm(dim=-1).max() < 2e-3

    def test_order_of_the_anchors_does_not_matter(self):
        field, code = VelocityFieldAnchored(C, 0), a_code(turning_clouds())
        points, t = torch.rand(B, 9, 3), torch.tensor([0.1, 0.7])
        shuffled = part(code, slice(None), torch.randperm(N))
        torch.testing.assert_close(field(t, points, shuffled), field(t, points, code))

    def test_sequences_do_not_see_each_other(self):
        field, code = VelocityFieldAnchored(C, 0), a_code(turning_clouds())
        points, t = torch.rand(B, 9, 3), torch.tensor([0.1, 0.7])
        together = field(t, points, code)[1:]
        apart = field(t[1:], points[1:], part(code, slice(1, None), torch.arange(N)))
        torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-5)

    def test_all_points_in_one_place(self):
        field, code = VelocityFieldAnchored(C, 0), a_code(torch.zeros(B, T, N, 3))
        assert field(torch.zeros(B), torch.rand(B, 9, 3), code).isfinite().all()

    def test_fewer_points_than_neighbours_are_an_error(self):
        with pytest.raises(ValueError, match="9 neighbours are looked for, but there are 8"):
            a_code(turning_clouds()[:, :, :8])
        field = VelocityFieldAnchored(C, 0, num_neighbours=N)
        with pytest.raises(ValueError, match="31 neighbours are looked for, but there are 30"):
            field(torch.zeros(B), torch.rand(B, 9, 3), a_code(turning_clouds()))


class TestGradients:
    """Everything is declared to the adjoint: what the anchors are, and where."""

    def problem(self) -> tuple[AnchorMotion, tuple[Tensor, Tensor, Tensor], Tensor]:
        motion = AnchorMotion(C, 8)
        for parameter in motion.parameters():
            nn.init.normal_(parameter, std=0.05)
        paths = fit_paths(turning_clouds().double(), times(T, B), 4, (1e-4,))
        leaves = (paths, torch.randn(B, N, C), torch.randn(B, C))
        for leaf in leaves:
            leaf.requires_grad_()
        return motion, leaves, torch.rand(B, 6, 3, requires_grad=True)

    @staticmethod
    def loss(
        motion: AnchorMotion, leaves: tuple[Tensor, Tensor, Tensor], points: Tensor, gradient: str
    ) -> Tensor:
        """Of points carried forward and backward; features and anchors matter in several ways."""
        field = VelocityFieldAnchored(C, 0, num_neighbours=5)
        ode = OdeConfig(method="rk4", step_size=1 / 24, gradient=gradient)  # type: ignore[arg-type]
        flow, code = Flow(field, ode), motion(*leaves)
        forward = flow.integrate_forward(points, torch.tensor([0.0, 0.6]), code)[:, -1]
        backward = flow.integrate_backward(points, torch.tensor([0.3, 1.0]), code)[:, -1]
        return forward.square().sum() + backward.square().sum()

    def test_adjoint_equals_direct(self, double_precision):
        motion, leaves, points = self.problem()
        inputs = (points, *leaves, *motion.parameters())
        direct, adjoint = (
            torch.autograd.grad(self.loss(motion, leaves, points, kind), inputs)
            for kind in ("direct", "adjoint")
        )
        for a, b in zip(direct, adjoint, strict=True):
            assert a.abs().sum() > 0
            assert (a - b).norm() < 2e-3 * a.norm()

    @pytest.mark.parametrize("which", [0, 1, 2], ids=["paths", "features", "c"])
    def test_direct_equals_finite_differences(self, which, double_precision):
        motion, leaves, points = self.problem()
        value = leaves[which]
        (gradient,) = torch.autograd.grad(self.loss(motion, leaves, points, "direct"), value)
        direction = torch.randn_like(value)

        def shifted(h: float) -> Tensor:
            moved = [leaf.detach() for leaf in leaves]
            moved[which] = moved[which] + h * direction
            return self.loss(motion, (moved[0], moved[1], moved[2]), points, "direct")

        difference = (shifted(1e-6) - shifted(-1e-6)) / 2e-6
        expected = (gradient * direction).sum()
        torch.testing.assert_close(difference, expected, rtol=1e-4, atol=1e-7)


class TestOtherGradients:
    @pytest.mark.parametrize("what", ["points", "paths", "features", "c"])
    def test_the_decoder_equals_finite_differences(self, what, double_precision):
        decoder = DecoderLocalAttention(3, C, 0, hidden_size=8, num_neighbours=5)
        for parameter in decoder.parameters():
            nn.init.normal_(parameter, std=0.3)
        values = {
            "points": torch.rand(B, 6, 3) - 0.5,
            "paths": torch.rand(B, 1, N, 3) - 0.5,
            "features": torch.randn(B, N, C),
            "c": torch.randn(B, C),
        }

        def logits(value: Tensor) -> Tensor:
            v = {**values, what: value}
            code = AnchoredCode(v["c"], v["c"][:, :0], v["paths"], v["features"])
            return decoder(v["points"], code).square().sum()

        value = values[what].requires_grad_()
        (gradient,) = torch.autograd.grad(logits(value), value)
        direction = torch.randn_like(value)
        plus, minus = (logits(value.detach() + h * direction) for h in (1e-6, -1e-6))
        torch.testing.assert_close(
            (plus - minus) / 2e-6, (gradient * direction).sum(), rtol=1e-4, atol=1e-7
        )


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

    @pytest.mark.parametrize(("kind", "terms"), [(PointnetLocal, DEGREE + 1), (PointnetTracked, 1)])
    def test_any_number_of_frames_at_any_times(self, kind, terms):
        encoder = kind(17, C, hidden_size=8)
        for count in (1, 2, 5, 30):
            code = encoder(turning_clouds(count), times(count, B) ** 2)
            assert code.paths.shape == (B, terms, N, 3)
            assert code.features.isfinite().all()

    def test_the_shape_of_tracked_points_is_that_of_the_first_frame(self):
        """Whatever the motion: anchors stand where paths begin."""
        encoder = randomize(PointnetTracked(T, C, hidden_size=8))
        torch.manual_seed(0)
        slow = turning_clouds(T, speed=0.1)
        torch.manual_seed(0)
        fast = turning_clouds(T, speed=0.3)
        codes = [encoder(clouds, times(T, B)) for clouds in (slow, fast)]
        torch.testing.assert_close(codes[0].paths, codes[1].paths, atol=2e-4, rtol=0)
        torch.testing.assert_close(codes[0].features, codes[1].features, atol=2e-3, rtol=0)

    def test_noise_of_tracked_points_is_averaged(self):
        torch.manual_seed(0)
        clean = turning_clouds(17)
        noisy = clean + 0.02 * torch.randn_like(clean)
        anchors = PointnetTracked(17, C, hidden_size=8)(noisy, times(17, B)).paths[:, 0]
        left, before = ((p - clean[:, 0]).norm(dim=-1).mean() for p in (anchors, noisy[:, 0]))
        assert left < 0.65 * before

    @pytest.mark.parametrize(
        "shape",
        [PointnetLocal(1, C, hidden_size=8), PointnetTracked(T, C, hidden_size=8)],
        ids=["first", "all"],
    )
    def test_every_weight_gets_a_gradient_through_the_whole_model(self, shape):
        model = OccupancyFlow(
            shape,
            PointnetLocal(T, C, hidden_size=8),
            DecoderLocalAttention(3, C, 0, hidden_size=8),
            Flow(VelocityFieldAnchored(C, 0), OdeConfig(method="rk4")),
        )
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.05)
        codes = model.encode(turning_clouds(), times(T, B))
        points = torch.rand(B, 20, 3) - 0.5
        loss = model.occupancy_logits(points, torch.tensor([0.5, 1.0]), codes).square().sum()
        loss.backward()
        without = [name for name, p in model.named_parameters() if not p.grad.abs().sum() > 0]
        assert without == []

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_copies_stand_for_rows_that_follow_nothing(self, noise):
        clouds = with_outliers(turning_clouds(17, speed=1.0), noise)
        for encoder in (PointnetLocal(17, C, hidden_size=8), PointnetTracked(17, C, hidden_size=8)):
            code = encoder(clouds, times(17, B))
            others = encoder(clouds[:, :, 6:], times(17, B))
            torch.testing.assert_close(code.paths[:, :, 6:], others.paths)
            torch.testing.assert_close(code.paths[:, :, :6], others.paths[:, :, ::4])

    def test_copies_are_those_of_rows_that_neighbours_have_bettered(self):
        truth = turning_clouds(17, speed=1.0)
        noisy = with_outliers(truth, 0.02)

        def follow(clouds: Tensor) -> Tensor:
            followed = follow_points(clouds, times(17, B), DEGREE, with_neighbours=True)
            return positions_at(followed.paths, torch.zeros(B))

        def error(start: Tensor) -> Tensor:
            return (start[:, 6 - N :] - truth[:, 0, 6:]).norm(dim=-1).mean()

        found = follow(noisy)
        torch.testing.assert_close(found[:, :6], found[:, 6:][:, ::4])
        without = error(follow(noisy[:, :, 6:]))
        assert without < 0.02
        assert error(found) < 1.15 * without

    @pytest.mark.parametrize("kind", [PointnetLocal, PointnetTracked])
    def test_after_training_neighbours_take_noise_away(self, kind):
        truth = turning_clouds(17, speed=1.0)
        noisy = truth + 0.02 * torch.randn_like(truth)
        encoder = kind(17, C, hidden_size=8)

        def error(encoder: nn.Module) -> Tensor:
            start = positions_at(encoder(noisy, times(17, B)).paths, torch.zeros(B))
            return (start - truth[:, 0]).norm(dim=-1).mean()

        assert error(encoder.eval()) < 0.75 * error(encoder.train())

    def test_outliers_mislead_no_point(self):
        clean = turning_clouds(17, speed=1.0)
        ends, started = torch.tensor([0.0, 1.0]), clean[:, 0, 6:]

        def error(clouds: Tensor) -> Tensor:
            code = PointnetLocal(17, C, hidden_size=8)(clouds, times(17, B))
            path = Anchored(C, 0).integrate_forward(started, ends, code)
            return (path[:, -1] - clean[:, -1, 6:]).norm(dim=-1).mean()

        assert error(with_outliers(clean)) < 2 * error(clean[:, :, 6:]) < 2e-3

    def test_at_least_half_of_the_rows_are_kept(self):
        clouds = torch.rand(B, 17, N, 3) - 0.5  # no row follows anything
        followed = follow_points(clouds, times(17, B), DEGREE, with_neighbours=False)
        distinct = {tuple(path) for path in followed.paths[0].flatten(0).view(-1, N, 3)[0].tolist()}
        assert len(distinct) >= N // 2

    def test_of_a_large_cloud_a_part_becomes_anchors(self):
        clouds = turning_clouds(T)
        for kind in (PointnetLocal, PointnetTracked):
            encoder = kind(T, C, hidden_size=8, max_points=10)
            code, part = (encoder(c, times(T, B)) for c in (clouds, clouds[:, :, :10]))
            assert code.features.shape == part.features.shape == (B, 10, C)
            rows = [0, 3, 6, 9, 12, 16, 19, 22, 25, 29]
            torch.testing.assert_close(
                code.features, encoder(clouds[:, :, rows], times(T, B)).features
            )

    def test_the_papers_decoder_reads_the_code_of_all_points(self):
        encoder = randomize(PointnetLocal(1, C, hidden_size=8))
        code = encoder(torch.rand(B, 1, N, 3), torch.zeros(B, 1))
        assert DecoderCBatchNorm(3, C, 0, hidden_size=8)(torch.rand(B, 9, 3), code).shape == (B, 9)

    def test_settings_without_effect_are_refused(self):
        with pytest.raises(ValueError, match="has no effect on a single frame; leave it out"):
            PointnetLocal(1, C, path_degree=9)

    @pytest.mark.parametrize("wrong", [[0.0, 0.0, 1.0], [0.0, 0.7, 0.4]])
    def test_times_that_do_not_increase_are_refused(self, wrong):
        model = OccupancyFlow(None, None, None, Carried(C, 0))
        with pytest.raises(ValueError, match=r"must increase strictly, got .*leave out frames"):
            model.encode(torch.rand(1, 3, N, 3), torch.tensor([wrong]))

    @pytest.mark.parametrize("count", [5, 8])
    def test_too_few_points_are_told_before_training(self, count):
        with pytest.raises(ConfigError, match=r"needs at least 9 observed points.* raise it"):
            build_model(
                build_config("configs/pointcloud/local.yaml", [f"data.num_input_points={count}"])
            )

    def test_points_in_space_and_time_are_refused(self):
        with pytest.raises(ValueError, match="looks for neighbours in space at one time"):
            DecoderLocalAttention(4, C, 0)


class TestWithoutCorrespondence:
    """Clouds of other points in every frame."""

    def test_order_within_a_frame_does_not_matter(self):
        network = randomize(SoftMatching(T, C, hidden_size=8, num_neighbours=4)).double()
        clouds = turning_clouds() + 0.05 * torch.randn(B, T, N, 3)  # no two distances are equal
        clouds = clouds.double()
        shuffled = torch.stack([cloud[:, torch.randperm(N)] for cloud in clouds.unbind(1)], 1)
        moments = times(T, B).double()
        torch.testing.assert_close(network(shuffled, moments).c, network(clouds, moments).c)

    def test_any_number_of_frames_at_any_times(self):
        network = SoftMatching(T, C, hidden_size=8)
        for count in (2, 5, 20):
            assert network(turning_clouds(count), times(count, B) ** 2).c.isfinite().all()

    def test_paths_start_at_the_first_cloud(self):
        clouds = turning_clouds()
        code = randomize(SoftMatching(T, C, hidden_size=8))(clouds, times(T, B))
        start = positions_at(code.paths, torch.zeros(B))
        torch.testing.assert_close(start, clouds[:, 0], rtol=0, atol=1e-4)
        assert (positions_at(code.paths, torch.ones(B)) - start).norm(dim=-1).mean() > 1e-3


class TestEvidence:
    """Clouds of several frames, carried to t = 0, show the shape."""

    def model(self, evidence_frames: int) -> OccupancyFlow:
        encoder = PointnetLocal(1, C, hidden_size=8, num_neighbours=4)
        return OccupancyFlow(encoder, None, None, Carried(C, 0), evidence_frames=evidence_frames)

    def test_the_first_cloud_alone_is_the_default(self):
        clouds = turning_clouds()
        codes = self.model(1).encode(clouds, times(T, B))
        assert torch.equal(positions_at(codes.shape.paths, torch.zeros(B)), clouds[:, 0])

    def test_other_clouds_join_it_where_they_were(self):
        """Frames 0, 2 and 4 of particles that are followed exactly: three times the first cloud."""
        clouds = turning_clouds()
        codes = self.model(3).encode(clouds, times(T, B))
        anchors = positions_at(codes.shape.paths, torch.zeros(B))
        assert anchors.shape == (B, 3 * N, 3)
        for copy in anchors.split(N, 1):
            assert (copy - clouds[:, 0]).norm(dim=-1).mean() < 0.05

    def test_the_shape_teaches_the_motion(self):
        encoder = PointnetLocal(T, C, hidden_size=8)
        flow = Flow(VelocityFieldAnchored(C, 0), OdeConfig(method="rk4", step_size=1.0))
        shape = PointnetLocal(1, C, hidden_size=8)
        model = OccupancyFlow(shape, encoder, None, flow, evidence_frames=2)
        codes = model.encode(turning_clouds(), times(T, B))
        codes.shape.features.square().sum().backward()
        assert encoder.motion.fc_twist.weight.grad.abs().sum() > 0
