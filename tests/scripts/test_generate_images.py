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
from im2mesh.meshing.mesh_sequence import MeshSequence
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
