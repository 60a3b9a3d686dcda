"""Answers averaged over turned clouds, and over images and their mirror images."""

import re

import numpy as np
import pytest
import torch

import generate
import train
from im2mesh.build import build_config, build_generator, build_model
from im2mesh.data.batch import Observation
from im2mesh.data.dataset import build_windows
from im2mesh.data.transforms import AS_IT_IS
from im2mesh.errors import ConfigError, UserError
from im2mesh.generation.surface import check_generation
from im2mesh.models.copies import MeanOverCopies
from im2mesh.models.pixels.projection import project
from im2mesh.models.views import Views, reflection
from im2mesh.runs.checkpoints import save_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.studies.motion.measure import _measure_model
from scripts.latent import main as latent
from tests.small import empty_checkpoint, write_small_config

LOCAL = "configs/pointcloud/local-small.yaml"
OFLOW = "configs/pointcloud/oflow-small.yaml"
TIMES = torch.linspace(0, 1, 17)
QUARTER = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


@pytest.fixture(params=[LOCAL, OFLOW])
def model(request):
    torch.manual_seed(0)
    return build_model(build_config(request.param)).eval()


@pytest.fixture
def cloud():
    """Two sequences of corresponding points that drift."""
    torch.manual_seed(1)
    start = torch.rand(2, 1, 60, 3) - 0.5
    return start + TIMES.view(1, -1, 1, 1) * 0.1 * torch.randn(2, 1, 60, 3)


def answers(model, observed, points, times=TIMES):
    with torch.no_grad():
        codes = model.encode(observed, times.expand(len(points), -1))
        end = torch.full((len(points),), 0.7)
        return (
            model.occupancy_logits_0(points, codes),
            model.occupancy_logits(points, end, codes),
            model.trajectories(points, times, codes),
            model.trajectories_from_end(points, times, codes),
            model.velocities(points, 0.3, codes),
        )


def test_one_direction_is_the_model_itself(model, cloud):
    points = torch.rand(2, 30, 3) - 0.5
    for own, turned in zip(
        answers(model, cloud, points), answers(MeanOverCopies(model, 1), cloud, points), strict=True
    ):
        torch.testing.assert_close(turned, own)


def test_four_directions_do_not_depend_on_a_quarter_turn(model, cloud):
    points = torch.rand(2, 30, 3) - 0.5
    mean = MeanOverCopies(model, 4)
    before, after = answers(mean, cloud, points), answers(mean, cloud @ QUARTER, points @ QUARTER)
    for number, (own, turned) in enumerate(zip(before, after, strict=True)):
        moved = own if number < 2 else own @ QUARTER
        torch.testing.assert_close(turned, moved, rtol=1e-4, atol=1e-5)
    alone = answers(model, cloud @ QUARTER, points @ QUARTER)[0]
    assert (alone - answers(model, cloud, points)[0]).abs().max() > 1e-3, "the model does depend"


def test_answers_are_means_over_the_copies(model, cloud):
    points = torch.rand(2, 30, 3) - 0.5
    half = torch.diag(torch.tensor([-1.0, 1, -1]))
    own, other = (answers(model, cloud @ r, points @ r) for r in (torch.eye(3), half))
    found = answers(MeanOverCopies(model, 2), cloud, points)
    for number, (a, b, mean) in enumerate(zip(own, other, found, strict=True)):
        back = b if number < 2 else b @ half
        torch.testing.assert_close(mean, (a + back) / 2, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, ball_root):
    path = write_small_config(tmp_path_factory.mktemp("turned"), ball_root)
    train.main([str(path), "training.max_iterations=40", "training.validate_every=40"])
    return path


def test_meshes_are_made_of_the_mean(trained, rng):
    settings = ["generation.threshold=0.3", "generation.copies=4"]
    config = build_config(trained, settings)
    generator = build_generator(config, RunFolder.of(config).best_checkpoint, torch.device("cpu"))
    inputs = rng.uniform(-0.4, 0.4, (5, 40, 3)).astype(np.float32)
    times = np.linspace(0, 1, 5).astype(np.float32)
    quarter = QUARTER.numpy()
    own, turned = (
        generator.generate(Observation(cloud, times), frame=AS_IT_IS)
        for cloud in (inputs, inputs @ quarter)
    )
    assert len(own.faces), "a surface was found"
    for coordinate, other, sign in ((0, 2, 1), (1, 1, 1), (2, 0, -1)):
        bounds = [own.vertices[..., coordinate].min(), own.vertices[..., coordinate].max()]
        moved = sign * turned.vertices[..., other]
        np.testing.assert_allclose([moved.min(), moved.max()], bounds, atol=0.01)


def test_other_directions_make_another_run(trained, capsys):
    generate.main([str(trained), "--device", "cpu"])
    capsys.readouterr()
    generate.main([str(trained), "generation.copies=2", "--device", "cpu"])
    assert "2 windows generated, 0 were finished" in capsys.readouterr().out


def test_a_code_of_several_directions_is_refused(trained):
    for command in ("encode", "sample"):
        with pytest.raises(UserError, match=r"a code for each copy; set it to 1"):
            latent([command, str(trained), "generation.copies=4"])


MIRRORED = ("data.view_cameras=true", "generation.copies=3")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("img/oflow", ["generation.copies=2"], "images mirrored whose cameras are known (data.vie"),
        ("representation_power/oflow", ["generation.copies=2"], "only clouds can be turned"),
        ("img/oflow", MIRRORED, "3, but images have two copies, themselves and mirrored; set it"),
    ],
)
def test_copies_that_there_are_not_are_refused(tmp_path, name, changes, message):
    config = build_config(f"configs/{name}-small.yaml", [*changes, f"output_dir={tmp_path}"])
    save = RunFolder.of(config).best_checkpoint
    state = empty_checkpoint(config=config.model_dump(), model=build_model(config).state_dict())
    save_checkpoint(save, state)
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_generator(config, save, torch.device("cpu"))


@pytest.mark.parametrize("name", ["interpolation/carried", "shape_matching/nearest_neighbour"])
def test_models_without_weights_are_turned(name):
    config = build_config(f"configs/{name}-small.yaml", ["generation.copies=4"])
    generator = build_generator(config, "", torch.device("cpu"))
    assert generator.asked.count == 4


def test_the_study_of_motion_asks_all_directions(trained):
    config = build_config(trained, ["generation.copies=4"])
    generator = build_generator(config, RunFolder.of(config).best_checkpoint, torch.device("cpu"))
    (window, *_) = build_windows(config, "test", stride=4)
    numbers = _measure_model(generator, config.data, window, 0)
    assert np.isfinite(list(numbers.values())).all()


CAMERAS = torch.tensor(
    [
        [[0.8, 0.1, 0.3, 0.1], [0.1, -0.9, 0.1, 0], [0, 0, 0, 1]],
        [[1.5, 0, 0.4, 0.2], [0.1, -1.6, 0.1, 0.02], [0.1, 0.1, -0.4, 1]],
    ]
)
"""With parallel projection and with perspective."""


def film() -> Views:
    """Two films of 5 images, by cameras that move."""
    cameras = CAMERAS.unsqueeze(1).repeat(1, 5, 1, 1)
    cameras[:, 2:, 0, 3] += 0.1
    return Views.of_windows(torch.rand(2, 5, 3, 64, 64), cameras)


def test_mirrored_cameras_see_the_mirrored_body_at_the_other_side():
    views = film()
    other, mirror = views.mirrored(), reflection(views.axes()[:, 0])
    torch.testing.assert_close(other.images, views.images.flip(-1))
    points = 0.5 * torch.rand(2, 30, 3) - 0.25
    for frame in range(5):
        seen = project(points, views.cameras[:, frame])
        there = project(points @ mirror, other.cameras[:, frame])
        torch.testing.assert_close(there[..., 0], -seen[..., 0])
        torch.testing.assert_close(there[..., 1:], seen[..., 1:])
    torch.testing.assert_close(other.up, (views.up.unsqueeze(1) @ mirror).squeeze(1))
    torch.testing.assert_close(other.axes(), views.axes())
    torch.testing.assert_close(other.mirrored().cameras, views.cameras)


def test_images_have_the_mean_of_themselves_and_of_their_mirror_images():
    torch.manual_seed(0)
    model = build_model(build_config("configs/img/oflow-small.yaml", ["data.view_cameras=true"]))
    for parameter in model.eval().parameters():  # the velocity of an untrained network is 0
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    views, points, clock = film(), torch.rand(2, 30, 3) - 0.5, TIMES[::4]
    mirror = reflection(views.axes()[:, 0])
    own = answers(model, views, points, clock)
    other = answers(model, views.mirrored(), points @ mirror, clock)
    mean_over = answers(MeanOverCopies(model, 2), views, points, clock)
    for number, (a, b, mean) in enumerate(zip(own, other, mean_over, strict=True)):
        if number > 1:
            b = b @ (mirror if b.dim() == 3 else mirror.unsqueeze(1))
        torch.testing.assert_close(mean, (a + b) / 2, rtol=1e-4, atol=1e-5)
        assert (a - b).abs().max() > 1e-4, "the model does depend"


def test_three_copies_of_images_are_refused():
    config = build_config("configs/img/oflow-small.yaml", ["data.view_cameras=true"])
    model = MeanOverCopies(build_model(config).eval(), 3)
    with pytest.raises(UserError, match=r"3, but images have two copies, .*; set it to 2 or 1"):
        model.encode(film(), TIMES[::4].expand(2, -1))


def test_images_without_cameras_are_not_mirrored():
    config = build_config("configs/img/oflow-small.yaml")
    model = MeanOverCopies(build_model(config).eval(), 2)
    with pytest.raises(UserError, match=r"without cameras cannot be mirrored; set generation\.co"):
        model.encode(torch.rand(1, 5, 3, 64, 64), TIMES[:5].unsqueeze(0))


def test_point_sets_have_no_mean():
    config = build_config("configs/pointcloud/psgn4d-small.yaml", ["generation.copies=2"])
    with pytest.raises(ValueError, match=r"generation\.copies averages .* set it to 1"):
        check_generation(build_model(config), config.generation)
