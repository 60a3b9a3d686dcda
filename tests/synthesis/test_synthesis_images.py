"""Images of synthetic bodies: every frame whole, from all sides, the same bytes every time."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from im2mesh.command_line import exit_status
from im2mesh.data.cameras import read_cameras
from im2mesh.data.clip_notes import STARTED_NOTE
from im2mesh.data.frames import StoredWindow
from im2mesh.data.images import choose_views, read_images
from im2mesh.data.layout import Window
from im2mesh.meshing.rendering import BACKGROUND, MARGIN
from im2mesh.synthesis.animation import animate
from im2mesh.synthesis.body import load_body
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.images import draw_body, surround
from im2mesh.synthesis.plan import CATEGORY, DatasetSettings
from im2mesh.synthesis.splits import Clip
from scripts import make_bodies
from tests.synthesis.digests import digests

SMALL = ClipSettings(frames=2, surface_points=20, occupancy_points=20, views=3, image_size=48)
SMALL_SET = DatasetSettings(2, ("hips", "knees", "punching"), SMALL, "none")
ARGUMENTS = ["--bodies", "2", "--motions", "hips", "knees", "punching", "--frames", "1"]
ARGUMENTS += ["--surface-points", "20", "--occupancy-points", "20", "--meshes", "none"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyvista")
    root = tmp_path_factory.mktemp("with_images")
    make_dataset(root, SMALL_SET)
    return root


def body_share(image: np.ndarray) -> float:
    return float((np.abs(image.astype(int) - BACKGROUND).max(axis=-1) > 12).mean())


def test_every_frame_has_an_image_of_each_view(dataset: Path) -> None:
    files = sorted((dataset / CATEGORY / "00_hips" / "img").rglob("*.jpg"))
    names = [f"{view}/{frame:08d}.jpg" for view in range(3) for frame in range(2)]
    assert [
        path.relative_to(dataset / CATEGORY / "00_hips" / "img").as_posix() for path in files
    ] == names
    for path in files:
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((48, 48), "RGB", "JPEG")
            assert 0.05 < body_share(np.asarray(image)) < 0.5
    assert len(list(dataset.rglob("*.jpg"))) == 6 * len(files)


def test_cameras_see_the_body_where_the_images_show_it(dataset: Path) -> None:
    stored = StoredWindow(dataset, Window(CATEGORY, "01_knees", 0, 2))
    vertices = animate(Clip(1, "knees"), 2, seed=0)[1]
    local = stored.frame.from_world(vertices)
    for view in ("0", "1", "2"):
        image = read_images(stored, view, [1], 48)[0].transpose(1, 2, 0)
        rows, columns = np.nonzero(np.abs(image * 255 - BACKGROUND).max(axis=-1) > 40)
        camera = read_cameras(stored, view, [1])[0]
        seen = local @ camera[:2, :3].T + camera[:2, 3]
        pixels = (seen + 1) / 2 * 48 - 0.5
        for found, axis in ((columns, 0), (rows, 1)):
            assert found.min() == pytest.approx(pixels[:, axis].min(), abs=1)
            assert found.max() == pytest.approx(pixels[:, axis].max(), abs=1)


def test_written_images_are_read_back(dataset: Path) -> None:
    window = Window(CATEGORY, "01_knees", 0, 2)
    assert choose_views(StoredWindow(dataset, window), 3) == ("0", "1", "2")
    images = read_images(StoredWindow(dataset, window), "1", [0, 1], 48)
    body = load_body(1)
    vertices = animate(Clip(1, "knees"), 2, seed=0)
    drawn = list(draw_body(vertices[1], body.faces, surround(vertices, 3), 48))[1]
    assert np.abs(images[1] - drawn.transpose(2, 0, 1) / 255).mean() < 0.02  # JPEG


def test_same_bytes_for_any_number_of_workers(dataset: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, SMALL_SET, workers=2)
    assert digests(tmp_path) == digests(dataset)


def test_interrupted_run_draws_what_is_missing(dataset: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path, SMALL_SET)
    clip = tmp_path / CATEGORY / "00_knees"
    kept = clip / "img" / "1" / "00000000.jpg"
    before = kept.stat().st_mtime_ns
    (clip / "complete.json").rename(clip / STARTED_NOTE)
    drawn = clip / "img" / "2" / "00000001.jpg"
    drawn.rename(drawn.with_name(f"{drawn.name}.0123456789ab.tmp"))
    make_dataset(tmp_path, SMALL_SET)
    assert digests(tmp_path) == digests(dataset)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.parametrize("motion", ["jumping_jacks", "one_leg_jump"])
def test_body_stays_whole_and_large_in_every_view(motion: str) -> None:
    vertices = animate(Clip(0, motion), 60, seed=0)
    cameras = surround(vertices, 4)
    reach = [np.abs((vertices - camera.center) @ camera.axes[:2].T).max() for camera in cameras]
    assert len({camera.half_height for camera in cameras}) == 1
    assert max(reach) * MARGIN == pytest.approx(cameras[0].half_height, rel=1e-5)
    assert np.diff([camera.azimuth for camera in cameras]).tolist() == [90.0] * 3
    pytest.importorskip("pyvista")
    for frame in (0, int(vertices[:, :, 1].max(axis=1).argmax())):  # the second: highest jump
        for image in draw_body(vertices[frame], load_body(0).faces, cameras, 48):
            edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
            assert np.abs(edge.astype(int) - BACKGROUND).max() < 3
            assert body_share(image) > 0.05


def test_views_show_front_left_back_and_right() -> None:
    """The nose points towards the first camera, and to the left of the second."""
    vertices = animate(Clip(0, "hips"), 1, seed=0)
    front, left, back, right = (camera.axes @ [0.0, 0.0, 1.0] for camera in surround(vertices, 4))
    assert front[2] > 0.9 and back[2] < -0.9
    assert left[0] < -0.9 and right[0] > 0.9


def test_skin_is_bright_above_and_of_skin_colour() -> None:
    pytest.importorskip("pyvista")
    vertices = animate(Clip(0, "hips"), 1, seed=0)
    (image,) = draw_body(vertices[0], load_body(0).faces, surround(vertices, 1), 96)
    red, green, blue = image[np.abs(image.astype(int) - BACKGROUND).max(axis=-1) > 60].mean(axis=0)
    assert 130 < red < 230 and red > green > blue


def test_other_views_are_refused(dataset: Path, capsys: pytest.CaptureFixture) -> None:
    out = str(dataset)
    assert exit_status(make_bodies.main, [out, *ARGUMENTS, "--frames", "2", "--views", "4"]) == 2
    assert "views 3 there, 4 asked for; image_size 48 there, 224" in capsys.readouterr().err
    with pytest.raises(ValueError, match="views 3 there, 0 asked for"):
        make_dataset(dataset, replace(SMALL_SET, clip=replace(SMALL, views=0)))


def test_data_made_before_there_were_images_is_gone_on_with(tmp_path: Path) -> None:
    assert exit_status(make_bodies.main, [str(tmp_path), *ARGUMENTS]) == 0
    after = digests(tmp_path)
    for path in [tmp_path / "dataset.json", *tmp_path.rglob("complete.json")]:
        settings = json.loads(path.read_text())
        del settings["views"], settings["image_size"]
        path.write_text(json.dumps(settings))
    clip = tmp_path / CATEGORY / "00_hips"
    (clip / "complete.json").rename(clip / STARTED_NOTE)
    assert exit_status(make_bodies.main, [str(tmp_path), *ARGUMENTS]) == 0
    here = str(Path(CATEGORY) / "00_hips" / "complete.json")
    assert digests(tmp_path)[here] == after[here]
    assert not list(tmp_path.rglob("img"))


def test_only_images_need_pyvista(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pyvista", None)
    assert exit_status(make_bodies.main, [str(tmp_path / "a"), *ARGUMENTS, "--views", "4"]) == 2
    assert "pip install -e .[viz]" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert exit_status(make_bodies.main, [str(tmp_path / "b"), *ARGUMENTS]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--views", "-1"], "views must be at least 0, got -1"),
        (["--views", "4", "--image-size", "0"], "image_size must be at least 1, got 0"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture, change: list[str], message: str
) -> None:
    assert exit_status(make_bodies.main, [str(tmp_path / "out"), *change]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
