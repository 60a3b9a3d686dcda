"""Several processes learn what one learns from the same batches; tested on CPUs, with gloo."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import train
from im2mesh.build import build_config, build_trainer
from im2mesh.command_line import exit_status
from im2mesh.config.schema import TrainingConfig
from im2mesh.errors import UserError
from im2mesh.machine.processes import process_group
from im2mesh.machine.ranks import Ranks, ranks_from_environment
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.training.batches import ShareOfDraws, training_batches
from tests.runs.test_resuming import assert_same_run, scalars, steps
from tests.trainings import train_in_this_process

CPU = torch.device("cpu")
SYNCHRONIZED = ["training.sync_batch_norm=true"]
MODELS = {
    "adjoint": ["ode.gradient=adjoint"],
    "direct, some steps without motion": ["loss.motion_share=0.5", "training.seed=3"],
    "frames drawn": ["loss.correspondence_frames=2"],
    "latent codes drawn": [
        "model.latent_size=4",
        "model.posterior={name: pointnet}",
        "model.posterior_temporal={name: pointnet}",
        "loss.kl=0.001",
    ],
}


def write_gradients(config: str, overrides: list[str], path: str) -> None:
    """Gradients and statistics after one step, which has processes or has not."""
    ranks = ranks_from_environment()
    with process_group(ranks, CPU):
        run = build_trainer(build_config(config, overrides), CPU, ranks)
        torch.manual_seed(0)
        for weight in run.model.parameters():
            if not weight.any():  # no gradient goes through layers that begin at 0
                torch.nn.init.normal_(weight, std=0.1)
        batches = training_batches(
            run.training_data, run.config.training, ranks, iteration=0, pin_memory=False
        )
        report = run.step(next(batches))
        state = {
            "loss": torch.tensor(report.loss),
            **{f"grad {k}": w.grad for k, w in run.model.named_parameters() if w.grad is not None},
            **dict(run.model.named_buffers()),
        }
        if ranks.is_main:
            torch.save(state, path)


@pytest.mark.parametrize("overrides", MODELS.values(), ids=list(MODELS))
def test_gradients_of_two_processes_are_those_of_one(tmp_path, config_path, trainings, overrides):
    """The same global batch; to 1e-6."""
    overrides = [*SYNCHRONIZED, *overrides]
    write_gradients(str(config_path), overrides, str(tmp_path / "one.pt"))
    statuses = trainings.run_ranks(
        2, write_gradients, str(config_path), overrides, str(tmp_path / "two.pt")
    )
    assert statuses == [0, 0]
    one, two = (torch.load(tmp_path / name) for name in ("one.pt", "two.pt"))
    assert set(one) == set(two) and len(one) > 80
    for name, value in one.items():
        if name.endswith("num_batches_tracked"):
            assert torch.equal(value, two[name])
            continue
        error, size = (value - two[name]).abs().max().item(), value.abs().max().item()
        assert error <= 1e-6 * max(1.0, size), name
        assert size < 1e-4 or error <= 1e-3 * size, name  # small ones are right, too


def test_without_synchronized_statistics_gradients_differ(tmp_path, config_path, trainings):
    """So the test above would notice."""
    write_gradients(str(config_path), [], str(tmp_path / "one.pt"))
    assert trainings.run_ranks(
        2, write_gradients, str(config_path), [], str(tmp_path / "two.pt")
    ) == [0, 0]
    one, two = (torch.load(tmp_path / name) for name in ("one.pt", "two.pt"))
    name = "grad decoder.blocks.0.fc_0.weight"
    assert (one[name] - two[name]).abs().max() > 1e-4


def test_loss_curves_of_two_processes_are_those_of_one(tmp_path, config_path, trainings):
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    overrides = [*SYNCHRONIZED, *steps(20), "training.learning_rate=0.001"]
    train_in_this_process(str(config_path), [*overrides, f"output_dir={one.path}"])
    statuses = trainings.run_ranks(
        2, train_in_this_process, str(config_path), [*overrides, f"output_dir={two.path}"]
    )
    assert statuses == [0, 0]
    curves, others = scalars(one.logs), scalars(two.logs)
    assert set(curves) == set(others)
    for tag in (tag for tag in curves if tag.startswith(("loss/", "validation/"))):
        assert curves[tag].keys() == others[tag].keys()
        values, other = ([*c[tag].values()] for c in (curves, others))
        flips = 0.01 if tag.startswith("validation/iou") else 0  # points on the threshold
        np.testing.assert_allclose(values, other, rtol=2e-4, atol=flips, err_msg=tag)
    # one process has written: no second event file, no second lock
    assert len(list(two.logs.iterdir())) == 1
    assert load_checkpoint(two.checkpoint).state.iteration == 20


def test_a_failure_in_one_process_stops_both_with_the_windows_of_both(
    tmp_path, config_path, trainings
):
    run = RunFolder(tmp_path / "run")
    assert trainings.run_ranks(2, break_second_process, str(config_path)) == [2, 2]
    snapshot = torch.load(run.snapshot(1), weights_only=True)
    assert [len(batch["windows"]) for batch in snapshot["batches"]] == [2, 2]
    assert "the loss is not finite: correspondence" in snapshot["reason"]
    assert snapshot["reason"].count("ball_") == 4


def test_a_batch_that_fails_in_one_process_is_left_out_by_both(tmp_path, config_path, trainings):
    run = RunFolder(tmp_path / "run")
    skip = "training.max_skipped_batches=1"
    assert trainings.run_ranks(2, break_second_process, str(config_path), skip) == [0, 0]
    checkpoint = load_checkpoint(run.checkpoint)
    assert (checkpoint.state.iteration, checkpoint.state.num_skipped) == (6, 1)
    assert run.snapshot(1).exists()


def break_second_process(config: str, *overrides: str) -> None:
    ranks = ranks_from_environment()
    built = build_trainer

    def build(*arguments):
        run = built(*arguments)
        if ranks.rank == 1:
            step = run.step

            def step_on_garbage(batch):
                if run.state.iteration == 1:
                    batch.pointcloud[0, 2, 3] = float("nan")
                return step(batch)

            run.step = step_on_garbage
        return run

    train.build_trainer = build
    sys.exit(exit_status(train.main, [config, *overrides, "--device", "cpu"]))


def torchrun(*arguments: str, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.Popen([*command, *arguments], **options)


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def workers_of(run: RunFolder) -> list[int]:
    """Processes that train in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        if f"output_dir={run.path}".encode() in words and b"torch.distributed.run" not in words:
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_torchrun_goes_on_when_a_process_dies(tmp_path, config_path, trainings):
    """Killed in the midst, both start again from the last checkpoint: the same run, bit for bit."""
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    overrides = [*steps(40), "training.num_workers=0"]
    assert trainings.run_ranks(
        2, train_in_this_process, str(config_path), [*overrides, f"output_dir={whole.path}"]
    ) == [0, 0]
    process = torchrun(
        "--max-restarts=1", "train.py", str(config_path), *overrides,
        f"output_dir={killed.path}", "--device", "cpu",
    )  # fmt: skip
    wait_for(killed.checkpoint.exists)
    os.kill(workers_of(killed)[-1], signal.SIGKILL)
    assert process.wait(300) == 0
    assert_same_run(whole, killed)


def test_a_batch_that_cannot_be_shared_out_is_refused(config_path, trainings):
    settings = TrainingConfig(batch_size=4)
    with pytest.raises(UserError, match=r"batch_size is 4, which 3 processes .* multiple of 3"):
        Ranks(0, 3).share_of(settings.batch_size, "training.batch_size")
    run = build_trainer(build_config(config_path), CPU)
    with pytest.raises(UserError, match="which 3 processes"):
        next(training_batches(run.training_data, settings, Ranks(0, 3), 0, pin_memory=False))


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_parts_of_batches_join_to_the_batches_of_one_process(config_path, world_size):
    settings = TrainingConfig(batch_size=8, max_iterations=7)
    shares = [list(ShareOfDraws(settings, Ranks(r, world_size), 5)) for r in range(world_size)]
    count = 8 // world_size
    joined = [draw for k in range(2) for s in shares for draw in s[k * count : (k + 1) * count]]
    assert joined == list(range(40, 56))
    lengths = {len(ShareOfDraws(settings, Ranks(r, world_size), 5)) for r in range(world_size)}
    assert lengths == {2 * count}


@pytest.mark.parametrize(
    "environment", [{"RANK": "0"}, {"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
                    {"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}],
)  # fmt: skip
def test_ranks_that_do_not_fit_are_refused(environment):
    with pytest.raises(UserError, match="RANK="):
        ranks_from_environment(environment)
