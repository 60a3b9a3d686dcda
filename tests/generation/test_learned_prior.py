"""A prior is learned of the codes of a model, and new bodies are drawn from it."""

import json

import pytest
import torch

import train
from im2mesh.build import build_config, build_generator, load_trained
from im2mesh.errors import Advice, UserError
from im2mesh.files.tensor_files import read_tensors, write_tensors
from im2mesh.generation.latent.learning import PriorBudget, encode_training, learn_prior
from im2mesh.generation.latent.samples import sample_prior
from im2mesh.generation.latent.source import Source
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.prior.code_prior import join
from im2mesh.pretrained.shipped import find_prior, find_weights, shipped_names
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.priors import FORMAT, read_prior
from scripts.latent import main as latent
from tests.shapes import unchecked_shapes
from tests.small import write_small_config

QUICK = ["--num-windows", "40", "--iterations", "20"]
pytestmark = pytest.mark.filterwarnings("ignore:the loss is .* by heart")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ball_root):
    """The config of a model with encoders, trained for a moment, and with a prior."""
    path = write_small_config(tmp_path_factory.mktemp("prior"), ball_root)
    with unchecked_shapes():
        train.main([str(path), "training.max_iterations=40", "training.validate_every=40"])
    latent(["prior", str(path), *QUICK])
    return path


@pytest.fixture(scope="module")
def generator(trained):
    config = build_config(trained, ["generation.threshold=0.3"])
    return build_generator(config, RunFolder.of(config).best_checkpoint, torch.device("cpu"))


@pytest.fixture
def file(trained):
    return RunFolder.of(build_config(trained)).prior


def draw(generator, file, count, seed=0):
    bodies = sample_prior(generator, read_prior(file, generator.model).prior, count, seed)
    return torch.cat([join(body.codes) for body in bodies])


def test_what_was_learned_is_told(trained, tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    latent(["prior", str(trained), *QUICK, "--output", str(output)])
    told = capsys.readouterr().out
    assert f"windows -> {output}" in told and "of clips that were kept apart" in told
    _, header = read_tensors(output, FORMAT)
    assert {"run", "code", "dataset", "seed", "trained_by"} <= set(header["made_by"])


def test_the_same_seed_learns_the_same_prior(trained, generator):
    config = build_config(trained)
    budget = PriorBudget(iterations=5, batch_size=16, hidden_size=16, num_blocks=1)
    codes = encode_training(generator, config, 20)
    first, again, other = (learn_prior(codes, budget, seed).prior for seed in (0, 0, 1))
    weights = [prior.fc_out.weight for prior in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_clips_that_are_kept_apart_are_not_learned(trained, generator):
    codes = encode_training(generator, build_config(trained), 40)
    assert 0 < codes.held_out.sum() < len(codes.held_out)
    codes.joined[codes.held_out] = 1e6  # would move the mean, if they were seen
    with pytest.warns(Advice, match="has learned these by heart; encode more windows"):
        prior = learn_prior(codes, PriorBudget(iterations=1), 0).prior
    assert prior.components.mean.abs().max() < 1e3


def test_body_k_does_not_depend_on_the_count(generator, file):
    few, many = draw(generator, file, 2, 5), draw(generator, file, 3, 5)
    torch.testing.assert_close(few, many[:2], rtol=0, atol=0)
    assert not torch.equal(many[1], many[2])
    assert not torch.equal(few[0], draw(generator, file, 1, 6)[0])


def test_samples_of_a_run_are_written(trained, file, generator, tmp_path, capsys):
    pytest.importorskip("pyvista")
    small = ["--height", "40", "--columns", "3", "--output", str(tmp_path / "out")]
    latent(["sample", str(trained), "--count", "2", *small, "generation.threshold=0.3"])
    learned = read_prior(file, generator.model)
    assert f"drawn from the learned {learned.fingerprint}, temp" in capsys.readouterr().out
    meshes = MeshSequence.load(tmp_path / "out/01/sequence.npz")
    assert meshes.num_frames == 5 and len(meshes.faces)
    made_by = json.loads((tmp_path / "out/bodies.json").read_text())["made_by"]
    assert made_by["dataset"] == f"{learned.fingerprint}, temperature 0.9"


def test_colder_draws_are_more_like_each_other(generator, file):
    learned = read_prior(file, generator.model)

    def spread(temperature):
        bodies = Source(learned, temperature).sample(generator, 30, 0)
        return torch.cat([join(body.codes) for body in bodies]).std(0).mean()

    assert spread(0.2) < 0.5 * spread(1.0)
    assert spread(None) == spread(0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "0"], "--temperature is 0.0; it must be above 0"),
        (["--temperature", "nan"], "--temperature is nan; it must be above 0"),
        (["--normal", "--temperature", "1"], "--temperature is for a learned prior"),
    ],
)
def test_a_temperature_without_a_meaning_is_refused(trained, arguments, message):
    with pytest.raises(UserError, match=message):
        latent(["sample", str(trained), *arguments])


def test_a_model_with_encoders_has_no_other_prior(trained, tmp_path):
    with pytest.raises(UserError, match=r"no prior to draw .*scripts/latent\.py prior"):
        latent(["sample", str(trained), "--normal"])
    best = RunFolder.of(build_config(trained)).best_checkpoint
    arguments = ["--checkpoint", str(best), f"output_dir={tmp_path / 'another'}"]
    with pytest.raises(UserError, match=r"no prior to draw .*scripts/latent\.py prior"):
        latent(["sample", str(trained), *arguments])


def test_one_source_is_asked_for(trained, file, capsys):
    with pytest.raises(SystemExit):
        latent(["sample", str(trained), "--normal", "--prior", str(file)])
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_prior_of_other_weights_is_refused(trained, generator, file, tmp_path):
    tensors, header = read_tensors(file, FORMAT)
    other = tmp_path / "a.safetensors"
    write_tensors(other, FORMAT, tensors, {**header, "weights": "00", "checksum": None})
    with pytest.raises(UserError, match=r"is of other weights; learn .*--prior.*--normal"):
        latent(["sample", str(trained), "--prior", str(other)])


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, header: tensors.pop("fc_out.bias"),
        lambda tensors, header: tensors.update({"fc_in.bias": torch.zeros(3)}),
        lambda tensors, header: header.pop("widths"),
        lambda tensors, header: header["widths"].update(c_shape=1),
        lambda tensors, header: header["widths"].update(c_shape=-1, z_shape=33),
        lambda tensors, header: tensors.update({"fc_in.bias": torch.zeros(300_000)}),
        lambda tensors, header: tensors.update({"fc_in.bias": torch.full((384,), torch.nan)}),
        lambda tensors, header: header.update(made_by="me"),
        lambda tensors, header: header.update(surprise=1),
    ],
)
def test_a_prior_that_does_not_fit_together_is_refused(generator, file, tmp_path, change):
    tensors, header = read_tensors(file, FORMAT)
    change(tensors, header)
    path = tmp_path / "a.safetensors"
    write_tensors(path, FORMAT, tensors, header)
    with pytest.raises(
        UserError, match=r"a\.safetensors is no prior of codes: .* prior learns one"
    ):
        read_prior(path, generator.model)


def test_other_files_are_refused(trained, generator, tmp_path):
    with pytest.raises(UserError, match=r"no prior at .*gone\.safetensors"):
        read_prior(tmp_path / "gone.safetensors", generator.model)
    with pytest.raises(UserError, match=r"is no prior of codes: .* not in the format"):
        read_prior(find_weights("local"), generator.model)
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(UserError, match=r"text\.safetensors is no prior of codes: .*is damaged"):
        read_prior(tmp_path / "text.safetensors", generator.model)


def test_too_little_to_learn_from_is_refused(trained, tmp_path, ball_root):
    with pytest.raises(UserError, match="of one clip say too little"):
        latent(["prior", str(trained), "--num-windows", "1", "training.batch_size=1"])
    for option in ("--num-windows", "--iterations"):
        with pytest.raises(UserError, match=rf"{option} is 0; it must be at least 1"):
            latent(["prior", str(trained), option, "0"])


def test_the_file_of_somebody_else_is_left_alone(trained, tmp_path):
    mine = tmp_path / "mine.safetensors"
    mine.write_text("mine")
    with pytest.raises(UserError, match=r"mine\.safetensors"):
        latent(["prior", str(trained), *QUICK, "--output", str(mine)])
    assert mine.read_text() == "mine"


def test_shipped_priors_are_those_of_the_shipped_weights():
    found = {name: path for name in shipped_names() if (path := find_prior(name))}
    assert list(found) == ["generative"]
    for name, path in found.items():
        _, shipped = load_trained(find_weights(name), torch.device("cpu"))
        assert draw(shipped, path, 2).isfinite().all()
    assert find_prior("local") is None and find_prior(None) is None
