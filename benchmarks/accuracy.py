"""What speed costs: errors of trajectories, gradients and meshes against those of far finer solves.

    python -m benchmarks.accuracy out/pointcloud/oflow/model_best.pt

A trained model is solved with the paper's solver, with the fast one, and with the fast one in bf16.
"""

import argparse
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor

from benchmarks.processes import HERE
from benchmarks.table import markdown
from benchmarks.workloads import held_out_observation
from im2mesh.build import load_trained
from im2mesh.command_line import exit_status
from im2mesh.config.schema import Config, GenerationConfig, OdeConfig
from im2mesh.data.batch import Batch, collate
from im2mesh.data.dataset import build_training_data
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.losses.objective import compute_loss_parts
from im2mesh.meshing.extraction import extract_surface
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.models.sequence_model import SequenceCodes
from im2mesh.models.views import with_cameras
from im2mesh.randomness import step_randomness

PAPER = OdeConfig()
FAST = OdeConfig(**yaml.safe_load((HERE / "configs/parts/fast.yaml").read_text())["ode"])
EXACT_PATHS = OdeConfig(rtol=1e-7, atol=1e-9)
EXACT_GRADIENTS = OdeConfig(method="rk4", step_size=1 / 64, gradient="direct")
SETTINGS = {"paper": (PAPER, False), "fast": (FAST, False), "fast, bf16": (FAST, True)}

Truth = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Errors:
    """Errors of one setting. Lengths are in units of the first frame's longest side.

    The true positions are those of dopri5 at rtol 1e-7, the true gradient is that through RK4 steps
    of 1/64, both with the whole model in float64.

    Attributes:
        there_mean, there_max: Distance of carried surface points from their true positions, over
            all times after the first.
        back_max: Largest such distance of labelled points brought back to t = 0.
        gradient: Norm of (gradient - true gradient), relative to the norm of the true gradient.
        gradient_norm: (norm of the gradient) / (norm of the true gradient) - 1.
    """

    there_mean: float
    there_max: float
    back_max: float
    gradient: float
    gradient_norm: float


@dataclass(frozen=True)
class MeshErrors:
    """Errors of the meshes of one window.

    Attributes:
        carried_mean, carried_max: Distance of vertices, over all times after the first, from where
            dopri5 at rtol 1e-7 in float64 carries the same vertices.
        surface_max: Largest distance between the surface at t = 0, extracted from coarse to fine,
            and the surface of the float64 network evaluated at every grid point.
    """

    carried_mean: float
    carried_max: float
    surface_max: float


def measure_batch(model: OccupancyFlow, config: Config, batch: Batch) -> dict[str, Errors]:
    """Name of a setting -> its errors on a training batch."""
    exact, doubled = deepcopy(model).double(), _double(batch)
    truth = (
        *_positions(_with_solver(exact, EXACT_PATHS), doubled),
        _gradient(_with_solver(exact, EXACT_GRADIENTS), doubled, config),
    )
    found = {}
    for name, (ode, bf16) in SETTINGS.items():
        tried = _with_solver(model, ode)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            there, back = _positions(tried, batch)
            found[name] = _errors(truth, (there, back, _gradient(tried, batch, config)))
    return found


@torch.no_grad()
def _positions(model: OccupancyFlow, batch: Batch) -> tuple[Tensor, Tensor]:
    """Surface points carried from t = 0 to all times, and labelled points carried back to it."""
    observed = with_cameras(batch.inputs, batch.cameras)
    codes = model.eval().encode(observed, batch.input_times)
    there = model.trajectories(batch.pointcloud[:, 0], batch.times, codes)
    return there, model.carry_back(batch.points_t, batch.t, codes)


def _gradient(model: OccupancyFlow, batch: Batch, config: Config) -> Tensor:
    """The gradient of the loss with respect to all weights, as one vector."""
    model.train().zero_grad()
    randomness = step_randomness(0, 0, 0, len(batch.t))
    parts = compute_loss_parts(model, batch, config.loss, randomness)
    with torch.autocast("cpu", enabled=False):  # in training, too, backward runs without autocast
        torch.stack(list(parts.values())).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def _errors(truth: Truth, found: Truth) -> Errors:
    there, back, slope = (t - f.double() for t, f in zip(truth, found, strict=True))
    distances, size = there.norm(dim=-1)[:, 1:], truth[2].norm()
    return Errors(
        there_mean=distances.mean().item(),
        there_max=distances.max().item(),
        back_max=back.norm(dim=-1).max().item(),
        gradient=(slope.norm() / size).item(),
        gradient_norm=(found[2].double().norm() / size - 1).item(),
    )


def measure_mesh(model: OccupancyFlow, config: Config) -> dict[str, MeshErrors]:
    """Name of a setting -> errors of its meshes of the first test window."""
    observation, frame = held_out_observation(config)
    exact = _with_solver(deepcopy(model).double(), EXACT_PATHS).eval()
    clouds, seen = (
        torch.tensor(array).double()[None] for array in (observation.inputs, observation.times)
    )
    with torch.no_grad():
        codes = exact.encode(clouds, seen)
    surface, found = _extract_everywhere(exact, codes, config.generation), {}
    for name, ode in (("paper", PAPER), ("fast", FAST)):
        generator = Generator(_with_solver(model, ode), config.generation, config.data.num_frames)
        meshes = generator.generate(observation, frame=frame)
        assert isinstance(meshes, MeshSequence)
        if meshes.is_empty:
            raise UserError("the model finds no surface; name one that is trained longer")
        start, times = torch.tensor(meshes.vertices[0]).double(), torch.tensor(meshes.times)
        with torch.no_grad():
            truth = exact.trajectories(start[None], times, codes)[0].numpy()
        distances = np.linalg.norm(meshes.vertices - truth, axis=-1)[1:]
        apart = _farthest(meshes.vertices[0], surface)
        found[name] = MeshErrors(float(distances.mean()), float(distances.max()), apart)
    return found


def _extract_everywhere(
    model: OccupancyFlow, codes: SequenceCodes, settings: GenerationConfig
) -> Float[np.ndarray, "V 3"]:
    """Vertices of the surface at t = 0 from the finest grid, evaluated at each of its points."""
    return extract_surface(
        lambda points: model.occupancy_logits_0(points.double()[None], codes)[0],
        threshold=settings.threshold,
        resolution=settings.resolution * 2**settings.upsampling_steps,
        upsampling_steps=0,
        padding=settings.padding,
    ).vertices


def _farthest(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance from a vertex of either to the nearest of the other."""
    return float(max(KDTree(a).query(b)[0].max(), KDTree(b).query(a)[0].max()))


def _with_solver(model: OccupancyFlow, ode: OdeConfig) -> OccupancyFlow:
    """A copy of the model with another solver."""
    copy = deepcopy(model)
    assert isinstance(copy.flow, Flow)
    copy.flow.ode = ode
    return copy


def _double(batch: Batch) -> Batch:
    """The same batch in float64."""
    changed = {
        name: value.double()
        for name, value in vars(batch).items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }
    return replace(batch, **changed)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="model.pt or model_best.pt of a training")
    parser.add_argument("--windows", type=int, default=2, help="windows in the batch (default 2)")
    args = parser.parse_args(arguments)
    config, generator = load_trained(args.model, torch.device("cpu"))
    data = build_training_data(config)
    batch = collate([data[i] for i in range(args.windows)])
    model = generator.model
    if not (isinstance(model, OccupancyFlow) and isinstance(model.flow, Flow) and model.decoder):
        raise UserError(
            f"{args.model} has no velocity field, or no decoder; name one that has both"
        )
    moved = (batch.pointcloud[:, 1:] - batch.pointcloud[:, :1]).norm(dim=-1)
    print(f"true motion of these windows: mean {moved.mean():.4f}, largest {moved.max():.4f}\n")
    print(markdown({name: vars(e) for name, e in measure_batch(model, config, batch).items()}))
    print(markdown({name: vars(e) for name, e in measure_mesh(model, config).items()}))


if __name__ == "__main__":
    sys.exit(exit_status(main))
