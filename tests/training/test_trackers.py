"""What a training tells is told to every tracker, and changes nothing that it learns."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from im2mesh.build import build_config
from im2mesh.errors import UserError
from im2mesh.pretrained import shipped
from im2mesh.runs.checkpoints import load_checkpoint
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.logs import read_logged
from im2mesh.runs.trained import TrainedModel, read_trained, write_weights
from im2mesh.training import reference
from im2mesh.training.trackers.animation import encode_gif
from im2mesh.training.trackers.tensorboard import TensorBoard
from im2mesh.training.trackers.weights_and_biases import WeightsAndBiases

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 8, 12, 3), np.uint8)


class PretendRun:
    """A run of wandb that keeps what it is told."""

    def __init__(self, **settings):
        self.settings, self.logged, self.summary, self.metrics = settings, [], {}, []
        self.exit_code = None

    def define_metric(self, name, step_metric):
        self.metrics.append((name, step_metric))

    def log(self, values):
        self.logged.append(values)

    def finish(self, exit_code):
        self.exit_code = exit_code


@pytest.fixture
def runs(monkeypatch) -> list[PretendRun]:
    """The runs that were opened of a wandb that is pretended."""
    opened: list[PretendRun] = []

    def init(**settings):
        opened.append(PretendRun(**settings))
        return opened[-1]

    kinds = {"Image": np.asarray, "Histogram": np.histogram, "Video": lambda f, format: f.read()}
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, **kinds))
    return opened


def trained(config_path, folder, *overrides) -> RunFolder:
    train.main([str(config_path), f"output_dir={folder}", "--device", "cpu", *overrides])
    return RunFolder(folder)


def test_wandb_is_told_the_same_and_changes_nothing(config_path, tmp_path, runs):
    with_it = trained(config_path, tmp_path / "with", "training.tracker=wandb")
    without = trained(config_path, tmp_path / "without")
    (run,) = runs
    assert run.exit_code == 0 and run.metrics == [("*", "iteration")]
    told = {}
    for values in run.logged:
        told |= {(key, values["iteration"]): value for key, value in values.items()}
    for tag, curve in read_logged(with_it).items():
        for iteration, value in curve.items():
            assert told[tag, iteration] == pytest.approx(value, rel=1e-6)
    models = [load_checkpoint(folder.checkpoint).model for folder in (with_it, without)]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[1])


def test_a_training_that_goes_on_is_the_same_run_of_wandb(config_path, tmp_path, runs):
    for count in (3, 6):
        budget = f"training.max_iterations={count}"
        trained(config_path, tmp_path / "run", "training.tracker=wandb", budget)
    first, second = (run.settings for run in runs)
    assert first == second and first["resume"] == "allow" and len(first["id"]) == 32
    assert max(values["iteration"] for values in runs[1].logged) == 6


def test_a_run_may_go_on_with_another_tracker(config_path, tmp_path, runs):
    """And gives the weights of one that never stopped."""
    trained(config_path, tmp_path / "a", "training.max_iterations=3")
    resumed = trained(config_path, tmp_path / "a", "training.tracker=wandb")
    whole = trained(config_path, tmp_path / "b")
    models = [load_checkpoint(folder.checkpoint).model for folder in (resumed, whole)]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[1])


def test_missing_wandb_is_named(config_path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"training\.tracker wandb needs wandb, run: pip install"):
        trained(config_path, tmp_path / "run", "training.tracker=wandb")


def test_wandb_itself_takes_everything_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracker = WeightsAndBiases(tmp_path / "run" / "logs")
    tracker.scalars({"loss/total": 1.5}, 3)
    tracker.reference("shipped_local", {"validation/iou": 0.8}, 3)
    tracker.histogram("displacement/true", np.arange(10.0), 3)
    tracker.image("validation", FRAMES[0], 3)
    tracker.video("validation/moving", FRAMES, 8.0, 3)
    tracker.text("origin", "code 1")
    tracker.close(failed=False)
    assert list((tmp_path / "run/logs/wandb").glob("offline-run-*/run-*.wandb"))
    assert list((tmp_path / "run/logs/wandb").glob("offline-run-*/files/media/**/*.gif"))


def test_tensorboard_shows_videos_histograms_and_references(tmp_path):
    tracker = TensorBoard(tmp_path, 0)
    tracker.video("moving", FRAMES, 8.0, 3)
    tracker.histogram("lengths", np.array([1.0, 2.0, 6.0]), 3)
    tracker.scalars({"validation/iou": 0.5}, 3)
    tracker.reference("shipped_local", {"validation/iou": 0.8}, 3)
    tracker.close(failed=False)
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    (tmp_path / "a.gif").write_bytes(events.Images("moving")[0].encoded_image_string)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3 and gif.size == (12, 8) and gif.info["duration"] == 120
    histogram = events.Histograms("lengths")[0].histogram_value
    assert (histogram.min, histogram.max, histogram.num, histogram.sum) == (1.0, 6.0, 3.0, 9.0)
    assert [event.value for event in events.Scalars("validation/iou")] == [0.5]
    other = EventAccumulator(str(tmp_path / "shipped_local")).Reload()
    assert other.Scalars("validation/iou")[0].value == pytest.approx(0.8)


@pytest.mark.parametrize("name", shipped.shipped_names())
def test_shipped_weights_are_a_reference_for_the_training_that_made_them(name):
    origin = read_trained(shipped.find_weights(name)).origins[-1]
    folder = "pointcloud" if name == "local_depth" else "benchmark"  # it observes other data
    config = build_config(f"configs/{folder}/{name}.yaml")
    found = reference.find_reference(config, origin["dataset"])
    assert found is not None and found.scores["iou"] > 0.5


def test_a_training_that_fails_is_told_as_failed(config_path, tmp_path, runs, monkeypatch):
    def fail(*_):
        raise UserError("a file is damaged")

    monkeypatch.setattr("im2mesh.training.trainer.Trainer.step", fail, raising=True)
    with pytest.raises(UserError, match="a file is damaged"):
        trained(config_path, tmp_path, "training.tracker=wandb")
    assert runs[0].exit_code == 1


def test_wandb_without_an_account_tells_the_way_out(tmp_path, monkeypatch):
    def init(**settings):
        raise RuntimeError("api_key not configured (no-tty)")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    with pytest.raises(UserError, match=r"begins no run \(api_key not .*run `wandb login`, set"):
        WeightsAndBiases(tmp_path)


def test_a_gif_plays_all_frames(tmp_path):
    (tmp_path / "a.gif").write_bytes(encode_gif(FRAMES, 10.0))
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3 and gif.info["loop"] == 0


@pytest.mark.parametrize("change", ["", "validation.num_points=100", "data.stride=2"])
def test_the_score_of_weights_that_ship_is_shown_where_it_compares(
    change, config_path, tmp_path, monkeypatch
):
    made = load_checkpoint(trained(config_path, tmp_path / "made").checkpoint)
    weights = TrainedModel(made.config, made.model, made.state.origins, 0.75)
    write_weights(tmp_path / "small.safetensors", weights)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    again = trained(config_path, tmp_path / "runs/small", *[change] if change else [])
    logged = again.logs / "shipped_small"
    assert logged.is_dir() == (change == "")
    if change == "":
        scores = EventAccumulator(str(logged)).Reload().Scalars("validation/iou")
        assert [(event.step, event.value) for event in scores] == [(3, 0.75), (6, 0.75)]
    config = build_config(config_path, [f"output_dir={tmp_path / 'runs/other'}"])
    assert reference.find_reference(config, made.state.origins[-1]["dataset"]) is None
