"""Meshes of other programs: far from 0, inside out, in other units. A ball whose truth is known."""

import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import trimesh

import eval as eval_script
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import Advice, UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.report import write_report
from im2mesh.evaluation.split import SplitEvaluation, evaluate_split
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.io import MESH_FORMATS, write_mesh
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from tests.small import write_small_config

RADIUS, STEP, NUM_FRAMES = 0.3, 0.1, 3
WINDOW = Window("balls", "drift", 0, NUM_FRAMES)
NEAR = np.array([0.2, 1.0, -0.1])
MAP = NEAR + np.array([500_000.0, 30.0, 5_400_000.0])
HALL = np.array([1e6, -2e6, 3e6])
MILLIMETRES = 1000.0


def frame_of(origin, unit, k):
    """Centre and diameter of the ball in frame k, in the units of the data."""
    return origin + np.array([STEP * unit * k, 0.0, 0.0]), 2 * RADIUS * unit


def write_clip(root, origin=NEAR, unit=1.0):
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    for k in range(NUM_FRAMES):
        loc, scale = frame_of(origin, unit, k)
        queries = rng.uniform(-0.55, 0.55, (3000, 3)).astype(np.float16)
        inside = np.linalg.norm(queries.astype(np.float64), axis=1) < 0.5
        arrays = {
            "pcl_seq": {
                "points": (0.5 * normals).astype(np.float16),
                "normals": normals.astype(np.float16),
            },
            "points_seq": {"points": queries, "occupancies": np.packbits(inside)},
        }
        for folder, members in arrays.items():
            path = root / "balls" / "drift" / folder / f"{k:08d}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, loc=loc, scale=scale, **members)


def balls(origin=NEAR, unit=1.0, inwards=False):
    """The true meshes, in the world of the data."""
    sphere = trimesh.creation.icosphere(4, 0.5)
    faces = np.array(sphere.faces, np.int32)[:, :: -1 if inwards else 1]
    places = (frame_of(origin, unit, k) for k in range(NUM_FRAMES))
    return [Mesh(loc + scale * np.array(sphere.vertices), faces) for loc, scale in places]


def write_meshes(folder, meshes, format="ply"):
    for k, mesh in enumerate(meshes):
        write_mesh(
            folder / "balls" / "drift" / "00000" / f"{k}.{format}", mesh.vertices, mesh.faces
        )


def scores(root, folder, coordinates="world"):
    prediction = PredictedMeshes(folder, coordinates).read(StoredWindow(root, WINDOW))
    records = Evaluator(root, num_samples=2000).evaluate_window(WINDOW, prediction)
    return {(record.metric, record.frame): record.value for record in records}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The scores near 0, of outward faces, in metres."""
    folder = tmp_path_factory.mktemp("near")
    write_clip(folder / "data")
    write_meshes(folder / "theirs", balls())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = scores(folder / "data", folder / "theirs")
    assert min(values["iou", k] for k in range(NUM_FRAMES)) > 0.98
    assert ("correspondence_l2", 0) in values
    return values


@pytest.mark.parametrize("format", MESH_FORMATS)
@pytest.mark.parametrize(("origin", "unit"), [(MAP, 1.0), (HALL, MILLIMETRES)])
def test_scores_far_from_0_are_those_without_the_offset(tmp_path, expected, format, origin, unit):
    write_clip(tmp_path / "data", origin, unit)
    write_meshes(tmp_path / "theirs", balls(origin, unit), format)
    found = scores(tmp_path / "data", tmp_path / "theirs")
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("corresponds", [True, False])
@pytest.mark.parametrize("in_world", [True, False])
def test_a_sequence_in_one_file_is_scored_at_its_place(tmp_path, expected, corresponds, in_world):
    """As the library saves it, in world coordinates, and as generate.py does, with its origin."""
    write_clip(tmp_path / "data", MAP)
    loc, scale = frame_of(MAP, 1.0, 0)
    vertices = np.stack([(mesh.vertices - loc) / scale for mesh in balls(MAP)])
    times, faces = np.linspace(0, 1, NUM_FRAMES), balls()[0].faces
    meshes = MeshSequence(faces, vertices.astype(np.float32), times, None, loc, scale)
    if not corresponds:
        meshes = FrameMeshes(tuple(meshes.meshes), times, None, loc, scale)
    path = tmp_path / "ours" / "balls" / "drift" / "00000" / "sequence.npz"
    (meshes.in_world() if in_world else meshes).save(path)
    found = scores(tmp_path / "data", tmp_path / "ours")
    of_frames = {key: value for key, value in expected.items() if key[0] != "correspondence_l2"}
    assert found == pytest.approx(expected if corresponds else of_frames, abs=1e-4)


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_true_meshes_far_from_0_are_read_at_their_place(tmp_path, format):
    write_clip(tmp_path, MAP)
    for k, mesh in enumerate(balls(MAP)):
        path = tmp_path / "balls" / "drift" / "mesh_seq" / f"{k:05d}.{format}"
        write_mesh(path, mesh.vertices, mesh.faces)
    for k, true in enumerate(balls()):
        local = (true.vertices - NEAR) / (2 * RADIUS)
        mesh = StoredWindow(tmp_path, WINDOW).mesh(k)
        assert mesh is not None and mesh.vertices.dtype == np.float32
        np.testing.assert_allclose(mesh.vertices, local, atol=1e-6)


@pytest.mark.parametrize("format", MESH_FORMATS)
def test_inside_out_meshes_are_told_and_scored_as_turned(tmp_path, expected, format):
    write_clip(tmp_path / "data")
    write_meshes(tmp_path / "theirs", balls(inwards=True), format)
    with pytest.warns(Advice, match="00000, frame 0 and 2 more: the predicted mesh is inside"):
        found = scores(tmp_path / "data", tmp_path / "theirs")
    assert found == pytest.approx(expected, abs=1e-4)


def test_one_frame_and_a_part_of_the_faces_inside_out_are_told(tmp_path, expected):
    write_clip(tmp_path / "data")
    meshes = balls()
    mixed = meshes[1].faces.copy()
    mixed[::3] = mixed[::3, ::-1]
    meshes[1] = replace(meshes[1], faces=mixed)
    write_meshes(tmp_path / "theirs", meshes)
    with pytest.warns(Advice, match=r"frame 1: .* has 1707 of 5120 faces that look inwards"):
        found = scores(tmp_path / "data", tmp_path / "theirs")
    for metric in ("iou", "chamfer_l1", "normal_consistency"):
        assert found[metric, 1] == pytest.approx(expected[metric, 1], abs=1e-4)


def test_correspondence_outlasts_frames_inside_out_and_turned_triangles(tmp_path, expected):
    write_clip(tmp_path / "data")
    meshes = balls()
    meshes[1] = balls(inwards=True)[1]
    meshes[2] = replace(meshes[2], faces=np.roll(meshes[2].faces, 1, axis=1))
    write_meshes(tmp_path / "theirs", meshes)
    with pytest.warns(Advice, match="frame 1: the predicted mesh is inside out"):
        found = scores(tmp_path / "data", tmp_path / "theirs")
    for k in range(NUM_FRAMES):
        assert found["correspondence_l2", k] == pytest.approx(expected["correspondence_l2", k])


def test_a_part_that_its_motion_turns_inside_out_keeps_its_faces(tmp_path):
    """Else the frames of one sequence would differ in their faces."""
    write_clip(tmp_path / "data")
    speck = trimesh.creation.icosphere(1, 0.02)
    meshes = []
    for k, ball in enumerate(balls()):
        place = ball.vertices.mean(0) + [0, 0.8, 0] + (-1) ** k * np.array(speck.vertices)
        faces = np.concatenate([ball.faces, np.array(speck.faces, np.int32) + len(ball.vertices)])
        meshes.append(Mesh(np.concatenate([ball.vertices, place]), faces))
    write_meshes(tmp_path / "theirs", meshes)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Advice)
        found = scores(tmp_path / "data", tmp_path / "theirs")
    assert ("correspondence_l2", 1) in found


def test_numbered_meshes_that_do_not_correspond_are_told(tmp_path):
    write_clip(tmp_path / "data")
    meshes = balls()
    meshes[1] = replace(meshes[1], faces=meshes[1].faces[::-1])
    write_meshes(tmp_path / "theirs", meshes)
    with pytest.warns(Advice, match=r"theirs: numbered meshes .* so no correspondence is measured"):
        found = scores(tmp_path / "data", tmp_path / "theirs")
    assert "correspondence_l2" not in {metric for metric, _ in found}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.ply", "1.ply"], r"2 meshes in \S*00000, expected 3 \(no frame 2\); copy or make the"),
        (["1.ply", "2.ply"], r"expected 3 \(no frame 0 or 3\); copy or make the missing files"),
        (["0.ply"], r"1 meshes in \S*00000, expected 3 \(no frame 1\); copy"),
        (
            ["0.ply", "1.ply", "2.drc"],
            r"expected 3 \(no frame 2\) and 2\.drc, which were not understood; copy",
        ),
        (["0.ply", "1.ply", "2.ply", "3.ply"], r"4 meshes in \S*00000, expected 3; move the oth"),
        (["0.ply", "2.ply", "3.ply"], r"00000 has frames 0 and 2 but no frame 1; copy or make"),
        (["0.ply", "1.ply", "3.ply"], r"00000 has frames 1 and 3 but no frame 2; copy or make"),
        (
            ["0.ply", "1.ply", "2.drc", "3.ply"],
            r"frames 1 and 3 but no frame 2 \(it also holds 2\.drc\); copy or make",
        ),
        (["0.ply", "2.ply", "8.ply"], "frames 2 and 8 but no frame 4; copy or make"),
    ],
)
def test_missing_meshes_of_another_program_are_named(tmp_path, names, message):
    write_clip(tmp_path / "data")
    mesh = balls()[0]
    folder = tmp_path / "theirs" / "balls" / "drift" / "00000"
    write_mesh(folder / "0.ply", mesh.vertices, mesh.faces)
    for name in names[1:]:
        (folder / name).write_bytes((folder / "0.ply").read_bytes())
    (folder / "0.ply").rename(folder / names[0])
    with pytest.raises(UserError, match=message):
        scores(tmp_path / "data", tmp_path / "theirs")


def test_evenly_spaced_numbers_are_frames(tmp_path, expected):
    write_clip(tmp_path / "data")
    write_meshes(tmp_path / "theirs", balls())
    folder = tmp_path / "theirs" / "balls" / "drift" / "00000"
    for k in (2, 1):
        (folder / f"{k}.ply").rename(folder / f"{10 * k}.ply")
    assert scores(tmp_path / "data", tmp_path / "theirs") == pytest.approx(expected)


def test_inside_out_truth_is_told_and_turned(tmp_path):
    write_clip(tmp_path)
    for k, mesh in enumerate(balls(inwards=True)):
        path = tmp_path / "balls" / "drift" / "mesh_seq" / f"{k:05d}.obj"
        write_mesh(path, mesh.vertices, mesh.faces)
    with pytest.warns(Advice, match=r"clip drift: .*mesh_seq/00000\.obj is inside out"):
        mesh = StoredWindow(tmp_path, WINDOW).mesh(0)
    assert mesh is not None
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume > 0.5


def test_the_command_and_its_page_tell_an_inside_out_mesh_once(tmp_path, monkeypatch):
    write_clip(tmp_path / "data")
    write_meshes(tmp_path / "theirs", balls(inwards=True))
    config = write_small_config(tmp_path, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    options = ["--split", "all", "--meshes", "theirs", "--coordinates", "world", "--output", "out"]
    with pytest.warns(Advice) as told:
        eval_script.main([str(config), *options, "--clips", "drift", "data.num_frames=3"])
    assert len([text for text in told if "inside out" in str(text.message)]) == 1
    assert "inside out" in (tmp_path / "out" / "summary.md").read_text()
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_missing_mesh_is_told_before_any_window_is_measured(tmp_path, capsys):
    write_clip(tmp_path / "data")
    write_meshes(tmp_path / "theirs", balls())
    (tmp_path / "theirs" / "balls" / "drift" / "00000" / "1.ply").unlink()
    config = write_small_config(tmp_path, tmp_path / "data")
    options = ["--split", "all", "--meshes", str(tmp_path / "theirs"), "--coordinates", "world"]
    options += ["--output", str(tmp_path / "out"), "data.num_frames=3"]
    with pytest.raises(UserError, match="2 meshes in"):
        eval_script.main([str(config), *options])
    assert "window" not in capsys.readouterr().err  # of the bar


def test_an_evaluation_tells_each_kind_of_advice_once_and_again(tmp_path):
    write_clip(tmp_path / "data")
    write_meshes(tmp_path / "theirs", balls(inwards=True)[:2])
    folder = tmp_path / "theirs" / "balls" / "drift"
    shutil.copytree(folder / "00000", folder / "00001")
    evaluation = SplitEvaluation(
        Evaluator(tmp_path / "data", num_samples=500),
        PredictedMeshes(tmp_path / "theirs", "world"),
        tmp_path / "out",
    )
    windows = [Window("balls", "drift", start, 2) for start in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Advice)
        first = evaluate_split(evaluation, windows)
        again = evaluate_split(evaluation, windows)
    told = next(text for text in first.advice if "inside out" in text)
    assert told.startswith("sequence drift/00000, frame 0 and 1 more: the predicted mesh is inside")
    assert told.endswith(" ... and 1 more window")
    assert first == again
    write_report(tmp_path / "out", "test", again.records, advice=again.advice)
    assert f"\nWarnings:\n\n- {told}\n" in (tmp_path / "out" / "summary.md").read_text()
    assert told in json.loads((tmp_path / "out" / "summary.json").read_text())["warnings"]


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1000, "1000 times as large as"),
        (100, "100 times as large as"),
        (0.001, "1000 times smaller than"),
    ],
)
def test_other_units_are_told(tmp_path, factor, words):
    write_clip(tmp_path / "data")
    scaled = [replace(mesh, vertices=factor * mesh.vertices) for mesh in balls()]
    write_meshes(tmp_path / "theirs", scaled)
    with pytest.warns(
        Advice, match=f"drift/00000, frame 0: the predicted mesh is {words} the true"
    ):
        scores(tmp_path / "data", tmp_path / "theirs")
    path = tmp_path / "data" / "balls" / "drift" / "mesh_seq" / "00000.off"
    for k, mesh in enumerate(scaled):
        write_mesh(path.with_name(f"{k:05d}.off"), mesh.vertices, mesh.faces)
    with pytest.warns(Advice, match=rf"clip drift: .*00000\.off is {words} the cloud of pcl_seq"):
        StoredWindow(tmp_path / "data", WINDOW).mesh(0)


def test_clouds_in_other_units_are_told(tmp_path):
    write_clip(tmp_path / "data")
    clouds = [Mesh.of_points(1000 * mesh.vertices) for mesh in balls()]
    write_meshes(tmp_path / "theirs", clouds)
    with pytest.warns(Advice, match="1000 times as large as the true surface"):
        scores(tmp_path / "data", tmp_path / "theirs")


def test_world_meshes_taken_for_those_of_the_window_are_told(tmp_path):
    write_clip(tmp_path / "data", MAP)
    write_meshes(tmp_path / "theirs", balls(MAP))
    with pytest.warns(Advice, match="times its size away from the true surface; is its file in"):
        scores(tmp_path / "data", tmp_path / "theirs", "window")


def test_world_meshes_near_0_taken_for_those_of_the_window_are_told(tmp_path):
    """The ball lies 1 m above the origin, less than 2 of its diameters."""
    write_clip(tmp_path / "data")
    write_meshes(tmp_path / "theirs", balls())
    with pytest.warns(Advice, match="is wholly beside the true surface; .* --coordinates says"):
        found = scores(tmp_path / "data", tmp_path / "theirs", "window")
    assert found["iou", 0] == 0


def test_a_true_mesh_may_walk_out_of_its_first_frame(tmp_path, recwarn):
    write_clip(tmp_path)
    for k, mesh in enumerate(balls()):
        origin = [30 * STEP, 0, 0] if k == 2 else [0, 0, 0]
        path = tmp_path / "balls" / "drift" / "mesh_seq" / f"{k:05d}.off"
        write_mesh(path, mesh.vertices + origin, mesh.faces)
    path = tmp_path / "balls" / "drift" / "pcl_seq" / "00000002.npz"
    with np.load(path) as stored:
        arrays = {**stored, "loc": stored["loc"] + [30 * STEP, 0, 0]}
    np.savez(path, **arrays)
    assert StoredWindow(tmp_path, WINDOW).mesh(2) is not None
    assert not [warning for warning in recwarn if warning.category is Advice]
    np.savez(path, **{**arrays, "loc": NEAR})
    with pytest.warns(Advice, match=r"00002\.off is wholly beside the cloud of pcl_seq"):
        StoredWindow(tmp_path, WINDOW).mesh(2)


def test_clouds_that_are_not_in_their_frame_are_told(tmp_path):
    """World coordinates with loc 0 and scale 1, cut to float32 in the window."""
    write_clip(tmp_path)
    path = tmp_path / "balls" / "drift" / "pcl_seq" / "00000000.npz"
    np.savez(path, points=balls(MAP)[0].vertices, loc=np.zeros(3), scale=1.0)
    for read in (
        lambda stored: stored.surface_points(0),
        lambda stored: stored.trajectories(np.arange(9), [0]),
    ):
        with pytest.warns(Advice, match=r"clip drift: points of pcl_seq lie more than 10 times"):
            read(StoredWindow(tmp_path, WINDOW))


def test_an_origin_whose_float32_is_too_coarse_is_told(tmp_path):
    write_clip(tmp_path, MAP)
    path = tmp_path / "balls" / "drift" / "pcl_seq" / "00000000.npz"
    with np.load(path) as stored:
        arrays = {**stored, "loc": stored["loc"].astype(np.float32)}
    np.savez(path, **arrays)
    with pytest.warns(Advice, match=r"pcl_seq: loc is float32 .* has steps of 0\.5, while scale"):
        StoredWindow(tmp_path, WINDOW).surface_points(0)
