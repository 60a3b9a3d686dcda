"""Samples near the codes of many windows, for models without a prior."""

import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import train
from im2mesh.build import build_config, build_generator, load_trained
from im2mesh.errors import UserError
from im2mesh.files.npz import read_arrays
from im2mesh.generation.latent.nearby import NEIGHBOURS, PARTS, NearbyCodes, sample_nearby
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.pretrained.shipped import find_codes, find_weights, shipped_names
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.weights import weights_digest
from scripts import latent as script
from scripts.latent import main as latent
from tests.shapes import unchecked_shapes
from tests.small import write_small_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ball_root):
    """The config of a model with encoders, trained for a moment, with codes of 16 clips.

    The data have two clips; the others are theirs, changed a little.
    """
    path = write_small_config(tmp_path_factory.mktemp("nearby"), ball_root)
    with unchecked_shapes():
        train.main([str(path), "training.max_iterations=40", "training.validate_every=40"])
    latent(["encode", str(path)])
    run = RunFolder.of(build_config(path))
    stored, random = read_arrays(run.codes("train"), (*PARTS, "weights")), np.random.default_rng(0)
    parts = {name: np.tile(stored[name], (4, 1)) for name in PARTS}
    varied = {name: part + 0.01 * random.normal(size=part.shape) for name, part in parts.items()}
    np.savez(run.codes("train"), **varied, of_clip=np.arange(16), weights=stored["weights"])
    return path


@pytest.fixture(scope="module")
def generator(trained):
    config = build_config(trained, ["generation.threshold=0.3"])
    return build_generator(config, RunFolder.of(config).best_checkpoint, torch.device("cpu"))


@pytest.fixture
def codes(trained):
    return RunFolder.of(build_config(trained)).codes("train")


def write_codes(path, generator, parts, of_clip, **changes):
    weights = np.frombuffer(bytes.fromhex(weights_digest(generator.model)), np.uint8)
    arrays = {**parts, "of_clip": of_clip, "weights": weights, **changes}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def ring(count: int) -> dict[str, np.ndarray]:
    """Codes on a circle in the plane, with motions along it."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    shape, motion = np.stack([np.cos(angles), np.sin(angles)], 1), angles[:, None]
    return {
        "c_shape": shape, "z_shape": shape[:, :0], "c_motion": motion, "z_motion": shape[:, :0],
    }  # fmt: skip


def test_samples_keep_to_where_codes_are(tmp_path, generator):
    parts = ring(200)
    path = write_codes(tmp_path / "ring.npz", generator, parts, np.arange(200))
    drawn = [b.codes for b in sample_nearby(generator, NearbyCodes.load(path, generator), 100, 0)]
    shape = torch.cat([codes.shape.c for codes in drawn])
    radius = shape.norm(dim=1)
    assert ((radius > 0.95) & (radius < 1.05)).all(), "a normal distribution would fill the ring"
    angles = np.arctan2(shape[:, 1].numpy(), shape[:, 0].numpy())
    assert (np.histogram(angles, 4, (-np.pi, np.pi))[0] > 10).all(), "all sides are drawn"
    motion = torch.cat([codes.motion.c for codes in drawn]).numpy()[:, 0]
    away = np.abs(np.angle(np.exp(1j * (motion - angles))))
    assert (away < 0.3).mean() > 0.9, "a motion is drawn together with its shape"
    known = parts["c_shape"]
    nearest = np.linalg.norm(shape.numpy()[:, None] - known, axis=-1).min(1)
    assert np.median(nearest) > 1e-4, "samples are no copies"


def test_windows_of_the_same_clip_are_not_mixed(tmp_path, generator):
    """One clip lies far off: its codes are mixed with those of the others, not with each other."""
    clips = np.repeat(np.arange(NEIGHBOURS + 1), 4)
    parts = ring(len(clips))
    parts["c_shape"] = np.where(clips[:, None] == 0, 100.0, 0.0) + np.zeros((1, 2))
    path = write_codes(tmp_path / "far.npz", generator, parts, clips)
    nearby = NearbyCodes.load(path, generator)
    drawn = np.array([nearby.draw(np.random.default_rng(k))["c_shape"][0] for k in range(60)])
    assert (np.abs(drawn - 100) > 1).all()


def test_each_neighbour_is_of_another_clip(tmp_path, generator):
    """The 20 windows of the nearest clip are alike; they must not fill all places."""
    clips = np.repeat(np.arange(NEIGHBOURS + 1), 20)
    parts = ring(len(clips))
    parts["c_shape"] = np.stack([clips, clips], 1) + 1e-3 * np.arange(len(clips))[:, None]
    parts["c_motion"] = parts["c_motion"] * 0
    path = write_codes(tmp_path / "far.npz", generator, parts, clips)
    nearby = NearbyCodes.load(path, generator)
    drawn = np.array([nearby.draw(np.random.default_rng(k))["c_shape"][0] for k in range(50)])
    assert abs(np.mean(drawn) - clips.mean()) < 0.5, "each group has one window of every clip"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_codes_that_are_not_finite_are_refused(tmp_path, generator, value):
    parts = ring(20)
    parts["c_motion"][3] = value
    path = write_codes(tmp_path / "a.npz", generator, parts, np.arange(20))
    with pytest.raises(UserError, match="not finite"):
        NearbyCodes.load(path, generator)


def test_a_seed_below_0_is_refused(trained):
    with pytest.raises(UserError, match="the seed is -1; it must be 0 or more"):
        latent(["sample", str(trained), "--seed", "-1"])


def test_the_origin_of_samples_tells_the_codes(trained, codes, tmp_path):
    pytest.importorskip("pyvista")
    small = ["--height", "40", "--count", "1", "generation.threshold=0.3"]
    latent(["sample", str(trained), *small, "--output", str(tmp_path / "a")])
    changed = dict(np.load(codes))
    changed["c_shape"] = changed["c_shape"] + 0.01
    np.savez(tmp_path / "other.npz", **changed)
    other = ["--codes", str(tmp_path / "other.npz"), "--output", str(tmp_path / "b")]
    latent(["sample", str(trained), *small, *other])
    origins = [
        json.loads((tmp_path / name / "bodies.json").read_text())["made_by"]["dataset"]
        for name in "ab"
    ]
    assert origins[0].startswith("codes ") and origins[0] != origins[1]


def test_shipped_codes_are_those_of_the_shipped_weights():
    windows = {"oflow_w_correspond": 1176, "generative": 392}
    found = [path for name in shipped_names() if (path := find_codes(name))]
    assert len(found) == len(windows)
    for path in found:
        name = path.name.removesuffix(".codes.npz")
        _, shipped = load_trained(find_weights(name), torch.device("cpu"))
        codes = NearbyCodes.load(path, shipped)
        assert len(codes.of_clip) == windows[name]
        assert len(np.unique(codes.of_clip)) == 392  # of all clips that train


@pytest.mark.parametrize("has_prior", [True, False])
def test_samples_are_drawn_near_codes_that_ship_unless_the_prior_is_asked_for(
    trained, tmp_path, monkeypatch, has_prior
):
    shipped = tmp_path / "ship.codes.npz"
    monkeypatch.setattr(script, "find_codes", lambda name: shipped if name == "ship" else None)
    generator = SimpleNamespace(model=SimpleNamespace(has_prior=has_prior))
    config = build_config(trained, [f"output_dir={tmp_path}"])

    def drawn_near(weights: str | None, *, prior: bool = False) -> Path | None:
        return script.Task(Namespace(weights=weights, prior=prior), config).codes_file(generator)

    assert drawn_near("ship") == shipped and drawn_near("ship", prior=True) is None
    own = RunFolder(tmp_path).codes(config.data.train_split)
    own.parent.mkdir()
    own.touch()
    assert drawn_near(None) == (None if has_prior else own)


def test_the_same_seed_gives_the_same_samples(codes, generator):
    nearby = NearbyCodes.load(codes, generator)
    few, many = (sample_nearby(generator, nearby, count, seed=5) for count in (2, 3))
    for one, other in zip(few, many, strict=False):
        torch.testing.assert_close(one.codes.shape.c, other.codes.shape.c, rtol=0, atol=0)
        torch.testing.assert_close(one.codes.motion.c, other.codes.motion.c, rtol=0, atol=0)
    other = sample_nearby(generator, nearby, 1, 6)[0]
    assert not torch.equal(few[0].codes.shape.c, other.codes.shape.c)


def test_samples_of_a_run_are_written(trained, tmp_path, capsys):
    pytest.importorskip("pyvista")
    small = ["--height", "40", "--columns", "3", "--output", str(tmp_path / "out")]
    latent(["sample", str(trained), "--count", "2", *small, "generation.threshold=0.3"])
    assert "drawn near the codes " in capsys.readouterr().out
    meshes = MeshSequence.load(tmp_path / "out/01/sequence.npz")
    assert meshes.num_frames == 5 and len(meshes.faces)


def test_codes_of_other_weights_are_refused(trained, codes, generator, tmp_path):
    stored = read_arrays(codes, (*PARTS, "of_clip"))
    other = write_codes(
        tmp_path / "a.npz", generator, stored, stored["of_clip"], weights=np.zeros(32, np.uint8)
    )
    with pytest.raises(UserError, match=r"a\.npz are of other weights; encode the windows"):
        latent(["sample", str(trained), "--codes", str(other)])


def test_too_few_clips_are_refused(trained, codes, generator, tmp_path):
    stored = read_arrays(codes, (*PARTS, "of_clip"))
    few = write_codes(tmp_path / "a.npz", generator, stored, stored["of_clip"] % NEIGHBOURS)
    with pytest.raises(UserError, match="codes of 3 clips; it takes at least 4"):
        latent(["sample", str(trained), "--codes", str(few)])


def test_other_files_are_refused(trained, codes, generator, tmp_path):
    stored = read_arrays(codes, (*PARTS, "of_clip"))
    lacking = write_codes(tmp_path / "a.npz", generator, stored, stored["of_clip"], z_motion=None)
    with pytest.raises(UserError, match=r"a\.npz is no table of codes: .*z_motion"):
        latent(["sample", str(trained), "--codes", str(lacking)])
    (tmp_path / "b.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"b\.npz is no table of codes"):
        latent(["sample", str(trained), "--codes", str(tmp_path / "b.npz")])
    with pytest.raises(UserError, match=r"no table of codes at .*gone\.npz; .*encode writes one"):
        latent(["sample", str(trained), "--codes", str(tmp_path / "gone.npz")])


def test_without_codes_the_way_to_them_is_told(trained, tmp_path):
    best = RunFolder.of(build_config(trained)).best_checkpoint
    arguments = ["--checkpoint", str(best), f"output_dir={tmp_path / 'another'}"]
    with pytest.raises(UserError, match=r"no prior .*scripts/latent\.py encode writes"):
        latent(["sample", str(trained), *arguments])
    with pytest.raises(UserError, match="count is 0"):
        latent(["sample", str(trained), "--count", "0"])


def test_the_prior_is_asked_for_instead_of_codes(trained, codes, capsys):
    with pytest.raises(UserError, match="a model with encoders has no prior"):
        latent(["sample", str(trained), "--prior"])
    with pytest.raises(SystemExit):
        latent(["sample", str(trained), "--prior", "--codes", str(codes)])
    assert "not allowed with argument" in capsys.readouterr().err
    latent(["measure", str(trained), "--prior", "--print-config"])
    assert "output_dir" in capsys.readouterr().out
