"""What made a result: told of every stretch of training, and different where numbers may be."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import eval as evaluation
import generate
import train
from im2mesh.build import build_config, build_trainer
from im2mesh.data.fingerprint import dataset_fingerprint
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.evaluation.report import read_report
from im2mesh.meshing.animated_file import FILE_NAMES
from im2mesh.meshing.mesh_sequence import MeshSequence, read_moving
from im2mesh.runs import provenance as module
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.origins import ResultOrigin, RunOrigin, continued, tell_training
from im2mesh.runs.provenance import Provenance, code_hash, config_hash
from tests.small import write_small_config

NOW = Provenance("abc", "c1", "d1", 3, {"python": "3.11"})
OPTIONS = ["--split", "train"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory, ball_root):
    """A config that has trained for three steps and generated, and its run."""
    folder = tmp_path_factory.mktemp("origins")
    config = write_small_config(folder, ball_root)
    train.main([str(config), "--device", "cpu", "training.max_iterations=3"])
    generate.main([str(config), *OPTIONS, "--device", "cpu"])
    return config, RunFolder(folder / "run")


def test_settings_without_effect_are_no_other_configuration(config_path):
    def hash_with(*overrides):
        return config_hash(build_config(config_path, overrides))

    here = hash_with()
    assert (
        hash_with("output_dir=elsewhere", "data.root=elsewhere", "training.num_workers=7") == here
    )
    assert hash_with("generation.batch_points=5", "generation.mesh_format=obj") == here
    others = [hash_with(o) for o in ("training.seed=1", "data.input_noise=0.5", "ode.rtol=0.1")]
    assert len({here, *others}) == 4


def test_changed_code_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROOT", tmp_path)
    hashes = set()
    for text in ("a = 1", "a = 2"):
        (tmp_path / "script.py").write_text(text)
        code_hash.cache_clear()
        hashes.add(code_hash("script.py"))
    assert len(hashes) == 2
    monkeypatch.setattr(module, "CODE", ("script.py",))
    monkeypatch.setattr(module, "_git", lambda *words: "abc" if "HEAD" in words else " M script.py")
    module.code_revision.cache_clear()
    assert module.code_revision() == f"abc+changes {code_hash('script.py')}"
    monkeypatch.undo()
    module.code_revision.cache_clear()


def test_a_fingerprint_is_of_clips_wherever_windows_start(ball_root):
    def of(*starts, clip="ball_a"):
        return dataset_fingerprint(ball_root, [Window("balls", clip, k, 5) for k in starts])

    assert of(0) == of(0, 4) == of(4, 0)
    assert of(0) != of(0, clip="ball_b")


def test_stretches_of_training_are_told():
    notes = continued((), NOW, 0)
    assert continued(notes, NOW, 500) == notes
    notes = continued(notes, replace(NOW, seed=4), 500)
    assert [note["since"] for note in notes] == [0, 500]
    assert tell_training(notes) == (
        "trained by code abc, config c1, seed 3, data d1, "
        "then code abc, config c1, seed 4, data d1 from iteration 500"
    )
    assert str(RunOrigin("r", NOW, notes)).endswith(f"python 3.11; {tell_training(notes)}.")


def test_an_origin_survives_its_file():
    meshes_by = [RunOrigin("r", NOW, continued((), NOW, 0)).as_dict()]
    for origin in (
        ResultOrigin(NOW, meshes_by),
        ResultOrigin(NOW, [], files="f"),
        ResultOrigin(NOW, meshes_by, weights="w", trained_by=continued((), NOW, 0)),
    ):
        again = ResultOrigin.from_dict(json.loads(json.dumps(origin.as_dict())))
        assert again == origin and str(again) == str(origin)


def test_a_training_that_goes_on_with_other_settings_tells_so(config_path, tmp_path):
    start = [str(config_path), "--device", "cpu"]
    train.main([*start, "training.max_iterations=2"])
    with pytest.warns(
        UserWarning, match=r"other settings: training.learning_rate 0\.\d+ -> 0\.5, tr"
    ):
        train.main(
            [*start, "training.max_iterations=4", "training.seed=7", "training.learning_rate=0.5"]
        )
    origins = load_checkpoint(RunFolder(tmp_path / "run").checkpoint).state.origins
    assert [(note["since"], note["seed"]) for note in origins] == [(0, 0), (2, 7)]


def test_how_long_and_how_much_is_measured_is_no_other_training(config_path):
    start = [str(config_path), "--device", "cpu"]
    train.main([*start, "training.max_iterations=2"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer = build_trainer(
            build_config(config_path, ["training.max_iterations=4", "validation.max_windows=1"]),
            torch.device("cpu"),
        )
        assert trainer.resume() is not None


def test_results_tell_what_trained_the_model(generated):
    config, run = generated
    evaluation.main([str(config), *OPTIONS])
    _, origin = read_report(run.evaluation("train"))
    (meshes,) = origin.meshes_by
    assert meshes["trained_by"] == load_checkpoint(run.best_checkpoint).state.origins
    assert tell_training(meshes["trained_by"]) in str(origin)


@pytest.mark.parametrize(
    ("overrides", "done"),
    [
        (["generation.batch_points=777"], "0 windows generated, 4 were"),
        (["generation.mesh_format=obj"], "4 windows generated"),
        (["data.input_noise=0.3"], "4 windows generated"),
    ],
)
def test_what_decides_meshes_is_generated_anew(generated, overrides, done, capsys):
    config, _ = generated
    generate.main([str(config), *OPTIONS, "--device", "cpu"])
    capsys.readouterr()
    generate.main([str(config), *OPTIONS, "--device", "cpu", *overrides])
    assert done in capsys.readouterr().out


@pytest.mark.parametrize("format", ["glb", "usd"])
def test_an_animated_file_takes_the_place_of_numbered_ones(generated, format):
    if format == "usd":
        pytest.importorskip("pxr", reason="needs usd-core, the extra usd")
    config, run = generated
    arguments = [str(config), *OPTIONS, "--device", "cpu"]
    generate.main(arguments)
    generate.main([*arguments, f"generation.mesh_format={format}"])
    folders = sorted(run.generation("train").rglob("meshes"))
    for folder in folders:
        (written,) = (path for path in folder.iterdir() if path.name[0] != ".")
        assert written.name == FILE_NAMES[format]
        sequence = MeshSequence.load(folder.parent / "sequence.npz")
        back = read_moving(written)
        assert back.seconds[-1] == pytest.approx(4 / 60)  # of five frames
        np.testing.assert_allclose(back.meshes[-1].vertices, sequence.vertices[-1], atol=1e-3)
    assert len(folders) == 4


def test_meshes_of_other_observations_are_not_mixed(generated):
    config, _ = generated
    generate.main([str(config), *OPTIONS, "--device", "cpu"])
    noisy = ["data.input_noise=0.3", "--clips", "ball_b"]
    generate.main([str(config), *OPTIONS, "--device", "cpu", *noisy])
    with pytest.raises(UserError, match="were made by different runs"):
        evaluation.main([str(config), *OPTIONS])
    generate.main([str(config), *OPTIONS, "--device", "cpu", "generation.mesh_format=obj"])
    generate.main([str(config), *OPTIONS, "--device", "cpu", "--clips", "ball_b"])
    evaluation.main([str(config), *OPTIONS])  # another format is no other run


def test_meshes_of_another_program_are_told_apart(generated, tmp_path):
    config, run = generated
    generate.main([str(config), *OPTIONS, "--device", "cpu"])
    theirs = tmp_path / "theirs"
    for path in run.generation("train").rglob("sequence.npz"):
        copy = theirs / path.relative_to(run.generation("train"))
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())
    options = [str(config), *OPTIONS, "--meshes", str(theirs), "--output", str(tmp_path / "out")]
    ids = []
    for coordinates in ("window", "world"):
        evaluation.main([*options, "--coordinates", coordinates])
        _, origin = read_report(tmp_path / "out")
        assert origin.meshes_by == [] and "made by another program" in str(origin)
        ids.append(origin.id)
    assert ids[0] != ids[1]
