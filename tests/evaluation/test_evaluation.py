"""A drifting ball on disk, predictions of it, and the numbers and tables that follow."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pytest
import trimesh

from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.evaluator import Evaluator
from im2mesh.evaluation.metrics import EMPTY_DISTANCE
from im2mesh.evaluation.plots import plot_over_time
from im2mesh.evaluation.predictions import PredictedMeshes, Prediction, prediction_of
from im2mesh.evaluation.records import Record, read_table, write_records
from im2mesh.evaluation.report import summary_to_json, write_report
from im2mesh.evaluation.split import SplitEvaluation, evaluate_split
from im2mesh.evaluation.summary import summarize
from im2mesh.evaluation.tables import format_table
from im2mesh.files.written import NOTE
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence

NUM_FRAMES = 3
STEP = 0.2  # metres the ball drifts per frame
RADIUS = 0.8  # metres
LOC = np.array([1.0, 2.0, 3.0])  # of its centre in the first frame
SCALE = 2 * RADIUS
WINDOW = Window("balls", "drift", 0, NUM_FRAMES)
OTHER_WINDOW = Window("balls", "drift", 1, NUM_FRAMES)


def center(k):
    return LOC + np.array([STEP * k, 0.0, 0.0])


def write_clip(root, num_frames=NUM_FRAMES + 1, with_points=True, with_normals=True):
    """The data layout of a ball that drifts along x; file numbers do not start at 0."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    for k in range(num_frames):
        frame = {"loc": center(k).astype(np.float16), "scale": np.float64(SCALE)}
        arrays = dict(frame, points=(0.5 * normals).astype(np.float16))
        if with_normals:
            arrays["normals"] = normals.astype(np.float16)
        save(root / "balls" / "drift" / "pcl_seq" / f"{k + 80:08d}.npz", arrays)
        points = rng.uniform(-0.55, 0.55, (4000, 3)).astype(np.float16)
        inside = np.linalg.norm(points.astype(np.float64), axis=1) < 0.5
        arrays = dict(frame, points=points, occupancies=np.packbits(inside))
        if with_points:
            save(root / "balls" / "drift" / "points_seq" / f"{k + 80:08d}.npz", arrays)
    (root / "balls" / "test.lst").write_text("drift\n")


def save(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


@pytest.fixture
def root(tmp_path):
    write_clip(tmp_path / "data")
    return tmp_path / "data"


def ball(subdivisions=4, radius=0.5):
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.array(mesh.vertices, np.float32), np.array(mesh.faces, np.int32)


def true_offset(k):
    """Of the ball's centre in the window's coordinates; loc is stored as float16."""
    loc = [center(i).astype(np.float16).astype(np.float64) for i in (0, k)]
    return ((loc[1] - loc[0]) / SCALE).astype(np.float32)


def sequence(offset=true_offset, radius=0.5):
    vertices, faces = ball(radius=radius)
    frames = np.stack([vertices + np.float32(offset(k)) for k in range(NUM_FRAMES)])
    return MeshSequence(faces, frames, np.linspace(0, 1, NUM_FRAMES))


def empty_sequence():
    none = np.zeros((NUM_FRAMES, 0, 3), np.float32)
    return MeshSequence(np.zeros((0, 3), np.int32), none, np.linspace(0, 1, NUM_FRAMES))


def evaluate(evaluator, windows, predictions, workers=1):
    """The records of windows, measured anew."""
    with TemporaryDirectory() as folder:
        evaluation = SplitEvaluation(evaluator, predictions, Path(folder))
        return evaluate_split(evaluation, windows, workers=workers).records


def by_metric(records):
    """metric -> values over frames."""
    names = {record.metric for record in records}
    return {n: [r.value for r in records if r.metric == n] for n in names}


def folder_of(root, window=WINDOW):
    return root / window.category / window.clip / f"{window.start:05d}"


def test_true_meshes_score_perfectly(root):
    values = by_metric(
        Evaluator(root, num_samples=4000).evaluate_window(WINDOW, prediction_of(WINDOW, sequence()))
    )
    assert min(values["iou"]) > 0.98
    assert max(values["accuracy"]) < 0.02 and max(values["completeness"]) < 0.02
    assert min(values["normal_consistency"]) > 0.995
    # first vertices and particles differ by up to the particles' spacing, which must not grow
    assert max(values["correspondence_l2"]) - min(values["correspondence_l2"]) < 0.002
    assert values["empty"] == [0.0] * NUM_FRAMES
    np.testing.assert_allclose(
        values["chamfer_l1"], np.add(values["accuracy"], values["completeness"]) / 2
    )


def test_a_ball_that_stays_behind_is_measured_per_frame(root):
    still = sequence(offset=lambda k: np.zeros(3))
    values = by_metric(
        Evaluator(root, num_samples=4000).evaluate_window(WINDOW, prediction_of(WINDOW, still))
    )
    drift = [np.linalg.norm(true_offset(k)) for k in range(NUM_FRAMES)]
    np.testing.assert_allclose(values["correspondence_l2"], drift, atol=0.02)
    assert values["iou"][0] > values["iou"][1] > values["iou"][2]


def test_the_frames_that_are_given_can_be_left_out(root):
    prediction = prediction_of(WINDOW, sequence())

    def measured(frames: Literal["all", "between", "last"]) -> list[Record]:
        return Evaluator(root, num_samples=100, frames=frames).evaluate_window(WINDOW, prediction)

    every, last = measured("all"), NUM_FRAMES - 1
    assert measured("last") == [r for r in every if r.frame == last]
    assert measured("between") == [r for r in every if 0 < r.frame < last]


def test_the_last_frame_is_that_of_the_window(root):
    some = prediction_of(WINDOW, sequence())
    some.meshes.pop(NUM_FRAMES - 1)
    for changes in ({"frames": "last"}, {"project_to_final_mesh": True}):
        with pytest.raises(UserError, match=r"no mesh of the last frame, .* let generation\.times"):
            Evaluator(root, **changes).evaluate_window(WINDOW, some)


def test_meshes_extracted_apart_never_correspond(root):
    """Not even where all are empty, or alike by chance."""
    vertices, faces = ball()
    alike = FrameMeshes((Mesh(vertices, faces),) * NUM_FRAMES, np.linspace(0, 1, NUM_FRAMES))
    prediction = prediction_of(WINDOW, alike)
    values = by_metric(Evaluator(root, num_samples=100).evaluate_window(WINDOW, prediction))
    assert "correspondence_l2" not in values


def test_records_name_window_frame_and_metric(root):
    records = Evaluator(root, num_samples=100).evaluate_window(
        OTHER_WINDOW, prediction_of(OTHER_WINDOW, sequence())
    )
    frames = [r.frame for r in records if r.metric == "iou"]
    assert frames == [0, 1, 2]
    assert {(r.category, r.clip, r.start) for r in records} == {("balls", "drift", 1)}


def test_empty_prediction_scores_worst(root):
    values = by_metric(
        Evaluator(root).evaluate_window(WINDOW, prediction_of(WINDOW, empty_sequence()))
    )
    assert values["iou"] == [0.0] * 3 and values["empty"] == [1.0] * 3
    assert values["correspondence_l2"] == [EMPTY_DISTANCE] * 3
    assert values["chamfer_l2"] == pytest.approx([6.0] * 3)
    assert values["normal_consistency"] == [0.0] * 3


def test_clips_without_labels_have_no_iou(tmp_path):
    write_clip(tmp_path, with_points=False)
    values = by_metric(
        Evaluator(tmp_path, num_samples=100).evaluate_window(
            WINDOW, prediction_of(WINDOW, sequence())
        )
    )
    assert "iou" not in values and "chamfer_l2" in values


def test_clips_without_normals_have_no_normal_consistency(tmp_path):
    """The official data has none."""
    write_clip(tmp_path, with_normals=False)
    values = by_metric(
        Evaluator(tmp_path, num_samples=100).evaluate_window(
            WINDOW, prediction_of(WINDOW, sequence())
        )
    )
    assert "normal_consistency" not in values and "chamfer_l2" in values


def test_moving_points_are_measured_without_surface(root):
    cloud = replace(sequence(), faces=np.zeros((0, 3), np.int32))
    values = by_metric(Evaluator(root).evaluate_window(WINDOW, prediction_of(WINDOW, cloud)))
    assert set(values) == {
        "empty", "accuracy", "completeness", "chamfer_l1", "chamfer_l2", "correspondence_l2"
    }  # fmt: skip


def test_meshes_of_different_topology_have_no_correspondence(root):
    meshes = [Mesh(ball(s)[0] + true_offset(k), ball(s)[1]) for k, s in enumerate((3, 4, 3))]
    values = by_metric(
        Evaluator(root, num_samples=100).evaluate_window(
            WINDOW, Prediction(dict(enumerate(meshes)), False)
        )
    )
    assert "correspondence_l2" not in values and min(values["iou"]) > 0.9


@pytest.mark.parametrize("layout", ["npz", "meshes", "direct"])
@pytest.mark.parametrize("coordinates", ["window", "world"])
def test_predictions_are_found_and_brought_into_the_window(root, tmp_path, layout, coordinates):
    prediction = sequence()
    if coordinates == "world":
        loc = LOC.astype(np.float16).astype(np.float64)
        prediction = replace(prediction, loc=loc, scale=SCALE).in_world()
    folder = folder_of(tmp_path / "out")
    target = {"npz": folder / "sequence.npz", "meshes": folder / "meshes", "direct": folder}
    prediction.save(target[layout])
    predictions = PredictedMeshes(tmp_path / "out", coordinates)
    records = evaluate(Evaluator(root, num_samples=2000), [WINDOW], predictions)
    assert min(by_metric(records)["iou"]) > 0.98
    assert len(by_metric(records)["correspondence_l2"]) == 3


def test_missing_frames_and_missing_windows_are_named(root, tmp_path):
    sequence().save(folder_of(tmp_path))
    (folder_of(tmp_path) / "00001.ply").unlink()
    evaluator, predictions = Evaluator(root), PredictedMeshes(tmp_path)
    with pytest.raises(
        ValueError,
        match=r"00000: 2 meshes in .*, expected 3 \(no frame 1\); run generate\.py again",
    ):
        evaluate(evaluator, [WINDOW], predictions)
    with pytest.raises(UserError, match="sequence drift/00001: no meshes in"):
        evaluate(evaluator, [WINDOW, OTHER_WINDOW], predictions)


def test_frames_are_chosen_by_their_times(root, tmp_path):
    path = folder_of(tmp_path) / "sequence.npz"
    three = sequence()
    five = np.insert(three.vertices, (1, 2), 9.0, axis=0)  # two frames between that must not count
    MeshSequence(three.faces, five, np.linspace(0, 1, 5)).save(path)
    evaluator = Evaluator(root, num_samples=100)
    records = evaluate(evaluator, [WINDOW], PredictedMeshes(tmp_path))
    assert min(by_metric(records)["iou"]) > 0.98
    MeshSequence(three.faces, five[:4], np.linspace(0, 1, 4)).save(path)
    with pytest.raises(ValueError, match="4 meshes at other times than the 3 true frames"):
        PredictedMeshes(tmp_path).read(StoredWindow(root, WINDOW))


def test_unknown_coordinates_are_refused(tmp_path):
    with pytest.raises(ValueError, match="choose one of: window, world"):
        PredictedMeshes(tmp_path, "camera")


def test_results_do_not_depend_on_workers_or_order(root, tmp_path):
    windows = [WINDOW, OTHER_WINDOW]
    for window in windows:
        sequence().save(folder_of(tmp_path, window) / "sequence.npz")
    evaluator, predictions = Evaluator(root, num_samples=500), PredictedMeshes(tmp_path)
    alone = evaluate(evaluator, windows, predictions)
    assert evaluate(evaluator, windows, predictions, workers=2) == alone
    backwards = evaluate(evaluator, windows[::-1], predictions)
    assert sorted(map(repr, backwards)) == sorted(map(repr, alone))
    assert evaluate(replace(evaluator, seed=1), windows, predictions) != alone
    with pytest.raises(ValueError, match="workers"):
        evaluate(evaluator, windows, predictions, workers=0)


def test_broken_prediction_is_named(root, tmp_path):
    sequence().save(folder_of(tmp_path))
    (folder_of(tmp_path) / "00002.ply").write_bytes(b"ply\nnonsense")
    with pytest.raises(ValueError, match=r"00002\.ply: not a readable mesh"):
        evaluate(Evaluator(root, num_samples=100), [WINDOW], PredictedMeshes(tmp_path))


def some_records():
    """Two windows; the second has one frame less and a worse prediction."""
    values = {
        (0, "iou"): [0.9, 0.8, 0.7],
        (0, "correspondence_l2"): [0.0, 0.1, 0.2],
        (1, "iou"): [0.5, 0.3],
        (1, "correspondence_l2"): [0.1, 0.6],
        (1, "empty"): [0.0, 1.0],
    }
    return [
        Record("balls", "drift", start, frame, metric, value)
        for (start, metric), series in values.items()
        for frame, value in enumerate(series)
    ]


def test_records_come_back_digit_for_digit(tmp_path):
    records = [*some_records(), Record("a,b", 'c"d', 7, 0, "iou", 1 / 3)]
    write_records(tmp_path / "out" / "records.csv", records)
    assert read_table(tmp_path / "out" / "records.csv")[0] == records
    header = (tmp_path / "out" / "records.csv").read_text().splitlines()[0]
    assert header == "category,clip,start,frame_step,frame,metric,value,origin"


def test_records_of_files_without_a_step_have_step_1(tmp_path):
    """As eval.py wrote them before windows could have a step."""
    lines = "category,clip,start,frame,metric,value,origin\na,b,7,0,iou,0.5,\n"
    (tmp_path / "records.csv").write_text(lines)
    assert read_table(tmp_path / "records.csv")[0] == [Record("a", "b", 7, 0, "iou", 0.5)]


def test_records_of_windows_with_a_step_are_told_apart():
    steps = [Record("a", "b", 7, 0, "iou", 0.5, frame_step=step) for step in (1, 2)]
    assert [record.window for record in steps] == ["a/b/00007", "a/b/00007_step2"]
    assert summarize(steps)[0].num_windows == 2


def test_bad_record_files_are_named(tmp_path):
    path = tmp_path / "records.csv"
    with pytest.raises(UserError, match=r"run eval\.py first"):
        read_table(path)
    path.write_text("category,clip,start,frame,metric\n")
    with pytest.raises(UserError, match=r"records\.csv, line 1: it has no column value"):
        read_table(path)
    path.write_text("category,clip,start,frame,metric,value\na,b,0,0,iou,0.5\na,b,0,x,iou,0.5\n")
    with pytest.raises(UserError, match=r"records\.csv, line 3"):
        read_table(path)


def test_summary_is_the_mean_over_frames_then_windows():
    rows = {row.metric: row for row in summarize(some_records())}
    assert rows["iou"].mean == pytest.approx((0.8 + 0.4) / 2)
    assert rows["iou"].std == pytest.approx(0.2)
    assert rows["correspondence_l2"].mean == pytest.approx((0.1 + 0.35) / 2)
    assert rows["correspondence_l2_last"].mean == pytest.approx((0.2 + 0.6) / 2)
    assert (rows["iou"].num_windows, rows["empty"].num_windows) == (2, 1)
    assert next(iter(rows)) == "iou"  # the order of METRICS


def test_tables_align_and_say_what_is_squared():
    rows = summarize(some_records())
    table = format_table({"test": rows, "test_new_individual": rows[:1]})
    lines = table.splitlines()
    assert "test_new_individual" in lines[0] and lines[2].startswith("IoU")
    assert len({line.index("0.") for line in lines[2:6]}) == 1  # one column under the other
    assert any("not squared [length]" in line for line in lines)
    assert "test 2 (empty 1)" in table
    markdown = format_table({"test": rows}, markdown=True).splitlines()
    assert len({line.count("|") for line in markdown[:6]}) == 1
    content = json.loads(summary_to_json({"test": rows}))
    assert content["test"]["iou"]["mean"] == pytest.approx(0.6)
    assert content["test"]["correspondence_l2"]["unit"] == "length"


def test_report_has_all_files(tmp_path):
    table = write_report(tmp_path, "test", some_records())
    assert "IoU" in table
    assert {path.name for path in tmp_path.iterdir()} == {
        "records.csv", "summary.md", "summary.json",
        "iou.png", "correspondence_l2.png", "empty.png", NOTE,
    }  # fmt: skip
    assert (tmp_path / "iou.png").stat().st_size > 5000
    with pytest.raises(ValueError, match="no record of chamfer_l1"):
        plot_over_time(some_records(), "chamfer_l1", tmp_path / "x.png")
