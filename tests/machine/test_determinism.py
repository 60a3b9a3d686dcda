"""The same weights twice, and draws that follow from what they are for."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from im2mesh.build import build_config, build_trainer
from im2mesh.data.batch import collate
from im2mesh.errors import UserError
from im2mesh.machine.determinism import deterministic_operations
from im2mesh.models.code import Gaussian
from im2mesh.randomness import Purpose, random_stream, step_randomness
from im2mesh.runs.checkpoints import load_checkpoint

CPU = torch.device("cpu")


def test_two_trainings_with_two_threads_give_the_same_weights(config_path, tmp_path):
    """In processes of their own, with workers: nothing is shared but the seed. The model has a
    local shape code, whose neighbours are searched for, and a flow with the adjoint."""
    overrides = [
        "ode={method: dopri5, gradient: adjoint}",
        "ode.step_size=null",
        "model.encoder={name: pointnet_local, hidden_size: 16, num_blocks: 2}",
        "model.decoder={name: local_attention, hidden_size: 16, num_blocks: 2}",
    ]
    runs = []
    for number in range(2):
        runs.append(tmp_path / f"run{number}")
        command = [sys.executable, "train.py", str(config_path), "--device", "cpu", *overrides]
        command += ["training.deterministic=true", "training.num_workers=1"]
        command += ["training.max_iterations=3"]
        subprocess.run(
            [*command, f"output_dir={runs[-1]}"],
            env={**os.environ, "OMP_NUM_THREADS": "2"},
            check=True,
            capture_output=True,
        )
    first, second = (load_checkpoint(run / "model.pt").model for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_allows_deterministic_operations_alone(config_path):
    for wanted in (True, False):
        overrides = [
            f"training.deterministic={wanted}".lower(),
            f"output_dir={config_path.parent}/{wanted}",
        ]
        run = build_trainer(build_config(config_path, overrides), CPU)
        seen = []
        run.model.decoder.register_forward_hook(
            lambda *_, seen=seen: seen.append(torch.are_deterministic_algorithms_enabled())
        )
        run.fit()
        assert set(seen) == {wanted}


def test_an_operation_that_is_not_deterministic_is_named():
    refused = pytest.raises(UserError, match=r"kthvalue.* other results.*training\.deterministic")
    with refused, deterministic_operations(True, CPU):
        raise RuntimeError("kthvalue CUDA does not have a deterministic implementation, but")
    with deterministic_operations(True, CPU):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_gpu_needs_its_environment(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    refused = pytest.raises(UserError, match="CUBLAS_WORKSPACE_CONFIG=:4096:8 before the start")
    with refused, deterministic_operations(True, torch.device("cuda")):
        raise AssertionError("not reached")


def test_draws_of_a_step_follow_from_seed_iteration_and_rank():
    def numbers(seed, iteration, rank):
        randomness = step_randomness(seed, iteration, rank, num_items=2)
        generators = (randomness.decisions, *randomness.noise, None)
        return [torch.rand(4, generator=generator).tolist() for generator in generators]

    first = numbers(1, 5, 0)
    assert numbers(1, 5, 0) == first
    assert len({str(stream) for stream in first}) == 4
    for other in (numbers(2, 5, 0), numbers(1, 6, 0)):
        assert all(a != b for a, b in zip(first, other, strict=True))
    of_rank_1 = numbers(1, 5, 1)
    assert of_rank_1[0] == first[0]  # decisions are the same in all processes
    assert all(a != b for a, b in zip(of_rank_1[1:], first[1:], strict=True))


def test_latent_noise_of_an_item_is_the_same_in_whichever_process_it_is():
    def noise(rank, num_items):
        drawn = step_randomness(seed=1, iteration=5, rank=rank, num_items=num_items).noise
        return [torch.randn(3, generator=generator).tolist() for generator in drawn]

    assert noise(0, 2) + noise(1, 2) == noise(0, 4)
    gaussian = Gaussian(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="1 generators for 2 sequences"):
        gaussian.sample([torch.Generator()])


def test_streams_of_different_purposes_differ():
    streams = [random_stream(0, purpose, 3).random(4).tolist() for purpose in Purpose]
    assert len({str(stream) for stream in streams}) == len(Purpose)


def test_a_sample_depends_on_its_index_alone(config_path):
    """Neither on what was drawn before, nor on which worker draws it."""
    data = build_trainer(build_config(config_path), CPU).training_data
    late = data[37]
    for draw in (3, 17, 36):
        _ = data[draw]
    again = data[37]
    assert late.window == again.window
    for name in ("inputs", "points_0", "points_t", "pointcloud"):
        np.testing.assert_array_equal(getattr(late, name), getattr(again, name))


def test_a_step_does_not_depend_on_the_steps_before_but_through_weights(config_path):
    """The random state is no part of what a checkpoint must hold."""
    overrides = ["loss.correspondence_frames=1", "training.learning_rate=1e-12"]
    losses = []
    for start in (0, 3):
        run = build_trainer(build_config(config_path, overrides), CPU)
        run.state.iteration = start
        while run.state.iteration < 5:
            batch = collate([run.training_data[4 * run.state.iteration + k] for k in range(4)])
            report = run.step(batch)
        losses.append(report.loss_parts["correspondence"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
