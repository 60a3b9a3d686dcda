"""What a GPU would wait for: work on a device that only pretends to be one.

A tensor on the wrong device is an error here, as on a GPU. What the host reads, and what is copied
between host and device, is listed below with its reason; anything else fails the test.
"""

from dataclasses import replace

import pytest
import torch

from im2mesh.build import build_config, build_model
from im2mesh.data.batch import collate
from im2mesh.data.dataset import build_training_data, build_windows
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.machine.processes import Processes
from im2mesh.machine.ranks import Ranks
from im2mesh.training import step
from im2mesh.training.recording import solver_decides
from im2mesh.training.validation import validate
from tests.ball import write_ball_dataset, write_ball_images
from tests.pretend_device import DEVICE, SENT, FarTensor, pretended_device, to_device

CONFIGS = [
    *(
        f"pointcloud/{name}-small"
        for name in (
            "oflow", "oflow_w_correspond", "oflow_unordered", "oflow_irregular", "onet4d",
            "onet_per_frame", "psgn4d", "psgn4d_w_correspond", "displacement", "coupling", "local",
            "local_flow", "local_unordered",
        )
    ),
    "generative/oflow-small", "fast/oflow",
]  # fmt: skip
SIZES = [
    "data.num_frames=5", "data.skip_frames=0", "data.eval_stride=4", "data.num_input_points=40",
    "data.num_points=64", "data.num_correspondence_points=16", "data.near_surface_fraction=0",
    "training.batch_size=2", "training.precision=fp32", "training.num_workers=0",
    "loss.motion_share=1", "validation.num_points=64", "generation.resolution=4",
    "generation.upsampling_steps=1", "generation.threshold=0.2", "ode.step_size=1.0",
]  # fmt: skip
STEPS = "the solver of torchdiffeq decides about its steps on the host"
NARROW = [
    "model.code_size=16", "model.encoder.hidden_size=16", "model.encoder_temporal.hidden_size=16",
    "model.velocity_field.hidden_size=16", "model.decoder.hidden_size=16",
]  # fmt: skip
IMAGES = "{name: image_pixels, width: 8, hidden_size: 16}"
ONCE = "a constant, copied once per process"
RESULT = "the answer, which the host wants"
ALLOWED = {
    "read by the host: models/flow/flow.py _call_torchdiffeq": STEPS,
    "read by the host: models/flow/flow.py step_grid": STEPS,
    "copy to the device: models/flow/flow.py step_grid": STEPS,
    "read by the host: models/flow/solver_errors.py refuse_not_finite_path": "a path that exploded",
    "copy to the device: models/local/paths.py _penalty": ONCE,
    "copy to the device: models/local/rigid_motion.py _interpolation": ONCE,
    "copy to the device: models/local/rigid_motion.py _nodes": ONCE,
    "copy to the device: models/local/registration.py _time_fit": ONCE,
    "copy to the host: training/step.py _read": "the losses and the gradient's norm, in one read",
    "copy to the host: training/step.py _forward": "the losses, before a solver could fail by them",
    "copy to the host: training/validation.py _scored": RESULT,
    "copy to the host: training/validation.py _logit_iou": RESULT,
    "copy to the host: meshing/extraction.py _evaluate": RESULT,
    "copy to the device: generation/generator.py _batch_of": "the observation",
    "copy to the device: generation/generator.py generate_from_codes": "the times of the meshes",
    "copy to the device: generation/generator.py _carry": "the times of the meshes",
    "copy to the device: generation/generator.py carry_all": "vertices of the extracted surface",
    "copy to the device: generation/generator.py logits": "points of the grid",
    "copy to the host: generation/generator.py carry_all": RESULT,
    "copy to the host: generation/generator.py generate_from_codes": RESULT,
}
"""What the host may wait for -> why."""


class SimpleAdamW(torch.optim.AdamW):
    """An optimizer that the device can run; it updates the weights whatever the step found."""

    def step(self, closure=None):
        self.found_inf = None
        return super().step(closure)


@pytest.fixture
def on_a_gpu(monkeypatch):
    """The device, and an optimizer that knows it."""
    monkeypatch.setattr(
        step,
        "make_optimizer",
        lambda model, _: SimpleAdamW(model.parameters(), lr=1e-4, fused=False, foreach=False),
    )
    monkeypatch.setattr(
        Generator,
        "_tensor",
        lambda _, array: torch.as_tensor(array, dtype=torch.float32).to(DEVICE),
    )
    with pretended_device(monkeypatch) as notes:
        yield notes


@pytest.mark.parametrize("name", CONFIGS)
def test_nothing_unknown_makes_the_host_wait(
    name, ball_root, tmp_path, on_a_gpu, without_shape_checks
):
    path, places = f"configs/{name}.yaml", [f"data.root={ball_root}", f"output_dir={tmp_path}"]
    few = ["data.num_input_frames=3"] if "irregular" in name else []
    config = build_config(path, [*places, *SIZES, *few])
    model = to_device(build_model(config))
    data = build_training_data(config)
    batch = collate([data[0], data[1]])
    stepper = step.Stepper(model, config, Processes(Ranks()))
    before = [weight.detach().near.clone() for weight in model.parameters()]
    stepper.step(batch.to(DEVICE), 0, 1e-2)
    if not solver_decides(model, config):  # torchdiffeq's solvers read, all others do not
        found = {note: n for note, n in waits(on_a_gpu).items() if ALLOWED.get(note) != ONCE}
        assert found == {"copy to the host: training/step.py _read": 1}
    after = [weight.detach().near for weight in model.parameters()]
    assert not all(map(torch.equal, before, after))
    validate(model, [batch], Processes(Ranks()), threshold=0.2, last_frame_only=False)
    window = build_windows(config, "test", stride=4)[0]
    asked = read_input(config, window)
    generator = Generator(model, config.generation, 5, DEVICE)
    generator.generate(asked.observation, frame=asked.frame)
    unknown = sorted(set(waits(on_a_gpu)) - set(ALLOWED))
    assert not unknown, unknown


def waits(notes):
    """The notes of what the host waits for."""
    return {note: count for note, count in notes.items() if not note.startswith(SENT)}


def _assert_passes_neither_read_nor_copy(config, notes):
    model = to_device(build_model(config))
    data = build_training_data(config)
    batch = collate([data[0], data[1]]).to(DEVICE)
    batch = replace(batch, t=FarTensor(batch.t), input_times=FarTensor(batch.input_times))
    stepper = step.Stepper(model, config, Processes(Ranks()))
    notes.clear()
    stepper._passes(batch, 0)
    assert not notes
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.parametrize("choice", ["null", "last"])
def test_what_is_recorded_neither_reads_nor_copies(
    choice, ball_root, tmp_path, on_a_gpu, without_shape_checks
):
    """A recorded copy from the CPU would read memory that others use by then."""
    places = [f"data.root={ball_root}", f"output_dir={tmp_path}", "training.gradient_clip=1.0"]
    settings = [*places, *SIZES, f"loss.correspondence_frames={choice}", "model.evidence_frames=2"]
    config = build_config("configs/fast/oflow_w_correspond.yaml", [*settings, *NARROW])
    _assert_passes_neither_read_nor_copy(config, on_a_gpu)


def test_nor_does_what_is_recorded_of_images(tmp_path, on_a_gpu, without_shape_checks):
    write_ball_dataset(tmp_path)
    write_ball_images(tmp_path, size=32)
    narrow = [change for change in NARROW if "encoder" not in change]
    narrow += [f"model.{name}={IMAGES}" for name in ("encoder", "encoder_temporal")]
    sizes = ["data.image_size=32", "data.num_input_frames=3", "data.num_views=4", "ode.method=rk4"]
    config = build_config(
        "configs/benchmark/images_pixels.yaml",
        [f"data.root={tmp_path}", f"output_dir={tmp_path}/out", *SIZES, *sizes, *narrow],
    )
    _assert_passes_neither_read_nor_copy(config, on_a_gpu)


def test_tensors_of_two_devices_are_an_error(on_a_gpu):
    there, here = FarTensor(torch.ones(3)), torch.ones(3)
    with pytest.raises(RuntimeError, match="tensors of the GPU and the CPU"):
        _ = there + here
    assert (there + torch.tensor(1.0)).near.tolist() == [2, 2, 2]  # numbers may come from the CPU


def test_reads_and_copies_are_noted(on_a_gpu):
    there = FarTensor(torch.ones(3, requires_grad=True))
    assert bool((there > 0).all()) and there.detach().cpu().tolist() == [1, 1, 1]
    _ = there[there > 0], torch.ones(2).to(DEVICE)
    kinds = sorted(note.partition(":")[0] for note in on_a_gpu.elements())
    assert kinds == ["copy to the device", "copy to the host"] + 2 * ["read by the host"]
