"""How sound the motion of a run is: can it be undone, what does it cost, what does it do to meshes.

What is asked of the model needs no mesh; the meshes are those that generate.py wrote.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from im2mesh.config import DataConfig
from im2mesh.data.batch import frame_times
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.generation import Generator
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.metric_info import MetricInfo
from im2mesh.models.sequence_model import SequenceCodes
from im2mesh.robustness.measure import encode_window, read_true_motion
from im2mesh.robustness.solids import self_overlap, volume_drift
from im2mesh.run_folder import RunFolder

NUM_TIMES = 17  # of the schedule whose cost is measured: the paper's windows
NUM_RUNS = 3  # of which the median time counts, after one to warm up

METRICS = {
    "return_l2": MetricInfo(
        "Forward to t = 1 and back: distance from the start, not squared", "lower", "length",
        "Return", 5,
    ),
    "nfe": MetricInfo(
        "Evaluations of the velocity, or moves of a deformation, to 17 times", "", short="NFE",
        digits=0,
    ),
    "seconds": MetricInfo("Time to carry points to 17 times", "lower", "s", "Time"),
    "volume_drift": MetricInfo(
        "Volume: largest relative change over frames", "lower", short="Volume drift"
    ),
    "overlap_last": MetricInfo(
        "Share of the inside that lies inside twice, last frame", "lower", short="Overlap", digits=5
    ),
    "overlap_increase": MetricInfo(
        "The same, less that of the first frame", "lower", short="Overlap gained", digits=5
    ),
}  # fmt: skip


def find_meshes(folder: RunFolder, split: str, window: Window) -> Path:
    """The generated meshes of a window.

    Raises:
        UserError: If there are none.
    """
    file = folder.window(split, window).sequence
    if not file.is_file():
        raise UserError(
            f"window {window}: no meshes at {file}; run generate.py with the config of this run "
            f"and --split {split} first"
        )
    return file


def measure_motion(
    generator: Generator, data: DataConfig, window: Window, file: Path, seed: int
) -> dict[str, float]:
    """Metric -> number, of what the model answers and the meshes have.

    Args:
        generator: Holds the model.
        data: What is observed.
        window: Which one.
        file: The generated meshes of the window.
        seed: Of what is drawn.
    """
    numbers: dict[str, float] = {}
    if "motion" in generator.model.answers:
        numbers |= _measure_model(generator, data, window, seed)
    return numbers | _measure_meshes(window, file, seed)


@torch.no_grad()
def _measure_model(
    generator: Generator, data: DataConfig, window: Window, seed: int
) -> dict[str, float]:
    model, device = generator.model, generator.device
    codes = encode_window(generator, data, window, seed)
    start = torch.as_tensor(read_true_motion(data.root, window, seed)[:1], device=device)
    cost = _measure_cost(generator, start, codes)
    numbers = {"nfe": cost.nfe, "seconds": cost.seconds}
    if "motion back" not in model.answers:
        return numbers
    ends = torch.tensor([0.0, 1.0], device=device)
    there = model.trajectories(start, ends, codes)[:, -1]
    back = model.trajectories_from_end(there, ends, codes)[:, 0]
    return {"return_l2": (back - start).norm(dim=-1).mean().item(), **numbers}


@dataclass(frozen=True)
class _Cost:
    nfe: float
    seconds: float


def _measure_cost(generator: Generator, start: Tensor, codes: SequenceCodes) -> _Cost:
    """Of carrying points to evenly spaced times, encoding left out."""
    model, times = generator.model, frame_times(NUM_TIMES).to(generator.device)
    seconds = []
    for _ in range(1 + NUM_RUNS):
        model.take_nfe()
        _wait(generator.device)
        started = time.perf_counter()
        model.trajectories(start, times, codes)
        _wait(generator.device)
        seconds.append(time.perf_counter() - started)
    return _Cost(float(model.take_nfe()), statistics.median(seconds[1:]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _measure_meshes(window: Window, file: Path, seed: int) -> dict[str, float]:
    """Volume and overlap; nothing of point sets, which have no inside.

    Raises:
        UserError: If a frame that is measured encloses nothing.
    """
    meshes = load_reconstruction(file).meshes
    if any(len(mesh.vertices) and not len(mesh.faces) for mesh in meshes):
        return {}
    try:
        first, last = (
            self_overlap(mesh, np.random.default_rng(seed)) for mesh in (meshes[0], meshes[-1])
        )
        drift = volume_drift(meshes)
    except ValueError as error:
        raise UserError(f"window {window}: {file}: {error}") from error
    return {"volume_drift": drift, "overlap_last": last, "overlap_increase": last - first}
