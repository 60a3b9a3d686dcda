"""The benchmark's protocol is kept, and its table tells what was measured."""

import json
from pathlib import Path

import pytest

from im2mesh.errors import UserError
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import write_report
from im2mesh.runs.checkpoints import save_checkpoint
from im2mesh.synthesis.benchmark import NAME
from scripts.experiments import benchmark
from scripts.experiments.benchmark import SPLITS, check_protocol, describe, format_rows, read_rows
from scripts.experiments.engine import Experiment
from tests.small import empty_checkpoint

CONFIGS = sorted(Path("configs/benchmark").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_keep_to_the_protocol(path):
    check_protocol(Experiment(path.stem, str(path)))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("local", "data.num_input_points=301"),
        ("local", "evaluation.num_samples=1000"),
        ("images_pixels", "data.eval_stride=10"),
    ],
)
def test_another_protocol_is_refused(name, change):
    key = change.split("=")[0]
    with pytest.raises(UserError, match=f"has {key} .*, the benchmark .*; let the configuration"):
        check_protocol(Experiment(name, f"configs/benchmark/{name}.yaml", (change,)))


def test_a_model_that_observes_nothing_is_refused():
    with pytest.raises(UserError, match="observes nothing"):
        check_protocol(Experiment("one", "configs/representation_power/oflow.yaml"))


def records(value: float) -> list[Record]:
    """Two windows of two frames; the IoU of the second is lower by 0.2."""
    return [
        Record("bodies", "a", start, frame, metric, value - start / 10)
        for start in (0, 2)
        for frame in (0, 1)
        for metric in ("iou", "chamfer_l1")
    ]


@pytest.fixture
def row(tmp_path):
    experiment = Experiment("static", "configs/pointcloud/static.yaml", (f"output_dir={tmp_path}",))
    for number, split in enumerate(SPLITS):
        write_report(tmp_path / "evaluation" / split, split, records(0.9 - number / 10))
    save_checkpoint(tmp_path / "model.pt", empty_checkpoint(iteration=700, seconds=1800.0))
    return describe(experiment, "abc")


def test_a_row_tells_means_spread_and_the_worst(row):
    test = row["splits"]["test"]
    assert test["metrics"]["iou"] == {"mean": 0.8, "std": 0.1}
    assert (test["worst_iou"], test["windows"]) == (0.7, 2)
    assert row["splits"]["test_ten_bodies"]["worst_iou"] == 0.5


def test_the_table_has_every_split_and_marks_other_data(row, tmp_path, monkeypatch):
    table = format_rows([row, {**row, "name": "more"}])
    assert table.count("static (other data)") == len(SPLITS)
    begun = format_rows([{**row, "start_from": "oflow"}])
    assert begun.count("static, from the weights oflow (other data)") == len(SPLITS)
    assert "0.8000 (0.1000)" in table and "| 700 " in table and "| 0.5 " in table
    monkeypatch.setattr(benchmark, "FINGERPRINT", "abc")
    assert "other data" not in format_rows([row])
    images = {**row, "benchmark": f"{NAME}-images"}
    assert "other data" not in format_rows([images])
    both = format_rows([images, row])
    assert both.index("## bodies-1\n") < both.index("## bodies-1-images\n")
    (tmp_path / "static.json").write_text(json.dumps(row))
    assert read_rows(tmp_path) == [row]
