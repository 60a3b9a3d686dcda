"""The methods beside Occupancy Flow: which questions they answer, and how."""

import pytest
import torch
from torch import nn

from im2mesh.models.baselines import (
    NearestNeighbour,
    OccupancyNetwork4D,
    OccupancyNetworkPerFrame,
    PointSetGeneration4D,
)
from im2mesh.models.decoders import DecoderCBatchNorm, DecoderSimple, TrajectoryMLP
from im2mesh.models.encoders.pointnet import PointnetResnet
from im2mesh.models.encoders.posterior import PosteriorPointnet
from im2mesh.models.flow.flow import Flow
from im2mesh.models.flow.velocity_fields import VelocityFieldConcat
from im2mesh.models.occupancy_flow import OccupancyFlow
from tests.models.test_models import randomize, times
from tests.problems import Constant

B, T, N, C, Z = 2, 5, 12, 6, 4


def clouds() -> torch.Tensor:
    return torch.randn(B, T, N, 3)


def test_onet4d_answers_every_time_from_one_code():
    decoder = DecoderCBatchNorm(4, C, 0, hidden_size=8)
    model = randomize(OccupancyNetwork4D(PointnetResnet(T, C, hidden_size=8), decoder)).eval()
    codes = model.encode(clouds(), times(T, B))
    points = torch.randn(B, N, 3)
    early, late = (model.occupancy_logits(points, torch.full((B,), t), codes) for t in (0.2, 0.9))
    assert early.shape == (B, N) and not torch.allclose(early, late)
    at_0 = model.occupancy_logits(points, torch.zeros(B), codes)
    torch.testing.assert_close(model.occupancy_logits_0(points, codes), at_0)
    mixed = model.occupancy_logits(points, torch.tensor([0.2, 0.9]), codes)
    torch.testing.assert_close(mixed, torch.stack([early[0], late[1]]))


def test_onet_per_frame_sees_the_nearest_frame_alone():
    decoder = DecoderCBatchNorm(3, C, 0, hidden_size=8)
    model = randomize(OccupancyNetworkPerFrame(PointnetResnet(1, C, hidden_size=8), decoder)).eval()
    seen, points = clouds(), torch.randn(B, N, 3)
    other = seen.clone()
    other[:, 2] += 1

    def logits(frames: torch.Tensor, t: float) -> torch.Tensor:
        codes = model.encode(frames, times(T, B))
        return model.occupancy_logits(points, torch.full((B,), t), codes)

    assert torch.equal(logits(seen, 0.25), logits(other, 0.25))
    assert not torch.allclose(logits(seen, 0.5), logits(other, 0.5))
    torch.testing.assert_close(logits(seen, 0.55), logits(seen, 0.5))


class Knots(nn.Module):
    """Given trajectories, whatever the code."""

    def __init__(self, knots: torch.Tensor) -> None:
        super().__init__()
        self.knots = knots

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        return self.knots.expand(len(code), -1, -1, -1)


def test_point_sets_move_on_straight_lines_between_the_frames_of_training():
    knots = torch.randn(1, T, 3, 3)
    model = PointSetGeneration4D(PointnetResnet(T, C, hidden_size=8), Knots(knots))
    codes = model.encode(clouds(), times(T, B))
    torch.testing.assert_close(model.point_set(times(T, 1)[0], codes)[0], knots[0])
    between = model.point_set(torch.tensor([0.0, 0.125, 1.0]), codes)[0]
    torch.testing.assert_close(between[1], (knots[0, 0] + knots[0, 1]) / 2)
    torch.testing.assert_close(between[2], knots[0, -1])


def test_point_sets_are_not_rounded_to_bf16():
    decoder = TrajectoryMLP(50, C, num_points=3, hidden_size=8)
    model = randomize(PointSetGeneration4D(PointnetResnet(T, C, hidden_size=8), decoder))
    with torch.autocast("cpu", torch.bfloat16):
        codes = model.encode(clouds(), times(T, B))
        points = model.point_set(times(50, 1)[0], codes)
        knots = decoder(codes.motion.c)
    assert points.dtype == torch.float32
    torch.testing.assert_close(points, knots.float(), atol=1e-4, rtol=0)  # each time is its frame


def test_the_nearest_neighbour_ends_on_the_last_cloud():
    model, seen = NearestNeighbour(), clouds()
    points = torch.randn(B, 7, 3)
    codes = model.encode(seen, times(T, B))
    path = model.trajectories(points, torch.tensor([0.0, 0.5, 1.0]), codes)
    torch.testing.assert_close(path[:, 0], points)
    for start, end, cloud in zip(points, path[:, 2], seen[:, -1], strict=True):
        nearest = [cloud[(cloud - p).norm(dim=-1).argmin()] for p in start]
        torch.testing.assert_close(end, torch.stack(nearest))
    torch.testing.assert_close(path[:, 1], (path[:, 0] + path[:, 2]) / 2)


def test_a_question_without_an_answer_is_an_error():
    model = NearestNeighbour()
    codes = model.encode(clouds(), times(T, B))
    with pytest.raises(ValueError, match="nearest_neighbour cannot be asked for occupancy, only"):
        model.occupancy_logits(torch.zeros(B, 1, 3), torch.zeros(B), codes)
    flow_alone = OccupancyFlow(None, None, None, Flow(Constant()))
    assert flow_alone.answers == {"motion", "motion back"}
    with pytest.raises(ValueError, match="occupancy_flow cannot be asked for occupancy, only for"):
        flow_alone.occupancy_logits_0(torch.zeros(B, 1, 3), codes)


def generative_model() -> OccupancyFlow:
    return OccupancyFlow(
        None,
        None,
        DecoderSimple(3, 0, Z, hidden_size=8),
        Flow(VelocityFieldConcat(0, Z, hidden_size=8)),
        posterior=PosteriorPointnet(1, 0, Z, hidden_size=8),
        posterior_temporal=PosteriorPointnet(T, 0, Z, hidden_size=8),
    )


def generators(seed: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(B * seed + item) for item in range(B)]


def test_latent_codes_are_the_mean_or_drawn():
    model, seen = generative_model(), clouds()
    mean = model.encode(seen, times(T, B))
    torch.testing.assert_close(mean.shape.z, mean.shape_posterior.mean)
    torch.testing.assert_close(mean.motion.z, mean.motion_posterior.mean)
    drawn, again = (model.encode(seen, times(T, B), generators(3)) for _ in range(2))
    assert torch.equal(drawn.shape.z, again.shape.z)
    assert not torch.allclose(drawn.shape.z, mean.shape.z)
    assert not torch.allclose(drawn.shape.z, drawn.motion.z)  # two codes, drawn apart


def test_a_missing_latent_code_is_no_copy_of_the_other():
    """Width 0 and no divergence, where the official code counts the shape code twice."""
    model = generative_model()
    model.posterior_temporal = None
    codes = model.encode(clouds(), times(T, B), generators(0))
    assert codes.motion.z.shape == (B, 0)
    assert codes.motion_posterior.kl_to_standard_normal() == 0
    assert codes.shape_posterior.kl_to_standard_normal() > 0


def test_sequences_drawn_from_the_prior():
    model = generative_model()
    codes = model.draw_prior(500, torch.Generator().manual_seed(0))
    assert codes.shape.z.shape == codes.motion.z.shape == (500, Z)
    both = torch.cat([codes.shape.z, codes.motion.z])
    assert both.mean().abs() < 0.05 and (both.std() - 1).abs() < 0.05
    logits = model.occupancy_logits_0(torch.zeros(500, 1, 3), codes)
    assert logits.shape == (500, 1) and logits.std() > 0


def test_only_a_generative_model_invents():
    generator = torch.Generator()
    with pytest.raises(ValueError, match=r"no latent code to draw; set model\.posterior"):
        OccupancyFlow(None, None, None, Flow(Constant())).draw_prior(1, generator)
    encoder = PointnetResnet(1, C, hidden_size=8)
    with pytest.raises(ValueError, match="a model with encoders has no prior"):
        OccupancyFlow(encoder, None, None, Flow(Constant())).draw_prior(1, generator)
