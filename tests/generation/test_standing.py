"""A body is moved along the line of sight to where its top is as high as it must be."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from im2mesh.build import build_config, build_model
from im2mesh.data.batch import NO_CAMERAS, Observation
from im2mesh.data.dataset import build_windows
from im2mesh.generation.generator import Generator
from im2mesh.generation.split import generate_split
from im2mesh.generation.standing import place_by_top, shift_along_sight
from im2mesh.meshing.frame_meshes import FrameMeshes
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.meshing.rendering import Camera
from im2mesh.runs.folder import RunFolder
from tests.ball import write_ball_dataset, write_ball_images

CORNERS = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3)
UPRIGHT = Mesh((CORNERS * [0.2, 0.5, 0.1]).astype(np.float32), np.array([[0, 1, 2]], np.int32))


def camera_at(elevation: float, azimuth: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """A camera, and the direction in which it looks."""
    camera = Camera(np.array([0.1, -0.2, 0.0]), 0.6, azimuth, elevation)
    return camera.projection.astype(np.float32), -camera.direction


def moved(body: Mesh, shift: Any) -> Mesh:
    return replace(body, vertices=(body.vertices + np.asarray(shift)).astype(np.float32))


@pytest.mark.parametrize("elevation", [10.0, 40.0, -15.0])
@pytest.mark.parametrize("distance", [-0.025, 0.02])
def test_a_body_at_the_wrong_distance_comes_back(elevation: float, distance: float) -> None:
    """The more surely, the more steeply the camera looks."""
    camera, sight = camera_at(elevation)
    shift = shift_along_sight(moved(UPRIGHT, distance * sight), camera)
    np.testing.assert_allclose(np.cross(shift, sight), 0, atol=1e-7)  # seen in the same place
    assert -1 < shift @ sight / distance < -0.5
    assert (-shift @ sight / distance > 0.95) == (elevation == 40.0)


def test_a_body_in_its_place_stays() -> None:
    np.testing.assert_allclose(shift_along_sight(UPRIGHT, camera_at(10.0)[0]), 0, atol=1e-6)


PINHOLE = np.vstack([camera_at(10.0)[0][:2], [0.0, -0.1, -0.3, 1.0]]).astype(np.float32)
SPECK = Mesh(np.vstack([UPRIGHT.vertices, [[0, 0.56, 0]]]).astype(np.float32), UPRIGHT.faces)


@pytest.mark.parametrize(
    ("body", "camera"),
    [
        (moved(UPRIGHT, [0, 0.005, 0]), camera_at(0.0)[0]),
        (moved(UPRIGHT, [0, 0.005, 0]), PINHOLE),
        (Mesh(UPRIGHT.vertices[:, [1, 0, 2]].copy(), UPRIGHT.faces), camera_at(10.0)[0]),
        (
            moved(Mesh(UPRIGHT.vertices * [2.45, 0.98, 1], UPRIGHT.faces), [0, 0, 0]),
            camera_at(10.0)[0],
        ),
        (SPECK, camera_at(10.0)[0]),
    ],
    ids=["level camera", "near camera", "body that lies", "arms out", "speck above it"],
)
def test_the_top_tells_nothing(body: Mesh, camera: np.ndarray) -> None:
    np.testing.assert_allclose(shift_along_sight(body, camera), 0, atol=1e-7)


def test_all_frames_are_moved_alike_and_others_not_at_all() -> None:
    camera, sight = camera_at(10.0)
    body = moved(UPRIGHT, 0.02 * sight)
    path = np.stack([body.vertices, moved(body, [0.1, 0, 0]).vertices])
    sequence = MeshSequence(body.faces, path, np.array([0.0, 1.0]))
    images = np.zeros((2, 3, 8, 8), np.float32)
    seen = Observation(images, np.array([0, 1], np.float32), np.stack([camera, camera]))
    found = place_by_top(sequence, seen)
    assert isinstance(found, MeshSequence)
    shift = shift_along_sight(body, camera)
    assert np.linalg.norm(shift) > 0.005
    np.testing.assert_allclose(found.vertices, path + shift, atol=1e-6)
    assert place_by_top(sequence, replace(seen, cameras=NO_CAMERAS)) is sequence
    apart = FrameMeshes((body, body), np.array([0.0, 1.0]), None, np.zeros(3), 1.0)
    assert place_by_top(apart, seen) is apart


@pytest.mark.parametrize(("name", "sees"), [("images_pixels", True), ("images_oflow", False)])
def test_models_that_read_pixels_are_placed(name: str, sees: bool) -> None:
    assert build_model(build_config(f"configs/benchmark/{name}.yaml")).sees_pixels == sees


@pytest.mark.parametrize("sees_pixels", [True, False])
def test_windows_of_a_data_set_are_placed(
    sees_pixels: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those that an earlier version made are made anew."""
    write_ball_dataset(tmp_path)
    write_ball_images(tmp_path, num_views=1, size=16)
    decoder = "pixel_aligned" if sees_pixels else "cbatchnorm"
    config = build_config(
        "configs/benchmark/images_pixels.yaml",
        [
            f"data.root={tmp_path}", f"output_dir={tmp_path}/run", "data.num_frames=3",
            "data.image_size=16", "data.num_input_frames=3", "data.eval_stride=2",
            "data.num_views=1",
            "model.encoder={name: image_pixels, width: 8, hidden_size: 16}",
            "model.encoder_temporal={name: image_pixels, width: 8, hidden_size: 16}",
            f"model.decoder={{name: {decoder}, hidden_size: 16}}", "generation.threshold=0.01",
            "generation.resolution=4", "generation.upsampling_steps=0",
        ],
    )  # fmt: skip
    windows = build_windows(config, "test", stride=2)[:1]
    generator = Generator(build_model(config), config.generation, 3)
    run, shift = RunFolder.of(config), np.array([0.1, 0.2, 0.3], np.float32)
    vertices, sources = [], []
    for move in (0 * shift, shift):
        name = "im2mesh.generation.standing.shift_along_sight"
        monkeypatch.setattr(name, lambda body, camera, move=move: move)
        generate_split(generator, windows, "test", config, run)
        files = run.window("test", windows[0])
        vertices.append(MeshSequence.load(files.sequence).vertices)
        sources.append(json.loads(files.summary.read_text())["source"])
        files.summary.unlink()
    assert vertices[0].size
    np.testing.assert_allclose(
        vertices[1] - vertices[0], shift * sees_pixels + 0 * vertices[0], atol=1e-6
    )
    assert sources[0] == sources[1]
