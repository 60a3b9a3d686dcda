"""The precision of a training: chosen once, told, and kept."""

from dataclasses import replace

import pytest
import torch

from im2mesh.data.batch import collate
from im2mesh.runs.checkpoints import DamagedCheckpointError, load_checkpoint, save_checkpoint
from im2mesh.runs.origins import tell_training
from im2mesh.runs.snapshots import load_snapshot
from im2mesh.training import precision
from im2mesh.training.precision import choose_precision
from im2mesh.training.trainer import Trainer, TrainingError
from tests.training.test_training import trainer

CPU = torch.device("cpu")


@pytest.fixture
def device_with(monkeypatch):
    """Pretend that the device has units for bf16, and how fast they are."""

    def pretend(*, units: bool, speedup: float) -> None:
        monkeypatch.setattr(precision, "has_bf16_units", lambda _: units)
        monkeypatch.setattr(precision, "bf16_speedup", lambda _: speedup)

    return pretend


@pytest.mark.parametrize(
    ("units", "speedup", "name", "reason"),
    [
        (False, 3.0, "fp32", "this processor has no instructions for bf16"),
        (True, 2.5, "bf16", "bf16 was measured at 2.5 times the speed of fp32"),
        (True, 1.1, "fp32", "bf16 was measured at 1.1 times the speed of fp32"),
        (True, 0.3, "fp32", "bf16 was measured at 0.3 times the speed of fp32"),
    ],
)
def test_auto_needs_units_and_a_faster_measurement(device_with, units, speedup, name, reason):
    device_with(units=units, speedup=speedup)
    chosen = choose_precision("auto", CPU)
    assert (chosen.name, chosen.reason) == (name, reason)


def test_bf16_by_name_warns_of_emulation_with_its_factor(device_with):
    device_with(units=False, speedup=0.125)
    with pytest.warns(UserWarning, match=r"emulates it.* took 8 times as long .*precision=fp32"):
        assert choose_precision("bf16", CPU).name == "bf16"


def test_bf16_by_name_says_nothing_where_there_are_units(device_with, recwarn):
    device_with(units=True, speedup=0.5)
    assert choose_precision("bf16", CPU).name == "bf16" and not recwarn


def test_the_choice_is_told_and_kept_with_the_result(config_path, device_with, capsys):
    device_with(units=True, speedup=2.0)
    run = trainer(config_path, "training.precision=auto", "training.max_iterations=1")
    run.fit()
    assert "precision: bf16 (bf16 was measured at 2.0 times" in capsys.readouterr().out
    state = load_checkpoint(run.folder.checkpoint).state
    assert state.precision == "bf16" and state.origins[-1]["precision"] == "bf16"
    assert "in bf16" in tell_training(state.origins)


@pytest.mark.filterwarnings("ignore:this processor has no instructions")
def test_a_resumed_training_keeps_its_precision_on_another_machine(
    config_path, device_with, capsys
):
    device_with(units=True, speedup=2.0)
    trainer(config_path, "training.precision=auto", "training.max_iterations=1").fit()
    device_with(units=False, speedup=0.1)
    run = trainer(config_path, "training.precision=auto", "training.max_iterations=2")
    assert run.stepper.precision.name == "fp32"
    run.resume()
    run.fit()
    assert "precision: bf16 (as this training began)" in capsys.readouterr().out
    state = load_checkpoint(run.folder.checkpoint).state
    assert [note["precision"] for note in state.origins] == ["bf16", "bf16"]


def test_a_precision_by_name_wins_over_that_of_the_checkpoint(config_path, device_with):
    device_with(units=True, speedup=2.0)
    trainer(config_path, "training.precision=auto", "training.max_iterations=1").fit()
    run = trainer(config_path, "training.precision=fp32", "training.max_iterations=2")
    with pytest.warns(UserWarning, match=r"training\.precision auto -> fp32"):
        run.resume()
    assert [note["precision"] for note in run.state.origins] == ["bf16", "fp32"]


def test_a_checkpoint_that_does_not_tell_its_precision_is_resumed(config_path, device_with):
    device_with(units=False, speedup=0.1)
    run = trainer(config_path, "training.max_iterations=1")
    run.fit()
    checkpoint = load_checkpoint(run.folder.checkpoint)
    save_checkpoint(
        run.folder.checkpoint, replace(checkpoint, state=replace(checkpoint.state, precision=""))
    )
    again = trainer(config_path, "training.max_iterations=2")
    assert again.resume() and again.state.precision == "fp32"


def test_a_checkpoint_of_an_unknown_precision_is_damaged(config_path):
    run = trainer(config_path)
    run.state.precision = "fp8"
    run.save_newest()
    with pytest.raises(DamagedCheckpointError, match=r"precision must be one of fp32, tf32, bf16"):
        load_checkpoint(run.folder.checkpoint)


def test_a_failed_step_is_repeated_in_its_precision(config_path, device_with):
    device_with(units=True, speedup=2.0)
    run = trainer(config_path, "training.precision=auto")
    assert losses(run, 1) != losses(trainer(config_path), 1)  # bf16 is not fp32
    run.model.decoder.blocks[0].fc_0.weight.data.fill_(torch.nan)
    with pytest.raises(TrainingError):
        run.fit()
    snapshot = load_snapshot(run.folder.snapshot(run.state.iteration))
    assert snapshot.config["training"]["precision"] == "bf16"


def losses(run: Trainer, steps: int) -> list[float]:
    batch = collate([run.training_data[k] for k in range(4)])
    return [run.step(batch).loss for _ in range(steps)]
