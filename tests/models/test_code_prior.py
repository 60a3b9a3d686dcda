"""A learned prior of codes: components, and a flow from noise to codes."""

import numpy as np
import pytest
import torch

from im2mesh.models.code import Code, empty_gaussian
from im2mesh.models.prior.code_prior import CodePrior, CodeWidths, join
from im2mesh.models.prior.components import Components
from im2mesh.models.sequence_model import SequenceCodes


def ring(count: int, seed: int = 0) -> torch.Tensor:
    """Shape codes on a circle in a plane of five dimensions, each with its angle as its motion."""
    angles = 2 * np.pi * np.random.default_rng(seed).random(count)
    shape = 10 * np.stack([np.cos(angles), np.sin(angles), *np.zeros((3, count))], 1) + 7
    motion = np.stack([np.sin(angles), np.cos(angles)], 1)
    return torch.tensor(np.concatenate([shape, motion], 1), dtype=torch.float32)


WIDTHS = CodeWidths(c_shape=5, z_shape=0, c_motion=0, z_motion=2)


def prior_of(codes: torch.Tensor, hidden_size: int = 32, num_blocks: int = 2) -> CodePrior:
    torch.manual_seed(0)
    components = Components.of(*codes.tensor_split([WIDTHS.shape], 1))
    return CodePrior(WIDTHS, components, hidden_size, num_blocks)


def test_components_are_as_many_as_there_is_variance_and_turn_back_into_codes():
    codes = ring(500)
    components = Components.of(*codes.tensor_split([5], 1))
    assert components.directions.shape == (4, 7), "two of the plane, two of the motion"
    found = components.of_codes(codes)
    torch.testing.assert_close(components.to_codes(found), codes, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    assert 0.99 < found.std(0).max() < 1.01, "the sizes of the codes do not matter"


def test_small_components_become_larger_but_stay_smaller():
    random = np.random.default_rng(0)
    shape = torch.tensor(random.normal(size=(4000, 3)) * [1, 0.25, 0.04], dtype=torch.float32)
    found = Components.of(shape, shape[:, :0]).of_codes(shape)
    torch.testing.assert_close(
        found.std(0), torch.tensor([1, 0.5, 0.2]), atol=0.02, rtol=0
    )  # square roots of the ratios


def test_a_code_that_never_differs_has_no_component():
    components = Components.of(torch.full((20, 3), 2.0), torch.zeros(20, 0))
    assert components.directions.shape == (0, 3)
    torch.testing.assert_close(components.to_codes(torch.zeros(1, 0)), torch.full((1, 3), 2.0))


def test_the_loss_is_the_error_of_the_velocity():
    """With a field that always answers 0, it is the mean square of what is to be known."""
    codes = ring(2000)
    prior = prior_of(codes)
    torch.nn.init.zeros_(prior.fc_out.weight)
    torch.nn.init.zeros_(prior.fc_out.bias)
    variance = prior.components.of_codes(codes).square().mean()
    loss = prior.loss(codes, torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss, 1 + variance, atol=0.08, rtol=0)


def test_a_constant_velocity_moves_noise_by_itself():
    prior = prior_of(ring(200))
    torch.nn.init.zeros_(prior.fc_out.weight)
    torch.nn.init.constant_(prior.fc_out.bias, 3.0)
    drawn = prior.components.of_codes(join(prior.draw(torch.Generator().manual_seed(1))))
    noise = torch.randn(1, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn, noise + 3, atol=1e-4, rtol=1e-4)


def test_samples_lie_where_codes_do():
    """One normal distribution would fill the ring; and the motion must belong to the shape."""
    codes = ring(4000)
    prior, random = prior_of(codes, 64), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(prior.parameters(), lr=3e-3)
    for _ in range(600):
        rows = torch.randint(len(codes), (256,), generator=random)
        optimizer.zero_grad()
        prior.loss(codes[rows], random).backward()
        optimizer.step()
    drawn = [prior.draw(random) for _ in range(200)]
    shape = torch.cat([codes.shape.c for codes in drawn]) - 7
    radius = shape[:, :2].norm(dim=1)
    assert ((radius > 7) & (radius < 13)).float().mean() > 0.9
    assert shape[:, 2:].abs().max() < 1e-3, "nothing leaves the plane of the codes"
    motion = torch.cat([codes.motion.z for codes in drawn])
    away = (shape[:, :2] / 10 - motion.flip(1)).norm(dim=1)
    assert (away < 0.4).float().mean() > 0.9
    angles = torch.atan2(shape[:, 1], shape[:, 0]).numpy()
    assert (np.histogram(angles, 4, (-np.pi, np.pi))[0] > 20).all(), "all sides are drawn"


def test_parts_are_joined_and_split():
    nothing = empty_gaussian(2, torch.zeros(0))
    numbers = torch.arange(20.0).view(2, 10)
    shape, motion = Code(numbers[:, :4], numbers[:, 4:5]), Code(numbers[:, 5:7], numbers[:, 7:])
    codes = SequenceCodes(shape, motion, nothing, nothing)
    widths = CodeWidths.of(codes)
    assert widths == CodeWidths(c_shape=4, z_shape=1, c_motion=2, z_motion=3)
    torch.testing.assert_close(join(codes), numbers)
    again = widths.split(numbers)
    for name in ("shape", "motion"):
        for part in "cz":
            expected = getattr(getattr(codes, name), part)
            torch.testing.assert_close(getattr(getattr(again, name), part), expected)


@pytest.mark.gpu
def test_samples_are_the_same_on_a_gpu():
    prior = prior_of(ring(200))
    here = join(prior.draw(torch.Generator().manual_seed(0)))
    there = join(prior.to("cuda").draw(torch.Generator().manual_seed(0)))
    torch.testing.assert_close(there.cpu(), here, atol=1e-4, rtol=1e-4)
