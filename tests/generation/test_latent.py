"""Codes of a generative model: as a table, blended, exchanged, and drawn from the prior."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import train
from im2mesh.build import build_config, build_generator, build_trainer
from im2mesh.data.dataset import build_windows
from im2mesh.data.layout import Window
from im2mesh.data.windows import find_window
from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_text
from im2mesh.files.written import NOTE
from im2mesh.generation.latent.bodies import encode_body, interpolate, transfer_motion
from im2mesh.generation.latent.code_table import CodeTable, Posteriors, WindowCodes
from im2mesh.generation.latent.samples import sample_prior
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.code import Gaussian
from im2mesh.runs.folder import RunFolder
from im2mesh.visualization.sheet import MARGIN, ROW_GAP, TIME_HEIGHT, TITLE_HEIGHT
from scripts.latent import main as latent
from tests.shapes import unchecked_shapes
from tests.small import write_small_config

GENERATIVE = """
inherit_from: small.yaml
output_dir: {folder}/{name}
model:
  latent_size: 8
  encoder: null
  encoder_temporal: null
  posterior: {shape}
  posterior_temporal: {{name: pointnet, hidden_size: 16, num_blocks: 2}}
  decoder: {{name: simple}}
loss: {{kl: 1.0e-4}}
training: {{max_iterations: 40, validate_every: 20, num_workers: 0}}
generation: {{threshold: 0.3}}
"""
POSTERIOR = "{name: pointnet, hidden_size: 16, num_blocks: 2}"
A, B = "ball_a/00000", "ball_b/00004"
ENDS = ["--from", A, "--to", B, "--split", "train"]
LOW = ["--height", "40"]
PICTURE = [*LOW, "--columns", "3"]


def write_config(folder: Path, root: Path, name: str, shape: str = POSTERIOR) -> Path:
    write_small_config(folder, root)
    path = folder / f"{name}.yaml"
    path.write_text(GENERATIVE.format(folder=folder, name=name, shape=shape))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ball_root):
    """The config of a generative model of the ball, trained for a few steps."""
    path = write_config(tmp_path_factory.mktemp("latent"), ball_root, "vae")
    with unchecked_shapes():
        train.main([str(path)])
    return path


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory, ball_root):
    """The config of an ordinary model with encoders."""
    path = write_small_config(tmp_path_factory.mktemp("conditioned"), ball_root)
    with unchecked_shapes():
        train.main([str(path), "training.max_iterations=40", "generation.threshold=0.3"])
    return path


def load(path):
    """Config, generator on the CPU, and the bodies of the windows A and B."""
    config = build_config(path, ["generation.threshold=0.3"])
    best = RunFolder.of(config).best_checkpoint
    generator = build_generator(config, best, torch.device("cpu"))
    windows = build_windows(config, "train", stride=4)
    return (
        config,
        generator,
        encode_body(generator, config, find_window(windows, A), "a"),
        encode_body(generator, config, find_window(windows, B), "b"),
    )


def meshes_of(generator, body):
    return generator.generate_from_codes(body.codes, frame=body.frame, given=body.given)


def assert_same_meshes(first: MeshSequence, second: MeshSequence) -> None:
    np.testing.assert_array_equal(first.faces, second.faces)
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.loc, second.loc)
    assert first.scale == second.scale


def test_latent_encode_writes_a_table(trained, capsys):
    latent(["encode", str(trained)])
    path = RunFolder.of(build_config(trained)).codes("train")
    with np.load(path, allow_pickle=False) as table:
        assert table["z_shape"].shape == table["z_motion"].shape == (4, 8)
        assert (table["std_shape"] > 0).all() and (table["std_motion"] > 0).all()
        names = list(zip(table["clip"], table["start"].tolist(), strict=True))
        row = table["z_motion"][3], table["z_shape"][3]
        origin = json.loads(str(table["origin"]))
    assert origin["packages"]["torch"] == torch.__version__
    assert {"run", "code", "config", "dataset", "seed"} <= set(origin)
    assert names == [("ball_a", 0), ("ball_a", 4), ("ball_b", 0), ("ball_b", 4)]
    _, _, _, last = load(trained)
    np.testing.assert_allclose(row[0], last.codes.motion.z[0], atol=1e-5)
    np.testing.assert_allclose(row[1], last.codes.shape.z[0], atol=1e-5)
    with path.with_suffix(".csv").open(newline="") as file:
        assert list(csv.reader(file))[:2] == [
            ["row", "category", "clip", "start", "origin"],
            ["0", "balls", "ball_a", "0", hash_text(json.dumps(origin))],
        ]
    output = capsys.readouterr().out
    assert f"4 windows of split train -> {path}" in output and "posterior std" in output


def test_latent_encode_with_a_motion_code_alone(tmp_path, ball_root, capsys):
    path = write_config(tmp_path, ball_root, "motion_only", shape="null")
    train.main([str(path), "training.max_iterations=2", "training.validate_every=2"])
    output = tmp_path / "codes.npz"
    latent(["encode", str(path), "--split", "test", "--output", str(output)])
    with np.load(output) as table:
        assert table["z_shape"].shape == (2, 0) and table["z_motion"].shape == (2, 8)
    assert "the model has no such code" in capsys.readouterr().out
    best = ["--checkpoint", str(RunFolder.of(build_config(path)).best_checkpoint)]
    with pytest.raises(UserError, match="no shape code to blend"):
        latent(["interpolate", str(path), *ENDS, "--what", "shape", *best])


def test_conditioned_codes_are_written_too(conditioned, capsys):
    latent(["encode", str(conditioned)])
    with np.load(RunFolder.of(build_config(conditioned)).codes("train")) as table:
        assert table["c_shape"].shape == table["c_motion"].shape == (4, 16)
        assert table["z_shape"].shape == (4, 0)
        row = table["c_motion"][3]
    np.testing.assert_allclose(row, load(conditioned)[3].codes.motion.c[0], atol=1e-5)
    told = capsys.readouterr().out
    assert "shape: c of width 16; " in told and "hold 99% of its variance" in told
    assert "prior" not in told


def test_codes_of_one_observation_fill_no_table(tmp_path, ball_root):
    arguments = fresh(tmp_path, ball_root, LOCAL_SHAPE)
    with pytest.raises(UserError, match=r"shape code .* no vector but of another kind \(\w+Code\)"):
        latent(["encode", *arguments])


def test_a_model_without_codes_has_none_to_write(tmp_path, ball_root):
    nothing = [
        "data.input=null", "data.stride=8", "data.train_split=test", "data.val_split=test",
        "model.encoder=null", "model.encoder_temporal=null",
        "model.decoder={name: simple, hidden_size: 8, num_blocks: 1}",
    ]  # fmt: skip
    arguments = fresh(tmp_path, ball_root, nothing)
    with pytest.raises(UserError, match=r"has no code to write; set model\.encoder or"):
        latent(["encode", *arguments])


def test_codes_are_written_as_npz(trained, capsys):
    with pytest.raises(SystemExit):
        latent(["encode", str(trained), "--output", "codes.csv"])
    assert "must end in .npz, got codes.csv" in capsys.readouterr().err


def test_kl_is_that_of_the_loss(rng):
    mean = rng.normal(size=(5, 3)).astype(np.float32)
    log_std = rng.normal(size=(5, 3)).astype(np.float32)
    kl = Posteriors(mean, np.exp(log_std)).kl_per_dimension
    expected = Gaussian(torch.tensor(mean), torch.tensor(log_std)).kl_to_standard_normal()
    assert kl.shape == (3,) and kl.mean() == pytest.approx(expected.item(), rel=1e-5)


def table_of(windows, shape: Posteriors, motion: Posteriors) -> CodeTable:
    nothing = np.zeros((len(windows), 0), np.float32)
    return CodeTable(windows, WindowCodes(nothing, shape), WindowCodes(nothing, motion))


def test_a_collapsed_posterior_is_told():
    windows = tuple(Window("balls", "ball_a", start, 5) for start in range(3))
    collapsed = Posteriors(np.full((3, 4), 0.01, np.float32), np.ones((3, 4), np.float32))
    constant = Posteriors(np.ones((3, 4), np.float32), np.full((3, 4), 0.1, np.float32))
    text = str(table_of(windows, collapsed, constant))
    assert "shape: the posterior has collapsed to the prior; lower loss.kl" in text
    assert "motion: the code hardly differs between windows" in text
    mean = np.float32([[1, 0, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 0]])
    varied = Posteriors(mean, np.full((3, 4), 0.5, np.float32))
    assert varied.num_active == 1
    assert "collapsed" not in str(table_of(windows, varied, varied))


@pytest.mark.parametrize(("what", "fixed"), [("shape", "motion"), ("motion", "shape")])
def test_blending_meets_both_ends_and_keeps_the_other_code(trained, what, fixed):
    _, _, first, last = load(trained)
    bodies = interpolate(first, last, what, 3)
    blended = [getattr(body.codes, what).z for body in bodies]
    start, end = getattr(first.codes, what).z, getattr(last.codes, what).z
    assert not torch.equal(start, end)
    torch.testing.assert_close(blended[0], start, rtol=0, atol=0)
    torch.testing.assert_close(blended[1], (start + end) / 2)
    torch.testing.assert_close(blended[2], end, rtol=0, atol=0)
    for body in bodies:
        assert getattr(body.codes, fixed) is getattr(first.codes, fixed)
        assert body.frame is first.frame


def test_interpolate_latent_writes_a_moving_mesh_per_step(trained, tmp_path, capsys):
    pytest.importorskip("pyvista")
    latent(["interpolate", str(trained), *ENDS, "--what", "motion", "--steps", "3", *PICTURE])
    folder = RunFolder.of(build_config(trained)).latent(
        "interpolate_motion_ball_a-00000_ball_b-00004"
    )
    assert {path.name for path in folder.iterdir()} == {
        "00", "01", "02", "bodies.json", "config.yaml", "sheet.png", NOTE,
    }  # fmt: skip
    origin = json.loads((folder / "bodies.json").read_text())["made_by"]
    noted = Image.open(folder / "sheet.png").text["Source"]
    assert f"Run {origin['run']}" in noted and f"data {origin['dataset']}" in noted
    steps = [MeshSequence.load(folder / f"{k:02d}" / "sequence.npz") for k in range(3)]
    _, generator, first, last = load(trained)
    assert_same_meshes(steps[0], meshes_of(generator, first))
    assert_same_meshes(steps[2], meshes_of(generator, transfer_motion(last, first)))
    for step in steps:  # the body stays that of the first window
        np.testing.assert_array_equal(step.vertices[0], steps[0].vertices[0])
    assert not np.array_equal(steps[1].vertices[-1], steps[0].vertices[-1])
    numbered = read_mesh(folder / "01" / "meshes" / "00004.ply")
    np.testing.assert_array_equal(numbered.vertices, steps[1].vertices[4])
    assert f"3 moving meshes -> {folder}" in capsys.readouterr().out
    latent(["interpolate", str(trained), *ENDS, "--what", "motion", "--steps", "2", *PICTURE])
    assert not (folder / "02").exists()  # nothing stays of a longer result
    other = ["--output", str(tmp_path / "shape"), "--what", "shape", "--steps", "2"]
    latent(["interpolate", str(trained), *ENDS, *other, *PICTURE])
    end = MeshSequence.load(tmp_path / "shape" / "01" / "sequence.npz")
    still = meshes_of(generator, last)
    np.testing.assert_array_equal(end.vertices[0], still.vertices[0])


def test_transfer_motion_takes_one_code_of_each(trained, tmp_path):
    pytest.importorskip("pyvista")
    _, generator, first, last = load(trained)
    body = transfer_motion(motion_of=first, body_of=last)
    assert body.codes.motion is first.codes.motion and body.codes.shape is last.codes.shape
    assert body.frame is last.frame
    windows = ["--motion-of", A, "--body-of", B, "--split", "train"]
    latent(["transfer", str(trained), *windows, "--output", str(tmp_path / "t"), *LOW])
    a, b = "ball_a-00000", "ball_b-00004"
    names = {"motion": a, "body": b, "transfer": f"{b}_as_{a}"}
    made = {
        what: MeshSequence.load(tmp_path / "t" / name / "sequence.npz")
        for what, name in names.items()
    }
    assert_same_meshes(made["motion"], meshes_of(generator, first))
    assert_same_meshes(made["body"], meshes_of(generator, last))
    np.testing.assert_array_equal(made["transfer"].vertices[0], made["body"].vertices[0])
    assert not np.array_equal(made["transfer"].vertices[-1], made["body"].vertices[-1])
    assert made["transfer"].scale == made["body"].scale != made["motion"].scale


def test_models_with_encoders_are_blended_and_exchanged_too(conditioned, tmp_path):
    pytest.importorskip("pyvista")
    _, _, first, last = load(conditioned)
    assert first.codes.shape.z.shape == (1, 0)
    halfway = interpolate(first, last, "shape", 3)[1].codes.shape.c
    torch.testing.assert_close(halfway, (first.codes.shape.c + last.codes.shape.c) / 2)
    windows = ["--motion-of", A, "--body-of", B, "--split", "train"]
    latent(["transfer", str(conditioned), *windows, "--output", str(tmp_path / "t"), *LOW])
    assert (tmp_path / "t" / "sheet.png").is_file()


LOCAL = "{name: pointnet_local, hidden_size: 8, num_blocks: 1}"
PER_FRAME = "{name: pointnet_per_frame, hidden_size: 8, num_blocks: 1}"
NO_VECTORS = {
    "MovingCode": [
        f"model.encoder_temporal={LOCAL}",
        "model.velocity_field={name: anchored}",
    ],
    "CodePerFrame": [
        f"model.encoder_temporal={PER_FRAME}",
        "model.velocity_field=null",
        "model.deformation={name: displacement, hidden_size: 8, num_blocks: 1}",
    ],
    "FramesCode": [
        "model.encoder_temporal=null",
        "model.velocity_field=null",
        "model.deformation={name: static}",
        "loss.correspondence=0.0",
    ],
}
LOCAL_SHAPE = [
    f"model.encoder={LOCAL}",
    "model.decoder={name: local_attention, hidden_size: 8, num_blocks: 1}",
]


def fresh(folder, root, overrides):
    """Arguments of a script for a model with fresh weights."""
    path = write_small_config(folder, root)
    named = path.read_text().replace("velocity_field: {", "velocity_field: {name: concat, ")
    path.write_text(named)  # the options of one network are not those of another
    config = build_config(path, overrides)
    best = RunFolder.of(config).best_checkpoint
    build_trainer(config, torch.device("cpu")).save(best)
    return [str(path), *overrides]


@pytest.mark.parametrize("kind", NO_VECTORS)
def test_codes_of_one_observation_are_neither_blended_nor_exchanged(tmp_path, ball_root, kind):
    arguments = fresh(tmp_path, ball_root, NO_VECTORS[kind])
    message = (
        f"the motion code of this model is no vector but a {kind}, .*"
        r"such as configs/pointcloud/oflow\.yaml"
    )
    with pytest.raises(UserError, match=message):
        latent(["interpolate", *arguments, *ENDS, "--what", "motion"])
    windows = ["--motion-of", A, "--body-of", B, "--split", "train"]
    with pytest.raises(UserError, match=message):
        latent(["transfer", *arguments, *windows])
    assert not (tmp_path / "run" / "latent").exists()


def test_codes_of_a_camera_do_not_go_together(trained):
    _, _, first, last = load(trained)
    seen = replace(first, codes=replace(first.codes, axes=torch.eye(3)[None]))
    for exchange in (
        lambda: interpolate(seen, last, "motion", 3),
        lambda: transfer_motion(seen, last),
    ):
        with pytest.raises(UserError, match=r"in the axes of the camera of their window"):
            exchange()


def test_a_local_shape_is_not_blended_but_takes_another_motion(tmp_path, ball_root):
    arguments = fresh(tmp_path, ball_root, LOCAL_SHAPE)
    with pytest.raises(UserError, match=r"the shape code of this model is no vector but a \w+Code"):
        latent(["interpolate", *arguments, *ENDS, "--what", "shape"])
    config = build_config(arguments[0], arguments[1:])
    best = RunFolder.of(config).best_checkpoint
    generator = build_generator(config, best, torch.device("cpu"))
    windows = build_windows(config, "train", stride=4)
    first, last = (
        encode_body(generator, config, find_window(windows, name), "x") for name in (A, B)
    )
    assert transfer_motion(first, last).codes.shape is last.codes.shape
    assert len(interpolate(first, last, "motion", 3)) == 3


def test_the_same_seed_gives_the_same_samples(trained, tmp_path):
    pytest.importorskip("pyvista")
    _, generator, *_ = load(trained)
    few, many = (sample_prior(generator, None, count, seed=5) for count in (2, 3))
    for one, other in zip(few, many, strict=False):
        torch.testing.assert_close(one.codes.shape.z, other.codes.shape.z, rtol=0, atol=0)
        torch.testing.assert_close(one.codes.motion.z, other.codes.motion.z, rtol=0, atol=0)
    assert not torch.equal(many[0].codes.shape.z, many[1].codes.shape.z)
    assert not torch.equal(
        few[0].codes.shape.z, sample_prior(generator, None, 1, 6)[0].codes.shape.z
    )
    options = ["--count", "2", "--seed", "5", "generation.threshold=0.1", *PICTURE]
    for name in ("x", "y"):
        latent(["sample", str(trained), *options, "--output", str(tmp_path / name)])
    for k in ("00", "01"):
        first, again = (load_reconstruction(tmp_path / n / k / "sequence.npz") for n in "xy")
        assert_same_meshes(first, again)
        assert first.num_frames == 5 and first.scale == 1


def test_empty_bodies_are_told(trained, tmp_path, capsys):
    nothing = ["generation.threshold=0.999999", "--output", str(tmp_path / "s"), "--count", "1"]
    latent(["sample", str(trained), *nothing])
    output = capsys.readouterr().out
    assert "empty: sample 0; no probability reaches generation.threshold" in output
    assert "no picture" in output and not (tmp_path / "s" / "sheet.png").exists()
    assert MeshSequence.load(tmp_path / "s" / "00" / "sequence.npz").is_empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "ball_a/00001", "--to", B], r"no window ball_a/00001; there are: ball_a/00000"),
        (["--from", A, "--to", B, "--steps", "1"], "steps is 1; it takes at least 2"),
        (["--from", A, "--to", B, "generation.surface=cloud"], "blend the motion code"),
        (
            ["--from", A, "--to", B, "generation.surface=cloud", "generation.blend_from_end=true"],
            "generation.blend_from_end pulls",
        ),
    ],
)
def test_errors_say_the_way_out(trained, arguments, message):
    with pytest.raises(UserError, match=message):
        latent(["interpolate", str(trained), *arguments, "--split", "train", "--what", "shape"])


def test_samples_need_a_surface_of_their_own_and_a_count(trained):
    with pytest.raises(UserError, match="a sample has no given surface"):
        latent(["sample", str(trained), "generation.surface=cloud"])
    with pytest.raises(UserError, match="count is 0"):
        latent(["sample", str(trained), "--count", "0"])


def test_a_folder_with_other_files_is_left_alone(trained, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="holds files that are no earlier result; choose another"):
        latent(["sample", str(trained), "--output", str(tmp_path)])
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_window_of_two_categories_must_be_named_in_full():
    windows = [Window(category, "walk", 0, 5) for category in ("men", "women")]
    assert find_window(windows, "women/walk/00000") is windows[1]
    with pytest.raises(UserError, match="say which: men/walk/00000, women/walk/00000"):
        find_window(windows, "walk/00000")


def test_several_bodies_move_as_each_of_several_others(trained, tmp_path):
    pytest.importorskip("pyvista")
    _, generator, first, last = load(trained)
    windows = ["--motion-of", A, "--split", "train", "--output", str(tmp_path / "t"), *LOW]
    windows += ["--body-of", A, B, "generation.mesh_format=obj"]  # a setting, and no window
    latent(["transfer", str(trained), *windows])
    assert len(list(tmp_path.glob("t/*/meshes/*.obj"))) == 4 * 5
    made = {path.parent.name: MeshSequence.load(path) for path in tmp_path.glob("t/*/sequence.npz")}
    a, b = "ball_a-00000", "ball_b-00004"
    assert set(made) == {a, b, f"{a}_as_{a}", f"{b}_as_{a}"}
    assert_same_meshes(made[a], meshes_of(generator, first))
    assert_same_meshes(made[f"{a}_as_{a}"], made[a])
    assert_same_meshes(made[f"{b}_as_{a}"], meshes_of(generator, transfer_motion(first, last)))
    with Image.open(tmp_path / "t" / "sheet.png") as sheet:
        around, row = 2 * MARGIN + TITLE_HEIGHT + TIME_HEIGHT, 40 + ROW_GAP
        assert sheet.height == around + 3 * row  # whose motion it is, and two bodies
