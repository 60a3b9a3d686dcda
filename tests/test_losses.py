"""Values worked by hand."""

import math

import pytest
import torch

from im2mesh.build import build_config, build_model
from im2mesh.config import LossConfig, TrainingConfig
from im2mesh.data.batch import Batch, frame_times
from im2mesh.losses import chamfer_loss, correspondence_loss, reconstruction_loss
from im2mesh.models.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.objective import check_objective, compute_loss_parts
from im2mesh.randomness import StepRandomness
from im2mesh.training.schedule import learning_rate
from im2mesh.training.validation import point_iou
from tests.problems import Constant


def drawn_by(generator):
    return StepRandomness(decisions=generator, noise=[generator] * 2)


def test_reconstruction_by_hand():
    logits = torch.tensor([[0.0, 2.0]])
    labels = torch.tensor([[1.0, 0.0]])
    expected = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert reconstruction_loss(logits, labels).item() == pytest.approx(expected)


def test_correspondence_is_a_mean_distance_not_squared():
    truth = torch.zeros(1, 2, 2, 3)
    path = truth.clone()
    path[0, 0, 0] = torch.tensor([3.0, 4.0, 0.0])  # one of four points is 5 away
    assert correspondence_loss(path, truth).item() == pytest.approx(5 / 4)


def test_chamfer_by_hand():
    points = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    targets = torch.tensor([[[0.0, 0.0, 2.0]]])
    # to the target: squared distances 4 and 5; back from it: 4, to the nearer point
    assert chamfer_loss(points, targets).item() == pytest.approx(4.5 + 4.0)


def test_chamfer_equals_its_slow_twin():
    points, targets = torch.randn(3, 20, 6, requires_grad=True), torch.randn(3, 15, 6)
    squared = (points[:, :, None] - targets[:, None]).square().sum(-1)
    slow = squared.min(2).values.mean() + squared.min(1).values.mean()
    torch.testing.assert_close(chamfer_loss(points, targets), slow)
    expected = torch.autograd.grad(slow, points)[0]
    torch.testing.assert_close(
        torch.autograd.grad(chamfer_loss(points, targets), points)[0], expected
    )


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
        changes = ["data.num_input_points=40", f"model.evidence_frames={evidence_frames}"]
        model = build_model(build_config("configs/pointcloud/local-small.yaml", changes)).eval()
        whole, alone = model.encode(clouds, moments), model.encode_shape(clouds, moments)
        assert torch.allclose(alone.shape.c, whole.shape.c) == (evidence_frames == 1)
        assert alone.motion.c.shape == (2, 0)
        other = torch.cat([clouds[:, :1], torch.rand(2, 16, 40, 3)], 1)
        assert torch.equal(model.encode_shape(other, moments).shape.c, alone.shape.c)


def test_a_random_subset_of_frames_is_unbiased():
    model = OccupancyFlow(None, None, Ball(), Flow(Constant((0.0, 0.0, 0.0))))
    batch = drifting_batch(torch.tensor([0.3, -0.2, 0.1]))
    generator = torch.Generator().manual_seed(0)
    few = LossConfig(reconstruction=0.0, correspondence=1.0, correspondence_frames=2)
    every = LossConfig(reconstruction=0.0, correspondence=1.0)
    with torch.no_grad():
        draws = [
            compute_loss_parts(model, batch, few, drawn_by(generator))["correspondence"]
            for _ in range(400)
        ]
        whole = compute_loss_parts(model, batch, every, drawn_by(generator))["correspondence"]
    assert torch.stack(draws).std() > 0
    assert torch.stack(draws).mean().item() == pytest.approx(whole.item(), rel=0.05)


def test_point_iou_by_hand():
    predicted = torch.tensor([[True, True, False, False], [False] * 4, [True] * 4])
    target = torch.tensor([[True, False, True, False], [False] * 4, [False] * 4])
    assert point_iou(predicted, target).tolist() == pytest.approx([1 / 3, 1.0, 0.0])


def test_learning_rate_follows_the_budget_that_runs_out_first():
    config = TrainingConfig(
        schedule="cosine", max_iterations=1000, max_seconds=100.0, learning_rate=1.0
    )
    assert learning_rate(100, 50.0, config) == pytest.approx(0.5)
    assert learning_rate(500, 20.0, config) == pytest.approx(0.5)
    assert learning_rate(1000, 99.0, config) == pytest.approx(0.0)
    warm = TrainingConfig(warmup_iterations=10, learning_rate=1.0)
    assert [learning_rate(i, 0.0, warm) for i in (0, 4, 9, 500)] == [0.1, 0.5, 1.0, 1.0]
