"""Pictures of a training show its progress and change nothing else."""

import io
import sys

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from im2mesh.build import build_config, build_trainer
from im2mesh.errors import UserError
from im2mesh.files.results import ORIGIN_KEY
from im2mesh.models.flow.solver_errors import SolverError
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder

EVERY = ["training.visualize_every=3", "generation.resolution=8"]


def trained(config_path, folder, *overrides):
    config = build_config(config_path, [f"output_dir={folder}", *overrides])
    train.main([str(config_path), f"output_dir={folder}", "--device", "cpu", *overrides])
    return RunFolder.of(config)


def test_pictures_are_written_and_logged_and_change_nothing_else(config_path, tmp_path):
    run = trained(config_path, tmp_path / "run", *EVERY)
    names = ["00000000.png", "00000003.png", "00000006.png"]
    assert sorted(path.name for path in run.pictures.iterdir()) == names
    with Image.open(run.pictures / names[-1]) as picture:
        assert picture.width > 300 and "seed 0" in picture.info[ORIGIN_KEY]
        assert len(picture.convert("RGB").getcolors(10**6) or []) > 50  # bodies, not a blank page
    events = EventAccumulator(str(run.logs), size_guidance={"images": 0, "histograms": 0}).Reload()
    assert [event.step for event in events.Images("validation")] == [0, 3, 6]
    moving = events.Images("validation/moving")
    with Image.open(io.BytesIO(moving[-1].encoded_image_string)) as film:
        assert film.n_frames >= 2 * 5 - 1  # two windows of five frames; equal ones may be joined
    true = [event.histogram_value for event in events.Histograms("displacement/true")]
    assert len(true) == 3 and 0 < true[0].max < 1 and true[0].sum == true[2].sum
    without = load_checkpoint(trained(config_path, tmp_path / "without").checkpoint).model
    model = load_checkpoint(run.checkpoint).model
    assert all(torch.equal(model[key], without[key]) for key in without)


def test_a_flow_that_is_not_solved_costs_its_picture_alone(config_path, tmp_path, capsys):
    config = build_config(config_path, [f"output_dir={tmp_path / 'run'}", *EVERY])
    trainer = build_trainer(config, torch.device("cpu"))

    def draw(model, iteration, origin):
        raise SolverError("the flow is too steep")

    trainer.draw = draw
    trainer.fit()
    assert trainer.state.iteration == 6
    assert "iteration 3: no picture: the flow is too steep" in capsys.readouterr().out


def test_missing_pyvista_is_told_before_training(config_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(UserError, match=r"pictures need pyvista, run: pip install -e .\[viz\]"):
        train.main([str(config_path), "--device", "cpu", *EVERY])
