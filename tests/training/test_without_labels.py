"""Clips without points_seq: training by correspondence alone, and the study of robustness."""

import shutil
from pathlib import Path

import pytest

import eval as evaluation
import generate
import train
from im2mesh.build import build_config
from im2mesh.data.layout import DataError
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from scripts.measure import main as measure
from tests.ball import write_ball_dataset
from tests.small import write_small_config


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Of a model with a decoder, on clips without labels."""
    root = tmp_path / "data"
    write_ball_dataset(root)
    for folder in root.rglob("points*_seq"):
        shutil.rmtree(folder)
    return str(write_small_config(tmp_path, root))


def test_correspondence_alone_needs_no_labels(config, tmp_path):
    alone = "loss.reconstruction=0.0"
    train.main([config, "--device", "cpu", alone, "training.max_iterations=3"])
    folder = RunFolder.of(build_config(config))
    state = load_checkpoint(folder.best_checkpoint).state
    assert state.iteration == 3 and state.best_score < 0  # a distance, not an IoU
    output = tmp_path / "robustness"
    sweep = ["--sweeps", "points=10,20", "--device", "cpu", "--output", str(output)]
    measure(["robustness", str(folder.path), *sweep])
    (table,) = output.glob("*.csv")
    assert "correspondence_l2" in table.read_text() and "iou" not in table.read_text()


def test_an_evaluation_without_labels_says_so(config, tmp_path, capsys):
    settings = ["data.eval_stride=4", "data.num_input_points=40", f"data.root={tmp_path / 'data'}"]
    nearest = ["configs/shape_matching/nearest_neighbour.yaml", *settings]
    nearest += ["data.skip_frames=0", "data.num_frames=5", f"output_dir={tmp_path / 'nearest'}"]
    nearest += ["generation.surface=cloud", "evaluation.num_samples=100"]
    generate.main([*nearest, "--device", "cpu"])
    evaluation.main(nearest)
    assert "no clip has points_seq: IoU is not measured" in capsys.readouterr().out


def test_occupancy_still_needs_labels(config):
    with pytest.raises(DataError, match=r"no folder .*points_seq"):
        train.main([config, "--device", "cpu", "training.max_iterations=3"])
