"""Encoders of images are told where each pixel looks, and how high that is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from im2mesh.build import build_config, build_model
from im2mesh.meshing.rendering import Camera
from im2mesh.models.encoders.image_network import ImageNetwork
from im2mesh.models.pixels.encoder import ImagePixels, where_pixels_look
from im2mesh.models.pixels.projection import lines_of_sight, project
from im2mesh.models.views import Views
from im2mesh.training.distillation import image_networks, take_over

B, K, C, SIZE = 2, 3, 8, 32
PARALLEL = torch.tensor([[1.0, 0, 0, 0.1], [0, -1, 0, 0], [0, 0, 0, 1]])
PINHOLE = torch.tensor([[2.0, 0, 0, 0], [0, -2.0, 0, 0], [0, 0, -1.0, 2.0]])


def raised(elevation: float, azimuth: float) -> torch.Tensor:
    return torch.from_numpy(Camera(np.zeros(3), 0.7, azimuth, elevation).projection).float()


def film() -> Views:
    """Cameras that move from frame to frame, of two sequences."""
    cameras = [raised(10.0 + 5 * k, 20.0 + 30 * b + k) for b in range(B) for k in range(K)]
    torch.manual_seed(0)
    images = torch.rand(B, K, 3, SIZE, SIZE)
    return Views.of_windows(images, torch.stack(cameras).unflatten(0, (B, K)))


@pytest.mark.parametrize("turned", [False, True])
def test_each_pixel_sees_its_place_and_none_is_nearer_to_the_middle(turned: bool) -> None:
    """With parallel projection and with perspective."""
    torch.manual_seed(0)
    cameras = torch.stack([PARALLEL, PINHOLE])
    if turned:
        turn = torch.linalg.qr(torch.rand(3, 3))[0]
        cameras = torch.cat([cameras[..., :3] @ turn, cameras[..., 3:]], -1)
    nearest = lines_of_sight(cameras, 4, 6).flatten(2).transpose(1, 2)
    x, y = (2 * torch.arange(count) + 1 for count in (6, 4))
    grid = torch.cartesian_prod(y / 4 - 1, x / 6 - 1).flip(-1)
    seen = project(nearest, cameras)
    torch.testing.assert_close(seen[..., :2], grid.expand(2, 24, 2))
    torch.testing.assert_close(seen[..., 2], torch.zeros(2, 24))


def test_heights_are_those_of_the_places_whatever_the_axes() -> None:
    seen = film()
    sights = where_pixels_look(seen)
    torch.testing.assert_close(sights[:, :, 3], sights[:, :, 1])  # up is y there
    turned = where_pixels_look(seen.in_axes(seen.axes()))
    torch.testing.assert_close(turned[:, :, 3], sights[:, :, 3])
    assert (turned[:, :, 1] - sights[:, :, 1]).abs().max() > 0.1
    assert (turned[:, 0, 2]).abs().max() < 1e-6  # in the plane that the first camera faces


def test_a_body_farther_away_is_seen_higher_by_a_camera_that_looks_down() -> None:
    """So heights tell how far away the top of a body is whose height is known."""
    camera = raised(10.0, 0.0)[None]
    seen = project(torch.tensor([[[0.0, 0.5, 0.1], [0.0, 0.5, -0.1]]]), camera)[0]
    assert seen[1, 1] < seen[0, 1]  # y points down
    heights = lines_of_sight(camera, 64, 64)[0, 1, :, 0]
    assert (heights[:-1] > heights[1:]).all()


def test_a_fresh_encoder_does_not_know_the_cameras() -> None:
    """So it can begin with the weights of an encoder that was not told them."""
    encoder, seen = ImagePixels(K, C, width=8), film()
    other = replace(seen, cameras=seen.cameras * torch.tensor([0.8, 0.8, 1.0])[:, None])
    times = torch.linspace(0, 1, K).expand(B, K)
    torch.testing.assert_close(encoder(seen, times).maps, encoder(other, times).maps)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert (encoder(seen, times).maps - encoder(other, times).maps).abs().max() > 1e-3


def test_autocast_rounds_no_place() -> None:
    torch.manual_seed(0)
    network, sights = ImageNetwork(3, 8, 4), torch.rand(2, 4, SIZE, SIZE)
    assert network.conv_sight is not None
    torch.nn.init.normal_(network.conv_sight.weight)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network.conv_sight(sights)
    torch.testing.assert_close(rounded, network.conv_sight(sights), atol=0, rtol=0)


def test_what_is_taken_over_knows_where_pixels_look(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text("output_dir: out")
    small = "width: 8, hidden_size: 16"
    config = build_config(
        tmp_path / "a.yaml",
        [
            "data.input=images", "data.view_cameras=true",
            f"model.encoder={{name: image_pixels, {small}}}",
            f"model.encoder_temporal={{name: image_pixels, {small}}}",
        ],
    )  # fmt: skip
    teacher, pupil = build_model(config), build_model(config)
    name = "encoder_spatial.network.conv_sight.weight"
    torch.nn.init.normal_(teacher.state_dict()[name])
    take_over(pupil, image_networks(teacher.state_dict()), "the teacher")
    torch.testing.assert_close(pupil.state_dict()[name], teacher.state_dict()[name])
