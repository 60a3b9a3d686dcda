"""Curves of what runs logged."""

import pytest
from torch.utils.tensorboard import SummaryWriter

from im2mesh.errors import UserError
from scripts.plot_training import main, read_curve


@pytest.fixture
def run(tmp_path):
    with SummaryWriter(tmp_path / "run" / "logs") as log:
        for step, value in ((10, 0.25), (20, 0.5)):
            log.add_scalar("validation/iou", value, step)
    return tmp_path / "run"


def test_a_curve_has_a_value_per_iteration(run):
    assert read_curve(run, "validation/iou") == {10: 0.25, 20: 0.5}


def test_the_picture_is_written(run, tmp_path):
    main([str(run), "--output", str(tmp_path / "new" / "curve.png")])
    assert (tmp_path / "new" / "curve.png").stat().st_size > 5000


def test_other_tags_are_named(run, tmp_path):
    with pytest.raises(UserError, match="has no loss/x; it has: validation/iou"):
        read_curve(run, "loss/x")
    with pytest.raises(UserError, match=r"no logs at .* name the output folder of a training"):
        read_curve(tmp_path, "loss/x")
