"""A step that is not finite stops with all that it takes to understand it, or is left out."""

import math

import pytest
import torch

import train
from im2mesh.build import build_config, build_trainer
from im2mesh.config.schema import OdeConfig
from im2mesh.data.batch import collate
from im2mesh.data.dataset import WindowDataset
from im2mesh.errors import UserError
from im2mesh.machine.memory import OutOfMemoryError, explain_out_of_memory
from im2mesh.models.code import empty_code
from im2mesh.models.flow.flow import Flow
from im2mesh.models.flow.solver_errors import SolverError
from im2mesh.runs.checkpoints import CheckpointError, load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.snapshots import load_snapshot
from im2mesh.training.step import StepError
from im2mesh.training.trainer import TrainingError
from scripts import replay_batch
from tests.problems import Expansion
from tests.runs.test_resuming import scalars

CPU = torch.device("cpu")


def trainer(path, *overrides):
    return build_trainer(build_config(path, overrides), CPU)


@pytest.fixture
def broken_sample(monkeypatch):
    """Sample 9, of the third batch of four, has a surface point that is not a number."""
    read = WindowDataset.__getitem__

    def read_broken(dataset, draw):
        sample = read(dataset, draw)
        if dataset.shuffle and draw == 9:
            sample.pointcloud[2, 3] = math.nan
        return sample

    monkeypatch.setattr(WindowDataset, "__getitem__", read_broken)


def state_of(run) -> list[torch.Tensor]:
    return [value.clone() for value in run.model.state_dict().values()]


def test_a_failed_step_changes_neither_weights_nor_statistics(config_path):
    run = trainer(config_path)
    before = state_of(run)
    batch = collate([run.training_data[0]])
    batch.points_0[0, 0] = math.nan  # which batch norm would spread into its running mean
    with pytest.raises(StepError, match="the loss is not finite: reconstruction_0"):
        run.step(batch)
    pairs = zip(before, run.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_training_stops_with_iteration_windows_parts_and_a_snapshot(config_path, broken_sample):
    run = trainer(config_path)
    with pytest.raises(TrainingError) as error:
        run.fit()
    message, path = str(error.value), run.folder.snapshot(2)
    assert message.startswith("iteration 2 failed: the loss is not finite: correspondence; loss: ")
    assert "reconstruction_0 0." in message and "correspondence nan" in message
    assert message.count("ball_") == 4  # the windows of the batch
    assert f"python scripts/replay_batch.py {path}" in message
    assert not run.folder.checkpoint.exists()  # the first would have come at 3
    snapshot = load_snapshot(path)
    assert (snapshot.iteration, len(snapshot.batches)) == (2, 1)
    batch = collate([run.training_data[draw] for draw in range(8, 12)])
    assert snapshot.batches[0].windows == batch.windows
    assert torch.equal(snapshot.batches[0].inputs, batch.inputs)
    for name, value in run.model.state_dict().items():
        assert torch.equal(snapshot.model[name], value)


def test_the_snapshot_is_replayed(config_path, broken_sample, capsys):
    run = trainer(config_path)
    with pytest.raises(TrainingError):
        run.fit()
    replay_batch.main([str(run.folder.snapshot(2)), "--device", "cpu"])
    told = capsys.readouterr().out
    assert "input pointcloud: 3 of 960 values NOT FINITE" in told
    assert "loss correspondence: nan <- NOT FINITE" in told
    assert "fails again: the loss is not finite: correspondence" in told
    with pytest.raises(CheckpointError, match="is no snapshot of a failed step"):
        replay_batch.main([str(save_something_else(config_path))])


def save_something_else(config_path):
    run = trainer(config_path)
    run.save(run.folder.checkpoint)
    return run.folder.checkpoint


def test_a_finite_step_is_told_to_be_one(config_path, broken_sample, tmp_path, capsys):
    """The replay does not just repeat what the file says."""
    run = trainer(config_path)
    with pytest.raises(TrainingError):
        run.fit()
    values = torch.load(run.folder.snapshot(2), weights_only=True)
    values["batches"][0]["pointcloud"].nan_to_num_()
    torch.save(values, tmp_path / "mended.pt")
    replay_batch.main([str(tmp_path / "mended.pt")])
    assert "does not fail" in capsys.readouterr().out


def test_the_replay_names_the_network_where_it_begins(config_path, tmp_path, capsys):
    run = trainer(config_path)
    with torch.no_grad():
        run.model.decoder.blocks[1].fc_0.weight[0, 0] = math.inf
    with pytest.raises(TrainingError):
        run.fit()
    replay_batch.main([str(run.folder.snapshot(0))])
    told = capsys.readouterr().out
    assert "weights decoder.blocks.1.fc_0.weight: 1 of 256 values NOT FINITE" in told
    assert "output of decoder.blocks.1.fc_0 (Linear) " in told


def test_batches_are_left_out_counted_and_logged(config_path, broken_sample, capsys):
    run = trainer(config_path, "training.max_skipped_batches=1", "training.print_every=1")
    run.fit()
    assert "SKIPPED BATCH 1 of 1 allowed: iteration 2 failed" in capsys.readouterr().out
    assert load_checkpoint(run.folder.checkpoint).state.num_skipped == 1
    skipped = scalars(run.folder.logs)["training/skipped_batches"]
    assert skipped == {1: 0, 2: 0, 4: 1, 5: 1, 6: 1}
    assert run.folder.snapshot(2).exists()


def test_the_count_of_skipped_batches_outlives_a_restart(config_path, broken_sample):
    skip = "training.max_skipped_batches=1"
    trainer(config_path, skip, "training.max_iterations=4").fit()
    run = trainer(config_path, skip)
    assert run.resume() and run.state.num_skipped == 1


def test_a_gradient_that_is_not_finite_is_found(config_path):
    run = trainer(config_path)
    run.model.decoder.fc_out.weight.register_hook(lambda gradient: gradient * math.inf)
    before = state_of(run)
    with pytest.raises(StepError, match=r"gradient is not finite .* the first decoder\.fc_out"):
        run.step(collate([run.training_data[0]]))
    pairs = zip(before, run.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_clipping_does_not_hide_which_gradient_is_not_finite(config_path):
    run = trainer(config_path, "training.gradient_clip=1.0")
    run.model.decoder.fc_out.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(StepError, match=r"of 1 weights, the first decoder\.fc_out\.weight"):
        run.step(collate([run.training_data[0]]))


def test_a_validation_that_is_not_finite_names_its_windows(config_path):
    run = trainer(config_path)
    decode = run.model.trajectories
    run.model.trajectories = lambda *inputs: (
        decode(*inputs) * (1 if run.model.training else math.nan)
    )
    with pytest.raises(
        UserError,
        match=r"at iteration 3 failed: correspondence_l2 is not finite for ball_\w/\d+ nan",
    ):
        run.fit()


@pytest.mark.parametrize("when", ["_0", ""], ids=["first frame", "later"])
def test_an_occupancy_that_is_not_finite_is_no_empty_space(config_path, when):
    """Whose IoU would be a number, since NaN is not above any threshold."""
    run = trainer(config_path)
    decode = getattr(run.model, f"occupancy_logits{when}")

    def decode_nan(*inputs: torch.Tensor) -> torch.Tensor:
        logits = decode(*inputs)
        logits[:, 7] *= 1 if run.model.training else math.nan
        return logits

    setattr(run.model, f"occupancy_logits{when}", decode_nan)
    with pytest.raises(
        UserError, match=r"at iteration 3 failed: iou is not finite for ball_\w/\d+"
    ):
        run.fit()


@pytest.mark.parametrize("gradient", ["adjoint", "direct"])
@pytest.mark.parametrize(
    ("rate", "ode", "meaning"),
    [
        (1e30, {}, "positions became NaN or infinite|steps became too small"),
        (math.nan, {}, "positions became NaN or infinite|steps became too small"),
        (-1e4, {"max_steps": 20}, r"more steps than ode\.max_steps"),
        (1e30, {"method": "rk4"}, "positions became NaN or infinite by 0.5 of the way"),
    ],
)
def test_what_a_solver_cannot_do_is_one_error(rate, ode, meaning, gradient):
    flow = Flow(Expansion(rate), OdeConfig(gradient=gradient, **ode))
    points = torch.rand(1, 5, 3) + 0.1
    with pytest.raises(SolverError, match=meaning) as error:
        flow.integrate_forward(points, torch.linspace(0, 1, 3), empty_code(1))
    assert "ode.rtol" in str(error.value) and "\n" not in str(error.value)
    backward = Flow(Expansion(-rate), flow.ode)
    with pytest.raises(SolverError):
        backward.integrate_backward(points, torch.ones(1), empty_code(1))


def test_a_solver_that_fails_in_the_backward_pass_is_told_likewise(config_path):
    run = trainer(config_path, "ode.gradient=adjoint", "ode={method: dopri5}", "ode.step_size=null")
    solve = run.model.flow._call_torchdiffeq

    def solve_with_bad_gradient(*arguments):
        path = solve(*arguments)
        path.register_hook(lambda gradient: gradient * math.nan)
        return path

    run.model.flow._call_torchdiffeq = solve_with_bad_gradient
    with pytest.raises(StepError, match="in the backward pass, solving the flow failed: "):
        run.step(collate([run.training_data[0]]))


def test_out_of_memory_says_what_to_lower(config_path):
    def forward(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has")

    run = trainer(config_path)
    run.model.decoder.forward = forward
    with pytest.raises(OutOfMemoryError, match=r"lower training\.batch_size.*allocate 20\.00 GiB"):
        run.step(collate([run.training_data[0]]))
    on_the_cpu = pytest.raises(OutOfMemoryError, match="the CPU has too little memory: lower it")
    with on_the_cpu, explain_out_of_memory("lower it"):
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="another"), explain_out_of_memory("lower it"):
        raise RuntimeError("another")


def test_a_failed_step_is_one_line_for_the_user(config_path, broken_sample, capsys):
    from im2mesh.command_line import exit_status

    assert exit_status(train.main, [str(config_path), "--device", "cpu"]) == 2
    assert "error: iteration 2 failed: " in capsys.readouterr().err
    assert RunFolder.of(build_config(config_path)).snapshot(2).exists()
