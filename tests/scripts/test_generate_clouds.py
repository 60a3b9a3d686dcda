"""generate.py CONFIG --clouds FOLDER: one command from a scanner's files to a moving mesh."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import generate
from im2mesh.command_line import exit_status
from im2mesh.errors import UserError
from im2mesh.generation.scan_files import result_name, tell_suspects
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh_sequence import MeshSequence, read_moving
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import load_body
from im2mesh.synthesis.depth import see_body, surround_by_depth_cameras
from im2mesh.synthesis.splits import Clip

COUNTS = (300, 800, 500, 300)
ORIGIN = np.array([500_000.0, 5_400_000.0, 30.0])


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A body that moves, in millimetres, z up, far from 0; other points in every frame."""
    folder = tmp_path_factory.mktemp("scan") / "walk"
    folder.mkdir()
    rng = np.random.default_rng(0)
    moving = animate(Clip(0, "hips"), len(COUNTS), seed=0)
    for k, count in enumerate(COUNTS):
        points = moving[k][rng.choice(moving.shape[1], count, replace=False)]
        upright = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
        np.savetxt(folder / f"{k}.xyz", 1000 * (upright + ORIGIN), fmt="%.4f")
    return folder


def run(scan, out, *more: str) -> None:
    generate.main(
        [
            "configs/scans.yaml",
            "--clouds",
            str(scan),
            f"output_dir={out}",
            "generation.fit_iterations=15",
            "generation.upsampling_steps=1",
            *more,
        ]
    )


def test_a_scan_becomes_one_mesh_in_its_own_coordinates(scan, tmp_path, capsys):
    run(scan, tmp_path)
    told = capsys.readouterr().out
    assert "weights local_unordered, which suit these clouds" in told
    assert "4 clouds, z is up, unit mm; rows do not correspond" in told
    result = tmp_path / "scans" / "walk"
    sequence = MeshSequence.load(result / "sequence.npz")
    assert sequence.num_frames == 4 and sequence.num_faces > 500
    last = np.loadtxt(scan / "3.xyz")
    for corner in (np.min, np.max):
        np.testing.assert_allclose(
            corner(sequence.vertices[3], 0), corner(last, 0), atol=60
        )  # 60 mm
    corners = sequence.vertices[3][sequence.faces]  # faces are those of these vertices
    edges = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=-1)
    assert np.quantile(edges, 0.99) < 100, "millimetres"
    mesh = read_mesh(result / "meshes" / "00003.ply")
    np.testing.assert_array_equal(mesh.faces, sequence.faces)
    report = json.loads((result / "scan.json").read_text())
    assert [frame["points"] for frame in report["frames"]] == list(COUNTS)
    assert report["times_in_seconds"] is False
    assert report["unit"] == "mm" and 1200 < report["body_mm"] < 2200
    assert all(0 < frame["median_mm"] < 60 for frame in report["frames"])
    assert report["made_by"]["code"]
    with np.load(result / "residuals.npz") as stored:
        assert stored["vertices"].shape == sequence.vertices.shape[:2]


def test_the_result_of_other_clouds_of_that_name_stays(scan, tmp_path, capsys):
    """Told before any work. The same clouds replace their own result."""
    run(scan, tmp_path)
    result = tmp_path / "scans" / "walk"
    report = json.loads((result / "scan.json").read_text())
    assert report["source"] == str(scan.resolve())
    keys = {"name", "time", "points", "median_mm", "quantile_95_mm", "far_share"}
    assert report["frames"][0].keys() == keys
    told = capsys.readouterr().err
    assert "4/4" in told and "frame/s" in told  # of the bar
    other = tmp_path / "other" / "walk"
    shutil.copytree(scan, other)
    status = exit_status(lambda arguments: run(other, tmp_path), [])
    told = capsys.readouterr()
    assert status == 2 and "frame/s" not in told.err
    assert f"holds the result of {scan.resolve()}; move it away, or set another" in told.err
    assert json.loads((result / "scan.json").read_text()) == report


def test_results_of_clips_are_named_after_the_clip():
    """All of them have folders of equal names."""
    names = ("walk/depth_seq", "walk/pcl_seq", "scans/walk", "scans/walk.npz")
    found = [result_name(Path("/data") / name) for name in names]
    assert found == ["walk_depth_seq", "walk_pcl_seq", "walk", "walk"]


@pytest.mark.parametrize("name", ["scan.json", "residuals.npz", "sequence.npz", "meshes/00000.ply"])
def test_files_of_others_stay_and_are_told_before_any_work(
    name, scan, tmp_path, capsys, monkeypatch
):
    monkeypatch.delattr(generate, "reconstruct_scan")
    theirs = tmp_path / "scans" / "walk" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    status = exit_status(lambda arguments: run(scan, tmp_path), [])
    assert status == 2 and theirs.name in capsys.readouterr().err
    assert theirs.read_text() == "mine"


def test_clouds_that_are_not_there_are_named(tmp_path, capsys):
    missing = tmp_path / "my_scann"
    assert exit_status(lambda arguments: run(missing, tmp_path), []) == 2
    assert f"{missing} does not exist" in capsys.readouterr().err


def test_no_meshes_of_an_earlier_result_stay_beside_a_later_one(scan, tmp_path):
    run(scan, tmp_path)
    meshes = tmp_path / "scans" / "walk" / "meshes"
    assert len(list(meshes.glob("*.ply"))) == len(COUNTS)
    run(scan, tmp_path, "generation.mesh_format=glb")
    assert [path.suffix for path in meshes.iterdir() if path.name[0] != "."] == [".glb"]
    run(scan, tmp_path, "generation.mesh_format=null")
    assert not meshes.exists()


def test_an_animated_file_stands_upright_in_metres_and_seconds(scan, tmp_path):
    pytest.importorskip("pxr", reason="needs usd-core, the extra usd")
    (tmp_path / "times.txt").write_text("2.0 2.1 2.2 2.6")
    run(scan, tmp_path, "generation.mesh_format=usd", "--times", str(tmp_path / "times.txt"))
    result = tmp_path / "scans" / "walk"
    moving = read_moving(result / "meshes" / "sequence.usdc")
    np.testing.assert_allclose(moving.seconds, [0, 0.1, 0.2, 0.6], atol=1e-9)
    sequence = MeshSequence.load(result / "sequence.npz")
    found = np.stack([mesh.vertices for mesh in moving.meshes])
    x, y, z = np.moveaxis(sequence.vertices, -1, 0)  # z up, millimetres
    np.testing.assert_allclose(found, np.stack([x, z, -y], -1) / 1000, rtol=0, atol=1e-6)


def test_weights_for_tracked_points_refuse_others(scan, tmp_path, capsys):
    status = exit_status(lambda arguments: run(scan, tmp_path, "--weights", "local"), [])
    assert status == 2
    assert "choose others, such as --weights local_unordered" in capsys.readouterr().err


def test_a_surface_of_several_pieces_is_told():
    (told,) = tell_suspects({"pieces": 2, "body_mm": 1700.0, "frames": []})
    assert "the surface has 2 pieces, and a body is one" in told
    assert tell_suspects({"pieces": 1, "body_mm": 1700.0, "frames": []}) == []


def test_clouds_of_one_depth_camera_get_weights_of_their_own(tmp_path, capsys):
    vertices = animate(Clip(2, "knees"), 17, seed=0)[::8].astype(float)
    cameras, rng = surround_by_depth_cameras(vertices, 1), np.random.default_rng(0)
    (tmp_path / "seen").mkdir()
    for k, frame in enumerate(vertices):
        points = see_body(frame, load_body(2).faces, cameras, rng)[0]
        np.savetxt(tmp_path / "seen" / f"{k}.xyz", points[rng.permutation(len(points))[:500]])
    run(tmp_path / "seen", tmp_path / "out")
    told = capsys.readouterr().out
    assert "weights local_depth, which suit clouds of one side of a body; --weights" in told
    report = json.loads((tmp_path / "out/scans/seen/scan.json").read_text())
    assert report["pieces"] >= 1 and len(report["frames"]) == 3


def test_weights_that_observe_images_refuse_clouds(scan, tmp_path):
    with pytest.raises(UserError, match="these weights observe images, and not clouds; choose"):
        run(scan, tmp_path, "--weights", "images_oflow")
