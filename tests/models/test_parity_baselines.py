"""ONet 4D and PSGN 4D against numbers of the authors' released code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from im2mesh.compat.names import rename_official_state
from im2mesh.losses.terms import chamfer_loss, reconstruction_loss
from im2mesh.models.baselines import OccupancyNetwork4D, PointSetGeneration4D
from im2mesh.models.decoders import DecoderCBatchNorm, TrajectoryMLP
from im2mesh.models.encoders.pointnet import PointnetResnet
from im2mesh.models.sequence_model import SequenceModel

DATA = Path(__file__).parents[1] / "authors"
WIDTH, NUM_FRAMES, NUM_POINTS = 16, 17, 32
TIMES = torch.linspace(0, 1, NUM_FRAMES)


def load(name: str, model: SequenceModel) -> dict[str, Tensor]:
    """Fill the model; return the other arrays."""
    with np.load(DATA / f"{name}.npz") as stored:
        arrays = {key: torch.as_tensor(stored[key]) for key in stored.files}
    weights = {k.removeprefix("weights/"): v for k, v in arrays.items() if k.startswith("weights/")}
    model.load_state_dict(rename_official_state(weights, model.method), strict=True)
    return arrays


def onet4d() -> OccupancyNetwork4D:
    encoder = PointnetResnet(NUM_FRAMES, WIDTH, hidden_size=WIDTH)
    return OccupancyNetwork4D(encoder, DecoderCBatchNorm(4, WIDTH, 0, hidden_size=WIDTH))


def psgn4d() -> PointSetGeneration4D:
    encoder = PointnetResnet(NUM_FRAMES, WIDTH, hidden_size=WIDTH)
    decoder = TrajectoryMLP(NUM_FRAMES, WIDTH, num_points=NUM_POINTS, hidden_size=WIDTH)
    return PointSetGeneration4D(encoder, decoder)


@torch.no_grad()
def test_onet4d():
    model = onet4d()
    expected = load("pointcloud_onet4d", model)
    codes = model.eval().encode(expected["batch/inputs"], TIMES.expand(2, -1))
    torch.testing.assert_close(codes.motion.c, expected["eval/c"], rtol=0, atol=1e-5)
    logits = model.occupancy_logits(expected["query/points"], expected["query/t_per_sample"], codes)
    torch.testing.assert_close(logits, expected["eval/occupancy_logits"], rtol=0, atol=1e-5)


@torch.no_grad()
def test_training_loss_of_onet4d():
    """The official loss has no term at t = 0; its value is our second part, our first is added."""
    model = onet4d()
    expected = load("pointcloud_onet4d", model)
    codes = model.train().encode(expected["batch/inputs"], TIMES.expand(2, -1))
    times, labels = expected["batch/points_t.time"], expected["batch/points_t.occ"]
    logits = model.occupancy_logits(expected["batch/points_t"], times, codes)
    loss = reconstruction_loss(logits, labels)
    assert loss.item() == pytest.approx(expected["train/loss"].item(), rel=1e-5)


@torch.no_grad()
def test_psgn4d():
    model = psgn4d()
    expected = load("pointcloud_psgn4d", model)
    codes = model.eval().encode(expected["batch/inputs"], TIMES.expand(2, -1))
    torch.testing.assert_close(codes.motion.c, expected["eval/c"], rtol=0, atol=1e-5)
    points = model.point_set(TIMES, codes)
    torch.testing.assert_close(points, expected["eval/points"], rtol=0, atol=1e-5)
    per_frame = chamfer_loss(points.flatten(0, 1), expected["batch/pointcloud"].flatten(0, 1))
    assert per_frame.item() == pytest.approx(expected["train/loss_corr0"].item(), rel=1e-4)
    paths, true_paths = (
        p.transpose(1, 2).flatten(2) for p in (points, expected["batch/pointcloud_corr"])
    )
    whole = chamfer_loss(paths, true_paths)
    assert whole.item() == pytest.approx(expected["train/loss_corr1"].item(), rel=1e-4)
