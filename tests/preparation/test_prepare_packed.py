"""`prepare.py --pack`: the same clips, packed one by one, whole and again after a stop."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from im2mesh.command_line import exit_status
from im2mesh.data.fingerprint import fingerprint_of
from im2mesh.data.pack_clip import pack_clip
from im2mesh.errors import UserError
from scripts import check_dataset, prepare
from tests.preparation.moving_body import FEW, egg, write_meshes
from tests.readers import forget_files

KINDS = ("mesh_seq", "pcl_seq.npz", "points_near_seq.npz", "points_seq.npz")
CLIPS = ("a", "b")


def run(*arguments: object) -> None:
    prepare.main([str(argument) for argument in arguments])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Bodies whose first frame is centred at 0, where a smaller type would do for the centre."""
    vertices, faces = egg()
    low, high = vertices[0].min(0), vertices[0].max(0)
    for size, name in enumerate(CLIPS, start=1):
        write_meshes(tmp_path / "in" / name, size * (vertices - (low + high) / 2), faces)
    return tmp_path / "in"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".written_by_im2mesh.json"
    }


def test_packed_clips_are_those_of_frames(source: Path, tmp_path: Path, capsys):
    run(source, tmp_path / "files", *FEW)
    run(source, tmp_path / "packed", *FEW, "--pack", "--check", "--workers", 2)
    told = capsys.readouterr()
    assert "nothing has to be mended" in told.out and "while clips are packed" in told.out
    category = tmp_path / "packed/meshes"
    assert sorted(path.name for path in category.iterdir()) == ["a", "b", "prepared.json"]
    for clip in CLIPS:
        assert sorted(p.name for p in (category / clip).iterdir()) == ["complete.json", *KINDS]
        assert fingerprint_of(category / clip) == fingerprint_of(tmp_path / "files/meshes" / clip)
        pack_clip(tmp_path / "files/meshes" / clip, tmp_path / "again" / clip)
        assert contents(category / clip) == contents(tmp_path / "again" / clip)
    with pytest.raises(UserError, match="has the layout of this program already"):
        run(tmp_path / "packed", tmp_path / "out")


@pytest.mark.parametrize("stop", [10, 56, 62, 68, 74, 80, 86, 92])
def test_a_stop_at_any_time_changes_no_byte(source: Path, tmp_path: Path, monkeypatch, stop: int):
    """Wherever a run is cut off: while frames are written, packed, or removed."""
    shutil.rmtree(source / "b")
    run(source, tmp_path / "whole", *FEW, "--pack")
    calls = iter(range(1000))

    def interrupted(function):
        def call(*arguments, **named):
            if next(calls) == stop:
                raise KeyboardInterrupt
            return function(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted(os.fsync))
        patch.setattr(Path, "unlink", interrupted(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "packed", *FEW, "--pack")
    forget_files()
    run(source, tmp_path / "packed", *FEW, "--pack")
    assert contents(tmp_path / "packed") == contents(tmp_path / "whole")
    assert not (tmp_path / "packed/meshes/.frames").exists()


def test_the_disk_holds_no_more_than_a_clip_of_frames(source: Path, tmp_path: Path, monkeypatch):
    held = []

    def packs(clip: Path, target: Path) -> None:
        held.append(sorted(path.name for path in clip.parent.iterdir()))
        pack_clip(clip, target)

    monkeypatch.setattr("im2mesh.preparation.packed_clip_writer.pack_clip", packs)
    run(source, tmp_path / "data", *FEW, "--pack")
    assert held == [["a"], ["b"]]


def test_the_estimate_counts_the_frames_that_wait(source: Path, tmp_path: Path, monkeypatch):
    run(source, tmp_path / "data", *FEW, "--pack")
    size = sum(path.stat().st_size for path in (tmp_path / "data").rglob("*") if path.is_file())
    usage = namedtuple("usage", "free")(int(1.2 * size))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="free some space"):
        run(source, tmp_path / "other", *FEW, "--pack")
    run(source, tmp_path / "data", *FEW, "--pack")  # there is nothing left to write


def test_files_of_others_among_the_frames_stay(source: Path, tmp_path: Path, monkeypatch):
    def packs(clip: Path, target: Path) -> None:
        (clip / "notes.txt").write_text("mine")
        pack_clip(clip, target)

    monkeypatch.setattr("im2mesh.preparation.packed_clip_writer.pack_clip", packs)
    run(source, tmp_path / "data", *FEW, "--pack")
    left = [path for path in (tmp_path / "data/meshes/.frames").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["notes.txt"] * 2
    check_dataset.main([str(tmp_path / "data")])


def test_a_data_set_of_frames_is_not_packed_by_half(source: Path, tmp_path: Path):
    run(source, tmp_path / "data", *FEW)
    message = r"packed False there, True asked for\); choose .*; scripts/pack_dataset.py packs"
    with pytest.raises(UserError, match=message):
        run(source, tmp_path / "data", *FEW, "--pack")


def test_files_in_the_way_are_refused(source: Path, tmp_path: Path):
    target = tmp_path / "data/meshes/a/pcl_seq.npz"
    run(source, tmp_path / "data", *FEW, "--pack")
    shutil.rmtree(target.parent)
    target.parent.mkdir()
    np.savez(target, points=np.zeros(3))
    arguments = [str(word) for word in (source, tmp_path / "data", *FEW, "--pack")]
    assert exit_status(prepare.main, arguments) == 2
    with np.load(target) as arrays:
        assert arrays.files == ["points"]
