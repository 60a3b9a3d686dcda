"""Clips of a web server give the samples of the disk, whatever the server does."""

import errno
import io
import json
import shutil
from pathlib import Path

import pytest

from im2mesh.build import build_config
from im2mesh.data.catalogue import CATALOGUE
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.fingerprint import dataset_fingerprint
from im2mesh.data.layout import DataError
from im2mesh.data.streaming import NOTE, open_stream
from im2mesh.data.windows import read_windows
from im2mesh.errors import Advice, UserError
from im2mesh.files import remote
from im2mesh.files.remote import RemoteError
from im2mesh.machine.ranks import Ranks
from im2mesh.preparation.checks.dataset_check import check_dataset
from im2mesh.preparation.pack_dataset import pack_dataset
from im2mesh.training.batches import training_batches
from scripts.stream import main
from tests.ball import CATEGORY, write_ball_dataset
from tests.data.served import Server, serve
from tests.data.test_packed import assert_same_samples, samples
from tests.readers import forget_files

pytest.importorskip("aiohttp")
CLIPS = ("ball_a", "ball_b", "ball_c", "ball_d", "ball_e")


@pytest.fixture(scope="module")
def served_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_ball_dataset(folder / "files")
    pack_dataset(folder / "files", folder / "packed")
    main(["publish", str(folder / "packed")])
    return folder / "packed"


@pytest.fixture
def server(served_root: Path):
    forget_files()
    with serve(served_root) as state:
        yield state


@pytest.fixture(autouse=True)
def impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.01)
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if parameters.get("fault") == "stall":
        # only here, since a healthy server of a busy machine may be silent as long
        monkeypatch.setattr(remote, "SILENCE", 1.0)


def local_files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.npz*"))


def test_the_check_of_a_data_set_fetches_it(server: Server, served_root: Path, tmp_path: Path):
    root = tmp_path / "cache"
    main(["open", server.url, str(root)])
    (served,), (stored,) = check_dataset(root), check_dataset(served_root)
    assert set(served.clips) == set(stored.clips) and served.splits == stored.splits
    for clip, report in served.clips.items():
        assert report.digest == stored.clips[clip].digest
        assert report.findings.lines() == stored.clips[clip].findings.lines()
    assert local_files(root) == local_files(served_root)


def test_samples_are_those_of_the_disk(server: Server, served_root: Path, tmp_path: Path):
    root = tmp_path / "cache"
    main(["open", server.url, str(root)])
    for split in ("train", "val", "all"):
        windows = read_windows(root, split, num_frames=5, stride=1, skip_frames=0)
        assert windows == read_windows(served_root, split, num_frames=5, stride=1, skip_frames=0)
    assert dataset_fingerprint(root, windows) == dataset_fingerprint(served_root, windows)
    assert local_files(root) == []  # to list windows fetches nothing
    for share in (0.0, 0.5):
        expected = samples(served_root, near_surface_fraction=share)
        assert_same_samples(samples(root, near_surface_fraction=share), expected)
    assert max(server.asked.values()) == 1  # all else came from the cache
    assert 0 < len(local_files(root)) < 15


def batches(root: Path, iteration: int, workers: int) -> list[bytes]:
    settings = ["num_frames=5", "skip_frames=0", "num_input_points=20", "num_points=30"]
    settings.append("num_correspondence_points=10")
    config = build_config(
        "configs/pointcloud/oflow.yaml",
        [f"data.root={root}", *(f"data.{word}" for word in settings), "training.batch_size=2",
         "training.max_iterations=6", f"training.num_workers={workers}"],
    )  # fmt: skip
    found = read_windows(root, "train", num_frames=5, stride=1, skip_frames=0)
    data = WindowDataset(found, config.data, seed=0, shuffle=True, num_points=30)
    ranks = Ranks(0, 1) if isinstance(Ranks, type) else Ranks
    got = training_batches(data, config.training, ranks, iteration, pin_memory=False)
    return [batch.inputs.numpy().tobytes() + batch.points_t.numpy().tobytes() for batch in got]


def test_order_and_resumed_trainings_are_those_of_the_disk(
    server: Server, served_root: Path, tmp_path: Path
):
    open_stream(server.url, tmp_path / "cache")
    whole = batches(served_root, 0, workers=0)
    assert batches(tmp_path / "cache", 0, workers=2) == whole
    assert batches(tmp_path / "cache", 3, workers=0) == whole[3:]
    shutil.rmtree(tmp_path / "cache")
    forget_files()
    open_stream(server.url, tmp_path / "cache")
    assert batches(tmp_path / "cache", 4, workers=1) == whole[4:]


def test_a_small_cache_makes_room_and_fetches_again(
    server: Server, served_root: Path, tmp_path: Path
):
    content = json.loads((served_root / CATALOGUE).read_text())
    sizes = [sum(s for s, _ in clip["files"].values()) for clip in content["clips"].values()]
    root, most = tmp_path / "cache", int(1.5 * max(sizes))
    open_stream(server.url, root, most)
    mine = root / CATEGORY / "ball_a/mine.npz"
    mine.write_bytes(b"mine")
    for _ in range(2):
        assert_same_samples(samples(root), samples(served_root))
        assert sum((root / name).stat().st_size for name in local_files(root)) <= most + 4
    assert max(server.asked.values()) > 1 and mine.read_bytes() == b"mine"
    with pytest.raises(UserError, match=r"the largest clip takes .*, and 0\.0 MB were given"):
        open_stream(server.url, tmp_path / "other", 1000)


@pytest.mark.parametrize("fault", ["error", "cut", "stall", "other"])
def test_a_server_that_fails_for_a_while_is_asked_again(
    server: Server, served_root: Path, tmp_path: Path, fault: str
):
    open_stream(server.url, tmp_path / "cache")
    server.faults = [fault] * 3
    assert_same_samples(samples(tmp_path / "cache"), samples(served_root))
    assert not server.faults


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("error", "500"),
        ("cut", "."),
        ("stall", "nothing came for 1 s"),
        ("other", "its content is not that of the catalogue"),
    ],
)
def test_a_server_that_keeps_failing_is_named_and_leaves_no_half_file(
    server: Server, tmp_path: Path, fault: str, reason: str
):
    root = tmp_path / "cache"
    open_stream(server.url, root)
    server.faults = [fault] * 4
    message = rf"clip ball_.: {server.url}/{CATEGORY}/ball_./p.*_seq\.npz could not be fetched in 4"
    with pytest.raises(
        DataError, match=rf"{message} tries \(.*{reason}.*\); look after the server"
    ):
        samples(root)
    assert local_files(root) == []
    assert len(samples(root)) > 0  # and the same goes on


def test_a_server_that_is_gone_is_named(served_root: Path, tmp_path: Path):
    with serve(served_root) as server:
        open_stream(server.url, tmp_path / "cache")
    with pytest.raises(DataError, match="could not be fetched in 4 tries"):
        samples(tmp_path / "cache")
    with pytest.raises(RemoteError, match=r"catalogue\.json could not be fetched in 4 tries"):
        open_stream(server.url, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("fault", ["error", "cut"])
def test_a_catalogue_is_asked_for_again(server: Server, tmp_path: Path, fault: str):
    server.faulty, server.faults = ".json", [fault] * 3
    with pytest.warns(Advice, match=r"/catalogue\.json: .*; it is asked for again"):
        open_stream(server.url, tmp_path / "cache")
    assert server.asked["/catalogue.json"] == 4
    server.faults = [fault] * 4
    with pytest.raises(RemoteError, match=r"catalogue\.json could not be fetched in 4 tries \("):
        open_stream(server.url, tmp_path / "other")


def test_what_is_no_catalogue_is_asked_for_once(server: Server, tmp_path: Path):
    server.faulty, server.faults = ".json", ["other"]
    with pytest.raises(RemoteError, match=r"catalogue\.json is not JSON \(.*; look after the add"):
        open_stream(server.url, tmp_path / "cache")
    server.faults = ["forbidden"]
    with pytest.raises(RemoteError, match=r"the server refuses .*json \(403.*its permissions"):
        open_stream(server.url, tmp_path / "cache")
    assert server.asked["/catalogue.json"] == 2
    with pytest.raises(UserError, match=r"foo://x/.* begins with no known kind"):
        open_stream("foo://x", tmp_path / "cache")


@pytest.mark.parametrize(
    "failure",
    [OSError(errno.ENOSPC, "full"), OSError(errno.EFBIG, "too large"), MemoryError("no memory")],
)
def test_what_fails_here_is_no_fault_of_the_server(
    server: Server, served_root: Path, failure: Exception
):
    class Failing(io.BytesIO):
        def write(self, _: object) -> int:
            raise failure

    name = f"{CATEGORY}/ball_a/pcl_seq.npz"
    with pytest.raises(type(failure), match=str(failure.args[-1])):
        remote.fetch_file(f"{server.url}/{name}", Failing(), remote.describe(served_root / name))
    assert server.asked[f"/{name}"] == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_full_disk_is_told_in_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    open_stream(server.url, tmp_path / "cache")
    monkeypatch.setattr("im2mesh.data.streaming.fetch_file", fail)
    with pytest.raises(DataError, match=r"p.*npz: No space left on device; free some space") as got:
        batches(tmp_path / "cache", 0, workers)
    assert "\n" not in str(got.value)


def test_a_file_that_is_gone_is_not_asked_for_again(server: Server, tmp_path, served_root):
    shutil.copytree(served_root, tmp_path / "served")
    with serve(tmp_path / "served") as other:
        open_stream(other.url, tmp_path / "cache")
        for clip in CLIPS:
            (tmp_path / "served" / CATEGORY / clip / "pcl_seq.npz").unlink()
        with pytest.raises(DataError, match=r"pcl_seq\.npz is not on the server; write its cat"):
            samples(tmp_path / "cache", num_frames=5)
        assert max(other.asked.values()) == 1


def test_workers_pass_the_error_on(server: Server, tmp_path: Path):
    open_stream(server.url, tmp_path / "cache")
    server.faults = ["error"] * 100
    with pytest.raises(
        DataError, match=r"^clip ball_.: http://127.* look after the server"
    ) as error:
        batches(tmp_path / "cache", 0, workers=2)
    assert "\n" not in str(error.value)


def test_an_opened_stream_is_opened_again_if_it_is_the_same(server: Server, tmp_path, served_root):
    root = tmp_path / "cache"
    open_stream(server.url, root)
    samples(root)
    before = local_files(root)
    open_stream(server.url, root, 10**9)
    assert local_files(root) == before
    shutil.copytree(served_root, tmp_path / "served")
    content = json.loads((served_root / CATALOGUE).read_text())
    content["clips"][f"{CATEGORY}/ball_a"]["fingerprint"] = "0"
    (tmp_path / "served" / CATALOGUE).write_text(json.dumps(content))
    with serve(tmp_path / "served") as other, pytest.raises(UserError, match="is not what it was"):
        open_stream(other.url, root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    with pytest.raises(UserError, match="holds other files"):
        open_stream(server.url, tmp_path / "full")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(format="x"),
        lambda c: c.update(clips={}),
        lambda c: c.update(clips={"../x": next(iter(c["clips"].values()))}),
        lambda c: c.update(clips={"a/b/c": next(iter(c["clips"].values()))}),
        lambda c: c.update(lists={"balls/../../x.lst": ""}),
        lambda c: c.update(lists={"balls/x.py": ""}),
        lambda c: next(iter(c["clips"].values())).update(files={"x.npz": [1, "0"]}),
        lambda c: next(iter(c["clips"].values())).update(count=0),
        lambda c: next(iter(c["clips"].values())).update(count="many"),
        lambda c: next(iter(c["clips"].values())).pop("first"),
        lambda c: next(iter(c["clips"].values())).update(fingerprint="<b>"),
        lambda c: c.update(clips=[]),
    ],
)
def test_a_catalogue_that_is_none_is_refused(served_root: Path, tmp_path: Path, change):
    content = json.loads((served_root / CATALOGUE).read_text())
    change(content)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / CATALOGUE).write_text(json.dumps(content))
    message = "is no catalogue of a packed data set"
    with serve(tmp_path / "served") as server, pytest.raises(DataError, match=message):
        open_stream(server.url, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_damaged_note_is_named(server: Server, tmp_path: Path):
    open_stream(server.url, tmp_path / "cache")
    (tmp_path / "cache" / NOTE).write_text("{")
    forget_files()
    with pytest.raises(UserError, match=r"stream\.json is damaged"):
        samples(tmp_path / "cache")


def test_folders_of_frames_are_not_published(served_root: Path, tmp_path: Path):
    write_ball_dataset(tmp_path / "files")
    with pytest.raises(UserError, match=r"clip ball_a has no pcl_seq\.npz, so it is not packed"):
        main(["publish", str(tmp_path / "files")])
