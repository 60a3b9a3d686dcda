"""Training on a GPU: recorded steps, several processes with NCCL, and what the host waits for."""

import warnings
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

import eval as evaluation
import generate
import train
from im2mesh.build import build_config, build_trainer
from im2mesh.data.batch import Batch, collate
from im2mesh.machine.devices import build_device
from im2mesh.machine.processes import process_group
from im2mesh.machine.ranks import ranks_from_environment
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.training.batches import training_batches
from im2mesh.training.step import StepError, StepLoss

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GPU = torch.device("cuda", 0)
FAST = [
    "ode.method=rk4", "ode.step_size=0.334", "ode.interpolate=true", "ode.gradient=direct",
]  # fmt: skip


def trainer_on_gpu(path, *overrides):
    return build_trainer(build_config(path, [*FAST, *overrides]), GPU)


def batch_of(run, start: int = 0, size: int = 4) -> Batch:
    return collate([run.training_data[start + k] for k in range(size)]).to(GPU)


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_recorded_steps_equal_those_as_written(config_path, precision, without_shape_checks):
    """With other batches and times in every step, and batch norm's statistics."""
    settings = [f"training.precision={precision}", "training.learning_rate=1e-5"]
    plain = trainer_on_gpu(config_path, *settings)
    recorded = trainer_on_gpu(config_path, *settings, "training.compile=true")
    assert "recorded as a CUDA graph" in recorded.stepper.compiled
    rounding = {"fp32": 1e-4, "tf32": 2e-3, "bf16": 2e-2}[precision]
    for k in range(4):
        expected = plain.step(batch_of(plain, 4 * k))
        found = recorded.step(batch_of(recorded, 4 * k))
        assert found.loss == pytest.approx(expected.loss, rel=rounding)
        assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=20 * rounding)
        assert (found.nfe_forward, found.nfe_backward) == (expected.nfe_forward, 0)
    for name, value in plain.model.named_buffers():
        other = dict(recorded.model.named_buffers())[name]
        torch.testing.assert_close(other, value, atol=rounding, rtol=20 * rounding)


def test_recorded_steps_learn(config_path, without_shape_checks):
    run = trainer_on_gpu(config_path, "training.compile=true", "training.learning_rate=0.003")
    batch = batch_of(run)
    losses = [run.step(batch).loss for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


def test_batches_of_another_size_are_recorded_anew(config_path, without_shape_checks):
    plain, recorded = (
        trainer_on_gpu(config_path, f"training.compile={value}") for value in ("false", "true")
    )
    for size in (4, 3, 4):
        losses = [run.step(batch_of(run, 0, size)).loss for run in (plain, recorded)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize("compiled", ["false", "true"])
def test_a_step_that_is_not_finite_changes_nothing(config_path, compiled, without_shape_checks):
    run = trainer_on_gpu(config_path, f"training.compile={compiled}")
    batch = batch_of(run)
    run.step(batch)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    moments = run.stepper.optimizer.state_dict()["state"]
    counts = [float(state["step"]) for state in moments.values()]
    broken = batch.points_t.clone()
    broken[1, 3] = torch.nan
    with pytest.raises(StepError, match="the loss is not finite: reconstruction_t"):
        run.step(replace(batch, points_t=broken))
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    moments = run.stepper.optimizer.state_dict()["state"]
    assert [float(state["step"]) for state in moments.values()] == counts
    assert torch.isfinite(torch.tensor(run.step(batch).loss))


def test_the_host_waits_once_a_step(config_path):
    """torch warns of every synchronisation; the batch is on the GPU already."""
    run = trainer_on_gpu(config_path)
    batch = batch_of(run)
    run.step(batch)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            run.step(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [note.filename for note in told if "synchroniz" in str(note.message)]
    assert len(waits) == 1 and "training/step.py" in waits[0], waits


def test_train_generate_and_evaluate(config_path, tmp_path, without_shape_checks):
    options = [str(config_path), *FAST, "training.compile=true", "--device", "cuda"]
    train.main(options)
    first = load_checkpoint(RunFolder(tmp_path / "run").checkpoint)
    assert first.state.iteration == 6
    train.main([*options, "training.max_iterations=8"])  # resumes
    assert load_checkpoint(RunFolder(tmp_path / "run").checkpoint).state.iteration == 8
    generate.main([str(config_path), *FAST, "--device", "cuda", "generation.threshold=0.2"])
    evaluation.main([str(config_path), *FAST, "generation.threshold=0.2"])
    assert list((tmp_path / "run").rglob("*.csv"))


def test_a_group_of_one_speaks_gloo_for_the_host_and_nccl_for_the_gpu(config_path, monkeypatch):
    """What two GPUs would need: both ways of exchange, and gradients through DDP."""
    environment = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29551", "RANK": "0", "WORLD_SIZE": "1",
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    dist.init_process_group("cpu:gloo,cuda:nccl", rank=0, world_size=1)
    try:
        there, here = torch.ones(3, device=GPU), torch.ones(3)
        dist.all_reduce(there)
        dist.all_reduce(here)
        run = trainer_on_gpu(config_path)
        alone = run.step(batch_of(run))
        run = trainer_on_gpu(config_path)
        loss = StepLoss(run.model, run.config.loss)
        run.stepper.loss = torch.nn.parallel.DistributedDataParallel(loss)
        together = run.step(batch_of(run))
    finally:
        dist.destroy_process_group()
    assert together.loss == pytest.approx(alone.loss, rel=1e-5)
    assert together.gradient_norm == pytest.approx(alone.gradient_norm, rel=1e-4)


def write_gradient(config: str, overrides: list[str], device: str, path: str) -> None:
    """The gradient of the first step, by one of several processes or alone."""
    ranks = ranks_from_environment()
    place = build_device(device, ranks)
    with process_group(ranks, place):
        run = build_trainer(build_config(config, [*FAST, *overrides]), place, ranks)
        batches = training_batches(
            run.training_data, run.config.training, ranks, iteration=0, pin_memory=True
        )
        run.step(next(batches).to(place))
        if ranks.is_main:
            gradients = [w.grad.flatten().cpu() for w in run.model.parameters()]
            torch.save(torch.cat(gradients), path)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_gpus_find_the_gradient_of_one(tmp_path, config_path, trainings):
    overrides = ["training.sync_batch_norm=true"]
    write_gradient(str(config_path), overrides, "cuda", str(tmp_path / "one.pt"))
    statuses = trainings.run_ranks(
        2, write_gradient, str(config_path), overrides, "cuda", str(tmp_path / "two.pt")
    )
    assert statuses == [0, 0]
    one, two = (torch.load(tmp_path / name) for name in ("one.pt", "two.pt"))
    assert one.norm() > 0 and (two - one).norm() < 1e-3 * one.norm()
