"""The benchmarks measure what they say; no time is ever judged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import benchmarks.__main__ as command
from benchmarks import animated
from benchmarks.accuracy import measure_batch, measure_mesh
from benchmarks.processes import Bench
from benchmarks.rows import ROWS
from benchmarks.stages import _Clock, _Counter, _staged_step, step_stages, window_stages
from benchmarks.table import markdown
from benchmarks.workloads import Ball, Workplace, held_out_window, one_batch, train_step
from im2mesh.build import build_trainer
from im2mesh.data.batch import collate
from im2mesh.errors import UserError
from im2mesh.models.code import empty_code
from tests.models.test_models import randomize

CPU = torch.device("cpu")
SMALL = (
    "data.skip_frames=0",
    "data.num_frames=5",
    "data.eval_stride=4",
    "data.num_input_points=40",
    "data.num_points=64",
    "data.num_correspondence_points=16",
    "model.code_size=16",
    "model.encoder={name: pointnet_resnet, hidden_size: 16, num_blocks: 2}",
    "model.encoder_temporal={name: pointnet_resnet, hidden_size: 16, num_blocks: 2}",
    "model.decoder={name: cbatchnorm, hidden_size: 16, num_blocks: 2}",
    "model.velocity_field={name: concat, hidden_size: 16, num_blocks: 2}",
    "training.batch_size=3",
    "generation.resolution=8",
)


@pytest.fixture
def place(tmp_path, ball_root):
    return Workplace(ball_root, tmp_path, CPU, SMALL)


@pytest.mark.parametrize("name", ["pointcloud/oflow_w_correspond", "fast/oflow_w_correspond"])
def test_a_step_in_stages_is_the_same_step(place, name):
    config = place.config(name)
    whole, staged = (build_trainer(config, CPU) for _ in range(2))
    randomize(whole.model)
    staged.model.load_state_dict(whole.model.state_dict())
    batch = one_batch(config)
    whole.step(batch)
    _staged_step(staged, batch, _Clock(CPU))
    for ours, theirs in zip(staged.model.parameters(), whole.model.parameters(), strict=True):
        assert theirs.grad is not None and ours.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(ours, theirs)


def test_operations_and_bytes_are_counted():
    counter = _Counter(CPU)
    layer, x = nn.Linear(6, 5, bias=False), torch.rand(7, 6, requires_grad=True)
    with counter.stage("forward"):
        y = layer(x)
    with counter.stage("backward"):
        y.sum().backward()
    with counter.stage("view"):
        x.detach().t()
    assert counter.work["forward"].flop == 2 * 7 * 6 * 5
    assert counter.work["forward"].bytes == 4 * (7 * 6 + 6 * 5 + 7 * 5)
    assert counter.work["backward"].flop == 2 * counter.work["forward"].flop
    assert counter.work["view"].bytes == 0


def test_stages_of_a_step_and_of_a_window(place):
    step = step_stages(place, "pointcloud/oflow_w_correspond", repeats=1)
    assert list(step) == [
        "data",
        "encode",
        "solve to t = 0",
        "decoder",
        "decoder, backward",
        "solve from t = 0",
        "solve to t = 0, backward",
        "solve from t = 0, backward",
        "encode, backward",
        "optimizer",
    ]
    assert all(stage.seconds > 0 for stage in step.values())
    assert step["solve to t = 0, backward"].gflop > step["solve to t = 0"].gflop > 0
    window = window_stages(place, "pointcloud/oflow", repeats=1)
    assert list(window) == ["encode", "extract", "flow"]


def test_a_timed_step_tells_its_evaluations(place):
    assert train_step(place, "fast/oflow")()["nfe"] == 12


def test_the_ball_is_a_surface_and_asks_the_network():
    class Asked(nn.Module):
        reads, calls = object, 0

        def forward(self, points, code):
            self.calls += 1
            return points.sum(-1)

    asked = Asked()
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]])
    logits = Ball(asked)(points, empty_code(1))
    assert logits[0, 0] > 0 > logits[0, 1] and asked.calls == 1


def test_errors_of_speed(place, tmp_path):
    """A random field moves points by a tenth; its solver's errors are small and not 0."""
    config = place.config("pointcloud/oflow_w_correspond", "generation.threshold=0.5")
    trainer = build_trainer(config, CPU)
    model = randomize(trainer.model)
    model.flow.velocity_field.fc_out.weight.data *= 0.03  # type: ignore[union-attr, operator]
    batch = collate([trainer.training_data[i] for i in range(3)])
    errors = measure_batch(model, config, batch)  # type: ignore[arg-type]
    assert set(errors) == {"paper", "fast", "fast, bf16"}
    assert 1e-9 < errors["fast"].there_max < 1e-2
    assert errors["fast"].there_max < errors["fast, bf16"].there_max < 0.5
    assert 0 < errors["paper"].gradient < 0.05 and 0 < errors["fast"].gradient < 0.05
    model.decoder = Ball(model.decoder)  # type: ignore[assignment]
    meshes = measure_mesh(model, config)  # type: ignore[arg-type]
    assert 0 < meshes["fast"].carried_max < 1e-2 and meshes["fast"].surface_max < 1e-5


def test_the_worker_measures_another_checkout(place, tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.worker", "load 16 samples", "--checkout", root]
    command += ["--data", place.data, "--out", tmp_path, "--repeats", "2", *SMALL]
    done = subprocess.run(list(map(str, command)), cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 0 < told["min"] <= told["median"] <= told["max"] and told["repeats"] == 2
    assert told["peak_memory"] > 1e8


def test_the_worker_imports_the_checkout_it_is_told(place, tmp_path):
    root = Path(__file__).parents[2]
    for folder in ("im2mesh", "configs"):
        shutil.copytree(root / folder, tmp_path / folder)
    (tmp_path / "im2mesh/build.py").write_text("raise RuntimeError('the other checkout')")
    bench = Bench(place.data, tmp_path, "cpu", SMALL)
    with pytest.raises(UserError, match="the other checkout"):
        bench.measure("load 16 samples", checkout=tmp_path)
    assert bench.measure("load 16 samples", repeats=1)["repeats"] == 1


def test_the_overrides_of_a_row_win(ball_root, tmp_path):
    place = Workplace(ball_root, tmp_path, CPU, ("training.precision=tf32", "data.num_points=7"))
    config = place.config("fast/oflow", "training.precision=bf16")
    assert config.training.precision == "bf16" and config.data.num_points == 7


def test_the_peak_is_that_of_the_process_itself():
    """Not that of its parent, which getrusage would tell."""
    hold = bytearray(400_000_000)
    code = "from benchmarks.worker import _peak_memory; print(_peak_memory())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(hold) > int(told.stdout) > 5_000_000


def test_tables_and_curves_of_one_row(ball_root, tmp_path, monkeypatch):
    """The whole command with workers that answer at once."""
    answer = {"median": 2.0, "min": 1.0, "max": 3.0, "repeats": 2, "nfe": 5}
    answer |= {"peak_memory": 10**9, "peak_gpu_memory": None}

    def measure(self, row, *overrides, checkout=None, repeats=None):
        if checkout is not None:
            raise UserError("not there")
        return answer

    monkeypatch.setattr(Bench, "measure", measure)
    monkeypatch.setattr(command, "make_dataset", lambda *args, **settings: None)
    root = Path(__file__).parents[2]
    rows = ["--rows", "train oflow", "load 16 samples", "--against", str(root)]
    command.main([*rows, "--only", "table", "growth", "--device", "cpu", "--out", str(tmp_path)])
    table = (tmp_path / "table.md").read_text()
    assert "| train oflow | " in table and "| 5.3 | failed |" in table
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    assert (tmp_path / "memory.png").stat().st_size > 5_000


def test_every_row_has_its_config():
    named = [row.prepare.keywords["name"] for row in ROWS.values() if hasattr(row.prepare, "args")]
    assert len(named) == 14 and all(Path(f"configs/{name}.yaml").is_file() for name in named)


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="no row train; rows: train oflow"):
        command.main(["--rows", "train"])
    with pytest.raises(UserError, match="no checkout of this project"):
        command.main(["--against", str(tmp_path)])


def test_table():
    text = markdown({"a": {"x": 1.23456, "y": "s"}, "b": {"z": 2}}, "row")
    assert text.splitlines() == [
        "| row | x | y | z |",
        "| --- | --- | --- | --- |",
        "| a | 1.23 | s |  |",
        "| b |  |  | 2 |",
    ]


def test_the_window_is_held_out(place):
    assert held_out_window(place.config("pointcloud/oflow")).num_frames == 5


def test_animated_files_are_written_and_read(tmp_path, monkeypatch):
    pytest.importorskip("pxr", reason="needs usd-core, the extra usd")
    for name, value in (("FRAMES", 5), ("RINGS", 6), ("AROUND", 7)):
        monkeypatch.setattr(animated, name, value)
    tube = animated.bending_tube()
    assert tube.vertices.shape == (5, 42, 3) and tube.num_faces == 2 * 5 * 7
    rows = {ending: animated.measure(tube, tmp_path / f"a{ending}") for ending in animated.ENDINGS}
    assert rows[".usdc"]["largest error"] == 0 and 0 < rows[".glb"]["largest error"] < 2e-4
    assert all(row["MB"] > 0 for row in rows.values())


def test_moving_meshes_are_filmed(tmp_path, monkeypatch):
    pytest.importorskip("pyvista")
    for name, value in (("FRAMES", 5), ("RINGS", 6), ("AROUND", 7), ("HEIGHT", 60)):
        monkeypatch.setattr(animated, name, value)
    animated.bending_tube().save(tmp_path / "tube.npz")
    found = animated.film(tmp_path / "tube.npz", tmp_path / "tube.webp")
    assert found["frames"] == 5 and found["MB"] > 0 and found["write, s"] > 0
