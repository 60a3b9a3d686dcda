"""Cameras of images: which pixel shows a point, in the frame of reference of a window."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from im2mesh.config.schema import DataConfig
from im2mesh.data.cameras import in_frame, read_cameras
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.fingerprint import fingerprint_of
from im2mesh.data.frame_files import write_camera
from im2mesh.data.frames import StoredWindow
from im2mesh.data.images import read_images
from im2mesh.data.layout import DataError, Window
from im2mesh.data.pack_clip import copied_files
from im2mesh.data.transforms import NormalizationFrame
from tests.ball import CATEGORY, ball_motion, write_ball_dataset, write_ball_images

WINDOW = Window(CATEGORY, "ball_b", 2, 5)
SIZE = 64


@pytest.fixture
def stored(tmp_path: Path) -> StoredWindow:
    write_ball_dataset(tmp_path)
    write_ball_images(tmp_path, num_views=2, size=SIZE)
    return StoredWindow(tmp_path, WINDOW)


def folder(stored: StoredWindow, view: str = "1") -> Path:
    return stored.clip_folder / "img" / view


def seen_at(camera: np.ndarray, point: np.ndarray) -> np.ndarray:
    u, v, w = camera @ np.append(point, 1.0)
    return np.array([u, v]) / w


@pytest.mark.parametrize("view", ["0", "1"])
def test_the_ball_is_seen_where_the_camera_says(stored: StoredWindow, view: str) -> None:
    frames = [0, 3, 4]
    cameras, images = read_cameras(stored, view, frames), read_images(stored, view, frames, SIZE)
    assert cameras.shape == (3, 3, 4) and cameras.dtype == np.float32
    motion = ball_motion("ball_b")
    for camera, image, frame in zip(cameras, images, frames, strict=True):
        center = stored.frame.from_world(motion.center(frame + 2))
        rows, columns = np.nonzero(image[1] < 0.5)
        middle = 2 * (np.array([columns.mean(), rows.mean()]) + 0.5) / SIZE - 1
        np.testing.assert_allclose(seen_at(camera, center), middle, atol=0.5 * 2 / SIZE)


def test_a_window_has_its_cameras_only_if_asked_for(stored: StoredWindow) -> None:
    for asked, count in ((True, 3), (False, 0)):
        config = DataConfig(
            root=str(stored.root), input="images", image_size=16, num_views=2, num_frames=5,
            num_input_frames=3, num_correspondence_points=4, view_cameras=asked,
        )  # fmt: skip
        data = WindowDataset([WINDOW], config, seed=0, shuffle=False, num_points=4)
        assert data[0].cameras.shape == (count, 3, 4)
        assert data[0].inputs.shape == (3, 3, 16, 16)


def test_cameras_that_move_have_a_matrix_for_each_image(stored: StoredWindow) -> None:
    """Names and numbers as in the renderings of Occupancy Networks; a pinhole, in front."""
    intrinsic = np.diag([2.0, 2.0, 1.0])
    members = {"camera_mat": intrinsic}
    for number in range(12):
        extrinsic = np.eye(3, 4)
        extrinsic[:, 3] = [0.1 * number, 0, 5]
        members[f"world_mat_{number}"] = extrinsic
    np.savez(folder(stored) / "cameras.npz", **members)
    point = np.array([0.2, -0.1, 0.3])
    world = stored.frame.to_world(point)
    frames = [0, 1, 4]
    for frame, camera in zip(frames, read_cameras(stored, "1", frames), strict=True):
        place = world + np.array([0.1 * (2 + frame), 0, 5])  # the window starts at frame 2
        np.testing.assert_allclose(seen_at(camera, point), 2 * place[:2] / place[2], atol=1e-5)
        np.testing.assert_allclose(camera[2, 3], 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"camera_mat": np.eye(3)}, "it has neither world_mat_2 nor world_mat"),
        ({"world_mat": np.eye(3, 4)}, "it has neither camera_mat_2 nor camera_mat"),
        (
            {"world_mat": np.eye(4), "camera_mat": np.eye(3)},
            r"world_mat must be finite numbers of shape \[3, 4\]",
        ),
        (
            {"world_mat": np.full((3, 4), np.nan), "camera_mat": np.eye(3)},
            "world_mat must be finite",
        ),
        (
            {"world_mat": np.zeros((3, 4)), "camera_mat": np.eye(3)},
            "a camera does not see a plane",
        ),
    ],
)
def test_other_matrices_are_refused(
    stored: StoredWindow, members: dict[str, np.ndarray], message: str
) -> None:
    np.savez(folder(stored) / "cameras.npz", **members)
    with pytest.raises(DataError, match=rf"clip ball_b: .*cameras.npz: {message}"):
        read_cameras(stored, "1", [0])


def test_missing_and_damaged_files_are_named(stored: StoredWindow) -> None:
    path = folder(stored) / "cameras.npz"
    path.write_bytes(b"PK no npz")
    with pytest.raises(DataError, match=r"clip ball_b: .*cameras.npz is not an intact npz file"):
        read_cameras(stored, "1", [0])
    path.unlink()
    with pytest.raises(DataError, match=r"cameras.npz does not exist; .*view_cameras: false"):
        read_cameras(stored, "1", [0])


def test_a_camera_inside_the_body_is_refused() -> None:
    """In a perspective, points beside or behind the camera would be seen anywhere."""
    pinhole = np.eye(3, 4)[None]
    for distance in (0.0, 0.8, -1.9):
        frame = NormalizationFrame(np.array([0.3, 0.1, distance]), 2.0)
        with pytest.raises(ValueError, match="a camera stands in the body"):
            in_frame(pinhole, frame)
    for distance in (2.0, -2.0):
        seen = in_frame(pinhole, NormalizationFrame(np.array([0.3, 0.1, distance]), 2.0))
        corners = np.array(list(itertools.product(*[(-0.55, 0.55)] * 3, (1.0,))))
        assert (corners @ seen[0, 2] > 0).all()


def test_cameras_belong_to_the_clip(stored: StoredWindow) -> None:
    """They are copied with it, and other cameras make other data."""
    clip = stored.clip_folder
    assert Path("img/1/cameras.npz") in set(copied_files(clip))
    before = fingerprint_of(clip)
    write_camera(folder(stored) / "cameras.npz", np.eye(3, 4))
    changed = fingerprint_of(clip)
    (folder(stored) / "cameras.npz").unlink()
    assert len({before, changed, fingerprint_of(clip)}) == 3
