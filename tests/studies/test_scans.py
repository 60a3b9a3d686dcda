"""Clouds become moving meshes, measured on clips whose truth is known."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.spatial.transform import Rotation

from im2mesh.command_line import exit_status
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.scans import strangers
from im2mesh.studies.scans.following import follow
from im2mesh.synthesis.clips import ClipSettings, ClipWriter
from im2mesh.synthesis.plan import CATEGORY
from im2mesh.synthesis.splits import Clip
from scripts import measure

SMALL = ClipSettings(frames=5, surface_points=3000, occupancy_points=4000, meshes=False)
CLIPS = {"01_knees": SMALL, "01_hips": replace(SMALL, frames=9, meshes=True)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for name, settings in CLIPS.items():
        (root / CATEGORY / name).mkdir(parents=True)
        writer = ClipWriter(root / CATEGORY / name, Clip(1, name.partition("_")[2]), settings)
        writer.write(lambda: False, lambda: None)
    return root


def run(data, out, *more: str) -> int:
    settings = ["generation.fit_iterations=40", "generation.upsampling_steps=1"]
    settings += ["data.num_frames=5", f"data.root={data}", "--split", "all"]
    arguments = ["scans", "configs/scans.yaml", *settings, "--output", str(out), *more]
    return exit_status(measure.main, arguments)


def numbers(out) -> dict[tuple[str, str, str, str], float]:
    """(method, draw, value, metric) -> number, of a study of one clip."""
    with (out / "scans.csv").open() as file:
        rows = list(csv.DictReader(file))
    keys = ("run", "path", "value", "metric")
    return {(*(row[key] for key in keys),): float(row["number"]) for row in rows}  # pyright: ignore


def test_points_beside_a_surface_turn_with_it(rng):
    """All of it turns and moves, and a point in front of it with it, for a plane, too."""
    flat = np.stack([rng.random(200), rng.random(200), np.zeros(200)], 1)
    points = np.array([[0.5, 0.5, 0.1], [0.2, 0.7, -0.05], [0.5, 0.1, 0.0]])
    turns = Rotation.from_euler("xyz", [[0, 0, 0], [80, 20, -40], [170, 0, 90]], degrees=True)
    shifts = np.array([[0, 0, 0], [1, 2, 3], [-1, 0, 0.5]])
    vertices = np.stack([turn.apply(flat) + move for turn, move in zip(turns, shifts, strict=True)])
    expected = [turn.apply(points) + move for turn, move in zip(turns, shifts, strict=True)]
    np.testing.assert_allclose(follow(vertices, points), expected, atol=1e-6)


def test_the_fit_is_compared_with_a_surface_that_stays_put(data, tmp_path):
    out = tmp_path / "out"
    assert run(data, out, "--clips", "01_knees", "--sweeps", "points=300", "step=1,2") == 0
    found = numbers(out)
    for metric in ("followed_l2", "followed_l2_last"):
        still, given, predicted = (
            found[method, "draw 0", "300", metric] for method in ("still", "given", "predicted")
        )
        assert given < still and predicted < 0.85 * still
    assert ("given", "draw 0", "300", "iou") not in found  # a cloud, which has no inside
    assert found["predicted", "draw 0", "300", "iou"] > found["still", "draw 0", "300", "iou"]
    assert 0 < found["predicted", "draw 0", "300", "chamfer_l1"] < 0.03
    report = (out / "scans.md").read_text()
    assert "gap [1]" in report and "none of 1 windows has the 9 frames" in report
    with Image.open(out / "points_followed_l2.png") as image:
        assert image.size[0] > 300


def test_draws_differ_and_a_true_mesh_has_an_inside(data, tmp_path):
    more = ["--clips", "01_hips", "--methods", "given", "--draws", "2"]
    assert run(data, tmp_path, *more, "generation.fit_iterations=3") == 0
    found = numbers(tmp_path)
    one, other = (found["given", f"draw {k}", "300", "followed_l2"] for k in range(2))
    assert one != other and abs(one - other) < 0.01
    assert found["given", "draw 0", "300", "iou_0"] > 0.7


def test_mistakes_are_told_before_any_work(data, tmp_path, capsys):
    assert run(data, tmp_path, "--weights", "local") == 2
    assert "these weights need tracked points, and row n of these clouds" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(data, tmp_path, "--draws", "0")
    assert "--draws must be at least 1, got 0" in capsys.readouterr().err
    assert run(data, tmp_path, "--sweeps", "points=0") == 2
    assert "sweep points: data.num_input_points cannot be 0" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_animal_trots_and_a_cloth_waves(tmp_path):
    assert exit_status(strangers.main, [str(tmp_path)]) == 0
    animal, cloth = (MeshSequence.load(tmp_path / f"{name}.glb") for name in ("animal", "cloth"))
    for shape, closed in ((animal, True), (cloth, False)):
        assert shape.num_frames == strangers.FRAMES
        meshes = [trimesh.Trimesh(m.vertices, m.faces, process=False) for m in shape.meshes]
        assert meshes[0].is_watertight == closed
        areas = np.array([mesh.area for mesh in meshes])
        assert np.abs(areas / areas[0] - 1).max() < 0.15
        steps = np.linalg.norm(np.diff(shape.vertices, axis=0), axis=-1)
        assert steps.max() < 0.1 and steps.mean() > 0.005
    volumes = [trimesh.Trimesh(m.vertices, m.faces, process=False).volume for m in animal.meshes]
    assert volumes[0] > 0 and np.ptp(volumes) < 0.05 * volumes[0]
