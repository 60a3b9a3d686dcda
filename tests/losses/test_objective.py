"""The loss of a step: which parts it has, and what a drifting ball costs."""

import math

import pytest
import torch

from im2mesh.build import build_config, build_model
from im2mesh.config.schema import LossConfig
from im2mesh.data.batch import Batch, frame_times
from im2mesh.losses.objective import check_objective, compute_loss_parts
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.randomness import StepRandomness
from tests.problems import Constant
from tests.shapes import unchecked_shapes


def drawn_by(generator):
    return StepRandomness(decisions=generator, noise=[generator] * 2)


class Ball(torch.nn.Module):
    def forward(self, points, code):
        return 20 * (0.25 - points.norm(dim=-1))


def drifting_batch(velocity: torch.Tensor) -> Batch:
    """A ball of radius 0.25 that drifts with a constant velocity."""
    times = frame_times(5)
    points_0, points = torch.rand(2, 40, 3) - 0.5, torch.rand(2, 40, 3) - 0.5
    t = torch.tensor([0.25, 1.0])
    surface = torch.nn.functional.normalize(torch.randn(2, 7, 3), dim=-1) / 4
    return Batch(
        windows=(),
        inputs=torch.zeros(2, 5, 3, 3),
        input_times=times.expand(2, -1),
        points_0=points_0,
        occupancy_0=(points_0.norm(dim=-1) < 0.25).float(),
        points_t=points + t.view(-1, 1, 1) * velocity,
        occupancy_t=(points.norm(dim=-1) < 0.25).float(),
        t=t,
        pointcloud=surface[:, None] + times.view(1, -1, 1, 1) * velocity,
        times=times,
    )


def loss_parts(field: Constant, **weights):
    model = OccupancyFlow(None, None, Ball(), Flow(field))
    truth = torch.tensor([0.3, -0.2, 0.1])
    generator = torch.Generator().manual_seed(0)
    return compute_loss_parts(
        model, drifting_batch(truth), LossConfig(**weights), drawn_by(generator)
    )


def test_the_true_motion_has_no_correspondence_error():
    parts = loss_parts(Constant(), correspondence=1.0, correspondence_backward=1.0)
    assert parts["correspondence"].item() == pytest.approx(0, abs=1e-5)
    assert parts["correspondence_backward"].item() == pytest.approx(0, abs=1e-5)
    assert parts["reconstruction_t"] < 0.5


def test_a_body_that_stays_put_is_wrong_by_the_mean_drift():
    """Frames 1 to 4 of 5 are off by 1/4, 2/4, 3/4 and 1 of the whole drift."""
    still = Constant((0.0, 0.0, 0.0))
    drift = math.sqrt(0.3**2 + 0.2**2 + 0.1**2)
    parts = loss_parts(still, correspondence=2.0, correspondence_backward=1.0)
    assert parts["correspondence"].item() == pytest.approx(2 * drift * 0.625, rel=1e-5)
    assert parts["correspondence_backward"].item() == pytest.approx(drift * 0.625, rel=1e-5)


def test_weights_of_0_cost_nothing():
    assert set(loss_parts(Constant())) == {"reconstruction_0", "reconstruction_t"}
    assert set(loss_parts(Constant(), reconstruction=0.0, correspondence=1.0)) == {"correspondence"}


def test_some_steps_train_the_shape_alone():
    model = OccupancyFlow(None, None, Ball(), Flow(Constant((0.0, 0.0, 0.0))))
    batch = drifting_batch(torch.tensor([0.3, -0.2, 0.1]))
    weights = LossConfig(correspondence=1.0, motion_share=0.25)
    generator = torch.Generator().manual_seed(0)
    alone, whole = {"reconstruction_0"}, {"reconstruction_0", "reconstruction_t", "correspondence"}
    always = compute_loss_parts(model, batch, LossConfig(), drawn_by(generator))["reconstruction_0"]
    model.take_nfe()
    draws, evaluations = [], []
    with torch.no_grad(), unchecked_shapes():
        for _ in range(400):
            parts = compute_loss_parts(model, batch, weights, drawn_by(generator))
            draws.append(set(parts))
            evaluations.append(model.take_nfe())
            torch.testing.assert_close(parts["reconstruction_0"], always)
    assert all(drawn in (alone, whole) for drawn in draws)
    assert sum(drawn == whole for drawn in draws) == pytest.approx(100, abs=30)
    assert all((nfe > 0) == (drawn == whole) for nfe, drawn in zip(evaluations, draws, strict=True))


def test_the_shape_alone_needs_a_code_of_its_own():
    for path, changes in (
        ("configs/pointcloud/onet4d-small.yaml", []),
        ("configs/pointcloud/oflow-small.yaml", ["loss.reconstruction=0", "loss.correspondence=1"]),
    ):
        config = build_config(path, [*changes, "loss.motion_share=0.5"])
        with pytest.raises(ValueError, match=r"motion_share is 0\.5.*Set loss\.motion_share to 1"):
            check_objective(build_model(config), config)


def test_the_shape_alone_has_the_same_code():
    """That of the first frame; also where several frames show the shape to the whole code."""
    clouds, moments = torch.rand(2, 17, 40, 3) - 0.5, frame_times(17).expand(2, -1)
    for evidence_frames in (1, 2):
        changes = [
            "data.num_input_points=40",
            f"model.evidence_frames={evidence_frames}",
            "model.encoder={name: pointnet_local, hidden_size: 64}",
        ]
        model = build_model(build_config("configs/pointcloud/local-small.yaml", changes)).eval()
        whole, alone = model.encode(clouds, moments), model.encode_shape(clouds, moments)
        assert torch.allclose(alone.shape.c, whole.shape.c) == (evidence_frames == 1)
        assert alone.motion.c.shape == (2, 0)
        other = torch.cat([clouds[:, :1], torch.rand(2, 16, 40, 3)], 1)
        assert torch.equal(model.encode_shape(other, moments).shape.c, alone.shape.c)


def test_the_shape_of_tracked_points_alone_has_the_same_code():
    clouds, moments = torch.rand(2, 17, 40, 3) - 0.5, frame_times(17).expand(2, -1)
    config = build_config("configs/pointcloud/local-small.yaml", ["data.num_input_points=40"])
    model = build_model(config).eval()
    whole, alone = model.encode(clouds, moments), model.encode_shape(clouds, moments)
    assert torch.equal(alone.shape.c, whole.shape.c)
    assert alone.motion.c.shape == (2, 0)


def test_a_random_subset_of_frames_is_unbiased():
    model = OccupancyFlow(None, None, Ball(), Flow(Constant((0.0, 0.0, 0.0))))
    batch = drifting_batch(torch.tensor([0.3, -0.2, 0.1]))
    generator = torch.Generator().manual_seed(0)
    few = LossConfig(reconstruction=0.0, correspondence=1.0, correspondence_frames=2)
    every = LossConfig(reconstruction=0.0, correspondence=1.0)
    with torch.no_grad(), unchecked_shapes():
        draws = [
            compute_loss_parts(model, batch, few, drawn_by(generator))["correspondence"]
            for _ in range(400)
        ]
        whole = compute_loss_parts(model, batch, every, drawn_by(generator))["correspondence"]
    assert torch.stack(draws).std() > 0
    assert torch.stack(draws).mean().item() == pytest.approx(whole.item(), rel=0.05)
