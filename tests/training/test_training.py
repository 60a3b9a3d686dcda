"""Training stops, resumes and refuses as it should; checkpoints are whole or not there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from im2mesh.build import build_config, build_trainer
from im2mesh.data.batch import collate
from im2mesh.data.dataset import WindowDataset
from im2mesh.data.layout import DataError
from im2mesh.errors import ConfigError
from im2mesh.models.encoders.images import Resnet18
from im2mesh.runs.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from im2mesh.runs.folder import RunFolder
from tests.ball import write_ball_dataset, write_ball_images
from tests.shapes import unchecked_shapes

CPU = torch.device("cpu")


def trainer(path, *overrides):
    return build_trainer(build_config(path, overrides), CPU)


def weights(path) -> list[torch.Tensor]:
    return list(load_checkpoint(path).model.values())


def test_training_writes_everything(config_path, tmp_path):
    train.main([str(config_path), "--device", "cpu"])
    run = RunFolder(tmp_path / "run")
    assert load_checkpoint(run.checkpoint).state.iteration == 6
    assert load_checkpoint(run.best_checkpoint).state.best_score > 0
    assert build_config(run.config) == build_config(config_path)
    assert load_checkpoint(run.checkpoint).config == build_config(config_path).model_dump()
    events = EventAccumulator(str(run.logs)).Reload()
    tags = set(events.Tags()["scalars"])
    assert tags >= {
        "loss/total", "loss/reconstruction_0", "loss/reconstruction_t", "loss/correspondence",
        "optimizer/learning_rate", "optimizer/gradient_norm", "nfe/forward", "nfe/backward",
        "time/data", "time/step", "validation/iou", "validation/correspondence_l2",
    }  # fmt: skip
    assert [event.step for event in events.Scalars("loss/total")] == [1, 2, 4, 6]
    # RK4: 2 steps back, and 4 frames forward with one step each
    assert events.Scalars("nfe/forward")[0].value == 8 + 16


def test_stop_and_resume_equals_one_run(config_path, tmp_path):
    whole = trainer(config_path, f"output_dir={tmp_path / 'whole'}")
    whole.fit()
    parts = [f"output_dir={tmp_path / 'parts'}"]
    trainer(config_path, *parts, "training.max_iterations=3").fit()
    second = trainer(config_path, *parts)
    assert second.resume() and second.state.iteration == 3
    second.fit()
    pairs = zip(
        weights(tmp_path / "whole/model.pt"), weights(tmp_path / "parts/model.pt"), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_training_learns_the_ball(config_path):
    run = trainer(config_path, "training.max_iterations=150", "training.validate_every=1000")
    batch = collate([run.training_data[k] for k in range(8)])
    first = run.step(batch).loss
    with unchecked_shapes():
        for _ in range(150):
            last = run.step(batch).loss
    assert last < 0.5 * first


def test_exit_after_saves_first(config_path, tmp_path):
    train.main([str(config_path), "--exit-after", "0", "--device", "cpu"])
    assert load_checkpoint(tmp_path / "run/model.pt").state.iteration == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_first(config_path, tmp_path, number):
    """As terminals and schedulers send it: to the whole group, the workers that read included."""
    options = ["training.max_iterations=100000", "training.num_workers=1"]
    process = subprocess.Popen(
        [sys.executable, "train.py", str(config_path), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/model.pt").exists():
        assert time.monotonic() < deadline, "no checkpoint within a minute"
        time.sleep(0.1)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    iteration = load_checkpoint(tmp_path / "run/model.pt").state.iteration
    assert f"at iteration {iteration}" in output and iteration >= 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_is_not_lost(config_path, tmp_path, monkeypatch, number):
    def build_slowly(*arguments):
        os.kill(os.getpid(), number)
        return build_trainer(*arguments)

    monkeypatch.setattr(train, "build_trainer", build_slowly)
    train.main([str(config_path), "--device", "cpu"])
    assert load_checkpoint(tmp_path / "run/model.pt").state.iteration == 1


def test_fresh_sets_the_old_run_aside(config_path, tmp_path):
    arguments = [str(config_path), "--exit-after", "0", "--device", "cpu"]
    train.main(arguments)
    train.main([*arguments, "--fresh"])
    assert load_checkpoint(tmp_path / "run/model.pt").state.iteration == 1
    assert load_checkpoint(tmp_path / "run.old1/model.pt").state.iteration == 1


def test_fresh_moves_only_a_run(config_path, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("precious")
    train.main([str(config_path), "--exit-after", "0", "--device", "cpu", "--fresh"])
    assert (tmp_path / "run" / "thesis.tex").read_text() == "precious"
    assert not (tmp_path / "run.old1").exists()


def test_missing_data_leave_the_folder_as_it_is(config_path, tmp_path):
    arguments = [str(config_path), "--device", "cpu", "--exit-after", "0"]
    with pytest.raises(DataError, match="data folder nowhere does not exist"):
        train.main([*arguments, "data.root=nowhere"])
    assert not (tmp_path / "run").exists()
    train.main(arguments)
    with pytest.raises(DataError, match="data folder nowhere does not exist"):
        train.main([*arguments, "--fresh", "data.root=nowhere"])
    assert (tmp_path / "run" / "model.pt").exists() and not (tmp_path / "run.old1").exists()


def test_a_best_checkpoint_of_somebody_else_is_not_replaced(config_path, tmp_path):
    best = tmp_path / "run" / "model_best.pt"
    best.parent.mkdir()
    best.write_text("precious")
    arguments = [str(config_path), "--device", "cpu", "--exit-after", "0"]
    with pytest.raises(CheckpointError, match=r"model_best\.pt would be replaced, .* --fresh"):
        train.main(arguments)
    assert best.read_text() == "precious"
    assert [path.name for path in best.parent.iterdir()] == ["model_best.pt"]
    train.main([*arguments, "--fresh"])
    assert (tmp_path / "run.old1" / "model_best.pt").read_text() == "precious"


def test_a_training_killed_before_its_first_save_goes_on_from_its_best(config_path, tmp_path):
    arguments = [str(config_path), "--device", "cpu", "training.max_iterations=3"]
    train.main(arguments)
    best = load_checkpoint(tmp_path / "run" / "model_best.pt")
    (tmp_path / "run" / "model.pt").unlink()
    again = trainer(config_path)
    assert again.resume() == tmp_path / "run" / "model_best.pt"
    assert again.state.iteration == best.state.iteration == 3


def test_fresh_does_not_move_the_data(config_path, ball_root):
    arguments = [str(config_path), f"output_dir={ball_root}", "--fresh"]
    with pytest.raises(ValueError, match=r"lies inside .* which --fresh would move"):
        train.main(arguments)
    assert ball_root.exists()


def test_a_model_without_input_holds_one_window(config_path):
    alone = ["data.input=null", "model.encoder=null", "model.encoder_temporal=null"]
    alone += ["model.decoder={name: simple, hidden_size: 16}"]
    with pytest.raises(ConfigError, match=r"only one window, but split 'train' has 16: .* raise"):
        trainer(config_path, *alone)
    trainer(config_path, *alone, "data.num_frames=12", "data.train_split=val")


def test_nothing_to_minimise_is_an_error(config_path):
    nothing = ["loss.reconstruction=0.0", "loss.correspondence=0.0"]
    with pytest.raises(ConfigError, match="all weights in section loss are 0"):
        trainer(config_path, *nothing)


def test_missing_views_are_found_before_training(config_path, tmp_path):
    root = tmp_path / "balls"
    write_ball_dataset(root)
    write_ball_images(root, num_views=2, size=16)
    shutil.rmtree(root / "balls" / "ball_b" / "img" / "1")
    images = ["data.input=images", "data.num_views=2", "model.encoder={name: resnet18}"]
    images += ["model.encoder_temporal={name: conv_3D}", f"data.root={root}"]
    with pytest.raises(DataError, match="clip ball_b: img has"):
        trainer(config_path, *images)


def test_pretrained_weights_are_read_once(config_path, tmp_path):
    """A checkpoint has all weights: the file may be gone when it is used."""
    root, file = tmp_path / "balls", tmp_path / "resnet18.pth"
    write_ball_dataset(root)
    write_ball_images(root, num_views=1, size=64)
    torch.save(Resnet18(1, 8).features.state_dict(), file)
    overrides = ["data.input=images", "data.num_views=1", "data.image_size=64"]
    overrides += [f"model.encoder={{name: resnet18, weights: {file}}}", f"data.root={root}"]
    overrides += ["model.encoder_temporal={name: conv_3D}"]
    arguments = [str(config_path), *overrides, "--exit-after", "0", "--device", "cpu"]
    train.main(arguments)
    first = torch.load(file)["conv1.weight"]
    file.unlink()
    train.main(arguments)
    trained = load_checkpoint(RunFolder.of(build_config(config_path)).checkpoint)
    assert trained.state.iteration == 2
    now = trained.model["encoder_spatial.features.conv1.weight"]
    assert (now - first).abs().max() < 0.1  # two steps from there, not a start at random


@pytest.mark.parametrize(
    "change", ["num_frames=4", "frame_step=2", "input_pointcloud_corresponding=false"]
)
def test_another_observation_in_the_same_folder_is_refused(change, config_path):
    space_time = ["model.encoder_temporal={name: pointnet_space_time, hidden_size: 8}"]
    trainer(config_path, *space_time, "training.max_iterations=1").fit()
    with pytest.raises(CheckpointError, match=f"other settings in data.{change.split('=')[0]}; "):
        trainer(config_path, *space_time, f"data.{change}").resume()


def test_another_model_in_the_same_folder_is_refused(config_path):
    trainer(config_path, "training.max_iterations=1").fit()
    with pytest.raises(CheckpointError, match=r"other settings in section model; .* --fresh"):
        trainer(config_path, "model.code_size=8").resume()


def test_a_checkpoint_older_than_a_key_is_resumed(config_path):
    run = trainer(config_path, "training.max_iterations=1")
    run.fit()
    checkpoint = load_checkpoint(run.folder.checkpoint)
    del checkpoint.config["data"]["frame_step"], checkpoint.config["model"]["evidence_frames"]
    save_checkpoint(run.folder.checkpoint, checkpoint)
    assert trainer(config_path).resume()
    with pytest.raises(CheckpointError, match=r"other settings in data\.frame_step; "):
        trainer(config_path, "data.frame_step=2").resume()


def test_bf16_is_close_to_fp32_and_not_the_same(config_path):
    losses = {}
    for precision in ("fp32", "bf16"):
        run = trainer(config_path, f"training.precision={precision}")
        losses[precision] = run.step(collate([run.training_data[k] for k in range(4)])).loss
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)


@pytest.mark.parametrize(("precision", "products"), [("tf32", "high"), ("fp32", "highest")])
def test_the_precision_of_products_is_that_of_the_step_alone(config_path, precision, products):
    run = trainer(config_path, f"training.precision={precision}")
    seen = []
    run.model.decoder.register_forward_hook(
        lambda *_: seen.append(torch.get_float32_matmul_precision())
    )
    torch.set_float32_matmul_precision("medium")
    try:
        run.step(collate([run.training_data[k] for k in range(4)]))
        assert set(seen) == {products} and torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize(
    "ode", [["ode.gradient=adjoint"], ["ode.gradient=direct"], ["ode.interpolate=true"]]
)
def test_a_step_on_a_gpu_equals_one_on_the_cpu(config_path, precision, ode):
    overrides = [f"training.precision={precision}", *ode]
    losses = []
    for device in ("cpu", "cuda"):
        run = build_trainer(build_config(config_path, overrides), torch.device(device))
        batch = collate([run.training_data[k] for k in range(4)]).to(torch.device(device))
        losses.append(run.step(batch).loss)
    assert losses[0] == pytest.approx(losses[1], rel=0.05 if precision == "bf16" else 1e-3)


def test_gradient_clipping(config_path):
    run = trainer(config_path, "training.gradient_clip=1e-3")
    report = run.step(collate([run.training_data[k] for k in range(4)]))
    norms = [p.grad.norm() for p in run.model.parameters() if p.grad is not None]
    assert torch.stack(norms).norm() == pytest.approx(1e-3, rel=1e-3)
    assert report.gradient_norm > 1e-3  # as it was before clipping


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_data_error_is_one_line_with_and_without_workers(config_path, num_workers):
    options = [f"training.num_workers={num_workers}", "data.num_input_points=700"]
    with pytest.raises(DataError) as error:
        trainer(config_path, *options, "data.val_split=train").fit()
    assert str(error.value).startswith("clip ball_")
    run = trainer(config_path, *options)
    run.validation_data = WindowDataset(
        run.validation_data.windows,
        build_config(config_path).data,
        seed=0,
        shuffle=False,
        num_points=64,
    )
    with pytest.raises(DataError) as error:  # this time from the training data
        run.fit()
    assert str(error.value).startswith("clip ball_") and "\n" not in str(error.value)


def test_validation_that_cannot_be_drawn_is_told_before_training(config_path, tmp_path):
    with pytest.raises(DataError, match=r"points_seq has 1001 rows, 5000 were asked for"):
        trainer(config_path, "validation.num_points=5000").fit()
    assert not (tmp_path / "run/model.pt").exists()


def test_missing_near_surface_points_name_the_way_out(config_path, tmp_path, ball_root):
    shutil.copytree(ball_root, tmp_path / "data")
    for folder in (tmp_path / "data").rglob("points_near_seq"):
        shutil.rmtree(folder)
    root = f"data.root={tmp_path / 'data'}"
    with pytest.raises(DataError, match=r"set data\.near_surface_fraction to 0"):
        trainer(config_path, root, "data.near_surface_fraction=0.5")  # before any step


@pytest.mark.parametrize("gradient", ["adjoint", "direct"])
def test_every_weight_is_trained(config_path, gradient):
    """The encoders, too: a code that is not declared to the adjoint would silently stop them."""
    run = trainer(config_path, f"ode.gradient={gradient}")
    batch = collate([run.training_data[k] for k in range(4)])
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    for _ in range(3):
        run.step(batch)
    still = [name for name, p in run.model.named_parameters() if torch.equal(p, before[name])]
    assert still == []


def test_weights_of_another_size_are_named(config_path, tmp_path):
    trainer(config_path, "training.max_iterations=1").fit()
    import generate

    with pytest.raises(CheckpointError, match="holds another model than the config describes"):
        generate.main([str(config_path), "model.code_size=8", "--device", "cpu"])


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_named(config_path, device):
    with pytest.raises(ValueError, match=f"--device is '{device}'"):
        train.main([str(config_path), "--device", device])


def test_print_config_trains_nothing(config_path, tmp_path, capsys):
    train.main([str(config_path), "--print-config", "training.batch_size=3"])
    assert "batch_size: 3" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_config_errors_come_before_any_work(config_path, tmp_path):
    with pytest.raises(ConfigError):
        train.main([str(config_path), "training.batchsize=3"])
    assert not (tmp_path / "run").exists()


def test_errors_are_printed_without_a_traceback():
    command = [sys.executable, "train.py", "configs/nowhere.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: no config file configs/nowhere.yaml; those of this project are in configs/"
    )


def test_checkpoint_values_are_plain(config_path, tmp_path):
    """Nothing in a checkpoint needs our classes to be read."""
    trainer(config_path, "training.max_iterations=1").fit()
    values = torch.load(tmp_path / "run/model.pt", weights_only=True)
    assert json.dumps(values["config"])
