"""Scores of validation, worked by hand."""

import pytest
import torch

from im2mesh.build import build_config
from im2mesh.data.dataset import build_validation_windows
from im2mesh.training.validation import point_iou
from tests.small import write_small_config


def test_point_iou_by_hand():
    predicted = torch.tensor([[True, True, False, False], [False] * 4, [True] * 4])
    target = torch.tensor([[True, False, True, False], [False] * 4, [False] * 4])
    assert point_iou(predicted, target).tolist() == pytest.approx([1 / 3, 1.0, 0.0])


def test_validation_may_take_more_windows_than_a_test(tmp_path, ball_root):
    path = write_small_config(tmp_path, ball_root)  # data.eval_stride 4
    starts = {
        stride: [window.start for window in build_validation_windows(build_config(path, overrides))]
        for stride, overrides in ((4, ()), (2, ("validation.stride=2",)))
    }
    assert starts[2][::2] == starts[4] and len(starts[2]) > len(starts[4])
