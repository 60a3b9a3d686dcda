"""Files that are refused on import: what the message says, and that nothing is executed."""

import os
import pickle
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from im2mesh.compat.reading import read_official
from im2mesh.errors import UserError
from im2mesh.runs.checkpoints import CheckpointError
from scripts.import_official_checkpoint import main
from tests.official import (
    OFLOW,
    SMALL,
    SMALL_GENERATIVE,
    SMALL_SIZES,
    import_file,
    official_file,
    parity_state,
    random_state,
    write_official,
)


@pytest.fixture
def small_state() -> dict[str, Tensor]:
    return random_state(SMALL_SIZES)


def fails(folder: Path, content: object, *arguments: str, config: str = OFLOW) -> str:
    """The message of an import that must not write anything."""
    with pytest.raises(UserError) as caught:
        import_file(folder, content, *arguments, config=config)
    assert not (folder / "ours.pt").exists()
    return str(caught.value)


def test_a_missing_key(tmp_path, small_state):
    del small_state["decoder.block3.bn_1.conv_gamma.weight"]
    message = fails(tmp_path, {"model": small_state}, *SMALL)
    assert f"does not fit {OFLOW}" in message
    assert "1 in the config, but not in the file:" in message
    ours = "decoder.blocks.3.norm_1.gamma.weight"
    assert f"{ours} (official decoder.block3.bn_1.conv_gamma.weight) [16, 16]" in message
    assert "was changed or is damaged" in message


def test_an_unexpected_key(tmp_path, small_state):
    small_state["encoder.block_5.fc_0.bias"] = torch.zeros(16)
    message = fails(tmp_path, {"model": small_state}, *SMALL)
    assert "1 in the file, but not in the config:" in message
    assert "encoder_spatial.layers.5.fc_0.bias (official encoder.block_5.fc_0.bias)" in message
    assert "set model.encoder.num_blocks to 6 (it is 5)" in message


def test_two_keys_of_one_parameter(tmp_path, small_state):
    small_state["decoder.bn.fc_beta.bias"] = small_state["decoder.bn.conv_beta.bias"]
    message = fails(tmp_path, {"model": small_state}, *SMALL)
    assert "1 in the file, but not in the config:" in message
    assert "decoder.norm.beta.bias (official decoder.bn.fc_beta.bias)" in message


def test_other_sizes(tmp_path, small_state):
    message = fails(tmp_path, {"model": small_state})
    assert "... and" in message
    assert len(message.splitlines()) < 20
    for change in (
        "set model.code_size to 16 (it is 128)",
        "set model.encoder.hidden_size to 16 (it is 128)",
        "set model.encoder_temporal.hidden_size to 16 (it is 128)",
        "set model.decoder.hidden_size to 16 (it is 256)",
        "set model.velocity_field.hidden_size to 16 (it is 128)",
    ):
        assert message.count(change) == 1


def test_another_number_of_frames(tmp_path, small_state):
    message = fails(tmp_path, {"model": small_state}, *SMALL, "data.num_frames=30")
    line = "encoder_temporal.fc_pos.weight [32, 51], in the config [32, 90]"
    assert line in message
    assert "set data.num_frames to 17 (it is 30)" in message


def test_other_networks(tmp_path):
    state = random_state(SMALL_GENERATIVE)
    message = fails(tmp_path, {"model": state}, *SMALL)
    for change in (
        "add model.posterior;",
        "set model.encoder to null",
        "choose another network for model.decoder",
        "set model.velocity_field.num_blocks to 3 (it is 5)",
    ):
        assert change in message


@pytest.mark.parametrize("method", ["onet4d", "psgn4d"])
def test_another_method(method, tmp_path, small_state):
    message = fails(tmp_path, {"model": parity_state(f"pointcloud_{method}")}, *SMALL)
    assert f"use a config with model.method {method} instead of occupancy_flow" in message
    config = f"configs/pointcloud/{method}.yaml"
    message = fails(tmp_path, {"model": small_state}, config=config)
    assert f"use a config with model.method occupancy_flow instead of {method}" in message


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("zipped", [False, True])
def test_code_is_refused_and_not_executed(zipped, tmp_path, small_state):
    content = official_file(small_state, note=Malicious(tmp_path / "harmed"))
    source = write_official(tmp_path / "official.pt", content, zipped=zipped)
    with pytest.raises(CheckpointError, match=r"contains \w+\.system\. Only tensors, numbers"):
        read_official(source)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [(deque(), "collections.deque"), (np.zeros(2), "multiarray._reconstruct"),
     (np.bool_(True), "BoolDType"), (torch.nn.ReLU(), "ReLU")],
)  # fmt: skip
def test_objects_that_are_not_needed_are_named(value, name, tmp_path, small_state):
    source = write_official(tmp_path / "official.pt", official_file(small_state, note=value))
    with pytest.raises(CheckpointError, match=rf"contains \S*{name}\. Only"):
        read_official(source)


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_both_versions_of_numpy(module, tmp_path, small_state):
    source = write_official(tmp_path / "official.pt", official_file(small_state))
    content = source.read_bytes()
    names = [
        f"c{name}\nscalar\n".encode()
        for name in ("numpy.core.multiarray", "numpy._core.multiarray")
    ]
    assert sum(content.count(name) for name in names) == 1
    for name in names:
        content = content.replace(name, f"c{module}\nscalar\n".encode())
    source.write_bytes(content)
    assert read_official(source).iteration == 3456


def test_nothing_else_is_allowed_afterwards(tmp_path, small_state):
    source = write_official(tmp_path / "official.pt", official_file(small_state))
    read_official(source)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(source, map_location="cpu", weights_only=True)


def test_our_own_checkpoint_is_told(tmp_path, small_state):
    ours = import_file(tmp_path, {"model": small_state}, *SMALL)
    with pytest.raises(CheckpointError, match="is a checkpoint of this project already"):
        main([str(ours), "--config", OFLOW, str(tmp_path / "again.pt"), *SMALL])


def test_other_files_are_told(tmp_path, small_state):
    assert "it holds the keys epochs" in fails(tmp_path, {"epochs": 3}, *SMALL)
    assert "it holds a list" in fails(tmp_path, [1, 2], *SMALL)
    message = fails(tmp_path, {"model": {"a": 1}}, *SMALL)
    assert "no state dict, neither as a whole nor under model, model_state_dict" in message
    message = fails(tmp_path, {"model": small_state, "it": "many"}, *SMALL)
    assert "'it' must be a number of training steps, got 'many'" in message


@pytest.mark.parametrize("length", [0, 40, 3000])
def test_a_damaged_file_is_told(length, tmp_path, small_state):
    source = write_official(tmp_path / "official.pt", {"model": small_state})
    source.write_bytes(source.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="is damaged or was not written"):
        read_official(source)
    with pytest.raises(CheckpointError, match="no file"):
        read_official(tmp_path / "nothing.pt")


def test_nothing_is_overwritten_unless_asked(tmp_path, small_state):
    out = import_file(tmp_path, {"model": small_state}, *SMALL)
    written = out.read_bytes()
    with pytest.raises(UserError, match="replace it with --overwrite"):
        import_file(tmp_path, {"model": random_state(SMALL_SIZES)}, *SMALL)
    assert out.read_bytes() == written
    import_file(tmp_path, {"model": random_state(SMALL_SIZES)}, *SMALL, "--overwrite")
    assert out.read_bytes() != written
    with pytest.raises(UserError, match="is a folder"):
        main([str(tmp_path / "official.pt"), "--config", OFLOW, str(tmp_path), *SMALL])


def test_names_that_differ_in_a_wrapper_alone_are_refused(tmp_path, small_state):
    name = next(iter(small_state))
    message = fails(tmp_path, {"model": small_state | {f"module.{name}": small_state[name]}})
    assert f"holds {name} twice, once as module.{name}" in message


def test_two_state_dicts_are_refused(tmp_path, small_state):
    message = fails(tmp_path, {"model": small_state, "state_dict": small_state})
    assert "holds several state dicts, under" in message


@pytest.mark.parametrize("wrong", [torch.tensor(1.5), torch.arange(3), -1, True])
def test_an_iteration_that_is_none_is_named(wrong, tmp_path, small_state):
    assert "'it' must be a number of training steps" in fails(
        tmp_path, official_file(small_state, it=wrong)
    )
