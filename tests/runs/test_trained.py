"""Weights without a training: they come back exactly, say what they are, and show damage."""

import json
import struct
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import generate
from im2mesh.build import build_config, build_model, build_trainer, load_trained
from im2mesh.errors import UserError
from im2mesh.files.tensor_files import checksum
from im2mesh.pretrained import shipped
from im2mesh.pretrained.shipped import find_weights, shipped_names
from im2mesh.reconstruction import Reconstructor
from im2mesh.runs.checkpoints import (
    CheckpointError,
    DamagedCheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from im2mesh.runs.trained import FORMAT, TrainedModel, read_trained, write_weights
from im2mesh.runs.weights import check_described
from scripts import weights

CPU = torch.device("cpu")


@pytest.fixture
def run(config_path, tmp_path):
    """The checkpoint of a model with fresh weights."""
    build_trainer(build_config(config_path), CPU).save(tmp_path / "model.pt")
    return tmp_path / "model.pt"


@pytest.fixture
def exported(run, tmp_path):
    path = tmp_path / "mine.safetensors"
    weights.main(["export", str(run), str(path)])
    return path


def test_exported_weights_are_those_of_the_checkpoint(run, exported):
    checkpoint, trained = load_checkpoint(run), read_trained(exported)
    assert trained.config == checkpoint.config
    assert trained.origins == checkpoint.state.origins
    assert trained.best_score == checkpoint.state.best_score
    assert trained.model.keys() == checkpoint.model.keys()
    for name, tensor in checkpoint.model.items():
        assert trained.model[name].dtype == tensor.dtype
        torch.testing.assert_close(trained.model[name], tensor, rtol=0, atol=0)


def test_a_model_of_weights_is_that_of_the_checkpoint(run, exported):
    (config, ours), (same, theirs) = load_trained(exported, CPU), load_trained(run, CPU)
    assert config == same
    assert ours.trained_by == theirs.trained_by
    for a, b in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_the_checksum_knows_every_bit_type_and_shape(dtype):
    values = torch.arange(6).to(dtype)
    known = checksum({"a": values})
    assert checksum({"a": values.clone()}) == known
    changed = [{"b": values}, {"a": values.view(2, 3)}, {"a": values.to(torch.float64)}]
    changed.append({"a": torch.cat([values[:5], values[:1]])})
    assert len({known, *map(checksum, changed)}) == 5


def test_any_order_of_names_gives_the_same_checksum():
    a, b = torch.zeros(2), torch.ones(3)
    assert checksum({"a": a, "b": b}) == checksum({"b": b, "a": a})


def flip_last_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def be_text(path):
    path.write_text("no weights")


def be_of_others(path):
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def lose_the_config(path):
    size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + size])
    header["__metadata__"] = {FORMAT: "[1, 2"}
    changed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(changed)) + changed + path.read_bytes()[8 + size :])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_last_bit, "mine.safetensors is damaged: the checksum of its weights is not that"),
        (cut_short, "mine.safetensors is damaged: .*; take an intact file"),
        (be_text, "mine.safetensors is damaged: .*; take an intact file"),
        (be_of_others, "holds no weights of this project .*; write them with scripts/weights.py"),
        (lose_the_config, "mine.safetensors is damaged: its header cannot be read"),
    ],
)
def test_damaged_weights_are_refused_by_name(exported, damage, message):
    damage(exported)
    with pytest.raises(CheckpointError, match=message):
        read_trained(exported)


def test_a_header_without_a_model_is_damaged(tmp_path):
    path = tmp_path / "empty.safetensors"
    write_weights(path, TrainedModel({"data": {}}, {"a": torch.zeros(1)}, [], 0.0))
    with pytest.raises(DamagedCheckpointError, match=r"config\.model must be dict, got nothing"):
        read_trained(path)


def test_missing_weights_name_the_ways_out(tmp_path):
    with pytest.raises(CheckpointError, match=r"scripts/weights\.py list"):
        read_trained(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="no weights are called 'locla'; those of this package are"):
        find_weights("locla")


def test_weights_of_another_network_are_refused(exported, config_path):
    with pytest.raises(UserError, match="holds another model than the config describes"):
        generate.main(
            [str(config_path), "model.code_size=12", "--weights", str(exported), "--device", "cpu"]
        )


def test_generate_takes_weights_by_name(run, exported, config_path, tmp_path, monkeypatch):
    """The meshes are those of the checkpoint."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    exported.rename(folder / "ball.safetensors")
    monkeypatch.setattr(shipped, "FOLDER", folder)
    for name, chosen in {"a": ["--weights", "ball"], "b": ["--checkpoint", str(run)]}.items():
        out = f"output_dir={tmp_path / name}"
        generate.main([str(config_path), out, *chosen, "--device", "cpu"])
    meshes = [sorted((tmp_path / name).rglob("*.ply")) for name in "ab"]
    assert [p.read_bytes() for p in meshes[0]] == [p.read_bytes() for p in meshes[1]] != []
    config = build_config(config_path)
    assert Reconstructor.pretrained("ball", "cpu").data.num_frames == config.data.num_frames


def test_weights_are_not_replaced_without_asking(run, exported):
    before = exported.read_bytes()
    with pytest.raises(UserError, match="exists; choose another name, or pass --overwrite"):
        weights.main(["export", str(run), str(exported)])
    weights.main(["export", str(run), str(exported), "--overwrite"])
    assert exported.read_bytes() == before
    with pytest.raises(UserError, match=r"must end in .safetensors"):
        weights.main(["export", str(run), str(exported.with_suffix(".pt"))])


def test_weights_of_half_precision_take_half_the_space_and_load_as_usual(run, exported, tmp_path):
    half = tmp_path / "half.safetensors"
    weights.main(["export", str(run), str(half), "--half"])
    sizes = [
        sum(tensor.nbytes for tensor in read_trained(path).model.values() if tensor.ndim)
        for path in (half, exported)
    ]
    assert 2 * sizes[0] == sizes[1]
    (_, rounded), (_, exact) = load_trained(half, CPU), load_trained(exported, CPU)
    for a, b in zip(rounded.model.parameters(), exact.model.parameters(), strict=True):
        assert a.dtype == b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-7)


def test_a_weight_too_large_for_half_precision_is_refused_by_name(run, tmp_path):
    checkpoint = load_checkpoint(run)
    name = next(name for name, value in checkpoint.model.items() if value.is_floating_point())
    checkpoint.model[name].flatten()[0] = 1e6
    large = tmp_path / "large.pt"
    save_checkpoint(large, checkpoint)
    with pytest.raises(UserError, match=f"{name} has a value that half precision cannot hold"):
        weights.main(["export", str(large), str(tmp_path / "half.safetensors"), "--half"])
    assert not (tmp_path / "half.safetensors").exists()


def test_all_shipped_weights_can_be_read_and_have_a_card():
    assert sum(path.stat().st_size for path in shipped.FOLDER.rglob("*") if path.is_file()) < 32e6
    for name in shipped_names():
        path = find_weights(name)
        digest = checksum(read_trained(path).model)
        assert path.stat().st_size < 12e6
        assert digest[:16] in path.with_suffix(".md").read_text()
        config, generator = load_trained(path, CPU)
        assert config.data.num_frames == 17
        assert all(np.isfinite(p.detach().numpy()).all() for p in generator.model.parameters())


def test_a_model_that_another_thread_builds_does_not_count(exported):
    """As when two browsers ask the live viewer for two models at once."""
    checkpoint = read_trained(exported)
    config = load_trained(exported, CPU)[0]

    def make() -> torch.nn.Module:
        other = threading.Thread(
            target=lambda: [torch.nn.Linear(1, 1) for _ in range(10 * len(checkpoint.model))]
        )
        other.start()
        other.join()
        return build_model(config)

    check_described(make, checkpoint.model, exported)


def test_older_encoders_of_pixels_answer_as_they_did(tmp_path):
    """They were not told where pixels look."""
    trained = read_trained(find_weights("images_pixels"))
    older = {name: value for name, value in trained.model.items() if "conv_sight" not in name}
    write_weights(tmp_path / "older.safetensors", replace(trained, model=older))
    read = read_trained(tmp_path / "older.safetensors").model
    added = {name: value for name, value in read.items() if "conv_sight" in name}
    assert set(read) == set(trained.model) and len(added) == 2
    assert not any(value.any() for value in added.values())
    load_trained(tmp_path / "older.safetensors", CPU)
