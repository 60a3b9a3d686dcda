"""The benchmark, with fewer people and points: its files, and how it is told by."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from im2mesh.command_line import exit_status
from im2mesh.data.windows import read_windows
from im2mesh.errors import UserError
from im2mesh.synthesis import benchmark as benchmark_module
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.benchmark import FINGERPRINT, NAME, SPLITS, BenchmarkSettings, fingerprint
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.plan import CATEGORY, DatasetSettings
from im2mesh.synthesis.shape_space import FIRST_OF_SPACE
from scripts import make_bodies
from tests.synthesis.digests import digests

TINY = ClipSettings(frames=1, surface_points=30, occupancy_points=40, meshes=False)
SMALL = BenchmarkSettings(
    seen_bodies=3,
    training=replace(TINY, near_surface_points=20),
    test=replace(TINY, frames=2),
    ten_bodies_frames=1,
)


@pytest.fixture(scope="module")
def few_motions() -> Iterator[None]:
    """Six motions instead of all, and two baked bodies instead of ten."""
    motions = ("hips", "knees", "punching", "walk", "spin", "jog")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_module, "_MOTIONS", motions)
        patch.setattr(benchmark_module, "_TEN_BODIES", DatasetSettings(2, motions[:3]))
        yield


@pytest.fixture(scope="module")
def benchmark(few_motions: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark")
    make_dataset(root, SMALL)
    return root


def test_ten_bodies_move_as_in_their_own_data_set(benchmark: Path) -> None:
    clip = SMALL.splits()["test_ten_bodies"][0]
    vertices = animate(clip, 1, seed=0)[0]
    with np.load(benchmark / CATEGORY / clip.name / "pcl_seq" / "00000000.npz") as file:
        assert file["scale"] == pytest.approx(np.ptp(vertices, axis=0).max(), rel=1e-6)


def test_files_are_found_by_the_readers(benchmark: Path) -> None:
    for split in SPLITS:
        assert read_windows(benchmark, split, num_frames=1, stride=1, skip_frames=0), split
    near = [path.parent.name for path in (benchmark / CATEGORY).glob("*/points_near_seq")]
    trained = (benchmark / CATEGORY / "train.lst").read_text().split()
    validated = (benchmark / CATEGORY / "val.lst").read_text().split()
    assert sorted(near) == sorted(trained + validated)
    assert not list((benchmark / CATEGORY).glob("*/mesh_seq"))


def test_same_bytes_for_any_number_of_workers(benchmark: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, SMALL, workers=2)
    assert digests(tmp_path) == digests(benchmark)
    assert fingerprint(tmp_path) == fingerprint(benchmark)


def test_description_has_the_name(benchmark: Path) -> None:
    assert json.loads((benchmark / "dataset.json").read_text())["name"] == NAME


def test_fingerprint_tells_other_content_and_other_settings(tmp_path: Path) -> None:
    make_dataset(tmp_path / "a", replace(SMALL, seen_bodies=1))
    before = fingerprint(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "moved")
    assert fingerprint(tmp_path / "moved") == before
    make_dataset(tmp_path / "b", replace(SMALL, seen_bodies=1, test=replace(TINY, frames=3)))
    assert fingerprint(tmp_path / "b") != before
    frame = tmp_path / "moved" / CATEGORY / f"{FIRST_OF_SPACE}_hips" / "pcl_seq"
    with np.load(frame / "00000001.npz") as file:
        arrays = dict(file)
    arrays["points"] = arrays["points"][::-1]
    np.savez(frame / "00000001.npz", **arrays)  # pyright: ignore[reportArgumentType]
    (tmp_path / "moved").rename(tmp_path / "changed")
    assert fingerprint(tmp_path / "changed") != before


def test_unfinished_benchmark_has_no_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset.json cannot be read .*make_bodies.py OUT"):
        fingerprint(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(UserError, match=r"train.lst is missing; run: python"):
        fingerprint(tmp_path)


def test_other_settings_are_refused(benchmark: Path) -> None:
    with pytest.raises(UserError, match="seen_bodies 3 there, 9 asked for"):
        make_dataset(benchmark, replace(SMALL, seen_bodies=9))
    with pytest.raises(UserError, match="belongs to a data set made with other settings"):
        make_dataset(benchmark, DatasetSettings())


def test_script_fixes_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [str(tmp_path / "out"), "--benchmark", "--frames", "3", "--seed", "1"]
    assert exit_status(make_bodies.main, arguments) == 2
    assert "leave out --frames --seed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_script_makes_it_and_tells_its_fingerprint(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_bodies, "BenchmarkSettings", lambda: replace(SMALL, seen_bodies=1))
    assert exit_status(make_bodies.main, [str(tmp_path), "--benchmark"]) == 0
    told = capsys.readouterr()
    assert f"{NAME} fingerprint {fingerprint(tmp_path)}" in told.out
    assert f"published numbers were measured on {FINGERPRINT}" in told.err
