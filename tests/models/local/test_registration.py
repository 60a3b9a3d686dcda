"""Registration of clouds that do not correspond: what it finds, and what must not matter."""

import pytest
import torch
from torch import Tensor

from im2mesh.models.local import registration
from im2mesh.models.local.paths import positions_at
from im2mesh.models.local.registration import DEGREE, STAGES, displacement_basis, register_clouds
from im2mesh.models.local.soft_matching import SoftMatching
from tests.models.test_models import times

B, T, N = 2, 5, 150


def bar(count: int, batch: int = B) -> Tensor:
    """Random points on a bar of size 0.8 x 0.1 x 0.1, a limb of two parts."""
    points = (torch.rand(batch, count, 3) - 0.5) * torch.tensor([0.8, 0.1, 0.1])
    face = torch.randint(1, 3, (batch, count, 1))
    side = torch.randint(0, 2, (batch, count, 1)) * 0.1 - 0.05
    return points.scatter(2, face, side)


def bent(points: Tensor, t: float | Tensor) -> Tensor:
    """The part x > 0 has turned about z by 0.5 t, the other stays; t may be beyond 1."""
    angle = 0.5 * t * (points[..., 0] > 0)
    x, y, z = points.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z], -1)


def bending(moments: Tensor, count: int = N) -> Tensor:
    """Other points in every frame, at times of its own in every sequence."""
    frames = [bent(bar(count, len(t)), t.view(-1, 1)) for t in moments.unbind(1)]
    return torch.stack(frames, 1)


def displacements(clouds: Tensor, moments: Tensor, stage: int = -1) -> Tensor:
    """Of the first cloud's points until the last time."""
    motion = register_clouds(clouds, moments)[:, stage]
    return torch.einsum("bj,bnjc->bnc", displacement_basis(moments, DEGREE)[:, -1], motion)


def test_the_same_cloud_again_is_no_motion():
    clouds = bar(N).unsqueeze(1).expand(-1, T, -1, -1)
    assert register_clouds(clouds, times(T, B)).abs().max() < 1e-5


def test_a_shift_is_found_nearly_whole():
    shift = torch.tensor([0.05, -0.08, 0.06])
    moments = times(T, B)
    clouds = bar(N).unsqueeze(1) + moments[..., None, None] * shift
    found = displacements(clouds, moments)
    assert (found - shift).norm(dim=-1).mean() < 0.15 * shift.norm()


@pytest.mark.parametrize("count", [3, T, 17])
def test_a_limb_that_bends_is_followed_without_a_common_point(count):
    moments = times(count, B)
    clouds = bending(moments)
    truth = bent(clouds[:, 0], 1.0) - clouds[:, 0]
    error = (displacements(clouds, moments) - truth).norm(dim=-1).mean()
    assert error < 0.5 * truth.norm(dim=-1).mean()


def test_stages_come_closer_to_the_truth():
    moments = times(7, B)
    clouds = bending(moments)
    truth = bent(clouds[:, 0], 1.0) - clouds[:, 0]
    errors = [(displacements(clouds, moments, k) - truth).norm(dim=-1).mean() for k in (0, 3, 6)]
    assert errors[0] > errors[1] > errors[2]


def test_order_and_company_do_not_matter():
    moments = torch.stack([times(T, 1)[0] ** 2, 0.2 + 0.7 * times(T, 1)[0]]).double()
    clouds = bending(moments).double()
    found = displacements(clouds, moments)
    order, other = torch.randperm(N), torch.randperm(N)
    shuffled = torch.cat([clouds[:, :1, order], clouds[:, 1:, other]], 1)
    torch.testing.assert_close(displacements(shuffled, moments), found[:, order])
    torch.testing.assert_close(displacements(clouds[1:], moments[1:]), found[1:])


def test_a_stray_point_moves_nothing_far_from_it():
    moments = times(T, B)
    clouds = bending(moments)
    before = displacements(clouds, moments)
    clouds[:, 2, 0] = torch.tensor([0.0, 0.9, 0.0])
    assert (displacements(clouds, moments) - before).norm(dim=-1).max() < 0.01


def test_low_precision_of_networks_does_not_reach_it():
    moments = times(T, B)
    clouds = bending(moments)
    exact = register_clouds(clouds, moments)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(register_clouds(clouds, moments), exact)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_tf32_does_not_reach_it(tf32):
    moments = times(T, B)
    clouds = bending(moments)
    found = register_clouds(clouds.cuda(), moments.cuda()).cpu()
    torch.testing.assert_close(found, register_clouds(clouds, moments), rtol=0, atol=1e-4)


def test_all_points_in_one_place_stay():
    clouds = torch.tensor([0.4, -0.3, 0.2]).expand(B, T, 20, 3)
    assert displacements(clouds, times(T, B)).abs().max() < 1e-5


def test_points_that_come_twice_are_no_harm():
    moments = times(T, B)
    clouds = bending(moments)
    clouds[:, :, : N // 2] = clouds[:, :, N // 2 :]
    truth = bent(clouds[:, 0], 1.0) - clouds[:, 0]
    error = (displacements(clouds, moments) - truth).norm(dim=-1).mean()
    assert error < 0.7 * truth.norm(dim=-1).mean()


def test_one_frame_is_no_motion():
    cloud = bar(N).unsqueeze(1)
    stages = register_clouds(cloud, torch.zeros(B, 1))
    assert stages.shape == (B, len(STAGES), N, DEGREE, 3) and not stages.any()
    code = SoftMatching(T, 6, hidden_size=8)(cloud, torch.zeros(B, 1))
    torch.testing.assert_close(positions_at(code.paths, torch.ones(B)), cloud[:, 0])


def test_many_points_go_along_with_some(monkeypatch):
    """Of large clouds some are compared; what they find is nearly what all would."""
    moments = times(T, B)
    clouds = bending(moments, 400)
    whole = displacements(clouds, moments)
    monkeypatch.setattr(registration, "MOST_POINTS", 200)
    some = displacements(clouds, moments)
    assert (some - whole).norm(dim=-1).mean() < 0.25 * whole.norm(dim=-1).mean()


def test_untrained_soft_matching_follows_the_registration():
    moments = times(T, B)
    clouds = bending(moments)
    code = SoftMatching(T, 6, hidden_size=8)(clouds, moments)
    start, end = (positions_at(code.paths, torch.full((B,), t)) for t in (0.0, 1.0))
    torch.testing.assert_close(start, clouds[:, 0], rtol=0, atol=1e-6)
    torch.testing.assert_close(end - start, displacements(clouds, moments), rtol=0, atol=1e-6)


def test_soft_matching_learns_what_registration_holds_back():
    network = SoftMatching(T, 6, hidden_size=16, num_blocks=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    moments, errors = times(T, B), []
    for _ in range(60):
        clouds = bending(3 * moments)  # too fast to be found whole
        end = positions_at(network(clouds, moments).paths, torch.ones(B))
        error = (end - bent(clouds[:, 0], 3.0)).norm(dim=-1).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert sum(errors[-10:]) < 0.5 * sum(errors[:10])
