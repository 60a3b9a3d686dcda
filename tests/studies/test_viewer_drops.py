"""What is dropped into the live viewer: kept apart, not for ever, and removed at the end."""

import gc
import os
import signal
import subprocess
import sys
import urllib.request
import weakref
from pathlib import Path

import numpy as np
import pytest

from im2mesh.errors import UserError
from im2mesh.files import npz
from im2mesh.studies.viewer import clouds as clouds_module
from im2mesh.studies.viewer import drops
from im2mesh.studies.viewer.clouds import Clouds, dimensions_of_points
from im2mesh.studies.viewer.desk import Desk
from im2mesh.studies.viewer.source import Span
from tests.studies.test_viewer import ask, clouds  # noqa: F401, for pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Without anything to look at, and with its files in tmp_path."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    desk = Desk([], lambda source: None)
    yield desk
    desk.close()
    assert not any(tmp_path.glob("im2mesh_viewer_*"))


def drop(desk, clouds, batch: str) -> int:  # noqa: F811
    for frame, cloud in enumerate(clouds):
        text = "\n".join(" ".join(map(str, point)) for point in cloud.tolist())
        ask(desk.drop, text.encode(), name=f"{frame}.xyz", batch=batch)
    return ask(desk.open, batch=batch)["id"]


def test_the_oldest_drops_make_room(desk, clouds, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(drops, "MOST_BATCHES", 2)
    items = [drop(desk, clouds, batch) for batch in "abc"]
    assert len({*items}) == 3 and [*desk.sources] == items[1:]
    (place,) = tmp_path.glob("im2mesh_viewer_*")
    assert sorted(path.name for path in place.iterdir()) == ["b", "c"]
    with pytest.raises(UserError, match="no such item any more"):
        ask(desk.show, item=items[0])
    assert ask(desk.show, item=items[2])["frames"] == 5


def test_all_drops_together_have_a_largest_size(desk, monkeypatch):
    monkeypatch.setattr(drops, "MOST_BYTES", 2**20)
    for batch in "ab":
        ask(desk.drop, bytes(2**19 + 1), name="0.xyz", batch=batch)
    with pytest.raises(UserError, match="dropped together may have at most 1 MB"):
        ask(desk.drop, bytes(2**19), name="1.xyz", batch="b")
    assert [*desk._drops._sizes] == ["b"]


def test_only_the_scans_that_were_asked_for_last_stay_in_memory(clouds, tmp_path, monkeypatch):  # noqa: F811
    read = clouds_module.read_clouds
    scans = []

    def note(paths):
        scan = read(paths)
        scans.append(weakref.ref(scan))
        return scan

    monkeypatch.setattr(clouds_module, "read_clouds", note)
    np.savez(tmp_path / "walk.npz", points=clouds)
    sources = [Clouds((tmp_path / "walk.npz",), "walk") for _ in range(6)]
    for source in sources:
        source.show(Span(0, 5))
    gc.collect()
    assert len([scan for scan in scans if scan() is not None]) == clouds_module.KEPT_SCANS
    assert sources[0].count_frames() == 5


def test_the_header_says_whether_a_file_moves(clouds, tmp_path, monkeypatch):  # noqa: F811
    np.savez(tmp_path / "walk.npz", points=clouds)
    np.savez(tmp_path / "one.npz", points=clouds[0])

    def fail(*arguments):
        raise AssertionError("the arrays are read")

    monkeypatch.setattr(npz, "_read", fail)
    assert [dimensions_of_points(tmp_path / name) for name in ("walk.npz", "one.npz")] == [3, 2]


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_that_ends_the_viewer_leaves_no_files(name, clouds, tmp_path):  # noqa: F811
    (tmp_path / "scan").mkdir()
    (tmp_path / "temporary").mkdir()
    for frame, cloud in enumerate(clouds):
        np.savetxt(tmp_path / "scan" / f"{frame}.xyz", cloud)
    command = [sys.executable, "scripts/view.py", str(tmp_path / "scan"), "--port", "0"]
    changes = {"TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **changes},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_DFL),  # nohup ignores it
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        target = address.replace("/?", "/drop?name=0.xyz&batch=1&")
        urllib.request.urlopen(target, data=b"hello", timeout=PATIENCE).read()
        assert [*(tmp_path / "temporary").glob("*/1/0.xyz")]
        process.send_signal(getattr(signal, name))
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
    assert not any((tmp_path / "temporary").glob("im2mesh_viewer_*"))
