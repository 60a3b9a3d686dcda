"""Noise averaged over neighbours that move together: what is gained, and what is left alone."""

import pytest
import torch
from torch import Tensor

from im2mesh.models.local import common_motion
from im2mesh.models.local.common_motion import _told_by_neighbours, average_neighbours
from im2mesh.models.local.paths import fit_paths, path_misfit, positions_at_frames
from im2mesh.models.local.rotations import rotation_matrices
from tests.models.test_models import times

B, T, N = 2, 17, 120


def limbs(speed: float = 1.5) -> Tensor:
    """Two limbs side by side: the first half of the rows turns about z, the rest stands still."""
    cloud = 0.3 * torch.rand(B, 1, N, 3)
    angle = speed * torch.linspace(0, 1, T).view(1, -1, 1)
    x, y, z = cloud.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    turned = torch.stack([cos * x - sin * y, sin * x + cos * y, z.expand(-1, T, -1)], -1)
    still = cloud.expand(-1, T, -1, -1) + torch.tensor([0.31, 0.0, 0.0])
    return torch.cat([turned[:, :, : N // 2], still[:, :, N // 2 :]], 2)


def on_paths(clouds: Tensor) -> tuple[Tensor, Tensor]:
    """Positions on the paths of the points, and the paths."""
    paths = fit_paths(clouds, times(T, B))
    return positions_at_frames(paths, times(T, B)), paths


def averaged(clouds: Tensor) -> Tensor:
    _, paths = on_paths(clouds)
    misfit = path_misfit(paths, clouds, times(T, B))
    return average_neighbours(clouds, paths, misfit, times(T, B))


def error(positions: Tensor, truth: Tensor) -> Tensor:
    """Mean distance at t = 0 and over all frames."""
    distances = (positions - truth).norm(dim=-1)
    return torch.stack([distances[:, 0].mean(), distances.mean()])


@pytest.mark.parametrize("noise", [0.002, 0.02])
@pytest.mark.parametrize("speed", [1.5, 6.0], ids=["a quarter", "all around"])
def test_half_of_the_noise_that_paths_leave_is_taken_away(noise, speed):
    truth = limbs(speed)
    noisy = truth + noise * torch.randn_like(truth)
    alone, _ = on_paths(noisy)
    better = error(averaged(noisy), truth) / error(alone, truth)
    assert better[0] < 0.6, better
    assert better[1] < 0.75, better


def test_a_point_hears_all_neighbourhoods_that_it_belongs_to(monkeypatch):
    """Its own alone would leave larger errors."""
    truth = limbs()
    noisy = truth + 0.02 * torch.randn_like(truth)
    everybody = error(averaged(noisy), truth)[0]
    monkeypatch.setattr(common_motion, "_mean_by_row", lambda placed, *_: placed[:, :, 0])
    assert everybody < 0.97 * error(averaged(noisy), truth)[0]


def test_turns_of_45_degrees_between_frames_are_followed():
    """Where paths are exact, as those of points that turn slowly; here they are given."""
    truth = limbs(speed=0.25 * torch.pi * (T - 1))
    noisy = truth + 0.01 * torch.randn_like(truth)
    smooth = truth.transpose(1, 2).double()
    noise = torch.full((B,), 0.01).double()
    told = _told_by_neighbours(noisy.transpose(1, 2).double(), smooth, noise).transpose(1, 2)
    assert error(told, truth)[1] < 0.5 * error(noisy, truth)[1]


def test_fast_motion_without_noise_is_hardly_touched():
    truth = limbs(speed=9.0)  # too fast for a path, which is what looks like noise
    alone, _ = on_paths(truth)
    assert error(averaged(truth), truth)[1] < 1.5 * error(alone, truth)[1] + 1e-4


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_where_most_rows_are_outliers_the_others_are_not_lost(share):
    truth = limbs()
    noisy = truth + 0.001 * torch.randn_like(truth)
    count = round(share * N)
    noisy[:, :, :count] = torch.rand(B, T, count, 3) - 0.5
    rest = (averaged(noisy) - truth)[:, :, count:].norm(dim=-1)
    assert rest.mean() < 0.01


def test_limbs_that_touch_do_not_drag_each_other():
    """Points beside the border are no worse than others."""
    truth = limbs()
    noisy = truth + 0.002 * torch.randn_like(truth)
    distances = (averaged(noisy) - truth).norm(dim=-1).mean(1)
    at_border = (truth[:, 0, :, 0] - 0.305).abs() < 0.06
    assert at_border.sum() > 20
    assert distances[at_border].mean() < 1.5 * distances[~at_border].mean()


def test_without_noise_positions_stay_on_their_paths():
    clouds = limbs()
    clouds = clouds + 0.05 * (clouds[:, :1] * 20).sin() * times(T, B)[:, :, None, None] ** 2
    alone, _ = on_paths(clouds)  # nothing here is rigid, and all is smooth
    torch.testing.assert_close(averaged(clouds), alone, rtol=0, atol=2e-5)


def test_the_result_turns_with_the_clouds():
    noisy = limbs() + 0.01 * torch.randn(B, T, N, 3)
    turn = rotation_matrices(torch.tensor([0.4, -1.1, 0.7]))
    torch.testing.assert_close(
        averaged(noisy @ turn.T), averaged(noisy) @ turn.T, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("flat", [(1, 1, 0), (1, 0, 0), (0, 0, 0)], ids=["plane", "line", "point"])
def test_flat_neighbourhoods_give_numbers(flat):
    noisy = (limbs() + 0.01 * torch.randn(B, T, N, 3)) * torch.tensor(flat)
    assert averaged(noisy).isfinite().all()


@pytest.mark.parametrize("count", [1, 3, 9])
def test_few_points_are_their_own_neighbours(count):
    noisy = (limbs() + 0.01 * torch.randn(B, T, N, 3))[:, :, :count]
    assert averaged(noisy).shape == noisy.shape


def test_bf16_does_not_round_positions():
    noisy = limbs() + 0.01 * torch.randn(B, T, N, 3)
    exact = averaged(noisy)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(averaged(noisy), exact)
