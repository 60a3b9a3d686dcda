"""Checkpoints are whole, kept in pairs, checked, and never execute anything."""

import os
import pickle
import zipfile

import pytest
import torch

from im2mesh.checkpoints import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from im2mesh.files.atomic import atomic_file


def checkpoint(iteration: int = 0) -> Checkpoint:
    weights = {"layer.weight": torch.arange(1000.0)}
    return Checkpoint({"data": {}}, weights, {}, iteration, 1.5, 0.25, 0, [{"seed": 0}])


@pytest.fixture
def newest(tmp_path):
    return tmp_path / "model.pt"


@pytest.fixture
def previous(tmp_path):
    return tmp_path / "model_previous.pt"


@pytest.fixture
def pair(newest, previous):
    """Checkpoints of iterations 1 and 2."""
    for iteration in (1, 2):
        save_checkpoint(newest, checkpoint(iteration), previous)
    return newest, previous


def flip_a_bit_of_the_weights(path):
    content = bytearray(path.read_bytes())
    place = content.find(torch.arange(1000.0).numpy().tobytes()[:400])
    assert place > 0
    content[place + 100] ^= 1
    path.write_bytes(content)


def test_a_missing_checkpoint_is_named(newest):
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*run train\.py"):
        load_checkpoint(newest)
    assert load_newest(newest, newest) is None


def test_the_last_two_are_kept(pair, newest, previous):
    assert load_checkpoint(newest).iteration == 2
    assert load_checkpoint(previous).iteration == 1
    save_checkpoint(newest, checkpoint(3), previous)
    assert load_checkpoint(previous).iteration == 2
    assert sorted(path.name for path in newest.parent.iterdir()) == [newest.name, previous.name]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_told(newest, share):
    save_checkpoint(newest, checkpoint())
    os.truncate(newest, int(share * newest.stat().st_size))
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged or was not written"):
        load_checkpoint(newest)


def test_one_flipped_bit_is_told(newest):
    save_checkpoint(newest, checkpoint())
    flip_a_bit_of_the_weights(newest)
    torch.load(newest, weights_only=True)  # which does not see it
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged"):
        load_checkpoint(newest)


def test_a_damaged_newest_falls_back_loudly(pair, newest, previous):
    flip_a_bit_of_the_weights(newest)
    with pytest.warns(UserWarning, match="OLDER CHECKPOINT, .*previous.pt of iteration 1, because"):
        found = load_newest(newest, previous)
    assert found is not None and found[0].iteration == 1 and found[1] == previous
    # a new one must not push the intact one out
    save_checkpoint(newest, checkpoint(2), previous)
    assert load_checkpoint(previous).iteration == 1
    assert newest.with_name("model_damaged.pt").exists()


def test_death_between_two_renamings_falls_back(pair, newest, previous):
    newest.unlink()
    with pytest.warns(UserWarning, match=r"OLDER CHECKPOINT.*model\.pt is not there"):
        found = load_newest(newest, previous)
    assert found is not None and found[0].iteration == 1


@pytest.mark.parametrize("both", [False, True])
def test_without_an_intact_one_a_run_never_starts_over(newest, previous, both):
    save_checkpoint(newest, checkpoint(1))
    if both:
        save_checkpoint(newest, checkpoint(2), previous)
        flip_a_bit_of_the_weights(previous)
    flip_a_bit_of_the_weights(newest)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_newest(newest, previous)


def test_a_write_that_fails_leaves_everything_as_it_was(pair, newest, previous):
    before = {path: path.read_bytes() for path in pair}

    def fail_in_the_middle():
        with atomic_file(newest, previous) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*model\.pt'"):
        fail_in_the_middle()
    assert {path: path.read_bytes() for path in newest.parent.iterdir()} == before


def test_loading_never_runs_code(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "harmed"),))

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
    (tmp_path / "new.pt").write_bytes(pickle.dumps(Malicious()))
    torch.save({"format": 3, "model": Malicious()}, tmp_path / "zip.pt")
    for name in ("model.pt", "zip.pt"):
        with pytest.raises(CheckpointError, match=r"contains posix\.mkdir\..*nothing was executed"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"new\.pt is damaged or was not written"):
        load_checkpoint(tmp_path / "new.pt")
    assert not (tmp_path / "harmed").exists()


def test_a_compressed_file_is_refused(tmp_path):
    """Few bytes could ask for terabytes."""
    save_checkpoint(tmp_path / "plain.pt", checkpoint())
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(
        tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED
    ) as small:  # fmt: skip
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match=r"small\.pt is damaged or was not written"):
        load_checkpoint(tmp_path / "small.pt")


def test_garbage_and_other_formats_are_named(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged or was not written"):
        load_checkpoint(tmp_path / "model.pt")
    torch.save({"format": 1}, tmp_path / "old.pt")
    with pytest.raises(CheckpointError, match=r"in format 1 of another version.* train again"):
        load_checkpoint(tmp_path / "old.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="is not a checkpoint of this project"):
        load_checkpoint(tmp_path / "list.pt")
