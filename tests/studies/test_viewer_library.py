"""What the live viewer finds in a folder, and what it makes of files that cannot be read."""

import json
import shutil
import sys

import numpy as np
import pytest

import generate
import train
from im2mesh.build import build_config
from im2mesh.errors import Advice, UserError
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.moving_file import read_moving_file
from im2mesh.studies.viewer import library
from im2mesh.studies.viewer.desk import Desk
from im2mesh.studies.viewer.library import find_sources
from tests.small import write_small_config
from tests.studies.test_viewer import (  # noqa: F401, for pytest
    TETRAHEDRON,
    ask,
    clouds,
    model,
    number_of,
    positions,
    reconstructed,
)


@pytest.fixture
def moving() -> MeshSequence:
    points = np.random.default_rng(0).normal(size=(3, 4, 3))
    return MeshSequence(TETRAHEDRON, points, np.array([0, 0.2, 1]))


def found_in(folder) -> list[tuple[str, str]]:
    """Kind and name below the folder of what is found."""
    return [
        (source.group.split()[0], source.name.replace(str(folder), "").lstrip("/"))
        for source in find_sources(folder, build_config)
    ]


def write_scan(folder, clouds) -> None:  # noqa: F811
    folder.mkdir(parents=True)
    for frame, cloud in enumerate(clouds):
        np.savetxt(folder / f"{frame}.xyz", cloud)


def test_files_and_scans_are_found_at_every_depth(tmp_path, moving, clouds):  # noqa: F811
    moving.save(tmp_path / "a/moving.glb")
    moving.save(tmp_path / "a/walk.npz")
    np.savez(tmp_path / "a/clouds.npz", points=clouds)
    np.savez(tmp_path / "a/codes.npz", codes=np.zeros(3))
    for name in ("scans/one", "scans/two", "scans/two/deeper"):
        write_scan(tmp_path / name, clouds)
    assert found_in(tmp_path) == [
        ("clouds", "a/clouds.npz"),
        ("moving", "a/moving.glb"),
        ("moving", "a/walk.npz"),
        ("clouds", "scans/one"),
        ("clouds", "scans/two"),
        ("clouds", "scans/two/deeper"),
    ]
    desk = Desk(find_sources(tmp_path, build_config), lambda source: None)
    assert [ask(desk.show, item=item)["frames"] for item in desk.sources] == [5, 3, 3, 5, 5, 5]


def test_moving_usd_is_found_and_shown_as_long_as_it_lasts(tmp_path, moving, monkeypatch):
    pytest.importorskip("pxr", reason="needs usd-core, the extra usd")
    moving.save(tmp_path / "a/moving.usdc", duration=2.5)
    moving.save(tmp_path / "a/walk.npz")
    (tmp_path / "a/film.usdc").write_bytes(b"of another program")
    assert found_in(tmp_path) == [("moving", "a/moving.usdc"), ("moving", "a/walk.npz")]
    shown = read_moving_file(tmp_path / "a/moving.usdc")
    assert shown.duration == pytest.approx(2.5) and len(shown.panel.prediction or {}) == 3
    np.testing.assert_allclose(shown.times, [0, 0.2, 1])
    (tmp_path / "a/film.usdc").unlink()
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.warns(Advice, match=r"moving\.usdc is not shown: .* run: pip install -e"):
        assert found_in(tmp_path) == [("moving", "a/walk.npz")]


def test_clouds_beside_a_result_are_found_and_its_meshes_are_no_clouds(tmp_path, moving, clouds):  # noqa: F811
    write_scan(tmp_path / "walk", clouds)
    moving.save(tmp_path / "walk/sequence.npz")
    moving.save(tmp_path / "walk/meshes", "ply")
    (tmp_path / "walk/scan.json").write_text("{}")
    assert found_in(tmp_path) == [("reconstructed", "walk"), ("clouds", "walk")]


def test_links_in_circles_show_nothing_twice(tmp_path, clouds):  # noqa: F811
    write_scan(tmp_path / "walk", clouds)
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(tmp_path)
    assert found_in(tmp_path) == [("clouds", "walk")]


def test_one_run_that_cannot_be_read_spoils_nothing_else(tmp_path, ball_root):
    config = str(write_small_config(tmp_path, ball_root))
    train.main([config, "--device", "cpu", "training.max_iterations=1"])
    generate.main([config, "--device", "cpu", "generation.threshold=0.001"])
    shutil.copytree(tmp_path / "run", tmp_path / "another")
    (tmp_path / "another/generation/test/config.yaml").write_text("data: [1, 2")
    with pytest.warns(Advice, match="another/generation/test is not shown in full: .*config.yaml"):
        found = found_in(tmp_path)
    assert found == [("run", f"ball_d/0000{start}") for start in (0, 4)]


def test_a_folder_that_may_not_be_read_is_told(tmp_path, clouds, monkeypatch):  # noqa: F811
    write_scan(tmp_path / "walk", clouds)
    (tmp_path / "secret").mkdir()
    has_folder = library.has_folder

    def refuse(folder, name):
        if folder.name == "secret":
            raise PermissionError(13, "Permission denied")
        return has_folder(folder, name)

    monkeypatch.setattr(library, "has_folder", refuse)
    with pytest.warns(Advice, match="secret is not shown in full: .*Permission denied"):
        assert found_in(tmp_path) == [("clouds", "walk")]


def test_without_its_model_a_thing_is_shown_all_the_same(ball_root):
    def model_of(source):
        raise UserError("model_best.pt is damaged")

    content = ask(Desk(find_sources(ball_root, build_config), model_of).show, item=0)
    assert content["model"] is None and content["layers"]
    assert content["note"] == "No model answers: model_best.pt is damaged."


def test_meshes_have_the_times_of_their_file(tmp_path, moving):
    moving.save(tmp_path / "walk.npz")
    content = ask(Desk(find_sources(tmp_path, build_config), lambda source: None).show, item=0)
    assert content["times"] == [0, 0.2, 1]


@pytest.mark.parametrize(
    ("told", "step", "seconds"),
    [
        ({"times_in_seconds": True}, 1, 2.0),
        ({"times_in_seconds": False}, 1, None),
        ({}, 1, None),  # an older report: whole numbers are those of frames
        ({}, 0.5, 1.0),
    ],
)
def test_whole_seconds_are_seconds_where_the_scan_says_so(tmp_path, moving, told, step, seconds):
    moving.save(tmp_path / "sequence.npz")
    report = {**told, "frames": [{"time": step * k} for k in range(3)]}
    (tmp_path / "scan.json").write_text(json.dumps(report))
    assert read_moving_file(tmp_path).duration == seconds


@pytest.mark.parametrize(("is_shuffled", "kind"), [(False, "matched"), (True, "nearest")])
def test_errors_are_matched_only_where_rows_correspond(
    ball_root,
    tmp_path,
    model,  # noqa: F811
    is_shuffled,
    kind,
):
    """Clouds of one size may have been drawn anew in every frame."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
    shutil.copytree(ball_root, root)
    for file in (root / "balls/ball_d/pcl_seq").glob("*.npz") if is_shuffled else ():
        with np.load(file) as stored:
            order = rng.permutation(len(stored["points"]))
            arrays = {
                name: x[order] if np.shape(x)[:1] == order.shape else x
                for name, x in stored.items()
            }
        np.savez(file, **arrays)
    data = model.config.data.model_copy(update={"input_pointcloud_corresponding": not is_shuffled})
    model.config = model.config.model_copy(update={"data": data})
    desk = Desk(find_sources(root, build_config), lambda source: model)
    made = reconstructed(desk, number_of(desk, "balls/ball_d"))
    assert made["layers"][-1]["errors"] == kind
