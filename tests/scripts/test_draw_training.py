"""Curves of what runs logged."""

import shutil

import pytest
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

import train
from im2mesh.errors import UserError
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.origins import tell_training
from im2mesh.studies.training_curves import read_curve
from scripts.draw import main


@pytest.fixture
def run(tmp_path):
    with SummaryWriter(tmp_path / "run" / "logs") as log:
        for step, value in ((10, 0.25), (20, 0.5)):
            log.add_scalar("validation/iou", value, step)
    return tmp_path / "run"


def test_a_curve_has_a_value_per_iteration(run):
    assert read_curve(run, "validation/iou") == {10: 0.25, 20: 0.5}


def test_the_picture_is_written(run, tmp_path):
    main(["training", str(run), "--output", str(tmp_path / "new" / "curve.png")])
    assert (tmp_path / "new" / "curve.png").stat().st_size > 5000


def test_the_picture_says_what_trained_the_runs(config_path, tmp_path):
    trained = tmp_path / "run"
    steps = ["training.max_iterations=2", "training.validate_every=2"]
    train.main([str(config_path), *steps, f"output_dir={trained}", "--device", "cpu"])
    (trained / "copy").mkdir()
    shutil.copytree(trained / "logs", trained / "copy" / "logs")
    main(
        [
            "training",
            str(trained),
            str(trained / "copy"),
            "--names",
            "a",
            "b",
            "--output",
            str(tmp_path / "a.png"),
        ]
    )
    origin = tell_training(load_checkpoint(trained / "model.pt").state.origins)
    noted = Image.open(tmp_path / "a.png").text["Source"]
    assert noted == f"- a: {origin}\n- b: unknown\n"


def test_other_tags_are_named(run, tmp_path):
    with pytest.raises(UserError, match="has no loss/x; it has: validation/iou"):
        read_curve(run, "loss/x")
    with pytest.raises(UserError, match=r"no logs at .* name the output folder of a training"):
        read_curve(tmp_path, "loss/x")
