"""Encoders of images learn the codes of a model of clouds."""

import signal
from dataclasses import replace

import pytest
import torch

import train
from im2mesh.build import build_config, build_model
from im2mesh.data.batch import Batch
from im2mesh.data.dataset import build_training_data
from im2mesh.errors import UserError
from im2mesh.models.code import Code
from im2mesh.models.views import Views, into_axes
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.provenance import provenance
from im2mesh.runs.trained import read_trained, write_weights
from im2mesh.training.batches import training_batches
from im2mesh.training.distillation import (
    camera_of_upright,
    image_networks,
    take_over,
    turn_networks,
    upright_axes,
)
from im2mesh.training.lessons import Lessons, Teacher
from scripts.experiments.distil import main as distil
from scripts.weights import main as weights
from tests.ball import write_ball_dataset, write_ball_images
from tests.shapes import unchecked_shapes
from tests.small import write_small_config

PUPIL = """
inherit_from: small.yaml
output_dir: {folder}/pupil
data: {{input: images, view_cameras: true, num_views: 4, image_size: 32}}
model:
  encoder: {{name: image_resnet, width: 8, hidden_size: 16}}
  encoder_temporal: {{name: image_resnet, width: 8, hidden_size: 16}}
"""

PIXELS = (
    "model.encoder.name=image_pixels", "model.encoder_temporal.name=image_pixels",
    "model.decoder.name=pixel_aligned", "model.velocity_field.name=pixel_aligned",
)  # fmt: skip
"""What makes of the pupil one that also reads pixels."""


def camera(azimuth: float, elevation: float) -> torch.Tensor:
    """Axes of a camera, as rows: right, down, forward (angles in radians)."""
    azimuth, elevation = torch.tensor(azimuth), torch.tensor(elevation)
    right = torch.stack([azimuth.cos(), torch.tensor(0.0), -azimuth.sin()])
    back = torch.stack(
        [azimuth.sin() * elevation.cos(), elevation.sin(), azimuth.cos() * elevation.cos()]
    )
    return torch.stack([right, -torch.linalg.cross(back, right, dim=0), -back])


@pytest.fixture(scope="module")
def balls(tmp_path_factory):
    root = tmp_path_factory.mktemp("taught")
    write_ball_dataset(root / "data")
    write_ball_images(root / "data")
    return root


@pytest.fixture(scope="module")
def teacher_config(balls):
    path = write_small_config(balls, balls / "data")
    with unchecked_shapes():
        train.main([str(path), "training.max_iterations=20", "training.validate_every=20"])
    return build_config(path)


@pytest.fixture(scope="module")
def teacher_file(teacher_config, balls):
    file = balls / "teacher.safetensors"
    weights(["export", str(RunFolder.of(teacher_config).best_checkpoint), str(file)])
    return file


@pytest.fixture(scope="module")
def pupil_path(balls, teacher_config):
    path = balls / "pupil.yaml"
    path.write_text(PUPIL.format(folder=balls))
    return path


def first_batch(config) -> Batch:
    return next(training_batches(build_training_data(config), config.training))


def loaded(config, weights):
    model = build_model(config)
    model.load_state_dict(weights)
    return model.eval()


@pytest.mark.parametrize("azimuth", [0.0, 0.9, 4.0])
def test_upright_axes_turn_the_world_until_the_camera_looks_along_minus_z(azimuth):
    axes = upright_axes(camera(azimuth, 0.3)[None])[0]
    torch.testing.assert_close(axes @ torch.tensor([0.0, 1, 0]), torch.tensor([0.0, 1, 0]))
    forward = axes @ camera(azimuth, 0.3)[2]
    expected = torch.tensor([0.0, -torch.tensor(0.3).sin(), -torch.tensor(0.3).cos()])
    torch.testing.assert_close(forward, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(axes), torch.tensor(1.0))


def test_turned_networks_answer_the_same_in_other_axes(teacher_config):
    weights = read_trained(RunFolder.of(teacher_config).best_checkpoint).model
    plain = loaded(teacher_config, weights)
    to_camera = camera(0.0, 0.4)
    turned = loaded(teacher_config, {**weights, **turn_networks(weights, to_camera)})
    points = torch.rand(1, 50, 3) - 0.5
    seen, code = points @ to_camera.T, Code(torch.randn(1, 16), torch.zeros(1, 0))
    with torch.no_grad():
        torch.testing.assert_close(
            turned.decoder(seen, code), plain.decoder(points, code), atol=1e-5, rtol=1e-4
        )
        velocity, other = (
            m.flow.velocity_field(torch.tensor([0.3]), p, m.flow.velocity_field.condition(code))
            for m, p in ((plain, points), (turned, seen))
        )
    torch.testing.assert_close(other, velocity @ to_camera.T, atol=1e-5, rtol=1e-4)


def test_other_networks_cannot_be_turned(teacher_config):
    weights = dict(read_trained(RunFolder.of(teacher_config).best_checkpoint).model)
    del weights["decoder.fc_p.weight"]
    with pytest.raises(UserError, match=r"no decoder\.fc_p\.weight: only a decoder"):
        turn_networks(weights, torch.eye(3))


def test_the_teacher_sees_a_body_as_its_camera_faces_it(pupil_path, teacher_config):
    """Whatever the view, a body that is turned with its camera has the same codes."""
    batch = first_batch(build_config(pupil_path))
    weights = read_trained(RunFolder.of(teacher_config).best_checkpoint).model
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    teacher = Teacher(loaded(teacher_config, weights), upright, noise=0.001)
    turn = upright_axes(camera(1.3, 0.0)[None])
    cameras = batch.cameras.clone()
    cameras[..., :3] = cameras[..., :3] @ turn[0].T
    clouds = into_axes(batch.pointcloud.flatten(1, 2), turn.expand(len(cameras), 3, 3))
    moved = replace(batch, cameras=cameras, pointcloud=clouds.view_as(batch.pointcloud))
    found = []
    for shown in (batch, moved):
        torch.manual_seed(0)  # the noise is drawn in the turned axes
        found.append(teacher.codes(shown))
    torch.testing.assert_close(found[0].shape.c, found[1].shape.c, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[0].motion.c, found[1].motion.c, atol=1e-4, rtol=1e-4)


def test_the_camera_is_that_of_all_windows(pupil_path):
    batch = first_batch(build_config(pupil_path))
    found = camera_of_upright(batch)
    torch.testing.assert_close(found, torch.diag(torch.tensor([1.0, -1.0, -1.0])))
    cameras = batch.cameras.clone()
    cameras[0, :, :2, :3] = cameras[0, :, :2, :3] @ camera(0.0, 0.4).T
    with pytest.raises(UserError, match="look down by different angles"):
        camera_of_upright(replace(batch, cameras=cameras))


def test_what_is_taken_over_must_fit(pupil_path, teacher_config):
    pupil = build_model(build_config(pupil_path))
    turned = turn_networks(teacher_model(teacher_config), torch.eye(3))
    take_over(pupil, turned, "mine")
    with pytest.raises(UserError, match=r"decoder\.fc_p\.weight has the shape \(3, 3\) in mine"):
        take_over(pupil, {**turned, "decoder.fc_p.weight": torch.zeros(3, 3)}, "mine")
    pixels = build_model(build_config(pupil_path, PIXELS))
    before = {name: value.clone() for name, value in pixels.state_dict().items()}
    take_over(pixels, turned, "mine")
    for name, value in pixels.state_dict().items():
        assert torch.equal(value, turned.get(name, before[name])), name
    some = {**turned, "decoder.pixels.fc_place.bias": before["decoder.pixels.fc_place.bias"]}
    with pytest.raises(UserError, match=r"pixels\.fc_pixel.* has the shape of nothing in mine"):
        take_over(pixels, some, "mine")
    deeper = build_model(build_config(pupil_path, ["model.decoder={num_blocks: 3}"]))
    with pytest.raises(UserError, match=r"decoder\.blocks\.2.* has the shape of nothing in mine"):
        take_over(deeper, turned, "mine")
    with pytest.raises(UserError, match="mine has nothing that this configuration"):
        take_over(pupil, image_networks(teacher_model(teacher_config)), "mine")


def teacher_model(config):
    return read_trained(RunFolder.of(config).best_checkpoint).model


def test_encoders_learn_and_the_networks_of_the_teacher_stay(pupil_path, teacher_config):
    config = build_config(
        pupil_path,
        ["data.num_points=1", "training.max_iterations=60", "training.learning_rate=3e-3"],
    )
    torch.manual_seed(0)
    model = loaded(teacher_config, teacher_model(teacher_config))
    pupil, teacher = build_model(config), Teacher(model, torch.eye(3), noise=0.0)
    before = {name: value.clone() for name, value in pupil.state_dict().items()}
    batches = training_batches(build_training_data(config), config.training)
    lessons = lessons_of(pupil, teacher, config)
    errors = [sum(lessons.step(batch)) for batch in batches]
    assert lessons.iteration == len(errors) == 60
    assert sum(errors[-5:]) < 0.5 * sum(errors[:5])
    for name, value in pupil.state_dict().items():
        if name.startswith(("decoder.", "flow.")) and name in dict(pupil.named_parameters()):
            assert torch.equal(value, before[name]), name
    with torch.no_grad():
        batch = first_batch(config)
        codes = pupil.encode(Views.of_windows(batch.inputs, batch.cameras), batch.input_times)
    assert codes.shape.c.isfinite().all()


def test_the_command_writes_what_a_training_can_start_from(
    pupil_path, teacher_file, tmp_path, capsys
):
    output = tmp_path / "start.safetensors"
    arguments = [str(pupil_path), "--teacher", str(teacher_file), "--iterations", "3"]
    with unchecked_shapes():
        distil([*arguments, "--output", str(output)])
    told = capsys.readouterr().out
    assert f"{output}: encoders that say" in told
    score = read_trained(output).best_score
    assert 0 < score < 1 and f"validation iou {score:.4f}" in told
    with pytest.raises(UserError, match=r"start\.safetensors exists"):
        distil([*arguments, "--output", str(output)])
    again = tmp_path / "again.safetensors"
    with unchecked_shapes():
        distil([*arguments, "--networks", str(output), "--output", str(again)])
        start = ["training.max_iterations=1", f"training.start_from={again}"]
        train.main([str(pupil_path), *start, f"output_dir={tmp_path / 'run'}"])
    notes = read_trained(tmp_path / "run/model.pt").origins
    assert len(notes) == 4, "of the teacher, of the first lessons, of the second, and after"


def lessons_of(pupil, teacher, config) -> Lessons:
    origin = provenance(config, "data", 0)
    return Lessons(pupil, teacher, config, networks_are_trained=False, before=[], origin=origin)


def test_errors_that_are_not_finite_change_nothing(pupil_path, teacher_config):
    config = build_config(pupil_path)
    model = loaded(teacher_config, teacher_model(teacher_config))
    lessons = lessons_of(build_model(config), Teacher(model, torch.eye(3), noise=0.0), config)
    before = {name: value.clone() for name, value in lessons.pupil.state_dict().items()}
    batch = first_batch(config)
    with pytest.raises(UserError, match=r"not finite at step 0 \(shape nan, motion nan\); look"):
        lessons.step(replace(batch, inputs=batch.inputs * float("nan")))
    for name, value in lessons.pupil.state_dict().items():
        assert torch.equal(value, before[name]), name


class Killed(BaseException):
    """Ends a command without its leave."""


def ending_at_step(number: int, end) -> object:
    """A step of lessons after which `end` is called, once."""
    step, ended = Lessons.step, []

    def ending(self: Lessons, batch: Batch):
        lesson = step(self, batch)
        if self.iteration == number and not ended:
            ended.append(True)
            end()
        return lesson

    return ending


def kill() -> None:
    raise Killed


@pytest.fixture
def lesson_arguments(pupil_path, teacher_file):
    arguments = [str(pupil_path), "training.save_every=2", "--teacher", str(teacher_file)]
    with unchecked_shapes():
        yield [*arguments, "--iterations", "5"]


def test_killed_lessons_go_on_as_if_they_had_not_stopped(
    lesson_arguments, tmp_path, capsys, monkeypatch
):
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    unfinished = tmp_path / "killed.unfinished.pt"
    distil([*lesson_arguments, "--output", str(whole)])
    monkeypatch.setattr(Lessons, "step", ending_at_step(3, kill))
    with pytest.raises(Killed):
        distil([*lesson_arguments, "--output", str(killed)])
    monkeypatch.setattr("im2mesh.runs.provenance.code_revision", lambda: "later")
    distil([*lesson_arguments, "--output", str(killed)])
    assert f"resuming {unfinished} at step 2" in capsys.readouterr().out
    assert not unfinished.exists()
    expected, found = read_trained(whole), read_trained(killed)
    for name, value in expected.model.items():
        assert torch.equal(found.model[name], value), name
    assert found.origins[:-1] == expected.origins
    last = found.origins[-1]
    assert (last["code"], last["since"]) == ("later", 2), "another code went on at step 2"


def test_lessons_stop_when_asked_to(lesson_arguments, tmp_path, capsys, monkeypatch):
    output, unfinished = tmp_path / "out.safetensors", tmp_path / "out.unfinished.pt"
    asked = ending_at_step(3, lambda: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(Lessons, "step", asked)
    distil([*lesson_arguments, "--output", str(output)])
    assert f"saved {unfinished} at step 3; the same command goes on" in capsys.readouterr().out
    assert unfinished.exists() and not output.exists()
    output.write_bytes(b"another")
    with pytest.raises(UserError, match="exists, but its lessons are not done; move it away"):
        distil([*lesson_arguments, "--output", str(output)])
    assert unfinished.exists() and output.read_bytes() == b"another"


def test_a_failure_at_the_end_costs_no_lesson(lesson_arguments, tmp_path, capsys, monkeypatch):
    output, unfinished = tmp_path / "out.safetensors", tmp_path / "out.unfinished.pt"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("scripts.experiments.distil.validate", lambda *_, **__: kill())
        distil([*lesson_arguments, "--output", str(output)])
    kept = unfinished.read_bytes()
    distil([*lesson_arguments, "--output", str(output)])
    told = capsys.readouterr().out
    assert f"resuming {unfinished} at step 5" in told and f"{output}: validation iou" in told
    unfinished.write_bytes(kept)  # as if it had been killed before it was removed
    with pytest.raises(UserError, match="with other settings"):
        distil([*lesson_arguments, "--iterations", "9", "--output", str(output)])
    distil([*lesson_arguments, "--output", str(output)])
    assert f"the lessons are done: {output}" in capsys.readouterr().out
    assert not unfinished.exists()


def test_other_lessons_do_not_go_on(lesson_arguments, teacher_file, tmp_path, monkeypatch):
    other = tmp_path / "other.safetensors"
    distil([*lesson_arguments, "--output", str(other)])
    trained = read_trained(teacher_file)
    name = next(name for name in trained.model if name.startswith("encoder_temporal."))
    moved = {**trained.model, name: trained.model[name] + 1}
    write_weights(tmp_path / "moved.safetensors", replace(trained, model=moved))
    monkeypatch.setattr(Lessons, "step", ending_at_step(3, kill))
    output = ["--output", str(tmp_path / "out.safetensors")]
    with pytest.raises(Killed):
        distil([*lesson_arguments, *output])
    other_weights = "another teacher, or other weights at first;"
    for others, message in (
        (["--iterations", "6"], r"other settings \(then -> now: training.max_iterations 5 -> 6\)"),
        (["training.seed=1"], r"other settings \(then -> now: training.seed 0 -> 1\)"),
        (["--teacher", str(tmp_path / "moved.safetensors")], other_weights),
        (["--networks", str(other)], other_weights),
    ):
        with pytest.raises(UserError, match=rf"out\.unfinished\.pt holds .* with {message}"):
            distil([*lesson_arguments, *others, *output])


def test_lessons_can_start_from_taught_encoders(lesson_arguments, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    distil([*lesson_arguments, "training.seed=1", "--output", str(first)])
    start = [f"training.start_from={first}", "--learning-rate", "1e-12"]
    distil([*lesson_arguments, *start, "--output", str(second)])
    before, after = read_trained(first), read_trained(second)
    assert all(note in after.origins for note in before.origins)
    for name, value in before.model.items():
        torch.testing.assert_close(after.model[name], value, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.view_cameras=false", "must observe images with cameras"),
        ("data.num_frames=4", "knows windows of 5 frames"),
        ("model.decoder={hidden_size: 8}", "give its networks the sizes of"),
        ("--iterations=0", "--iterations is 0; it must be at least 1"),
        ("--learning-rate=0", "--learning-rate is 0.0; it must be above 0"),
    ],
)
def test_what_cannot_be_taught_is_refused(pupil_path, teacher_file, tmp_path, setting, message):
    output = ["--output", str(tmp_path / "start.safetensors")]
    with pytest.raises(UserError, match=message):
        distil([str(pupil_path), setting, "--teacher", str(teacher_file), *output])
