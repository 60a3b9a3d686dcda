"""Compiled networks and recorded steps, as far as a machine without a GPU can tell."""

import pytest
import torch
from torch import nn

from im2mesh.build import build_config, build_model, build_trainer
from im2mesh.data.batch import collate
from im2mesh.errors import UserError
from im2mesh.models.layers.blocks import FullPrecisionLinear
from im2mesh.models.layers.precision import full_precision_linear
from im2mesh.training.compilation import compile_networks, explain_missing_compiler
from im2mesh.training.recording import obstacle_to_recording

CPU = torch.device("cpu")


FIXED_STEPS = [
    "ode.method=rk4", "ode.step_size=0.334", "ode.interpolate=true", "ode.gradient=direct",
]  # fmt: skip


@pytest.mark.slow
def test_compiled_networks_give_the_same_numbers(config_path, tmp_path, without_shape_checks):
    """Losses and gradients over some steps, with batches of several times t; then a validation."""
    found = []
    for compiled in ("false", "true"):
        overrides = [f"training.compile={compiled}", f"output_dir={tmp_path / compiled}"]
        run = build_trainer(build_config(config_path, [*FIXED_STEPS, *overrides]), CPU)
        losses = [
            run.step(collate([run.training_data[4 * k + i] for i in range(4)])).loss
            for k in range(3)
        ]
        gradients = [weight.grad.flatten() for weight in run.model.parameters()]
        found.append((losses, torch.cat(gradients)))
        run.fit()
        assert run.state.iteration == 6
    (losses, gradient), (others, other) = found
    assert others == pytest.approx(losses, rel=1e-5)
    assert (other - gradient).norm() < 1e-4 * gradient.norm()


def test_the_opaque_layer_is_the_layer():
    layer = FullPrecisionLinear(5, 4)
    x = torch.rand(2, 3, 5, requires_grad=True)
    inputs = (x, layer.weight, layer.bias)
    expected, found = layer(x), full_precision_linear(*inputs)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    wanted, got = (torch.autograd.grad(y.square().sum(), inputs) for y in (expected, found))
    for gradient, other in zip(wanted, got, strict=True):
        torch.testing.assert_close(other, gradient)
    assert full_precision_linear(x.bfloat16(), *inputs[1:]).dtype == torch.float32
    torch.library.opcheck(full_precision_linear, inputs)


def test_the_opaque_layer_stays_in_full_precision_in_a_compiled_network(without_shape_checks):
    """Also in its backward pass, which a compiler writes while autocast is active."""
    layer = FullPrecisionLinear(64, 32)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), layer)
    x, found = torch.rand(100, 64), []
    for evaluate in (network, torch.compile(network, backend="aot_eager")):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            out = evaluate(x)
        out.square().sum().backward()  # outside of autocast, as in training
        found.append(layer.weight.grad.clone())
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=0)


def test_what_is_compiled_is_named_and_weights_keep_their_names():
    model = build_model(build_config("configs/pointcloud/oflow-small.yaml"))
    names = list(model.state_dict())
    assert compile_networks(model) == ["decoder", "flow.velocity_field"]
    assert list(model.state_dict()) == names


def test_a_missing_compiler_names_the_way_out():
    class NoCompilerError(Exception):
        __module__ = "torch._inductor.exc"

    way_out = pytest.raises(UserError, match=r"no g\+\+.*apt install g\+\+.*compile to false")
    with way_out, explain_missing_compiler():
        raise NoCompilerError("no g++")
    with pytest.raises(KeyError), explain_missing_compiler():
        raise KeyError("something else")


@pytest.mark.parametrize(
    ("name", "overrides", "obstacle"),
    [
        ("fast/oflow_w_correspond", [], ""),
        ("fast/oflow_w_correspond", ["loss.correspondence_frames=2"], "at random"),
        ("fast/oflow", ["loss.motion_share=0.5"], "at random"),
        ("pointcloud/oflow", [], "decides about its steps"),
        ("pointcloud/onet4d", [], "written for models with a velocity field"),
        ("fast/oflow", ["loss.correspondence_backward=1.0"], "the way back from the end"),
        ("generative/oflow", ["ode.method=rk4", "ode.interpolate=true", "ode.gradient=direct"],
         "latent codes"),
    ],
)  # fmt: skip
def test_a_step_that_the_host_decides_about_is_not_recorded(name, overrides, obstacle):
    config = build_config(f"configs/{name}.yaml", overrides)
    with torch.device("meta"):
        model = build_model(config)
    assert obstacle_to_recording(model, config, 1) == "only a GPU can record a step"
    found = obstacle_to_recording(_on("cuda", model), config, 1)
    assert obstacle in found if obstacle else not found
    assert "exchange gradients" in obstacle_to_recording(_on("cuda", model), config, 2)


def _on(device, model):
    """The model, as if it were there."""

    class Elsewhere:
        device = torch.device("cuda")

    stand_in = type(model).__new__(type(model))
    stand_in.__dict__.update(model.__dict__)
    stand_in.__dict__["parameters"] = lambda: iter([Elsewhere()])
    return stand_in
