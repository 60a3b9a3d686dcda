"""Each term of the loss: values worked by hand, and a slow twin."""

import math

import pytest
import torch

from im2mesh.losses.terms import chamfer_loss, correspondence_loss, reconstruction_loss


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
