"""Curves of what trainings logged."""

import pytest
from torch.utils.tensorboard import SummaryWriter

from im2mesh.errors import UserError
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.logs import read_curve, read_logged


@pytest.fixture
def run(tmp_path):
    with SummaryWriter(tmp_path / "run" / "logs") as log:
        for step, value in ((10, 0.25), (20, 0.5)):
            log.add_scalar("validation/iou", value, step)
    return RunFolder(tmp_path / "run")


def test_a_curve_has_a_value_per_iteration(run):
    assert read_curve(run, "validation/iou") == {10: 0.25, 20: 0.5}
    assert read_logged(run) == {"validation/iou": {10: 0.25, 20: 0.5}}


def test_other_tags_are_named(run, tmp_path):
    with pytest.raises(UserError, match="has no loss/x; it has: validation/iou"):
        read_curve(run, "loss/x")
    with pytest.raises(UserError, match=r"no logs at .* name the output folder of a training"):
        read_logged(RunFolder(tmp_path))
