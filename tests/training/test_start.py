"""A training may start from the weights of another one."""

import pytest
import torch

import train
from im2mesh.build import build_config, build_trainer
from im2mesh.errors import Advice, ConfigError
from im2mesh.pretrained.shipped import find_weights
from im2mesh.runs.checkpoints import CheckpointError, load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.trained import read_trained, write_weights

CPU = torch.device("cpu")


def run_training(config_path, folder, *overrides) -> RunFolder:
    train.main([str(config_path), f"output_dir={folder}", *overrides, "--device", "cpu"])
    return RunFolder(folder)


def fresh(config_path, folder, *overrides):
    return build_trainer(build_config(config_path, [f"output_dir={folder}", *overrides]), CPU)


@pytest.fixture
def first(config_path, tmp_path) -> RunFolder:
    return run_training(config_path, tmp_path / "first", "training.max_iterations=3")


@pytest.fixture(params=["checkpoint", "weights"])
def file(first, tmp_path, request):
    if request.param == "checkpoint":
        return first.checkpoint
    path = tmp_path / "first.safetensors"
    write_weights(path, read_trained(first.checkpoint))
    return path


def test_it_starts_with_the_weights_of_a_file(config_path, tmp_path, file):
    second = fresh(config_path, tmp_path / "second", f"training.start_from={file}")
    assert second.resume() is None
    second.start()
    expected = read_trained(file).model
    assert all(torch.equal(expected[key], now) for key, now in second.model.state_dict().items())
    assert second.state.iteration == 0, "the budget is that of the new training"


def test_without_a_name_the_weights_are_fresh(config_path, tmp_path, first):
    other = fresh(config_path, tmp_path / "other")
    other.start()
    trained = load_checkpoint(first.checkpoint).model
    assert not all(torch.equal(trained[key], now) for key, now in other.model.state_dict().items())
    assert len(other.state.origins) == 1


def test_its_origin_names_both_trainings(config_path, tmp_path, first):
    name = f"training.start_from={first.checkpoint}"
    second = run_training(config_path, tmp_path / "second", name, "training.seed=5")
    origins = load_checkpoint(second.checkpoint).state.origins
    assert [note["seed"] for note in origins] == [0, 5]


def test_a_resumed_run_reads_its_own_checkpoint(config_path, tmp_path, first):
    name = f"training.start_from={first.checkpoint}"
    run_training(config_path, tmp_path / "second", name, "training.max_iterations=3")
    first.checkpoint.unlink()
    again = run_training(config_path, tmp_path / "second", name)
    checkpoint = load_checkpoint(again.checkpoint)
    assert checkpoint.state.iteration == 6 and len(checkpoint.state.origins) == 3


def test_a_resumed_run_says_that_it_keeps_its_own_weights(config_path, tmp_path, first):
    with pytest.warns(Advice, match=r"None -> locla.* Its weights stay its own"):
        run_training(config_path, first.path, "training.start_from=locla")


def test_a_fresh_start_may_begin_with_the_weights_of_the_folder_that_it_moves(config_path, first):
    best = first.path / "model.pt"
    trained = load_checkpoint(best).model
    settings = [f"training.start_from={best}", "training.max_iterations=1", "--fresh"]
    run = run_training(config_path, first.path, *settings, "training.learning_rate=1e-12")
    now = load_checkpoint(run.checkpoint)
    assert now.state.iteration == 1
    name = "decoder.fc_p.weight"
    torch.testing.assert_close(now.model[name], trained[name], rtol=1e-4, atol=1e-6)


def test_a_fresh_start_from_unknown_weights_moves_nothing(config_path, first):
    with pytest.raises(ConfigError, match="no weights are called 'locla'"):
        run_training(config_path, first.path, "training.start_from=locla", "--fresh")
    assert first.checkpoint.is_file()


def test_another_model_is_refused_by_name(config_path, tmp_path, first):
    wider = "model.decoder={name: cbatchnorm, hidden_size: 24, num_blocks: 2}"
    name = f"training.start_from={first.checkpoint}"
    with pytest.raises(CheckpointError, match=r"different shape for decoder\.fc_p\.weight"):
        run_training(config_path, tmp_path / "second", name, wider)
    assert not (tmp_path / "second/model.pt").exists()


def test_weights_of_other_inputs_are_refused(config_path, tmp_path):
    with pytest.raises(ConfigError, match=r"oflow\.safetensors was trained with data\.num_frames"):
        run_training(config_path, tmp_path / "second", "training.start_from=oflow")


@pytest.mark.parametrize("name", ["olfow", "weights.bin"])
def test_unknown_weights_are_told_with_those_that_ship(config_path, tmp_path, name):
    with pytest.raises(
        ConfigError,
        match=rf"training.start_from: no weights are called '{name}'; those .*local.*or of a check",
    ):
        run_training(config_path, tmp_path / "second", f"training.start_from={name}")


@pytest.mark.parametrize("name", ["gone.pt", "gone.safetensors"])
def test_a_missing_file_is_named(config_path, tmp_path, name):
    with pytest.raises(CheckpointError, match=name):
        run_training(config_path, tmp_path / "second", f"training.start_from={name}")


def test_shipped_weights_fit_the_config_that_starts_from_them():
    config = build_config("configs/benchmark/oflow_w_correspond.yaml")
    assert config.training.start_from == "oflow"
    trained = read_trained(find_weights("oflow"))
    assert trained.config["model"] == config.model_dump(mode="json")["model"]
