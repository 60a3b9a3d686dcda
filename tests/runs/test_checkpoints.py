"""Checkpoints are whole, kept in pairs, checked, and never execute anything."""

import io
import os
import pickle
import re
import resource
import struct
import zipfile

import pytest
import torch

from im2mesh.build import CHOICES, build_config, build_model, build_trainer, load_trained
from im2mesh.compat.reading import read_official
from im2mesh.config.validation import config_from_dict
from im2mesh.data.batch import collate
from im2mesh.errors import UserError
from im2mesh.files.atomic import atomic_file
from im2mesh.runs.checkpoints import (
    FORMAT,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from im2mesh.runs.snapshots import Snapshot, save_snapshot
from scripts import replay_batch
from tests.small import empty_checkpoint


def checkpoint(iteration: int = 0) -> Checkpoint:
    return empty_checkpoint(iteration=iteration, model={"layer.weight": torch.arange(1000.0)})


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
    assert load_checkpoint(newest).state.iteration == 2
    assert load_checkpoint(previous).state.iteration == 1
    save_checkpoint(newest, checkpoint(3), previous)
    assert load_checkpoint(previous).state.iteration == 2
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
    assert found is not None and found[0].state.iteration == 1 and found[1] == previous
    # a new one must not push the intact one out
    save_checkpoint(newest, checkpoint(2), previous)
    assert load_checkpoint(previous).state.iteration == 1
    assert newest.with_name("model_damaged.pt").exists()


def test_death_between_two_renamings_falls_back(pair, newest, previous):
    newest.unlink()
    with pytest.warns(UserWarning, match=r"OLDER CHECKPOINT.*model\.pt is not there"):
        found = load_newest(newest, previous)
    assert found is not None and found[0].state.iteration == 1


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
    torch.save({"format": FORMAT, "model": Malicious()}, tmp_path / "zip.pt")
    for name in ("model.pt", "zip.pt"):
        with pytest.raises(CheckpointError, match=r"contains posix\.mkdir\..*nothing was executed"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"new\.pt is damaged or was not written"):
        load_checkpoint(tmp_path / "new.pt")
    assert not (tmp_path / "harmed").exists()


GIGABYTE = b"J\0\0\0\x40\x85R."  # a name, called with that number
BOMBS = {
    "bytearray": b"\x80\x02c__builtin__\nbytearray\n" + GIGABYTE,
    "FloatTensor": b"\x80\x02ctorch\nFloatTensor\n" + GIGABYTE,
    "UntypedStorage": b"\x80\x02ctorch.storage\nUntypedStorage\n" + GIGABYTE,
    "of protocol 4": b"\x80\x04\x8c\x08builtins\x94\x8c\x09bytearray\x94\x93" + GIGABYTE,
}
"""A pickle of few bytes that asks for a gigabyte."""


EMPTY_LIST = pickle.dumps([], protocol=2)


def files_of(pickled: bytes) -> dict[str, bytes]:
    """Files with a pickle in every place where torch reads one."""
    torch.save({}, old := io.BytesIO(), _use_new_zipfile_serialization=False)
    torch.save({}, new := io.BytesIO())
    keys = old.getvalue().removesuffix(EMPTY_LIST) + pickled  # of its tensors: the last pickle
    return {
        "bare.pt": pickled,
        "keys.pt": keys,
        "new.pt": _with_pickle(new, "data.pkl", pickled),
        "new_of_other_case.pt": _with_pickle(new, "DATA.PKL", pickled),
    }


def _with_pickle(file: io.BytesIO, name: str, pickled: bytes) -> bytes:
    changed = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for member in old.namelist():
            is_pickle = member.endswith("data.pkl")
            new.writestr(
                member.replace("data.pkl", name), pickled if is_pickle else old.read(member)
            )
    return changed.getvalue()


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_gets_little_memory(tmp_path, name):
    for file, content in files_of(BOMBS[name]).items():
        (tmp_path / file).write_bytes(content)
        before = peak_memory()
        with pytest.raises(CheckpointError, match=rf"contains .*{name}|is damaged") as error:
            load_checkpoint(tmp_path / file)
        assert file in str(error.value)
        assert peak_memory() - before < 2**26


def test_bytes_that_are_encoded_again_and_again(tmp_path):
    """Each time they double. The authors' files hold encoded bytes, as numbers of numpy."""
    times = 30
    content = b"\x80\x02" + b"c_codecs\nencode\n" * (times + 1)
    content += _text(b"a") + _text(b"latin1") + b"\x86R" + (_text(b"HEX") + b"\x86R") * times + b"."
    (tmp_path / "model.pt").write_bytes(content)
    before = peak_memory()
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged"):
        read_official(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"model\.pt contains _codecs\.encode"):
        load_checkpoint(tmp_path / "model.pt")
    assert peak_memory() - before < 2**26


def _text(value: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value


def peak_memory() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


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
    with pytest.raises(CheckpointError, match=r"in format 1, from another version.* train again"):
        load_checkpoint(tmp_path / "old.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="is not a checkpoint of this project"):
        load_checkpoint(tmp_path / "list.pt")


@pytest.fixture
def small(config_path):
    return build_trainer(build_config(config_path), torch.device("cpu"))


@pytest.fixture
def trained(tmp_path, small):
    """What a checkpoint of a small model holds."""
    small.save(tmp_path / "trained.pt")
    return torch.load(tmp_path / "trained.pt")


@pytest.mark.parametrize(
    ("option", "number", "message"),
    [
        ("hidden_size", 10**4, r"shape for decoder\.fc_p\.weight \(\[16, 3\] instead of \[10000"),
        ("hidden_size", 10**12, r"model\.decoder\.hidden_size is 1000000000000; it should be less"),
        ("num_blocks", 10**4, r"sizes \(it has more than \d+ weight tensors\)"),
        ("num_blocks", 10**12, r"model\.decoder\.num_blocks is 1000000000000; it should be less"),
    ],
)
def test_a_model_larger_than_its_file_is_not_made(
    tmp_path, small, trained, option, number, message
):
    """As a checkpoint and as a snapshot, whose own config describes the model."""
    trained["config"]["model"]["decoder"][option] = number
    torch.save(trained, tmp_path / "model.pt")
    batch = collate([small.training_data[0]])
    snapshot = Snapshot(trained["config"], trained["model"], 0, "", (batch,), {**STRETCH[0]})
    save_snapshot(tmp_path / "failed.pt", snapshot)
    before = peak_memory()
    with pytest.raises(UserError, match=rf"model\.pt.* {message}"):
        load_trained(tmp_path / "model.pt", torch.device("cpu"))
    with pytest.raises(UserError, match=rf"failed\.pt.* {message}"):
        replay_batch.main([str(tmp_path / "failed.pt"), "--device", "cpu"])
    assert peak_memory() - before < 2**26


def test_weights_that_repeat_a_number_are_not_spread_out(tmp_path, trained):
    """A tensor may have any shape, and one number stand for all of its own."""
    trained["config"]["model"]["decoder"]["hidden_size"] = 5 * 10**4
    with torch.device("meta"):
        config = config_from_dict(trained["config"], "model.pt", choices=CHOICES)
        large = build_model(config).state_dict()
    trained["model"] = {
        name: torch.zeros((), dtype=value.dtype).expand(value.shape)
        for name, value in large.items()
    }
    torch.save({**trained, "optimizer": {"state": {}, "param_groups": []}}, tmp_path / "model.pt")
    with pytest.raises(
        CheckpointError, match=r"model\.pt is damaged: .* but its weights need \d{9}"
    ):
        load_trained(tmp_path / "model.pt", torch.device("cpu"))


STRETCH = empty_checkpoint().state.origins
BROKEN = {
    "config": {},
    "config.data": {"data": [], "model": {}},
    "config must hold": {"data": {"input": torch.zeros(2)}, "model": {}},
    "optimizer.state": {},
    "optimizer.param_groups": {"state": {}, "param_groups": None},
    "origins must": [],
    r"origins\[1\]\.seed": [*STRETCH, {**STRETCH[0], "seed": "none"}],
    r"origins\[0\]\.since": [{k: v for k, v in STRETCH[0].items() if k != "since"}],
}
"""What is told -> what the field holds."""


@pytest.mark.parametrize("told", BROKEN)
def test_a_whole_file_that_lacks_something_is_told(newest, told):
    """Its bytes are as they were written, so that no checksum shows it."""
    field = re.match(r"\w+", told)[0]
    save_checkpoint(newest, empty_checkpoint(**{field: BROKEN[told]}))
    with pytest.raises(CheckpointError, match=rf"model\.pt is damaged: {told}"):
        load_checkpoint(newest)


def test_a_snapshot_that_lacks_something_is_told(newest, trained, small):
    batch = collate([small.training_data[0]])
    save_snapshot(newest, Snapshot(trained["config"], trained["model"], 0, "", (batch,), {}))
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged: origin\.code must be str"):
        replay_batch.main([str(newest), "--device", "cpu"])


def test_a_config_that_holds_itself_is_told(newest):
    """Or each of its parts twice, which few bytes can say: more than can be walked through."""
    whole = empty_checkpoint()
    whole.config["data"]["data"] = whole.config["data"]
    save_checkpoint(newest, whole)
    with pytest.raises(CheckpointError, match="config must hold at most 10000 values, all text or"):
        load_checkpoint(newest)
    twice: list = []
    for _ in range(50):
        twice = [twice, twice]
    save_checkpoint(newest, empty_checkpoint(config={"data": {"input": twice}, "model": {}}))
    with pytest.raises(CheckpointError, match="config must hold at most 10000 values, all text or"):
        load_checkpoint(newest)


@pytest.mark.parametrize(
    "state",
    [
        {0: {}},
        {0: {"step": torch.zeros(()), "exp_avg": torch.zeros(1), "exp_avg_sq": torch.zeros(1)}},
        {10**6: {}},
        {"a": {}},
        {0: 1.0},
    ],
)
def test_an_optimizer_of_other_weights_is_told(small, trained, state):
    trained["optimizer"]["state"] = state
    small.folder.path.mkdir(parents=True)
    torch.save(trained, small.folder.checkpoint)
    with pytest.raises(CheckpointError, match=r"model\.pt is damaged: the state of its optimizer"):
        small.resume()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("loss", "chamfer", 1.0), ("generation", "num_steps", 5)],
)
def test_a_config_that_does_not_fit_is_told_with_its_file(tmp_path, trained, section, key, value):
    trained["config"]["generation"]["times"] = [0.0, 1.0]
    trained["config"][section][key] = value
    torch.save(trained, tmp_path / "model.pt")
    with pytest.raises(UserError, match=rf"model\.pt.*{section}\.{key}"):
        load_trained(tmp_path / "model.pt", torch.device("cpu"))
