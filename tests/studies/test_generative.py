"""Transfers, samples and paths of generative models: measures against bodies that are known."""

import csv
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train
from im2mesh.build import build_config
from im2mesh.command_line import exit_status
from im2mesh.data.dataset import build_windows
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.generative import paths, study
from im2mesh.studies.generative.invented import Plausible, height, judge
from im2mesh.studies.generative.pair import Pair
from im2mesh.studies.generative.picture import choose_grid
from im2mesh.studies.generative.transfer import find_pairs, limb_error, volume_error
from im2mesh.studies.generative.truth import read_true_body
from im2mesh.studies.motion.solids import volume
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.benchmark_parts import TransferSettings
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.limbs import limb_lengths, limb_points
from im2mesh.synthesis.shape_space import find_body
from im2mesh.synthesis.splits import Clip
from scripts.latent import main as latent
from tests.shapes import unchecked_shapes
from tests.small import write_small_config

POINTS = ClipSettings(frames=5, surface_points=200, occupancy_points=200, meshes=True)


class FewTransfers(TransferSettings):
    """Two motions, and one of them on two other bodies."""

    def splits(self):
        whole = super().splits()
        return {"test": whole["test"][:2], "transfers": whole["transfers"][:2]}


@pytest.fixture(scope="module")
def transfers(tmp_path_factory):
    """A configuration of a small data set of transfers."""
    root = tmp_path_factory.mktemp("transfers")
    make_dataset(root, FewTransfers(POINTS))
    settings = [f"data.root={root}", "data.num_frames=5", "data.skip_frames=0"]
    return build_config("configs/generative/oflow.yaml", settings)


def test_the_manner_of_another_turns_the_joints_alike():
    own = Clip(105, "punching")
    other = replace(own, body=102, manner_of=105)
    turned = [np.diff(animate(clip, 6, seed=0), axis=0) for clip in (own, other)]
    apart = np.diff(animate(Clip(102, "punching"), 6, seed=0), axis=0)
    moved = np.linalg.norm(turned[0], axis=-1).mean()
    assert np.linalg.norm(turned[1] - turned[0], axis=-1).mean() < 0.3 * moved
    assert np.linalg.norm(apart - turned[0], axis=-1).mean() > 0.6 * moved


def test_a_body_in_its_own_manner_moves_as_ever():
    clips = (Clip(105, "walk"), Clip(105, "walk", manner_of=105))
    np.testing.assert_array_equal(*(animate(clip, 3, seed=0) for clip in clips))


@pytest.mark.parametrize(
    "clip",
    [
        Clip(3, "one_leg_jump"),
        Clip(100, "knees", 105),
        Clip(0, "a", 7),
        Clip(100, "side_steps", becomes=105),
        Clip(0, "a", 7, 120),
    ],
)
def test_names_of_clips_are_read_as_they_are_written(clip):
    assert Clip.named(clip.name) == clip


@pytest.mark.parametrize(
    "name", ["punching", "0_hips", "00-hips", "00_", "100_hips_as_5", "100_hips_into_5"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="no clip of synthetic bodies"):
        Clip.named(name)


def test_the_benchmark_of_transfers_moves_strangers_in_the_manner_of_its_test_clips():
    splits = TransferSettings().splits()
    own = {(clip.body, clip.motion) for clip in splits["test"]}
    assert len(splits["transfers"]) == 2 * len(splits["test"])
    for clip in splits["transfers"]:
        assert (clip.manner_of, clip.motion) in own and 100 <= clip.body < 105


def test_pairs_name_the_clip_of_the_motion(transfers):
    pairs = find_pairs(transfers)
    assert [pair.motion.clip for pair in pairs] == ["105_chicken_wings"] * 2
    assert [pair.body.clip[:3] for pair in pairs] == ["100", "101"]


def test_the_true_body_is_that_of_the_files(transfers):
    window = find_pairs(transfers)[1].body
    truth = read_true_body(transfers.data.root, window)
    stored = build_windows(transfers, "transfers", stride=50)[1]
    assert stored == window
    for frame in (0, 4):
        mesh = StoredWindow(transfers.data.root, window).mesh(frame)
        assert mesh is not None
        np.testing.assert_allclose(truth.vertices[frame], mesh.vertices, atol=2e-3)


def test_bodies_of_others_have_no_truth(ball_root):
    config = build_config(
        "configs/generative/oflow.yaml",
        [f"data.root={ball_root}", "data.num_frames=5", "data.skip_frames=0"],
    )
    with pytest.raises(UserError, match="bodies of scripts"):
        read_true_body(ball_root, build_windows(config, "train", stride=1)[0])


def test_limbs_are_as_long_as_the_bones(transfers):
    body = find_body(102)
    lengths = limb_lengths(body.vertices[limb_points(body)])
    bones = [
        np.linalg.norm(body.joint(f"{a}.{side}") - body.joint(f"{b}.{side}"))
        for a, b, side in (
            ("upperarm01", "lowerarm01", "L"), ("lowerarm01", "wrist", "L"),
            ("upperarm01", "lowerarm01", "R"), ("lowerarm01", "wrist", "R"),
            ("upperleg01", "lowerleg01", "L"), ("lowerleg01", "foot", "L"),
            ("upperleg01", "lowerleg01", "R"), ("lowerleg01", "foot", "R"),
        )
    ]  # fmt: skip
    np.testing.assert_allclose(lengths, bones, rtol=0.15)


def test_the_truth_has_no_error_and_a_larger_body_has_one(transfers):
    truth = read_true_body(transfers.data.root, find_pairs(transfers)[0].body)
    assert volume_error(truth.meshes, truth) == 0
    assert limb_error(truth.vertices, truth) < 1e-6
    larger = [Mesh(1.1 * mesh.vertices, mesh.faces) for mesh in truth.meshes]
    assert volume_error(larger, truth) == pytest.approx(1.1**3 - 1, rel=1e-4)
    stretched = truth.vertices.copy()
    stretched[2:] *= 1.25  # vertices of the first frame still tell where the limbs are
    assert limb_error(stretched, truth) == pytest.approx(0.25 * 3 / 5, rel=1e-3)


def test_bodies_are_judged(transfers):
    windows = build_windows(transfers, "test", stride=50)
    plausible = Plausible.of(transfers.data.root, windows)
    (mesh,) = read_true_body(transfers.data.root, windows[0], 1).meshes
    whole = {"one_piece": 1.0, "closed": 1.0, "plausible": 1.0, "is_body": 1.0}
    assert judge([mesh], plausible) == whole
    open_mesh = Mesh(mesh.vertices, mesh.faces[1:])
    assert judge([open_mesh], plausible) == whole | {"closed": 0.0, "is_body": 0.0}
    doubled = Mesh(
        np.concatenate([mesh.vertices, mesh.vertices + 0.01]),
        np.concatenate([mesh.faces, mesh.faces + len(mesh.vertices)]),
    )
    assert judge([doubled], plausible)["one_piece"] == 0
    flat = Mesh(mesh.vertices * [1, 1, 0.5], mesh.faces)
    assert judge([mesh, flat], plausible) == whole | {"plausible": 0.0, "is_body": 0.0}
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    assert judge([nothing], plausible) == dict.fromkeys(whole, 0.0)
    assert plausible.volume[0] < volume(mesh) < plausible.volume[1]
    assert plausible.height[0] < height(mesh) < plausible.height[1]


def test_the_largest_step_of_a_path_tells_a_jump():
    places = np.array([0.0, 1.0, 2.0, 5.0])
    faces = np.array([[0, 1, 2]])
    corners = np.eye(3)

    def body_at(place):
        vertices = np.stack([corners, corners + place])
        return MeshSequence(faces, vertices, np.array([0.0, 1.0]))

    assert paths.largest_step([body_at(p) for p in places], "motion") == pytest.approx(3 / (5 / 3))
    assert paths.largest_step([body_at(p) for p in places[:3]], "motion") == pytest.approx(1)
    assert paths.largest_step([body_at(1.0)] * 3, "motion") is None
    assert paths.largest_step([body_at(1.0)] * 3, "shape") is None


def test_lost_limbs_are_wholly_wrong(transfers):
    truth = read_true_body(transfers.data.root, find_pairs(transfers)[0].body)
    assert limb_error(np.zeros((5, 0, 3)), truth) == 1
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    assert volume_error([nothing] * 5, truth) == 1


@pytest.mark.parametrize(
    "setting", ["generation.times=[0,1]", "generation.num_steps=3", "evaluation.frames=last"]
)
def test_settings_that_change_frames_are_refused(transfers, setting):
    settings = [f"data.root={transfers.data.root}", "data.num_frames=5", "data.skip_frames=0"]
    config = build_config("configs/generative/oflow.yaml", [*settings, setting])
    with pytest.raises(UserError, match=setting.partition("=")[0]):
        find_pairs(config)


def test_a_split_of_other_clips_is_refused(transfers, tmp_path):
    shutil.copytree(transfers.data.root, tmp_path / "data")
    settings = [f"data.root={tmp_path / 'data'}", "data.num_frames=5", "data.skip_frames=0"]
    config = build_config("configs/generative/oflow.yaml", settings)
    folder = tmp_path / "data/bodies"
    others = (folder / "test.lst").read_text().split()[1:]
    (folder / "test.lst").write_text("\n".join(others))
    with pytest.raises(UserError, match="which split test lacks"):
        find_pairs(config)
    (folder / "transfers.lst").write_text("\n".join(others))
    with pytest.raises(UserError, match="has the manner of no other body"):
        find_pairs(config)


VAE = """
inherit_from: small.yaml
output_dir: {folder}/vae
model:
  latent_size: 8
  encoder: null
  encoder_temporal: null
  posterior: {{name: pointnet, hidden_size: 16, num_blocks: 2}}
  posterior_temporal: {{name: pointnet, hidden_size: 16, num_blocks: 2}}
  decoder: {{name: simple}}
loss: {{kl: 1.0e-4}}
data: {{train_split: transfers, val_split: transfers, test_split: test}}
training: {{max_iterations: 60, validate_every: 60}}
generation: {{threshold: 0.02}}
"""


@pytest.fixture(scope="module")
def generative(transfers, tmp_path_factory):
    """The config of a small generative model of these bodies, trained for a moment."""
    folder = tmp_path_factory.mktemp("generative")
    write_small_config(folder, Path(transfers.data.root))
    path = folder / "vae.yaml"
    path.write_text(VAE.format(folder=folder))
    with unchecked_shapes():
        train.main([str(path)])
    return path


def test_the_command_measures_transfers_samples_and_paths(generative, tmp_path, capsys):
    latent(["measure", str(generative), "--samples", "3", "--output", str(tmp_path / "out")])
    told = capsys.readouterr().out
    with (tmp_path / "out/generative.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    windows = Counter((row["run"], row["metric"]) for row in rows)
    for way in ("transfer", "observed", "still"):
        assert windows[way, "correspondence_l2_last"] == windows[way, "limb_error"] == 2
    assert windows["samples", "is_body"] == 3
    assert windows["path of shapes", "is_body"] == windows["path of motions", "is_body"] == 1
    numbers = {(row["run"], row["window"], row["metric"]): float(row["number"]) for row in rows}
    body = "100_chicken_wings_as_105"
    places = {place for _, place, metric in numbers if metric == "limb_error"}
    assert sum(body in place for place in places) == 1
    last = {way: numbers[way, place, "correspondence_l2_last"] for way, place, metric in numbers
            if metric == "correspondence_l2_last" and body in place}  # fmt: skip
    assert len(set(last.values())) == 3
    text = (tmp_path / "out/generative.md").read_text()
    assert "| samples" in text and "posterior std" in text and "posterior std" in told
    with Image.open(tmp_path / "out/transfers.png") as sheet:  # one motion: it, and on two bodies
        assert sheet.height > 5 * 300 and "Source" in sheet.text


def test_the_picture_of_transfers_has_the_most_cells():
    def window(name: str) -> Window:
        return Window("bodies", name, 0, 17)

    def pair(motion: str, body: int, owner: int = 150) -> Pair:
        return Pair(window(f"{owner}_{motion}"), window(f"{body}_{motion}_as_{owner}"))

    motions = ("knees", "punching", "hips", "walk", "jog", "spin")
    alone = [pair(motion, 100) for motion in motions]
    (row,) = choose_grid(alone).values()
    assert list(row.values()) == alone[:5]
    others = [pair(motion, 101) for motion in motions[2:5]] + [pair("spin", 101, owner=151)]
    grid = choose_grid([*alone, *others, pair("knees", 102)])
    assert [*grid] == [100, 101]
    assert list(grid[100].values()) == alone[2:5]
    assert list(grid[101].values()) == others[:3]  # spinning as 151 is another motion


def test_a_model_without_a_prior_has_no_samples_and_says_so(generative, tmp_path, capsys):
    settings = ["model.encoder={name: pointnet_resnet, hidden_size: 16, num_blocks: 2}"]
    settings += ["model.encoder_temporal={name: pointnet_resnet, hidden_size: 16, num_blocks: 2}"]
    settings += ["model.posterior=null", "model.posterior_temporal=null", "loss.kl=0"]
    settings += [f"output_dir={tmp_path / 'conditioned'}", "model.code_size=16"]
    with unchecked_shapes():
        train.main([str(generative), *settings])
    latent(["measure", str(generative), *settings, "--output", str(tmp_path / "out")])
    told = capsys.readouterr().out
    assert "No samples: a model with encoders has no prior" in told
    assert "samples" not in (tmp_path / "out/generative.csv").read_text()


def test_other_data_and_given_surfaces_are_refused_before_anything_is_measured(
    generative, ball_root, monkeypatch
):
    monkeypatch.delattr(study, "compare_with_truth")
    with pytest.raises(UserError, match=r"transfers"):
        latent(["measure", str(generative), f"data.root={ball_root}"])
    with pytest.raises(UserError, match=r"set it to extracted"):
        latent(["measure", str(generative), "generation.surface=cloud"])


def test_fewer_than_no_samples_are_refused(generative, capsys):
    assert exit_status(latent, ["measure", str(generative), "--samples", "-3"]) == 2
    assert "it must be 0 or more" in capsys.readouterr().err
