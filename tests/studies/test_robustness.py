"""Models and meshes whose errors are known in closed form, and gaps that are never filled."""

import csv
import math
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import eval as evaluation
import generate
from im2mesh.build import build_config, build_trainer
from im2mesh.config.schema import DataConfig, GenerationConfig, OdeConfig
from im2mesh.data.dataset import build_windows
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.data.observation import draw_observation
from im2mesh.data.windows import read_windows
from im2mesh.errors import UserError
from im2mesh.evaluation.metric_info import metric_info, metrics_of
from im2mesh.files.written import NOTE
from im2mesh.generation.generator import Generator
from im2mesh.meshing.containment import points_inside_mesh, winding_numbers
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.deformations.given import Carried, Static
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import ResultOrigin
from im2mesh.runs.provenance import Provenance
from im2mesh.studies.motion import measure as motion
from im2mesh.studies.motion.measure import measure_motion
from im2mesh.studies.motion.solids import self_overlap, volume, volume_drift
from im2mesh.studies.prepared_runs import PreparedRun, label_runs, pooled, refuse_other_windows
from im2mesh.studies.robustness.measure import (
    CannotAskError,
    measure_window,
    read_true_motion,
    refuse_mute,
)
from im2mesh.studies.robustness.report import format_study, mean_and_error
from im2mesh.studies.robustness.study import Study, measure_run
from im2mesh.studies.robustness.sweeps import SWEEPS, parse_sweep, parse_sweeps, refuse_useless
from scripts.measure import main as measure
from tests import ball
from tests.ball import CATEGORY, BallMotion, write_ball_clip
from tests.problems import Constant
from tests.small import write_small_config

DRIFT = np.array([0.01, 0.012, -0.006])  # metres per frame
SIDE = 2 * ball.RADIUS  # of the box of the ball, metres
STEP = float(np.linalg.norm(DRIFT)) / SIDE  # per frame, in units of the first
FLOAT16 = 3e-4  # of stored points up to 0.5
LABELS = 0.98  # of 400 points inside, some few lie so near the surface that rounding decides
WINDOW = Window(CATEGORY, "ball_d", 2, 5)


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """Data of a ball that drifts only: its motion is one constant velocity."""
    root = tmp_path_factory.mktemp("drifting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ball, "GROWTH", 1.0)
        write_ball_clip(root / CATEGORY / "ball_d", BallMotion(DRIFT, turn=0.0), 12)
    (root / CATEGORY / "test.lst").write_text("ball_d\n")
    return root


class Ball(torch.nn.Module):
    """Logits of a ball of radius 0.5, whose box has side 1."""

    def forward(self, points, code):
        return 100 * (0.5 - points.norm(dim=-1))


def model_of(velocity) -> OccupancyFlow:
    x, y, z = velocity
    field = Constant((float(x), float(y), float(z)))
    return OccupancyFlow(None, None, Ball(), Flow(field, OdeConfig(method="rk4")))


def generator_of(model) -> Generator:
    return Generator(model, GenerationConfig(threshold=0.5), num_frames=5)


def settings(root, **changes) -> DataConfig:
    values = {"num_frames": 5, "skip_frames": 0, "num_input_points": 20, **changes}
    return DataConfig(root=str(root), **values)


def lens_share(radius: float, distance: float) -> float:
    """What two equal balls have in common, as a share of both together."""
    lens = math.pi * (4 * radius + distance) * (2 * radius - distance) ** 2 / 12
    return lens / (2 * 4 / 3 * math.pi * radius**3 - lens)


def test_an_exact_model_has_no_error(drifting):
    data = settings(drifting)
    numbers = measure_window(generator_of(model_of(4 * DRIFT / SIDE)), data, data, WINDOW, 0)
    assert set(numbers) == {"iou_0", "iou_last", "correspondence_l2", "correspondence_l2_last"}
    assert numbers["correspondence_l2"] < FLOAT16 and numbers["correspondence_l2_last"] < FLOAT16
    assert numbers["iou_0"] > LABELS and numbers["iou_last"] > LABELS


def test_a_static_model_misses_the_whole_motion(drifting):
    """Frame k is missed by k steps; over frames 1 to 4 that is 2.5 of them on average."""
    data = settings(drifting)
    numbers = measure_window(generator_of(model_of((0, 0, 0))), data, data, WINDOW, 0)
    assert numbers["correspondence_l2"] == pytest.approx(2.5 * STEP, abs=FLOAT16)
    assert numbers["correspondence_l2_last"] == pytest.approx(4 * STEP, abs=FLOAT16)
    assert numbers["iou_0"] > LABELS
    assert numbers["iou_last"] == pytest.approx(lens_share(0.5, 4 * STEP), abs=0.05)


def run_of(model, data, windows) -> PreparedRun:
    origin = ResultOrigin(Provenance("1.0", "config", "data", 0, {}), [])
    path = Path("a")
    return PreparedRun(path, RunFolder(path), "test", generator_of(model), data, windows, 0, origin)


def test_a_sweep_changes_one_setting_and_keeps_starts(drifting):
    """With a step of 2 the static model misses twice as much; 8 steps do not fit from frame 4, so
    that window is left out of the line, for the other value too."""
    data = settings(drifting)
    windows = read_windows(drifting, "test", num_frames=5, stride=2, skip_frames=0)
    assert [window.start for window in windows] == [0, 2, 4, 6]
    sweep = parse_sweep("step=1,2,3")
    study = Study([sweep])
    measure_run(study, "static", run_of(model_of((0, 0, 0)), data, windows))
    metric = "correspondence_l2_last"
    for step, count in ((1, 2), (2, 2), (3, 0)):
        found = study.per_window("static", sweep, step, metric)
        assert found == pytest.approx([4 * step * STEP] * count, abs=FLOAT16)
    table = format_study(study, markdown=True)
    assert (
        "0.1116 +- 0.0000 [1]" in table and "0.2231 +- 0.0000 [1]" in table and "gap [2]" in table
    )
    assert "[1] in 2 of 4 windows, those long enough" in table
    assert (
        "[2] none of 4 windows has the 13 frames" in table
        and "as configured: 1 for static" in table
    )


class NoBall(torch.nn.Module):
    """Logits of weights that have diverged."""

    def forward(self, points, code):
        return torch.full(points.shape[:-1], math.nan)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            OccupancyFlow(None, None, NoBall(), Flow(Constant())),
            "a: window ball_d/00002: iou_0 is nan, iou_last is nan; its weights have diverged",
        ),
        (model_of((math.nan, 0, 0)), "a: window ball_d/00002: .*positions became NaN or infinite"),
    ],
    ids=["occupancy", "motion"],
)
def test_a_number_that_is_none_is_no_gap(drifting, model, message):
    """Not even with an observation of another size, which a model may refuse."""
    run = run_of(model, settings(drifting), [WINDOW])
    with pytest.raises(UserError, match=message):
        measure_run(Study([parse_sweep("points=10")]), "diverged", run)


def test_points_are_the_same_for_all_steps_and_lengths(drifting):
    plain = read_true_motion(StoredWindow(str(drifting), WINDOW), 0)
    apart = read_true_motion(
        StoredWindow(str(drifting), Window(CATEGORY, "ball_d", 2, 5, frame_step=2)), 0
    )
    assert plain.shape == apart.shape == (5, 600, 3)
    np.testing.assert_array_equal(plain[[0, 2, 4]], apart[:3])


class FixedFrames(OccupancyFlow):
    """Reads 5 frames, as an encoder of joined frames does."""

    def encode(self, inputs, times, generator=None):
        if inputs.shape[1] != 5:
            raise ValueError(f"the encoder was built for 5 frames, got {inputs.shape[1]}")
        return super().encode(inputs, times, generator)


class Broken(OccupancyFlow):
    def encode(self, inputs, times, generator=None):
        raise ValueError("weights are gone")


def test_only_another_number_of_frames_is_a_gap(drifting):
    trained = settings(drifting)
    parts = (None, None, Ball(), Flow(Constant()))
    longer = settings(drifting, num_frames=9)
    window = Window(CATEGORY, "ball_d", 0, 9)
    with pytest.raises(CannotAskError, match="built for 5 frames, got 9"):
        measure_window(generator_of(FixedFrames(*parts)), longer, trained, window, 0)
    with pytest.raises(ValueError, match="weights are gone") as error:
        measure_window(generator_of(Broken(*parts)), trained, trained, WINDOW, 0)
    assert not isinstance(error.value, CannotAskError)
    few = settings(drifting, num_input_frames=5)
    with pytest.raises(CannotAskError, match="5 frames are observed, the window has 3"):
        short = few.model_copy(update={"num_frames": 3})
        measure_window(
            generator_of(model_of(DRIFT)), short, few, Window(CATEGORY, "ball_d", 0, 3), 0
        )


def test_impossible_values_are_gaps_and_the_others_are_measured(drifting):
    """Too few points for the model, more than there are, and a hole that leaves too few."""
    data = settings(drifting)
    carried = OccupancyFlow(None, None, Ball(), Carried(0, 0))
    study = Study([parse_sweep("points=2,20,700"), parse_sweep("hole=0,0.2,3")])
    measure_run(study, "carried", run_of(carried, data, [WINDOW]))
    measured = {(number.sweep, number.value) for n in study.numbers.values() for number in n}
    assert measured == {("points", 20), ("hole", 0.0), ("hole", 0.2)}
    reasons = {(gap.sweep, gap.value): gap.reason for gap in study.gaps}
    assert set(reasons) == {("points", 2), ("points", 700), ("hole", 3.0)}
    assert "4 neighbours are" in reasons["points", 2]
    assert "pcl_seq has 600 rows, 700 were asked for" in reasons["points", 700]
    assert "what is seen of the cloud has 0 rows, 20 were asked for" in reasons["hole", 3.0]
    table = format_study(study)
    assert (table.count("gap [1]"), table.count("gap [2]")) == (2 * 4, 4)  # of four metrics


def test_what_a_run_itself_has_must_be_there(drifting):
    """A gap would hide that the data, or the run, are broken."""
    data = settings(drifting, num_input_points=700)
    study = Study([parse_sweep("points=700")])
    with pytest.raises(UserError, match="pcl_seq has 600 rows, 700 were asked for"):
        measure_run(study, "a", run_of(model_of(DRIFT), data, [WINDOW]))


def test_a_value_with_a_gap_has_no_mean_over_the_other_windows(drifting):
    class Picky(OccupancyFlow):
        def encode(self, inputs, times, generator=None):
            if inputs.shape[2] == 10 and len(asked) == 1:
                raise ValueError("the second window needs more points")
            asked.append(inputs.shape[2])
            return super().encode(inputs, times, generator)

    asked = []
    model = Picky(None, None, Ball(), Flow(Constant()))
    study = Study([parse_sweep("points=10,20")])
    windows = [WINDOW, replace(WINDOW, start=3)]
    measure_run(study, "picky", run_of(model, settings(drifting), windows))
    assert asked == [10, 20, 20]
    assert {number.value for n in study.numbers.values() for number in n} == {20}
    assert [gap.reason for gap in study.gaps] == ["the second window needs more points"]


def test_sweeps_are_those_of_the_configuration():
    for sweep in SWEEPS.values():
        for value in sweep.values:
            assert getattr(sweep.changed(DataConfig(), value), sweep.key) == value
    assert parse_sweep("noise=0.5,0").values == (0.0, 0.5)
    with pytest.raises(UserError, match="no sweep 'pionts'; choose from: points, noise"):
        parse_sweep("pionts")
    with pytest.raises(UserError, match="values must be numbers, such as points=1,2"):
        parse_sweep("points=few")
    with pytest.raises(UserError, match=r"data\.input_noise cannot be -1"):
        parse_sweep("noise=-1").changed(DataConfig(), -1.0)
    with pytest.raises(UserError, match="sweep hole is given twice"):
        parse_sweeps(["hole", "noise", "hole=0.3"])


def test_what_a_sweep_would_say_nothing_of_is_refused():
    with pytest.raises(UserError, match="observes images, which no sweep of noise changes; use"):
        refuse_useless([SWEEPS["noise"], SWEEPS["step"]], DataConfig(input="images"), "run")
    refuse_useless([SWEEPS["step"]], DataConfig(input="images"), "run")
    with pytest.raises(UserError, match="observes nothing"):
        refuse_useless([SWEEPS["step"]], DataConfig(input=None), "run")


def test_a_model_without_answers_is_refused():
    class Points(OccupancyFlow):
        method = "psgn4d"

        @property
        def answers(self):
            return frozenset({"point set"})

    generator = generator_of(Points(None, None, Ball(), Flow(Constant())))
    with pytest.raises(UserError, match="psgn4d answers point set only"):
        refuse_mute(generator, "run")


def test_seeds_are_averaged_per_window():
    found = [("a", "w0", 1.0), ("a", "w1", 5.0), ("b", "w0", 2.0)]
    assert pooled(found, 2) == [1.5]  # w1 is not known of both
    assert pooled(found[:2], 1) == [1.0, 5.0]
    assert mean_and_error([1.0, 2.0, 6.0]) == pytest.approx((3.0, math.sqrt(7 / 3)))
    mean, error = mean_and_error([4.0])
    assert mean == 4 and math.isnan(error)


def test_names_of_runs(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    assert label_runs(paths, None) == ["a", "b"]
    assert label_runs(paths, ["x", "x"]) == ["x", "x"]
    with pytest.raises(UserError, match="1 names for 2 runs"):
        label_runs(paths, ["x"])
    with pytest.raises(UserError, match="given twice"):
        label_runs([paths[0], paths[0]], None)
    with pytest.raises(UserError, match=r"different windows, such as balls/ball_d/00004"):
        refuse_other_windows([WINDOW], [WINDOW, Window(CATEGORY, "ball_d", 4, 5)], paths[1])


NEAREST = """
output_dir: {folder}/nearest
data:
  root: {root}
  num_frames: 5
  skip_frames: 0
  eval_stride: 4
  num_input_points: 40
  input_noise: 0.0
  num_points: 0
model:
  {{method: nearest_neighbour, encoder: null, encoder_temporal: null, decoder: null,
    velocity_field: null}}
loss: {{reconstruction: 0.0}}
generation: {{surface: cloud}}
evaluation: {{num_samples: 500}}
"""


@pytest.fixture
def nearest(tmp_path, ball_root):
    """The config of a method without weights."""
    path = tmp_path / "nearest.yaml"
    path.write_text(NEAREST.format(folder=tmp_path, root=ball_root))
    return path


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_method_without_weights_from_end_to_end(nearest, tmp_path, capsys):
    output = tmp_path / "robustness"
    options = [
        "--sweeps",
        "length",
        "hole=0",
        "noise=0,0.05",
        "--output",
        str(output),
        "--device",
        "cpu",
    ]
    measure(["robustness", str(nearest), *options])
    printed = capsys.readouterr().out
    assert "in 1 of 2 windows, those long enough for every" in printed
    assert "none of 2 windows has the 33 frames" in printed
    rows = read_csv(output / "robustness.csv")
    assert {row["metric"] for row in rows} == {"correspondence_l2", "correspondence_l2_last"}
    assert {row["value"] for row in rows if row["sweep"] == "length"} == {"5", "9"}
    (found,) = [
        float(row["number"])
        for row in rows
        if (row["sweep"], row["value"], row["window"], row["metric"])
        == ("noise", "0.0", "balls/ball_d/00004", "correspondence_l2_last")
    ]
    assert found == pytest.approx(nearest_error(nearest), rel=1e-4)
    names = {path.name for path in output.iterdir() if path.name != NOTE}
    assert names == {
        "robustness.csv", "robustness.md",
        "length_correspondence_l2.png", "length_correspondence_l2_last.png",
        "noise_correspondence_l2.png", "noise_correspondence_l2_last.png",
        "hole_correspondence_l2.png", "hole_correspondence_l2_last.png",
    }  # fmt: skip
    assert np.ptp(np.asarray(Image.open(output / "noise_correspondence_l2.png"))) == 255


def nearest_error(config_file) -> float:
    """What the nearest neighbour misses at the end of a window, written out."""
    config = build_config(config_file)
    window = build_windows(config, "test", stride=4)[1]
    truth = read_true_motion(StoredWindow(config.data.root, window), 0)
    key = zlib.crc32(b"balls/ball_d/00004")
    rng = np.random.default_rng((0, key, 0))
    cloud = draw_observation(config.data, window, rng, random_view=False).inputs[-1]
    distances = np.linalg.norm(truth[0][:, None] - cloud[None], axis=-1)
    return float(np.linalg.norm(cloud[distances.argmin(1)] - truth[-1], axis=-1).mean())


@pytest.fixture
def seeds(tmp_path, ball_root):
    """Two runs of one config with fresh weights of their own."""
    path = write_small_config(tmp_path, ball_root)
    folders = []
    for seed in (0, 1):
        folder = tmp_path / f"seed{seed}"
        overrides = [f"training.seed={seed}", f"output_dir={folder}"]
        trainer = build_trainer(build_config(path, overrides), torch.device("cpu"))
        trainer.save(RunFolder(folder).best_checkpoint)
        RunFolder(folder).config.write_text(path.read_text())
        folders.append(folder)
    return folders


def test_seeds_of_one_method_are_one_line(seeds, tmp_path, capsys):
    runs = [str(folder) for folder in seeds]
    options = ["--sweeps", "length=5,9", "--windows", "1", "--device", "cpu"]
    options += ["--output", str(tmp_path / "out")]
    measure(["robustness", *runs, "--names", "small", "small", *options])
    printed = capsys.readouterr().out
    assert "[1] the encoder was built for 5 frames, got 9" in printed
    rows = read_csv(tmp_path / "out" / "robustness.csv")
    assert {row["path"] for row in rows} == set(runs)
    text = (tmp_path / "out" / "robustness.md").read_text()
    origins = {row["path"]: row["origin"] for row in rows}
    assert len(set(origins.values())) == 2  # other weights
    for path, origin in origins.items():
        assert f"- {path}: Origin {origin}. Weights " in text
    plot = Image.open(tmp_path / "out" / "length_iou_0.png")
    assert all(origin in plot.text["Source"] for origin in origins.values())
    assert f"torch {torch.__version__}" in plot.text["Source"]
    last = [float(r["number"]) for r in rows if r["metric"] == "correspondence_l2_last"]
    assert len(last) == 2 and last[0] != last[1]
    assert f"small (2 runs)  {np.mean(last):.4f}  gap [1]" in printed


def test_what_was_measured_stays_when_a_later_run_fails(seeds, tmp_path, monkeypatch):
    def fail_on_the_second(study, name, run, **options):
        if run.path == seeds[1]:
            raise UserError("out of order")
        measure_run(study, name, run, **options)

    monkeypatch.setattr("scripts.measure.measure_run", fail_on_the_second)
    options = ["--sweeps", "hole=0", "--windows", "1", "--output", str(tmp_path / "out")]
    with pytest.raises(UserError, match="out of order"):
        measure(["robustness", *map(str, seeds), *options, "--device", "cpu"])
    rows = read_csv(tmp_path / "out" / "robustness.csv")
    assert {row["path"] for row in rows} == {str(seeds[0])}


def test_a_value_that_no_configuration_can_have_is_told_before_anything_is_measured(
    nearest, monkeypatch
):
    monkeypatch.setattr("scripts.measure.measure_run", None)
    with pytest.raises(UserError, match=r"sweep noise: data\.input_noise cannot be -1"):
        measure(["robustness", str(nearest), "--sweeps", "hole", "noise=-1", "--device", "cpu"])


def test_windows_of_different_steps_share_a_run_folder(nearest):
    """Another step has folders of its own, which are measured against the right frames."""
    run = RunFolder.of(build_config(nearest))
    for overrides in ([], ["data.frame_step=2"]):
        generate.main([str(nearest), *overrides])
        evaluation.main([str(nearest), *overrides])
    folders = sorted(path.parent.name for path in run.generation("test").rglob("sequence.npz"))
    assert folders == ["00000", "00000_step2", "00004"]
    window = Window(CATEGORY, "ball_d", 0, 5, frame_step=2)
    sequence = MeshSequence.load(run.window("test", window).sequence)
    data = build_config(nearest, ["data.frame_step=2"]).data
    truth = read_true_motion(StoredWindow(data.root, window), 0)
    end = sequence.vertices[-1]  # points of the last observed cloud
    assert np.linalg.norm(end[:, None] - truth[-1], axis=-1).min(1).max() < 1e-6


def sphere(center=(0.0, 0.0, 0.0), radius=1.0) -> Mesh:
    mesh = trimesh.creation.icosphere(subdivisions=4)
    vertices = radius * mesh.vertices + np.array(center)
    return Mesh(vertices.astype(np.float32), np.asarray(mesh.faces, np.int32))


def two_spheres(distance: float) -> Mesh:
    a, b = sphere(), sphere((distance, 0, 0))
    faces = np.concatenate([a.faces, b.faces + len(a.vertices)])
    return Mesh(np.concatenate([a.vertices, b.vertices]), faces)


def test_volume_drift_of_a_scaled_body():
    assert volume(sphere((5, -3, 2))) == pytest.approx(4 / 3 * math.pi, rel=0.01)
    meshes = [sphere((k, 0, 0), radius) for k, radius in enumerate((1.0, 0.9, 1.2, 1.1))]
    assert volume_drift(meshes) == pytest.approx(1.2**3 - 1, rel=1e-4)
    assert volume_drift(meshes[:2]) == pytest.approx(1 - 0.9**3, rel=1e-4)
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert volume_drift([sphere(), nothing]) == 1
    with pytest.raises(ValueError, match="the first mesh has volume 0"):
        volume_drift([nothing, sphere()])


def test_overlap_of_two_spheres(rng):
    assert self_overlap(two_spheres(1.0), rng) == pytest.approx(lens_share(1, 1), abs=0.005)
    assert self_overlap(two_spheres(2.5), rng) == 0
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(ValueError, match="the mesh is empty"):
        self_overlap(nothing, rng)
    inside_out = Mesh(sphere().vertices, sphere().faces[:, ::-1])
    with pytest.raises(ValueError, match="lies inside the mesh; is it closed"):
        self_overlap(inside_out, rng)


def test_winding_numbers_count_how_often_a_point_is_inside():
    mesh = two_spheres(1.0)
    points = np.array([[-0.8, 0, 0], [0.5, 0, 0], [3, 0, 0]], np.float32)
    winding = winding_numbers(points, mesh.vertices, mesh.faces)
    np.testing.assert_allclose(winding, [1, 2, 0], atol=0.01)
    assert points_inside_mesh(points, mesh.vertices, mesh.faces).tolist() == [True, True, False]


def write_meeting_spheres(folder: RunFolder, window: Window) -> None:
    """Spheres that overlap more and more, and grow by a tenth at the end."""
    frames = [two_spheres(2.5), two_spheres(2.0), two_spheres(1.0)]
    vertices = np.stack([mesh.vertices for mesh in frames])
    vertices[-1] *= 1.1
    meshes = MeshSequence(frames[0].faces, vertices, np.array([0, 0.5, 1]))
    meshes.save(folder.window("test", window).sequence)


class Slipping(OccupancyFlow):
    """Whatever is carried back misses its start by 0.5."""

    def trajectories_from_end(self, points_1, times, codes):
        path = super().trajectories_from_end(points_1, times, codes)
        return path + torch.tensor([0.3, 0.0, 0.4])


def test_quality_of_a_known_motion(drifting, tmp_path):
    run, data = RunFolder(tmp_path), settings(drifting)
    write_meeting_spheres(run, WINDOW)
    file = run.window("test", WINDOW).sequence
    numbers = measure_motion(generator_of(model_of(DRIFT)), data, WINDOW, file, 0)
    assert numbers["return_l2"] < 1e-6
    assert numbers["nfe"] == 16 * 4  # rk4 with a step between any two of 17 times
    assert numbers["seconds"] > 0
    assert numbers["volume_drift"] == pytest.approx(1.1**3 - 1, rel=1e-4)
    assert numbers["overlap_last"] == pytest.approx(lens_share(1, 1), abs=0.005)
    assert numbers["overlap_increase"] == numbers["overlap_last"]
    slipping = Slipping(None, None, Ball(), Flow(Constant()))
    numbers = measure_motion(generator_of(slipping), data, WINDOW, file, 0)
    assert numbers["return_l2"] == pytest.approx(0.5, abs=1e-5)


def test_moves_are_counted_where_no_velocity_is_evaluated(drifting, tmp_path):
    """And both tables that show the count say so."""
    run = RunFolder(tmp_path)
    write_meeting_spheres(run, WINDOW)
    static = generator_of(OccupancyFlow(None, None, Ball(), Static(0, 0)))
    file = run.window("test", WINDOW).sequence
    assert measure_motion(static, settings(drifting), WINDOW, file, 0)["nfe"] == 16
    for info in (metrics_of("motion")["nfe"], metric_info("nfe")):
        assert "or moves of a deformation" in info.title


def test_time_is_the_median_after_a_warm_up(drifting, tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    write_meeting_spheres(run, WINDOW)
    ticks = iter(np.cumsum([0, 100, 1, 7, 1, 2, 1, 3]).tolist())  # runs of 100, 7, 2 and 3 s
    monkeypatch.setattr(motion.time, "perf_counter", lambda: next(ticks))
    file = run.window("test", WINDOW).sequence
    numbers = measure_motion(generator_of(model_of(DRIFT)), settings(drifting), WINDOW, file, 0)
    assert numbers["seconds"] == 3


def test_the_table_of_motion_from_end_to_end(nearest, tmp_path, capsys):
    config = build_config(nearest)
    windows = build_windows(config, "test", stride=4)
    with pytest.raises(UserError, match=r"ball_d/00000: no meshes at .*; run generate\.py"):
        measure(["motion", str(nearest), "--output", str(tmp_path / "motion")])
    for window in windows:
        write_meeting_spheres(RunFolder.of(config), window)
    options = ["--names", "nearest", "--output", str(tmp_path / "motion"), "--device", "cpu"]
    measure(["motion", str(nearest), *options])
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("nearest ")).split()
    assert row[1:3] == ["0", "(0)"] and row[5:7] == ["0.3310", "(0.0000)"] and row[-1] == "2"
    assert "Return" not in printed  # it carries nothing back
    rows = read_csv(tmp_path / "motion" / "motion.csv")
    assert len(rows) == 2 * 5 and {row["run"] for row in rows} == {"nearest"}
    text = (tmp_path / "motion" / "motion.md").read_text()
    assert text.startswith("# Motion")
    (origin,) = {row["origin"] for row in rows}
    assert f"- {nearest}: Origin {origin}. Weights " in text


def test_a_motion_that_is_not_finite_is_no_number(nearest, tmp_path, monkeypatch):
    config = build_config(nearest)
    for window in build_windows(config, "test", stride=4):
        write_meeting_spheres(RunFolder.of(config), window)
    monkeypatch.setattr(motion, "volume_drift", lambda meshes: math.nan)
    with pytest.raises(UserError, match=rf"{nearest}: window ball_d/00000: volume_drift is nan"):
        measure(["motion", str(nearest), "--output", str(tmp_path / "motion")])
    assert not (tmp_path / "motion").exists()


def test_a_frame_that_encloses_nothing_is_no_number(drifting, tmp_path):
    file = RunFolder(tmp_path).window("test", WINDOW).sequence
    ball_mesh = sphere()
    vertices = np.stack([ball_mesh.vertices, ball_mesh.vertices])
    MeshSequence(ball_mesh.faces[:, ::-1], vertices, np.array([0.0, 1.0])).save(file)
    with pytest.raises(UserError, match=r"window ball_d/00002: .*sequence\.npz: none of"):
        measure_motion(generator_of(model_of(DRIFT)), settings(drifting), WINDOW, file, 0)
