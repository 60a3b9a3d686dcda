"""Train, generate and evaluate a moving ball through the real main functions."""

import json

import numpy as np
import pytest
import torch

import eval as evaluation
import generate
import train
from im2mesh.build import build_config
from im2mesh.config.schema import GenerationConfig
from im2mesh.data.batch import Observation
from im2mesh.data.dataset import build_windows
from im2mesh.data.transforms import NormalizationFrame
from im2mesh.errors import Advice
from im2mesh.evaluation.records import read_table
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.generation.split import generate_split
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.reconstruction import Reconstructor
from im2mesh.runs.checkpoints import load_checkpoint, save_checkpoint
from im2mesh.runs.folder import RunFolder
from tests.ball import ball_motion
from tests.problems import Constant
from tests.shapes import unchecked_shapes
from tests.small import write_small_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ball_root):
    """A config whose run has been trained long enough to have a surface."""
    folder = tmp_path_factory.mktemp("pipeline")
    path = write_small_config(folder, ball_root)
    with unchecked_shapes():
        train.main([str(path), "training.max_iterations=120", "training.validate_every=40"])
    return path


def test_generate_and_evaluate(trained, capsys):
    generate.main([str(trained), "generation.write_inputs=true", "generation.normals=true"])
    config = build_config(trained)
    run = RunFolder.of(config)
    windows = build_windows(config, "test", stride=4)
    assert len(windows) == 2
    for window in windows:
        files = run.window("test", window)
        sequence = MeshSequence.load(files.sequence)
        assert sequence.num_frames == 5 and not sequence.is_empty
        first = read_mesh(files.meshes / "00000.ply")
        np.testing.assert_array_equal(first.vertices, sequence.vertices[0])
        np.testing.assert_array_equal(first.colors, sequence.colors)
        cloud = read_mesh(files.inputs / "00004.ply").vertices
        np.testing.assert_array_equal(cloud, read_input(config, window).observation.inputs[4])
        summary = json.loads(files.summary.read_text())
        assert summary["status"] == "ok" and summary["vertices"] == sequence.num_vertices
        assert set(summary["seconds"]) >= {"encode", "extract", "flow", "write"}
        assert summary["nfe"] > 0
    with pytest.warns(Advice, match="were made with generation.padding 0.1 instead of 0.2"):
        evaluation.main([str(trained), "generation.padding=0.2"])
    table = capsys.readouterr().out
    assert "IoU" in table and "Correspondence of the last frame" in table
    records, _ = read_table(run.evaluation_records("test"))
    metrics = {record.metric for record in records}
    assert metrics == {
        "iou", "accuracy", "completeness", "chamfer_l1", "chamfer_l2", "normal_consistency",
        "correspondence_l2", "empty",
    }  # fmt: skip
    assert len(records) == len(metrics) * 2 * 5
    ious = [record.value for record in records if record.metric == "iou"]
    assert np.mean(ious) > 0.6  # a ball is easy, even for 120 steps of a tiny network
    written = {path.name for path in run.evaluation("test").iterdir()}
    assert written >= {"records.csv", "summary.md", "summary.json", "iou.png"}


def test_finished_windows_are_skipped(trained, tmp_path, capsys):
    overrides = [f"output_dir={tmp_path}", "data.test_split=val"]
    checkpoint = ["--checkpoint", str(RunFolder.of(build_config(trained)).checkpoint)]
    generate.main([str(trained), *overrides, *checkpoint])
    assert "2 windows generated, 0 were finished before" in capsys.readouterr().out
    generate.main([str(trained), *overrides, *checkpoint])
    assert "0 windows generated, 2 were finished before" in capsys.readouterr().out
    generate.main([str(trained), *overrides, *checkpoint, "generation.threshold=0.4"])
    output = capsys.readouterr().out
    assert "2 windows generated, 0 were finished before" in output
    assert "2 replaced: weights, input or settings have changed" in output
    weights = load_checkpoint(checkpoint[1])
    weights.model["decoder.fc_out.bias"] += 0.01
    save_checkpoint(tmp_path / "other.pt", weights)
    other = ["--checkpoint", str(tmp_path / "other.pt")]
    generate.main([str(trained), *overrides, *other, "generation.threshold=0.4"])
    assert "2 windows generated, 0 were finished before" in capsys.readouterr().out


def test_num_steps_and_clips(trained, tmp_path):
    run = RunFolder(tmp_path)
    checkpoint = str(RunFolder.of(build_config(trained)).checkpoint)
    options = ["--split", "train", "--clips", "ball_b", "--num-steps", "9"]
    generate.main([str(trained), f"output_dir={tmp_path}", "--checkpoint", checkpoint, *options])
    found = sorted(run.generation("train").rglob("sequence.npz"))
    assert found and all("ball_b" in str(path) for path in found)
    sequence = MeshSequence.load(found[0])
    np.testing.assert_allclose(sequence.times, np.linspace(0, 1, 9), atol=1e-6)


def test_a_checkpoint_of_another_method_or_size_is_refused(trained, tmp_path):
    checkpoint = ["--checkpoint", str(RunFolder.of(build_config(trained)).checkpoint)]
    base = [str(trained), f"output_dir={tmp_path}", *checkpoint]
    onet4d = ["model.method=onet4d", "model.encoder=null", "model.velocity_field=null"]
    with pytest.raises(ValueError, match=r"with model\.method occupancy_flow, .* says onet4d; use"):
        generate.main([*base, *onet4d, "loss.correspondence=0.0"])
    with pytest.raises(
        ValueError,
        match="config describes: it has a different shape for encoder_spatial",
    ):
        generate.main([*base, "model.code_size=24"])


def test_missing_meshes_are_an_error(trained, tmp_path):
    with pytest.raises(ValueError, match=r"run generate\.py first"):
        evaluation.main([str(trained), f"output_dir={tmp_path}"])


def test_meshes_made_by_somebody_else(trained, tmp_path):
    """The true ball in world coordinates, one off file per frame, scores almost perfectly."""
    import trimesh

    config = build_config(trained)
    ball = trimesh.creation.icosphere(subdivisions=4)
    for window in build_windows(config, "test", stride=4):
        folder = tmp_path / "theirs" / window.category / window.clip / f"{window.start:05d}"
        folder.mkdir(parents=True)
        motion = ball_motion(window.clip)
        for frame in range(5):
            vertices = motion.to_world(ball.vertices, window.start + frame)
            trimesh.Trimesh(vertices, ball.faces, process=False).export(folder / f"{frame:04d}.off")
    options = ["--meshes", str(tmp_path / "theirs"), "--coordinates", "world"]
    evaluation.main([str(trained), *options, "--output", str(tmp_path / "scores")])
    records, _ = read_table(tmp_path / "scores" / "records.csv")
    means = {
        name: np.mean([r.value for r in records if r.metric == name])
        for name in ("iou", "correspondence_l2", "normal_consistency")
    }
    assert means["iou"] > 0.95
    assert means["correspondence_l2"] < 0.05  # from a vertex to the nearest of 600 points
    assert means["normal_consistency"] > 0.98


class Ball(torch.nn.Module):
    """Logits of a ball of radius 0.3."""

    def forward(self, points, code):
        return 30 * (0.3 - points.norm(dim=-1))


class Nothing(torch.nn.Module):
    def forward(self, points, code):
        return -9 * torch.ones_like(points[..., 0])


FRAME = NormalizationFrame(np.array([1.0, 2.0, 3.0]), 2.0)


NOTHING_OBSERVED = Observation(np.zeros((0, 0, 3), np.float32), np.zeros(0, np.float32))


def exact_generator(decoder: torch.nn.Module, **changes) -> Generator:
    model = OccupancyFlow(None, None, decoder, Flow(Constant((0.1, 0.2, -0.1))))
    return Generator(model, GenerationConfig(threshold=0.5, **changes), num_frames=5)


def test_the_surface_at_0_is_carried_along_the_flow():
    meshes = exact_generator(Ball()).generate(NOTHING_OBSERVED, frame=FRAME)
    np.testing.assert_allclose(meshes.times, [0, 0.25, 0.5, 0.75, 1])
    radii = np.linalg.norm(meshes.vertices[0], axis=1)
    assert abs(radii.mean() - 0.3) < 0.05 * 1.1 / 128
    shift = np.array([0.1, 0.2, -0.1])
    for time, vertices in zip(meshes.times, meshes.vertices, strict=True):
        np.testing.assert_allclose(vertices, meshes.vertices[0] + time * shift, atol=1e-5)
    np.testing.assert_allclose(meshes.in_world().vertices[0].mean(0), FRAME.loc, atol=1e-3)


def test_options_of_the_mesh_work_together():
    generator = exact_generator(
        Ball(), simplify_faces=800, refinement_steps=3, normals=True, num_steps=3
    )
    meshes = generator.generate(NOTHING_OBSERVED, frame=FRAME)
    assert len(meshes.faces) <= 800 and meshes.num_frames == 3
    radii = np.linalg.norm(meshes.vertices[0], axis=1)
    np.testing.assert_allclose(radii, 0.3, atol=1e-5)  # refinement undoes what simplifying moved
    assert meshes.normals is not None
    outward = (meshes.normals[0] * meshes.vertices[0] / radii[:, None]).sum(-1)
    assert outward.min() > 0.95


def test_large_meshes_are_carried_in_chunks():
    whole = exact_generator(Ball()).generate(NOTHING_OBSERVED, frame=FRAME)
    parts = exact_generator(Ball(), batch_points=1000).generate(NOTHING_OBSERVED, frame=FRAME)
    assert whole.num_vertices > 3000
    np.testing.assert_allclose(parts.vertices, whole.vertices, atol=1e-5)


def test_an_empty_level_set_is_reported_and_no_crash(trained, tmp_path):
    config = build_config(trained, [f"output_dir={tmp_path}"])
    windows = build_windows(config, "test", stride=4)
    generator = exact_generator(Nothing())
    run = RunFolder(tmp_path)
    summary = generate_split(generator, windows, "test", config, run)
    assert summary.empty == tuple(windows)
    assert "empty: ball_d/00000; no probability reaches generation.threshold" in str(summary)
    assert json.loads(run.window("test", windows[0]).summary.read_text())["status"] == "empty"
    evaluation.main([str(trained), f"output_dir={tmp_path}"])
    records, _ = read_table(run.evaluation_records("test"))
    assert all(record.value == 0 for record in records if record.metric == "iou")


def test_reconstruct_arrays_in_world_coordinates(trained, tmp_path, clouds):
    run = RunFolder.of(build_config(trained))
    reconstruct = Reconstructor.from_checkpoint(run.checkpoint, device="cpu")
    meshes = reconstruct(clouds, times=[0.0, 0.4, 1.0])
    assert meshes.num_frames == 3
    np.testing.assert_allclose(meshes.vertices[0].mean(0), clouds[0].mean(0), atol=0.12)
    meshes.save(tmp_path / "ball", format="obj")
    assert len(list((tmp_path / "ball").glob("*.obj"))) == 3


def test_times_must_be_a_list(trained, clouds):
    run = RunFolder.of(build_config(trained))
    reconstruct = Reconstructor.from_checkpoint(run.checkpoint, device="cpu")
    with pytest.raises(ValueError, match="times must be a list"):
        reconstruct(clouds, times=3)
    with pytest.raises(ValueError, match="times must start at 0"):
        reconstruct(clouds, times=[0.5, 1.0])


def test_clouds_of_different_sizes_are_refused(trained, clouds):
    run = RunFolder.of(build_config(trained))
    reconstruct = Reconstructor.from_checkpoint(run.checkpoint, device="cpu")
    with pytest.raises(ValueError, match="clouds have from 20 to 24 points, but for this model"):
        reconstruct([cloud[: 20 + k] for k, cloud in enumerate(clouds)])


def test_an_empty_reconstruction_is_told(trained, clouds):
    run = RunFolder.of(build_config(trained))
    reconstruct = Reconstructor.from_checkpoint(run.checkpoint, device="cpu")
    torch.nn.init.constant_(reconstruct.generator.model.decoder.fc_out.bias, -100.0)
    with pytest.warns(UserWarning, match="the mesh is empty"):
        assert reconstruct(clouds).is_empty


@pytest.mark.parametrize(
    ("wrong_clouds", "message"),
    [
        (np.zeros((5, 40)), r"clouds must have shape \[T, N, 3\], got \[5, 40\]"),
        (np.zeros((9, 40, 3)), "this model reads 5 clouds, got 9; cut the sequence"),
        (np.full((5, 40, 3), np.nan), "clouds hold NaN or infinity"),
        (np.ones((5, 40, 3)), "no extent"),
    ],
)
def test_bad_clouds_are_refused(trained, wrong_clouds, message):
    run = RunFolder.of(build_config(trained))
    reconstruct = Reconstructor.from_checkpoint(run.checkpoint, device="cpu")
    with pytest.raises(ValueError, match=message):
        reconstruct(wrong_clouds)
