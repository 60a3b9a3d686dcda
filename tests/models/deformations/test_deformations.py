"""Flows that integrate nothing: what they promise of moves; the encoder of codes per frame."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from im2mesh.config.schema import OdeConfig
from im2mesh.models.code import Code, CodePerFrame, FramesCode
from im2mesh.models.deformations.coupling import Coupling
from im2mesh.models.deformations.displacement import Displacement
from im2mesh.models.deformations.given import Carried, Static
from im2mesh.models.deformations.one_shot import OneShotDeformation
from im2mesh.models.encoders.pointnet import PointnetPerFrame, PointnetSpaceTime
from im2mesh.models.flow.flow import Flow
from im2mesh.models.local.codes import MovingCode
from im2mesh.models.local.deformation import Anchored
from im2mesh.models.local.paths import positions_at
from im2mesh.models.local.rotations import rotation_matrices
from im2mesh.models.local.velocity_fields import VelocityFieldAnchored
from im2mesh.models.wiring.parts import DEFORMATIONS
from tests.models.test_models import randomize

B, K, N, C, Z = 3, 5, 7, 6, 4
NETWORKS = {
    "displacement": {"hidden_size": 8, "num_blocks": 2},
    "coupling": {"hidden_size": 8},
}


def some_points(count: int = N, batch: int = B) -> Tensor:
    return torch.rand(batch, count, 3) - 0.5


def some_times(batch: int = B) -> Tensor:
    """Irregular, and others in every sequence."""
    inner = torch.rand(batch, K - 1).sort(dim=1).values * 0.9 + 0.1
    return torch.cat([torch.zeros(batch, 1), inner], 1)


def some_code(batch: int = B, latent_size: int = 0) -> CodePerFrame:
    return CodePerFrame(
        c=torch.randn(batch, C),
        z=torch.randn(batch, latent_size),
        frames=torch.randn(batch, K, C),
        times=some_times(batch),
    )


def part(code: CodePerFrame, rows: slice) -> CodePerFrame:
    return CodePerFrame(code.c[rows], code.z[rows], code.frames[rows], code.times[rows])


def learned(name: str, latent_size: int = 0) -> OneShotDeformation:
    return randomize(DEFORMATIONS[name](C, latent_size, **NETWORKS[name]))  # type: ignore[return-value]


def moving_code(batch: int = B, count: int = 20) -> MovingCode:
    """Anchors that go on curved ways and turn."""
    return MovingCode(
        c=torch.randn(batch, C),
        z=torch.randn(batch, 0),
        paths=torch.rand(batch, 6, count, 3) - 0.5,
        features=torch.randn(batch, count, C),
        twists=0.3 * torch.randn(batch, 4, count, 6),
        weights=torch.rand(batch, count, 1) + 0.1,
    )


def flow_and_code(name: str) -> tuple[OneShotDeformation, Code]:
    if name in NETWORKS:
        return learned(name), some_code()
    if name == "anchored":
        return Anchored(C, 0), moving_code()
    return DEFORMATIONS[name](0, 0), observed(torch.randn(B, K, N, 3), some_times())


def observed(frames: Tensor, times: Tensor | None = None) -> FramesCode:
    batch, count = frames.shape[:2]
    times = torch.linspace(0, 1, count).expand(batch, -1) if times is None else times
    nothing = frames.new_zeros(batch, 0)
    return FramesCode(nothing, nothing, frames, times.to(frames))


# All of them


@pytest.mark.parametrize("name", DEFORMATIONS)
def test_the_two_verbs_ask_for_moves(name):
    """Forward from 0 to every time; backward from a time per sequence to fractions of it."""
    flow, code = flow_and_code(name)
    points, times, t = some_points(), torch.tensor([0.0, 0.3, 1.0]), torch.tensor([0.1, 0.6, 1.0])
    zeros = torch.zeros(B)
    path = flow.integrate_forward(points, times, code)
    assert path.shape == (B, 3, N, 3) and torch.equal(path[:, 0], points)
    for k in (1, 2):
        moved = flow.move(points, zeros, times[k].expand(B), code)
        torch.testing.assert_close(path[:, k], moved, atol=1e-6, rtol=0)
    back = flow.integrate_backward(points, t, code, torch.tensor([1.0, 0.5, 0.0]))
    assert back.shape == (B, 3, N, 3) and torch.equal(back[:, 0], points)
    torch.testing.assert_close(back[:, 1], flow.move(points, t, t / 2, code), atol=1e-6, rtol=0)
    torch.testing.assert_close(back[:, 2], flow.move(points, t, zeros, code), atol=1e-6, rtol=0)
    to_0 = flow.integrate_backward(points, t, code)
    torch.testing.assert_close(to_0[:, -1], back[:, 2], atol=1e-6, rtol=0)
    assert flow.nfe == 5  # two forward, two with fractions, one without


@pytest.mark.parametrize("name", DEFORMATIONS)
def test_times_outside_the_window_are_refused(name):
    """As by the flow that integrates."""
    flow, code = flow_and_code(name)
    points = some_points()
    for times, message in (
        ([0.2, 0.1, 3.0], "must start at 0"),
        ([0.0, 0.5, 0.5], "increase strictly"),
        ([0.0, 1.5], "end at 1 at the latest"),
        ([], "must start at 0"),
    ):
        with pytest.raises(ValueError, match=message):
            flow.integrate_forward(points, torch.tensor(times), code)
    for t in (7.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"t must lie in \[0, 1\]"):
            flow.integrate_backward(points, torch.tensor([0.5, t, 1.0]), code)
    for fractions in ([0.5, 0.0], [1.0, 0.0, 0.5], [1.0, -0.5]):
        with pytest.raises(ValueError, match="1 - fractions must"):
            flow.integrate_backward(points, torch.ones(B), code, torch.tensor(fractions))
    assert flow.nfe == 0


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("latent_size", [0, Z])
def test_what_is_learned_depends_on_everything_it_is_given(name, latent_size):
    flow, code, points = learned(name, latent_size), some_code(B, latent_size), some_points()
    start, end = torch.tensor([0.0, 0.2, 0.9]), torch.tensor([0.5, 1.0, 0.1])
    moved = flow.move(points, start, end, code)
    moved.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in flow.parameters())
    alone = flow.move(points[1:2], start[1:2], end[1:2], part(code, slice(1, 2)))
    torch.testing.assert_close(alone, moved[1:2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        flow.move(points.flip(1), start, end, code), moved.flip(1), atol=1e-5, rtol=1e-4
    )
    assert not torch.allclose(flow.move(points, start, end + 0.05, code), moved)
    assert not torch.allclose(flow.move(points, start + 0.05, end, code), moved)
    for name in ("c", "z", "frames"):
        changed = {**vars(code), name: vars(code)[name] + 1}
        same = torch.allclose(flow.move(points, start, end, CodePerFrame(**changed)), moved)
        assert same == (name == "z" and latent_size == 0), name


@pytest.mark.parametrize("name", NETWORKS)
def test_a_path_is_continuous_also_where_frames_are(name):
    flow, code, points = learned(name), some_code(1), some_points(batch=1)
    frame, zero, eps = code.times[:, 2], torch.zeros(1), 1e-4
    before, at, after = (flow.move(points, zero, frame + shift, code) for shift in (-eps, 0.0, eps))
    assert (before - at).abs().max() < 0.05 and (after - at).abs().max() < 0.05
    assert not torch.equal(before, at)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_gradient_reaches_the_codes_of_both_times(name):
    flow, points = learned(name), some_points(batch=1)
    frames = torch.randn(1, K, C, requires_grad=True)
    code = CodePerFrame(
        torch.zeros(1, C), torch.zeros(1, 0), frames, torch.linspace(0, 1, K).view(1, -1)
    )
    flow.move(points, torch.tensor([0.25]), torch.tensor([1.0]), code).square().sum().backward()
    assert frames.grad is not None
    assert (frames.grad.abs().sum(-1) > 0).tolist() == [[False, True, False, False, True]]


# anchored


def test_rotations_are_those_of_the_matrix_exponential(double_precision):
    turn = torch.randn(50, 3) * torch.logspace(-8, 0.5, 50).unsqueeze(1)
    x, y, z = turn.unbind(-1)
    o = torch.zeros_like(x)
    cross = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).view(-1, 3, 3)
    torch.testing.assert_close(
        rotation_matrices(turn), torch.linalg.matrix_exp(cross), rtol=0, atol=1e-12
    )
    start = torch.zeros(1, 3, requires_grad=True)
    rotation_matrices(start).sum().backward()
    assert start.grad is not None and start.grad.isfinite().all()


def test_a_lone_anchor_moves_points_as_the_field_does(double_precision):
    """With one neighbour that stays the nearest, and a fixed axis, one shot is the exact flow."""
    code = moving_code(1, 2)
    code.paths[:, 0, 1] += 100  # the other one is far away
    code.twists[..., 3:] = torch.randn(1, 4, 2, 1) * torch.tensor([0.6, 0.0, 0.8])
    flow, field = Anchored(C, 0, num_neighbours=1), VelocityFieldAnchored(C, 0, num_neighbours=1)
    exact = Flow(field, OdeConfig(method="rk4", step_size=0.01, gradient="direct"))
    points, stops = some_points(batch=1), torch.tensor([0.0, 0.4, 1.0])
    path = flow.integrate_forward(points, stops, code)
    torch.testing.assert_close(
        path, exact.integrate_forward(points, stops, code), rtol=0, atol=1e-6
    )
    back = flow.integrate_backward(path[:, -1], torch.ones(1), code)
    torch.testing.assert_close(back[:, -1], points, rtol=0, atol=1e-10)


def test_a_learned_velocity_is_a_drift():
    code, points = moving_code(1), some_points(batch=1)
    flow, zero, end = Anchored(C, 0), torch.zeros(1), torch.tensor([0.7])
    before = flow.move(points, zero, end, code)
    code.twists[:, 0, :, :3] += torch.tensor([0.1, 0.2, -0.3])
    drift = 0.7 * torch.tensor([0.1, 0.2, -0.3])
    torch.testing.assert_close(flow.move(points, zero, end, code), before + drift)


def test_anchored_keeps_sequences_apart():
    code, flow, points = moving_code(), Anchored(C, 0), some_points()
    start, end = torch.tensor([0.0, 0.8, 0.3]), torch.tensor([1.0, 0.1, 0.3])
    together = flow.move(points, start, end, code)
    for k in range(B):
        rows = slice(k, k + 1)
        own = MovingCode(*(value[rows] for value in vars(code).values()))
        torch.testing.assert_close(
            flow.move(points[rows], start[rows], end[rows], own), together[rows]
        )
    torch.testing.assert_close(together[2], points[2], rtol=0, atol=1e-5)  # to the time it is at
    assert not torch.allclose(together[:2], points[:2], atol=1e-2)


def test_anchored_among_many_anchors_nearly_returns(double_precision):
    code, points = moving_code(1, 60), some_points(200, 1)
    flow, zero, one = Anchored(C, 0), torch.zeros(1), torch.ones(1)
    code.paths[:, 1:] *= 0.01  # ways of some hundredths, as in a window
    code.twists[:] *= 0.1
    there = flow.move(points, zero, one, code)
    back = flow.move(there, one, zero, code)
    moved, missed = ((x - points).norm(dim=-1).mean() for x in (there, back))
    assert missed < 0.3 * moved


def test_bf16_does_not_round_what_anchors_carry():
    code, flow, points = moving_code(), Anchored(C, 0), some_points()
    exact = flow.move(points, torch.zeros(B), torch.ones(B), code)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(flow.move(points, torch.zeros(B), torch.ones(B), code), exact)


def test_a_heavier_anchor_counts_more():
    """Up to all: points beside it move with it alone."""
    code, flow, zero, end = moving_code(1), Anchored(C, 0), torch.zeros(1), torch.ones(1)
    code.weights[:, 3] = 1e9
    at_anchor = positions_at(code.paths, zero)[:, 3]
    points = at_anchor.unsqueeze(1) + 0.05 * torch.randn(1, 5, 3)
    others = torch.full((9,), 3)  # as if all anchors were this one
    alone = replace(
        code,
        paths=code.paths[:, :, others],
        features=code.features[:, others],
        twists=code.twists[:, :, others],
        weights=code.weights[:, others],
    )
    moved, expected = flow.move(points, zero, end, code), flow.move(points, zero, end, alone)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-4)
    lighter = replace(code, weights=torch.ones_like(code.weights))
    assert not torch.allclose(flow.move(points, zero, end, lighter), expected, atol=1e-2)


@pytest.mark.parametrize("what", ["points", "paths", "twists", "weights"])
def test_gradients_of_one_shot_equal_finite_differences(what, double_precision):
    code, points, flow = moving_code(2, 10), some_points(4, 2), Anchored(C, 0)
    start, end = torch.tensor([0.1, 0.8]), torch.tensor([0.9, 0.2])

    def moved(value: Tensor) -> Tensor:
        if what == "points":
            return flow.move(value, start, end, code)
        return flow.move(points, start, end, replace(code, **{what: value}))

    value = points if what == "points" else getattr(code, what)
    assert torch.autograd.gradcheck(moved, value.clone().requires_grad_(), atol=1e-5)


def test_anchored_is_continuous_where_neighbours_change(double_precision):
    code, flow = moving_code(1, 60), Anchored(C, 0)
    line = torch.linspace(-0.4, 0.4, 20000).view(1, -1, 1) * torch.tensor([1.0, 0.7, -0.3])
    moved = flow.move(line, torch.zeros(1), torch.ones(1), code)
    steps = moved.diff(dim=1).norm(dim=-1)
    assert steps.max() < 0.01  # the anchors go ways of 1 and more


# displacement


def test_displacement_from_a_time_to_itself_is_exactly_nothing():
    flow, points, t = learned("displacement"), some_points(), torch.tensor([0.0, 0.37, 1.0])
    assert torch.equal(flow.move(points, t, t, some_code()), points)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(flow.move(points, t, t, some_code()), points)


def test_displacement_is_not_inverted_by_the_way_back():
    flow, points, code = learned("displacement"), some_points(), some_code()
    start, end = torch.zeros(B), torch.ones(B)
    back = flow.move(flow.move(points, start, end, code), end, start, code)
    assert not torch.allclose(back, points, atol=1e-2)


# coupling

PRECISIONS = {torch.float64: 1e-10, torch.float32: 1e-5}


def trained_like(dtype: torch.dtype) -> Coupling:
    """Weights that move points by about as much as a window does."""
    flow = Coupling(C, 0, hidden_size=16)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return flow.to(dtype)


def in_precision(code: CodePerFrame, dtype: torch.dtype) -> CodePerFrame:
    return CodePerFrame(**{name: value.to(dtype) for name, value in vars(code).items()})


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items())
def test_coupling_is_undone_composes_and_stays(dtype, tolerance):
    flow, code = trained_like(dtype), in_precision(some_code(), dtype)
    points = some_points(200).to(dtype)
    start, middle, end = torch.rand(3, B, dtype=dtype)
    there = flow.move(points, start, end, code)
    assert (there - points).abs().max() > 0.1
    back = flow.move(there, end, start, code)
    torch.testing.assert_close(back, points, atol=tolerance, rtol=0)
    stopped = flow.move(flow.move(points, start, middle, code), middle, end, code)
    torch.testing.assert_close(stopped, there, atol=tolerance, rtol=0)
    stayed = flow.move(points, start, start, code)
    torch.testing.assert_close(stayed, points, atol=tolerance, rtol=0)


def test_coupling_starts_as_the_identity():
    points = some_points()
    moved = Coupling(C, 0, hidden_size=8).move(points, torch.zeros(B), torch.ones(B), some_code())
    torch.testing.assert_close(moved, points)


def test_coupling_is_undone_by_the_two_verbs():
    flow, code, points = trained_like(torch.float32), some_code(), some_points()
    path = flow.integrate_forward(points, torch.tensor([0.0, 0.5, 1.0]), code)
    back = flow.integrate_backward(path[:, -1], torch.ones(B), code, torch.tensor([1.0, 0.5, 0.0]))
    torch.testing.assert_close(back.flip(1), path, atol=1e-5, rtol=0)


def test_coupling_is_undone_under_autocast():
    """Also where rounding to bf16 would tell a point and its round trip apart."""
    flow, code, points = trained_like(torch.float32), some_code(), some_points(2000)
    start, end = torch.zeros(B), torch.tensor([0.3, 0.8, 1.0])
    with torch.autocast("cpu", torch.bfloat16):
        there = flow.move(points, start, end, code)
        back = flow.move(there, end, start, code)
    assert there.dtype == back.dtype == torch.float32
    torch.testing.assert_close(back, points, atol=1e-5, rtol=0)
    exact = flow.move(points, start, end, code)
    assert not torch.equal(there, exact)  # the maps of the codes are in bf16
    torch.testing.assert_close(there, exact, atol=0.05, rtol=0)


def test_coupling_layers_ask_for_full_precision_and_put_back_what_was_set(tf32, monkeypatch):
    """On the CPU the setting changes nothing, so it is the setting itself that is looked at."""
    seen = []
    flow, code, points = trained_like(torch.float32), some_code(), some_points()
    for module in flow.layers.modules():
        if isinstance(module, torch.nn.Linear) and module.in_features in (2, 16):
            module.register_forward_hook(
                lambda *_: seen.append(torch.get_float32_matmul_precision())
            )
    flow.move(points, torch.zeros(B), torch.ones(B), code)
    assert seen and set(seen) == {"highest"}
    assert torch.get_float32_matmul_precision() == "high"
    monkeypatch.setattr(torch.nn.functional, "relu", None)  # breaks in the midst
    with pytest.raises(TypeError):
        flow.move(points, torch.zeros(B), torch.ones(B), code)
    assert torch.get_float32_matmul_precision() == "high"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_coupling_is_undone_on_a_gpu_also_under_tf32(tf32):
    flow, code, points = trained_like(torch.float32).cuda(), some_code(), some_points(2000).cuda()
    code = CodePerFrame(**{name: value.cuda() for name, value in vars(code).items()})
    start, end = torch.zeros(B).cuda(), torch.tensor([0.3, 0.8, 1.0]).cuda()
    there = flow.move(points, start, end, code)
    assert (there - points).abs().max() > 0.1
    back = flow.move(there, end, start, code)
    torch.testing.assert_close(back, points, atol=1e-5, rtol=0)


def test_coupling_layers_change_every_axis_in_turn_and_keep_the_others():
    flow, code, points = trained_like(torch.float32), some_code(), some_points()
    condition = torch.cat([code.at(torch.zeros(B)), code.c, code.z], -1)
    for k, layer in enumerate(flow.layers):
        changed = (layer(points, condition) != points).any(1).any(0)
        assert changed.tolist() == [axis == k % 3 for axis in range(3)]


def test_coupling_layers_neither_fold_nor_crush_space(double_precision):
    """Between e^-1 and e per layer, however large the weights: the inverse is well conditioned."""
    flow = Coupling(C, 0, hidden_size=8)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=10.0)
    code, points = some_code(), some_points()
    condition = torch.cat([code.at(torch.zeros(B)), code.c, code.z], -1)
    for layer in flow.layers:
        step = torch.zeros(3).index_fill(0, torch.tensor(layer.axis), 0.1)
        stretched = (layer(points + step, condition) - layer(points, condition))[..., layer.axis]
        assert (stretched > 0.99 * 0.1 / 2.7183).all() and (stretched < 1.01 * 0.1 * 2.7183).all()


# The encoder of codes per frame


def test_an_encoder_gives_a_code_per_frame_and_one_of_all():
    encoder = randomize(PointnetPerFrame(17, C, hidden_size=8, num_blocks=3))
    clouds, times = torch.randn(B, K, N, 3), some_times()
    code = encoder(clouds, times)
    assert code.frames.shape == (B, K, C) and code.c.shape == (B, C) and code.z.shape == (B, 0)
    assert torch.equal(code.times, times)
    (code.frames.square().sum() + code.c.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    shuffled = torch.stack([frame[:, torch.randperm(N)] for frame in clouds.unbind(1)], 1)
    torch.testing.assert_close(encoder(shuffled, times).frames, code.frames)
    other = encoder(clouds, times.flip(0))
    assert not torch.allclose(other.frames, code.frames)


def test_the_code_of_a_frame_has_seen_the_others():
    encoder = randomize(PointnetPerFrame(17, C, hidden_size=8, num_blocks=3))
    clouds, times = torch.randn(1, K, N, 3), some_times(1)
    changed = clouds.clone()
    changed[:, 4] += 3
    before, after = (encoder(seen, times).frames[:, 0] for seen in (clouds, changed))
    assert not torch.allclose(before, after)
    alone = randomize(PointnetPerFrame(17, C, hidden_size=8, num_blocks=1))
    before, after = (alone(seen, times).frames[:, 0] for seen in (clouds, changed))
    assert torch.equal(before, after)  # with a single block, nothing has been exchanged


def test_the_code_of_all_frames_is_that_of_the_other_encoder():
    """Both pool the same trunk, so that weights can be taken over."""
    per_frame = randomize(PointnetPerFrame(17, C, hidden_size=8))
    of_all = PointnetSpaceTime(17, C, hidden_size=8)
    weights = {k: v for k, v in per_frame.state_dict().items() if not k.startswith("fc_frame")}
    of_all.load_state_dict(weights)
    clouds, times = torch.randn(B, K, N, 3), some_times()
    assert torch.equal(per_frame(clouds, times).c, of_all(clouds, times))


def test_codes_per_frame_are_interpolated_in_full_precision():
    encoder = randomize(PointnetPerFrame(17, C, hidden_size=8))
    with torch.autocast("cpu", torch.bfloat16):
        code = encoder(torch.randn(B, K, N, 3), some_times())
    assert code.frames.dtype == torch.float32
    at_frames = torch.stack([code.at(t) for t in code.times.unbind(1)], 1)
    torch.testing.assert_close(at_frames, code.frames)
    halfway = code.at((code.times[:, 1] + code.times[:, 2]) / 2)
    torch.testing.assert_close(halfway, (code.frames[:, 1] + code.frames[:, 2]) / 2)


# static and carried


def test_static_moves_nothing():
    points, code = some_points(), observed(torch.randn(B, K, N, 3))
    assert torch.equal(Static(0, 0).move(points, torch.zeros(B), torch.ones(B), code), points)


def shifting(times: Tensor, count: int = 20) -> tuple[FramesCode, Tensor]:
    """Clouds that are shifted as a whole, a little more in every sequence; and the velocities."""
    start = some_points(count, len(times)).unsqueeze(1)
    velocity = torch.tensor([0.3, -0.2, 0.1]) * torch.arange(1, len(times) + 1).view(-1, 1)
    return observed(start + times[..., None, None] * velocity[:, None, None], times), velocity


def test_carried_follows_a_translation_exactly(double_precision):
    times = some_times()
    code, velocity = shifting(times)
    start, end = torch.tensor([0.0, 0.05, 0.1]), times[:, -1] * torch.tensor([1.0, 0.5, 0.9])
    points = some_points()
    moved = Carried(0, 0).move(points, start, end, code)
    expected = points + ((end - start).view(-1, 1) * velocity).unsqueeze(1)
    torch.testing.assert_close(moved, expected, atol=1e-12, rtol=0)
    back = Carried(0, 0).move(moved, end, start, code)
    torch.testing.assert_close(back, points, atol=1e-12, rtol=0)


def test_carried_takes_an_input_point_nearly_along_with_it():
    """Neighbours farther than the softening hardly weigh; a single one is followed exactly."""
    grid = torch.stack(torch.meshgrid(*[torch.arange(3.0)] * 3, indexing="ij"), -1)
    frames = torch.stack([grid.view(-1, 3), grid.view(-1, 3) + 0.1 * torch.randn(27, 3)])[None]
    code = observed(frames)
    moved = Carried(0, 0).move(frames[:, 0], torch.zeros(1), torch.ones(1), code)
    torch.testing.assert_close(moved, frames[:, 1], atol=2e-3, rtol=0)
    one = Carried(0, 0, num_neighbours=1).move(frames[:, 0], torch.zeros(1), torch.ones(1), code)
    torch.testing.assert_close(one, frames[:, 1])


def test_carried_is_straight_between_frames_and_stops_after_the_last():
    times = torch.tensor([[0.0, 0.2, 0.7]])
    code = observed(torch.randn(1, 3, N, 3), times)
    flow, points, zero = Carried(0, 0), some_points(batch=1), torch.zeros(1)
    at = {t: flow.move(points, zero, torch.tensor([t]), code) for t in (0.2, 0.3, 0.7, 1.0)}
    torch.testing.assert_close(at[0.3], at[0.2] + 0.2 * (at[0.7] - at[0.2]))
    assert torch.equal(at[1.0], at[0.7])


def test_carried_keeps_sequences_apart():
    """Each with frames at times of its own, from and to times of its own."""
    code, points = observed(torch.randn(B, K, N, 3), some_times()), some_points()
    start, end = torch.tensor([0.0, 0.8, 0.3]), torch.tensor([1.0, 0.1, 0.3])
    together = Carried(0, 0).move(points, start, end, code)
    for k in range(B):
        rows = slice(k, k + 1)
        own = observed(code.frames[rows], code.times[rows])
        alone = Carried(0, 0).move(points[rows], start[rows], end[rows], own)
        torch.testing.assert_close(alone, together[rows])
    assert torch.equal(together[2], points[2])  # from a time to itself
    assert not torch.allclose(together[:2], points[:2])


def test_a_gradient_reaches_the_points_that_are_carried(double_precision):
    """The weights depend on the points, too: compared with finite differences."""
    code, t = observed(torch.randn(2, K, N, 3)), torch.tensor([0.4, 0.9])
    points = some_points(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p: Carried(0, 0).move(p, torch.zeros(2), t, code), points
    )


def test_one_observed_frame_is_no_motion():
    points = some_points()
    code = observed(torch.randn(B, 1, N, 3), torch.zeros(B, 1))
    assert torch.equal(Carried(0, 0).move(points, torch.zeros(B), torch.ones(B), code), points)


def test_more_neighbours_than_points_are_refused():
    code: Code = observed(torch.randn(B, K, 3, 3))
    message = r"4 neighbours are .*, but there are 3 points; .*data\.num_input_points"
    with pytest.raises(ValueError, match=message):
        Carried(0, 0).move(some_points(), torch.zeros(B), torch.ones(B), code)


def test_what_a_deformation_reads_is_said():
    assert {name: kind.reads for name, kind in DEFORMATIONS.items()} == {
        "static": FramesCode,
        "carried": FramesCode,
        "anchored": MovingCode,
        "displacement": CodePerFrame,
        "coupling": CodePerFrame,
    }
    assert Displacement.input_kind is None  # codes may come of images, too
