"""generate.py CONFIG --images FOLDER: one command from pictures to moving meshes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import generate
import train
from im2mesh.command_line import exit_status
from im2mesh.errors import UserError
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.studies.video import show_file
from im2mesh.visualization.video.window_scene import VideoSettings
from scripts import draw
from tests.ball import CATEGORY, write_ball_dataset, write_ball_images

CONFIG = """
output_dir: {root}/run
data:
  root: {root}
  input: images
  view_cameras: true
  num_frames: 5
  num_input_frames: 3
  image_size: 32
  num_views: 2
  skip_frames: 0
  num_points: 64
  num_correspondence_points: 16
model:
  code_size: 16
  encoder: {{name: image_pixels, width: 8, hidden_size: 16}}
  encoder_temporal: {{name: image_pixels, width: 8, hidden_size: 16}}
  decoder: {{name: pixel_aligned, hidden_size: 32, num_blocks: 1}}
  velocity_field: {{name: pixel_aligned, hidden_size: 16, num_blocks: 1}}
ode: {{method: rk4, step_size: 1.0, gradient: direct}}
loss: {{correspondence: 1.0}}
training: {{batch_size: 4, max_iterations: 40, learning_rate: 5.0e-3, num_workers: 0}}
validation: {{num_points: 64, threshold: 0.5}}
generation: {{resolution: 16, upsampling_steps: 0, threshold: 0.5}}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has seen balls from two sides."""
    root = tmp_path_factory.mktemp("balls")
    write_ball_dataset(root)
    write_ball_images(root, num_views=2, size=32)
    (root / "ball.yaml").write_text(CONFIG.format(root=root))
    train.main([str(root / "ball.yaml")])
    return root


@pytest.fixture(autouse=True)
def no_earlier_result(trained: Path) -> None:
    shutil.rmtree(trained / "run" / "pictures", ignore_errors=True)


@pytest.fixture
def film(trained: Path, tmp_path: Path) -> Path:
    """Six pictures of a ball, larger than those of training and not square."""
    folder = tmp_path / "film"
    folder.mkdir()
    for k in range(6):
        seen = Image.open(trained / CATEGORY / "ball_d" / "img" / "0" / f"{k + 7:05d}.jpg")
        whole = Image.new("RGB", (200, 120), "white")
        whole.paste(seen.resize((96, 96)), (60, 12))
        whole.save(folder / f"frame{k}.png")
    return folder


def run(trained: Path, *more: str) -> int:
    return exit_status(generate.main, [str(trained / "ball.yaml"), *more])


def test_pictures_become_meshes_window_by_window(
    trained: Path, film: Path, capsys: pytest.CaptureFixture
) -> None:
    camera = ["--azimuth", "0", "--elevation", "0"]
    assert run(trained, "--images", str(film), *camera) == 0
    result = trained / "run" / "pictures" / "film"
    assert f"6 pictures, 60 a second -> {result}" in capsys.readouterr().out
    report = json.loads((result / "pictures.json").read_text())
    assert [(w["first"][-10:], w["pictures"]) for w in report["windows"]] == [
        ("frame0.png", 5),
        ("frame1.png", 5),
    ]
    sequence = MeshSequence.load(result / "window_00000" / "sequence.npz")
    assert sequence.num_frames == 5
    width, height, _ = np.ptp(sequence.vertices[0], axis=0)
    assert 0.5 < width < 1.2 and 0.5 < height < 1.2  # about a ball of size 1 in its own frame
    np.testing.assert_allclose(sequence.vertices[0].mean(axis=0)[:2], 0.0, atol=0.2)
    assert len(list((result / "window_00001" / "meshes").glob("*.ply"))) == 5
    assert len(list((result / "input").glob("*.png"))) == 6
    assert report["source"] == str(film.resolve())
    # other windows: nothing of the earlier ones stays, but what somebody has kept
    shutil.copytree(result / "window_00000", result / "window_00000_kept")
    assert run(trained, "--images", str(film), *camera, "--fps", "120") == 0
    assert [p.name for p in sorted(result.glob("window_*"))] == [
        "window_00000",
        "window_00000_kept",
    ]


def test_weights_that_ship_are_taken_with_their_configuration(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--images", str(film), f"output_dir={tmp_path / 'out'}", "--fps", "15"]
    assert exit_status(generate.main, ["configs/benchmark/images_oflow.yaml", *arguments]) == 0
    told = capsys.readouterr().out
    assert "weights images_oflow, which ship with this configuration; --weights chooses" in told
    assert (tmp_path / "out/pictures/film/window_00000/sequence.npz").exists()


def test_a_refusal_leaves_the_earlier_result(
    trained: Path, film: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(trained, "--images", str(film)) == 0
    result = trained / "run" / "pictures" / "film"
    before = {path: path.read_bytes() for path in result.rglob("*") if path.is_file()}
    assert run(trained, "--images", str(film), "--fps", "2") == 2
    assert "2 pictures a second are too few: a window of these weights lasts" in (
        capsys.readouterr().err
    )
    assert {path: path.read_bytes() for path in result.rglob("*") if path.is_file()} == before


def test_other_pictures_of_the_same_name_are_refused(
    trained: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(trained, "--images", str(film)) == 0
    other = tmp_path / "other" / "film"
    shutil.copytree(film, other)
    assert run(trained, "--images", str(other)) == 2
    told = capsys.readouterr().err
    assert f"holds the result of {film.resolve()}; move it away, or set another output_dir" in told


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--clouds", "x"], "--clouds and --images are two kinds of input; give one"),
        (["--split", "val"], "--split has no effect on pictures, each of which gets a mesh"),
        (["--num-steps", "3"], "--num-steps or generation.num_steps has no effect on pictures"),
        (["--azimuth", "nan"], "--azimuth is nan; give a number"),
        (["--fps", "-3"], "--fps is -3; give the number of pictures a second"),
        (["--weights", "local"], "these weights observe pointcloud, not images; choose those"),
    ],
)
def test_mistakes_are_explained(
    trained: Path, film: Path, capsys: pytest.CaptureFixture, more: list[str], message: str
) -> None:
    assert run(trained, "--images", str(film), *more) == 2
    assert message in capsys.readouterr().err


def test_options_of_pictures_need_pictures(trained: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(trained, "--azimuth", "3") == 2
    assert "--azimuth needs --images" in capsys.readouterr().err


def test_pictures_without_a_surface_are_told(
    trained: Path, film: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [str(trained / "ball.yaml"), "generation.threshold=0.999999"]
    assert exit_status(generate.main, [*arguments, "--images", str(film)]) == 2
    told = capsys.readouterr().err
    assert "no surface is found in 2 of 2 windows, the first at" in told and "input" in told


def test_a_film_shows_the_windows_beside_their_pictures(trained: Path, film: Path) -> None:
    """All of them one after another, or a single one."""
    assert run(trained, "--images", str(film), "--azimuth", "0", "--elevation", "0") == 0
    result = trained / "run" / "pictures" / "film"
    shown = show_file(result, VideoSettings())
    assert [[pane.name for pane in s.panes] for s in shown.scenes] == [["input", "prediction"]] * 2
    assert shown.scenes[0].times[4].startswith("0.07 s")  # 5 pictures, 60 a second
    cells = shown.scenes[1].panes[0].cells  # the second begins earlier than the first ends
    pixels = np.asarray(Image.open(result / "input" / "00005.png"), np.float32) / 255
    assert len(cells) == 2 and isinstance(cells[1].content, np.ndarray)
    np.testing.assert_allclose(cells[1].content, pixels.transpose(2, 0, 1))
    (single,) = show_file(result / "window_00001", VideoSettings()).scenes
    assert single.title == "frame1.png and on" and len(single.panes) == 2
    with pytest.raises(UserError, match=r"was made from pictures, .* leave out --clouds"):
        show_file(result, VideoSettings(), clouds=[film])
    with pytest.raises(UserError, match=r"was made from pictures, .* leave out --up"):
        show_file(result, VideoSettings(), up="z")
    with pytest.raises(UserError, match="not the folder of an evaluated run, so worst has no"):
        draw.main(["video", str(result), "worst", "--output", str(film / "a.webp")])
    with pytest.raises(UserError, match=f"run eval.py for the rest, or give {result}"):
        draw.main(["video", str(result.parent), "--output", str(film / "a.webp")])
    (beside,) = show_file(result / "window_00001" / "sequence.npz", VideoSettings()).scenes
    assert [pane.name for pane in beside.panes] == ["prediction"]  # a file is shown alone
    (result / "pictures.json").write_text("{}")
    with pytest.raises(UserError, match=r"is not as generate\.py --images wrote it"):
        show_file(result, VideoSettings())


def test_a_film_shorter_than_a_window_is_shown_with_its_seconds(trained: Path, film: Path) -> None:
    for picture in sorted(film.iterdir())[3:]:
        picture.unlink()
    assert run(trained, "--images", str(film), "--azimuth", "0", "--elevation", "0") == 0
    (scene,) = show_file(trained / "run" / "pictures" / "film", VideoSettings()).scenes
    assert [time[:6] for time in scene.times] == ["0.00 s", "0.02 s", "0.03 s"]  # 60 a second
