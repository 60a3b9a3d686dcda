"""Checkpoints of the authors' code: converted to ours, used, and trained on from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import generate
import train
from im2mesh.build import CHOICES, build_config, build_model, build_trainer
from im2mesh.compat.names import official_to_ours, ours_to_official
from im2mesh.config.validation import config_from_dict
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.weights import load_weights
from scripts.import_official_checkpoint import main
from tests.ball import write_ball_dataset
from tests.official import (
    DATA,
    LOSS,
    OFLOW,
    SMALL,
    SMALL_GENERATIVE,
    SMALL_SIZES,
    Sizes,
    import_file,
    official_file,
    parity_arrays,
    parity_state,
    random_state,
    shapes,
    write_official,
)

PARITY = {
    "pointcloud_oflow_w_correspond": (
        "configs/pointcloud/oflow_w_correspond.yaml",
        SMALL_SIZES,
        SMALL,
    ),
    "generative_oflow": (
        "configs/generative/oflow.yaml",
        SMALL_GENERATIVE,
        [
            "model.latent_size=8",
            "model.posterior.hidden_size=16",
            "model.posterior_temporal.hidden_size=16",
            "model.decoder.hidden_size=16",
            "model.velocity_field.hidden_size=16",
        ],
    ),
    "interpolation_oflow": (
        "configs/interpolation/oflow.yaml",
        Sizes(c=16, encoder_temporal=16, streams=True, velocity=16),
        [
            "model.code_size=16",
            "model.encoder_temporal.hidden_size=16",
            "model.velocity_field.hidden_size=16",
        ],
    ),
}
"""Name in tests/data -> config, sizes, and overrides for these sizes."""

PAPER = {
    OFLOW: Sizes(c=128, encoder=128, encoder_temporal=128, decoder=256, velocity=128),
    "configs/pointcloud/oflow_w_correspond.yaml": Sizes(
        c=512, encoder=512, encoder_temporal=512, decoder=256, velocity=512
    ),
    "configs/interpolation/oflow.yaml": Sizes(
        c=512, encoder_temporal=512, streams=True, velocity=512
    ),
    "configs/shape_matching/oflow.yaml": Sizes(
        c=512, encoder_temporal=512, streams=True, velocity=512
    ),
    "configs/generative/oflow.yaml": Sizes(
        z=128, posterior=128, decoder=128, velocity=128, velocity_blocks=3
    ),
}


def load(path: Path) -> OccupancyFlow:
    checkpoint = load_checkpoint(path)
    model = build_model(config_from_dict(checkpoint.config, str(path), choices=CHOICES))
    load_weights(model, checkpoint.model, path)
    assert isinstance(model, OccupancyFlow)
    return model.eval()


@pytest.mark.parametrize("name", PARITY)
def test_description_of_official_files(name):
    actual = {key: tuple(x.shape) for key, x in parity_state(name).items()}
    assert shapes(PARITY[name][1]) == actual


@pytest.mark.parametrize("file", sorted(path.stem for path in DATA.glob("*_*.npz")))
def test_names_there_and_back(file):
    task = file.removeprefix("pointcloud_")
    method = task if task in ("onet4d", "psgn4d") else "occupancy_flow"
    state = parity_state(file)
    assert state
    for name in state:
        assert ours_to_official(official_to_ours(name, method), method) == name


@pytest.mark.parametrize("zipped", [False, True], ids=["2019", "zipped"])
@pytest.mark.parametrize("name", PARITY)
def test_an_imported_model_gives_the_official_numbers(name, zipped, tmp_path, capsys):
    config, sizes, overrides = PARITY[name]
    content = official_file(parity_state(name))
    source = write_official(tmp_path / "official.pt", content, zipped=zipped)
    out = tmp_path / "ours.pt"
    precise = ["ode.rtol=1e-7", "ode.atol=1e-9"]
    main([str(source), "--config", config, str(out), *overrides, *precise])
    assert f"imported {len(shapes(sizes))} tensors" in capsys.readouterr().out
    assert load_checkpoint(out).state.iteration == 3456
    check_outputs(load(out), parity_arrays(name))


@torch.no_grad()
def check_outputs(model: OccupancyFlow, expected: dict[str, Tensor]) -> None:
    inputs, points = expected["batch/inputs"], expected["query/points"]
    t = expected["query/t_per_sample"].float()
    codes = model.encode(inputs, torch.linspace(0, 1, inputs.shape[1]).expand(len(inputs), -1))
    actual = {
        "c_spatial": codes.shape.c,
        "c_temporal": codes.motion.c,
        "forward": model.trajectories(points, expected["query/times"], codes),
        "backward_to_0": model.flow.integrate_backward(points, t, codes.motion)[:, -1],
    }
    if model.decoder is not None:
        actual["occupancy_logits"] = model.occupancy_logits_0(points, codes)
    if model.has_posterior:
        actual |= {"z_mean": codes.shape.z, "z_motion_mean": codes.motion.z}
    for name, value in actual.items():
        wanted = expected[f"eval/{name}"].double()
        torch.testing.assert_close(value.double(), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", PAPER)
def test_files_of_the_published_sizes(config, tmp_path):
    state = random_state(PAPER[config])
    out = import_file(tmp_path, {"model": state, "loss_val_best": np.float32(LOSS)}, config=config)
    imported = load(out).state_dict()
    assert load_checkpoint(out).state.iteration == 0
    assert len(imported) == len(state)
    for key, value in state.items():
        assert torch.equal(imported[official_to_ours(key)].flatten(), value.flatten())


def test_generate_with_an_imported_model_of_the_published_size(tmp_path):
    write_ball_dataset(tmp_path / "balls", num_frames=17)
    state = random_state(PAPER[OFLOW])
    out = import_file(tmp_path, {"model": state}, config=OFLOW)
    overrides = [
        f"data.root={tmp_path / 'balls'}", "data.skip_frames=0", f"output_dir={tmp_path / 'run'}",
        "generation.resolution=8", "generation.upsampling_steps=0", "ode.method=rk4",
    ]  # fmt: skip
    generate.main([OFLOW, *overrides, "--checkpoint", str(out), "--device", "cpu"])
    folder = RunFolder(tmp_path / "run").generation("test")
    (file,) = folder.rglob("sequence.npz")
    assert len(MeshSequence.load(file).faces) > 0


@pytest.fixture
def run_on_balls(tmp_path, ball_root) -> list[str]:
    return [
        *SMALL, f"data.root={ball_root}", f"output_dir={tmp_path / 'run'}", "data.num_frames=5",
        "data.skip_frames=0", "data.num_input_points=40", "data.num_points=64", "ode.method=rk4",
        "training.batch_size=2", "training.num_workers=0", "training.max_iterations=3457",
        "validation.max_windows=1", "validation.num_points=100", "training.learning_rate=1e-3",
    ]  # fmt: skip


def test_training_goes_on_from_an_imported_model(tmp_path, run_on_balls, capsys):
    folder = RunFolder(tmp_path / "run")
    state = random_state(replace(SMALL_SIZES, frames=5))
    source = write_official(tmp_path / "official.pt", official_file(state))
    main([str(source), "--config", OFLOW, str(folder.checkpoint), *run_on_balls])
    assert "train.py goes on from it" in capsys.readouterr().out
    before = load_checkpoint(folder.checkpoint)
    train.main([OFLOW, *run_on_balls, "--device", "cpu"])
    assert "at iteration 3456" in capsys.readouterr().out
    after = load_checkpoint(folder.best_checkpoint)
    assert after.state.iteration == 3457
    moved = (after.model["decoder.fc_p.weight"] - before.model["decoder.fc_p.weight"]).abs().max()
    assert 1e-4 < moved < 2e-3  # one step of Adam: about the learning rate


def test_a_used_up_budget_is_told(tmp_path, run_on_balls, capsys):
    out = RunFolder(tmp_path / "run").checkpoint
    state = random_state(replace(SMALL_SIZES, frames=5))
    source = write_official(tmp_path / "official.pt", {"model": state, "it": np.int64(3457)})
    main([str(source), "--config", OFLOW, str(out), *run_on_balls])
    assert "when training.max_iterations, now 3457, is raised" in capsys.readouterr().out


def test_an_imported_file_is_like_one_of_the_trainer(tmp_path, run_on_balls):
    state = random_state(replace(SMALL_SIZES, frames=5))
    imported = load_checkpoint(import_file(tmp_path, {"model": state}, *run_on_balls))
    trainer = build_trainer(build_config(OFLOW, run_on_balls), torch.device("cpu"))
    trainer.save(tmp_path / "fresh.pt")
    fresh = load_checkpoint(tmp_path / "fresh.pt")
    assert imported.optimizer == fresh.optimizer
    assert imported.config == fresh.config
    assert imported.state.best_score == fresh.state.best_score
    (note,) = fresh.state.origins
    assert note.pop("precision") == "fp32"  # unknown for weights of the authors
    assert imported.state.origins == [{**note, "dataset": "of the authors"}]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: {"model": {f"module.{name}": x for name, x in state.items()}},
        lambda state: {"model": {f"_orig_mod.module.{name}": x for name, x in state.items()}},
        lambda state: {
            "model": {name.replace("encoder.", "encoder.module."): x for name, x in state.items()}
        },
        lambda state: {"state_dict": {f"model.{name}": x for name, x in state.items()}, "epoch": 3},
        lambda state: {"model_state_dict": state},
        lambda state: dict(state),
        lambda state: {f"module.{name}": x for name, x in state.items()},
    ],
    ids=["parallel", "compiled", "one_network", "trainer", "tutorial", "bare", "bare_parallel"],
)
def test_a_model_in_any_wrapper_is_the_same_model(wrapped, tmp_path):
    state = random_state(SMALL_SIZES)
    plain = load_checkpoint(import_file(tmp_path, {"model": state}, *SMALL)).model
    other = load_checkpoint(import_file(tmp_path, wrapped(state), "--overwrite", *SMALL)).model
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_an_iteration_may_be_a_tensor(tmp_path):
    content = official_file(random_state(SMALL_SIZES), it=torch.tensor(77))
    assert load_checkpoint(import_file(tmp_path, content, *SMALL)).state.iteration == 77
