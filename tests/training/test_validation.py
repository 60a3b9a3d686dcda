"""Scores of validation, worked by hand."""

import pytest
import torch

from im2mesh.training.validation import point_iou


def test_point_iou_by_hand():
    predicted = torch.tensor([[True, True, False, False], [False] * 4, [True] * 4])
    target = torch.tensor([[True, False, True, False], [False] * 4, [False] * 4])
    assert point_iou(predicted, target).tolist() == pytest.approx([1 / 3, 1.0, 0.0])
