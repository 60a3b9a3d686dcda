"""Pictures become windows as long as those of training, seen by a camera that is told."""

from pathlib import Path

import numpy as np
import pytest
import torch

from im2mesh.build import build_config, build_model
from im2mesh.config.schema import DataConfig
from im2mesh.data.cut_out import CutOut
from im2mesh.errors import Advice, UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.picture_windows import (
    PictureSettings,
    camera_of,
    pictures_of_window,
    place_in_film,
    plan_windows,
    reconstruct_pictures,
)
from im2mesh.meshing.mesh_sequence import MeshSequence

SETTINGS = PictureSettings(60.0, 20.0, 10.0)
PIXELS = """
output_dir: out
data: {input: images, view_cameras: true, image_size: 32, num_input_frames: 5}
model:
  code_size: 16
  encoder: {name: image_pixels, width: 8, hidden_size: 16}
  encoder_temporal: {name: image_pixels, width: 8, hidden_size: 16}
  decoder: {name: pixel_aligned, hidden_size: 16, num_blocks: 1}
  velocity_field: {name: pixel_aligned, hidden_size: 16, num_blocks: 1}
generation: {resolution: 8, upsampling_steps: 0, threshold: 0.5, mesh_format: ply}
"""
BOX = np.array([-0.3, -0.8, 0.5, 0.6])


def body(count: int, size: int = 32) -> CutOut:
    rng = np.random.default_rng(0)
    images = rng.random((count, 3, size, size), np.float32)
    return CutOut(tuple(map(str, range(count))), images, np.tile(BOX, (count, 1)))


class TestPlan:
    @pytest.mark.parametrize(("rate", "count"), [(60.0, 17), (30.0, 9), (25.0, 8), (120.0, 33)])
    def test_a_window_lasts_as_long_as_in_training(self, rate: float, count: int) -> None:
        assert pictures_of_window(DataConfig(), rate) == count
        assert pictures_of_window(DataConfig(frame_step=2), rate / 2) == count

    @pytest.mark.parametrize("rate", [1.0, 2.0, 5.0])
    def test_rates_at_which_no_pictures_last_as_long_are_refused(self, rate: float) -> None:
        with pytest.raises(UserError, match=f"{rate:g} pictures a second are too few: .* film at"):
            pictures_of_window(DataConfig(), rate)

    def test_windows_share_a_picture_and_leave_none_out(self) -> None:
        assert plan_windows(33, 17, True) == [(0, 17), (16, 17)]
        assert plan_windows(20, 17, True) == [(0, 17), (3, 17)]
        assert plan_windows(18, 17, False) == [(0, 17), (1, 17)]

    def test_only_a_model_of_any_frames_sees_fewer_pictures(self) -> None:
        with pytest.warns(Advice, match="5 pictures are fewer than the 17 of a window"):
            assert plan_windows(5, 17, True) == [(0, 5)]
        with pytest.raises(UserError, match="5 pictures, and these weights need 17"):
            plan_windows(5, 17, False)
        with pytest.raises(UserError, match="1 pictures, and these weights need 2"):
            plan_windows(1, 17, True)


def test_the_camera_sees_a_body_of_size_1_in_its_box() -> None:
    camera = camera_of(BOX, PictureSettings(60.0, 0.0, 0.0))
    top, bottom = (camera @ [0.0, y, 0.3, 1.0] for y in (0.5, -0.5))
    np.testing.assert_allclose(top[:2] / top[2], [0.1, -0.8], atol=1e-12)
    np.testing.assert_allclose(bottom[:2] / bottom[2], [0.1, 0.6], atol=1e-12)
    right = camera_of(BOX, PictureSettings(60.0, 90.0, 0.0)) @ [0.0, 0.0, -0.5, 1.0]
    np.testing.assert_allclose(right[:2], [0.1 + 0.7, -0.1], atol=1e-12)


def test_a_body_that_walks_through_the_film_stays_in_one_frame() -> None:
    """A point of space is seen in the same place, whichever window it is told in."""
    settings = PictureSettings(60.0, 20.0, 10.0)
    later = np.array([0.1, -0.5, 0.7, 0.6])  # farther to the right, and shorter
    frame = place_in_film(later, BOX, settings)
    point = np.array([0.1, -0.4, 0.2])  # in the frame of the later window
    seen = camera_of(later, settings) @ [*point, 1.0]
    again = camera_of(BOX, settings) @ [*frame.to_world(point), 1.0]
    np.testing.assert_allclose(seen[:2] / seen[2], again[:2] / again[2], atol=1e-12)
    assert frame.scale == pytest.approx(1.1 / 1.4)
    np.testing.assert_array_equal(place_in_film(BOX, BOX, settings).loc, np.zeros(3))


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    (tmp_path / "pixels.yaml").write_text(PIXELS)
    return tmp_path / "pixels.yaml"


def test_meshes_come_at_the_times_of_the_pictures(config_path: Path) -> None:
    config = build_config(config_path, ["generation.threshold=0.01"])
    torch.manual_seed(0)
    generator = Generator(build_model(config), config.generation, config.data.num_frames)
    windows = list(reconstruct_pictures(generator, config.data, body(20), SETTINGS))
    assert [(w.first, w.count) for w in windows] == [(0, 17), (3, 17)]
    np.testing.assert_allclose(windows[1].meshes.times, np.arange(17) / 16)
    with pytest.warns(Advice, match="4 pictures are fewer"):
        (short,) = reconstruct_pictures(generator, config.data, body(4), SETTINGS)
    np.testing.assert_allclose(short.meshes.times, np.arange(4) / 16)
    assert short.seconds == pytest.approx(16 / 60)


def test_what_is_seen_decides(config_path: Path) -> None:
    """Other pictures and another camera give other meshes."""
    config = build_config(config_path, ["generation.threshold=0.01"])
    torch.manual_seed(0)
    generator = Generator(build_model(config), config.generation, config.data.num_frames)
    codes = []
    for pictures, azimuth in ((body(17), 20.0), (body(17), 80.0), (body(18), 20.0)):
        seen = pictures.images[-17:]
        cut = CutOut(pictures.names[-17:], seen, pictures.boxes[-17:])
        settings = PictureSettings(60.0, azimuth, 10.0)
        (window,) = reconstruct_pictures(generator, config.data, cut, settings)
        assert isinstance(window.meshes, MeshSequence)
        codes.append(window.meshes.vertices.copy())
    assert not np.array_equal(codes[0], codes[1]) and not np.array_equal(codes[0], codes[2])
