"""A training that was stopped, in whatever way, goes on as if it had not been."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from im2mesh.build import build_config
from im2mesh.config.effects import Affects
from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.errors import UserError
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.resuming import changed_settings
from im2mesh.training import trainer
from tests.trainings import train_in_this_process


def scalars(logs: Path, *, ignore: tuple[str, ...] = ("time/",)) -> dict[str, dict[int, float]]:
    """Tag -> step -> value, as TensorBoard shows them; what a clock measured is left out."""
    events = EventAccumulator(str(logs), {"scalars": 0}).Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
        if not tag.startswith(ignore)
    }


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    """Weights, optimizer, best weights and every logged number, bit for bit."""
    for name in ("checkpoint", "best_checkpoint"):
        a, b = (load_checkpoint(getattr(run, name)) for run in (one, other))
        assert (a.state.iteration, a.state.best_score) == (b.state.iteration, b.state.best_score)
        assert all(torch.equal(a.model[key], b.model[key]) for key in a.model)
        for weight, state in a.optimizer["state"].items():
            assert all(torch.equal(state[key], b.optimizer["state"][weight][key]) for key in state)
    assert scalars(one.logs) == scalars(other.logs)


def steps(count: int) -> list[str]:
    """Overrides for a training of so many steps that saves and logs often."""
    often = ["training.print_every=1", "training.save_every=1", "training.validate_every=25"]
    return [f"training.max_iterations={count}", *often]


@pytest.mark.filterwarnings("ignore:GOING ON FROM AN OLDER")
@pytest.mark.parametrize("count", [12, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, config_path, trainings, count):
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    rng, folder = random.Random(0), f"output_dir={killed.path}"
    timed = [*steps(100_000), f"output_dir={tmp_path / 'timed'}"]
    # the second goes on, which may take longer than to begin
    slower = max(trainings.seconds_to_checkpoint(config_path, timed) for _ in range(2))
    moments = [rng.uniform(0.0, 4 * slower) for _ in range(count)]
    iterations = trainings.stop_often(
        config_path, [*steps(100_000), folder], moments, [signal.SIGKILL] * count
    )
    assert len(set(iterations)) > 1  # some came in the midst of the loop, on a busy machine, too
    enough = iterations[-1] + 10
    trainings.finish(config_path, [*steps(enough), folder])
    trainings.finish(config_path, [*steps(enough), f"output_dir={whole.path}"])
    assert_same_run(whole, killed)
    assert not list(killed.path.glob("*.tmp"))


def test_killed_in_the_final_validation(tmp_path, config_path, monkeypatch):
    """Whose iteration may be one to save at, but none to validate at."""
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    often = [*steps(4), "training.save_every=2", "training.validate_every=100"]
    train_in_this_process(str(config_path), [*often, f"output_dir={whole.path}"])

    def die(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "validate", die)
        train_in_this_process(str(config_path), [*often, f"output_dir={killed.path}"])
    assert not killed.best_checkpoint.exists()
    train_in_this_process(str(config_path), [*often, f"output_dir={killed.path}"])
    assert_same_run(whole, killed)
    assert load_checkpoint(killed.checkpoint).state.iteration == 4


@pytest.mark.parametrize("num_workers", [0, 2])
def test_stopped_by_every_signal(tmp_path, config_path, trainings, num_workers):
    """SIGINT and SIGTERM save first; with workers that read data, too."""
    workers = f"training.num_workers={num_workers}"
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM]
    endless = [*steps(100_000), workers, f"output_dir={stopped.path}"]
    iterations = trainings.stop_often(config_path, endless, [0.5, 0.3, 0.4, 0.3], signals)
    assert 0 < iterations[0] <= iterations[1] <= iterations[2] <= iterations[3]
    enough = [*steps(iterations[3] + 5), workers]
    trainings.finish(config_path, [*enough, f"output_dir={stopped.path}"])
    trainings.finish(config_path, [*enough, f"output_dir={whole.path}"])
    assert_same_run(whole, stopped)


def test_power_loss_while_the_newest_is_written(tmp_path, config_path, trainings):
    """What a file system may leave: the name is there, of the content only a part."""
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    trainings.finish(config_path, [*steps(40), f"output_dir={whole.path}"])
    trainings.finish(config_path, [*steps(30), f"output_dir={cut.path}"])
    os.truncate(cut.checkpoint, cut.checkpoint.stat().st_size // 3)
    overrides = [*steps(40), f"output_dir={cut.path}"]
    with pytest.warns(
        UserWarning, match="OLDER CHECKPOINT, .* of iteration 29, because the newest"
    ):
        train_in_this_process(str(config_path), overrides)
    assert_same_run(whole, cut)


def test_a_full_disk_ends_in_one_line_and_loses_nothing(tmp_path, config_path):
    """Files may not grow beyond what the first checkpoints take, as on a disk that is full."""
    whole, full = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "full")
    until_7, until_12 = ([*steps(n), "training.validate_every=7"] for n in (7, 12))
    train_in_this_process(str(config_path), [*until_12, f"output_dir={whole.path}"])
    train_in_this_process(str(config_path), [*until_7, f"output_dir={full.path}"])
    before = {path: path.read_bytes() for path in full.path.glob("*.pt")}
    command = f"ulimit -f 20; exec {sys.executable} train.py {config_path} " + " ".join(
        [*until_12, f"output_dir={full.path}", "--device cpu"]
    )
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    message = done.stderr.strip().splitlines()[-1]
    assert message == (
        f"error: {full.checkpoint}: File too large; raise the limit on the size of files "
        "(ulimit -f), then run the same command again"
    )
    assert {path: path.read_bytes() for path in full.path.glob("*.pt")} == before
    assert not list(full.path.glob("*.tmp"))
    train_in_this_process(str(config_path), [*until_12, f"output_dir={full.path}"])
    assert_same_run(whole, full)


def test_two_trainings_in_one_folder_are_refused(tmp_path, config_path, trainings):
    process, is_built = trainings.start(config_path, steps(100_000))
    assert is_built.wait(60)
    try:
        arguments = [str(config_path), "--device", "cpu"]
        for more in ([], ["--fresh"]):
            with pytest.raises(
                UserError, match=rf"run is in use by process {process.pid} on .*wait"
            ):
                train.main([*arguments, *more])
    finally:
        process.kill()
        process.join()
    train.main([str(config_path), "--device", "cpu", *steps(3)])  # the lock died with its holder


def test_data_that_has_changed_is_told(tmp_path, config_path, ball_root):
    data = tmp_path / "balls"
    shutil.copytree(ball_root, data)
    overrides = [f"data.root={data}", "training.max_iterations=2"]
    train_in_this_process(str(config_path), overrides)
    clip_fingerprint.cache_clear()
    shutil.rmtree(data / "balls" / "ball_b")
    shutil.copytree(data / "balls" / "ball_a", data / "balls" / "ball_b")
    with pytest.warns(UserWarning, match="THE TRAINING DATA IS NOT WHAT .* WAS TRAINED WITH"):
        train_in_this_process(str(config_path), overrides)


@pytest.mark.parametrize(
    "path",
    sorted(Path("configs/benchmark").glob("*.yaml")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_config_does_not_differ_from_itself(path):
    config = build_config(path)
    assert changed_settings(config.model_dump(), config, *Affects) == []
    other = {**config.model_dump(), "output_dir": "other", "model": {"code_size": 12345}}
    changed = changed_settings(other, config, Affects.MODEL)
    assert f"model.code_size 12345 -> {config.model.code_size}" in changed
