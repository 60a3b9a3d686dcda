"""How sound the motion of a run is: can it be undone, what does it cost, what does it do to meshes.

The first two are asked of the model, without meshes; the last is measured on meshes of generate.py.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from im2mesh.config.schema import DataConfig
from im2mesh.data.batch import frame_times
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.meshing.frame_meshes import load_reconstruction
from im2mesh.models.sequence_model import SequenceCodes
from im2mesh.runs.folder import RunFolder
from im2mesh.studies.motion.solids import self_overlap, volume_drift
from im2mesh.studies.robustness.measure import encode_window, read_true_motion

NUM_TIMES = 17  # times that points are carried to, as many as frames in the paper's windows
NUM_RUNS = 3  # timed runs, after one to warm up; their median counts


def find_meshes(folder: RunFolder, split: str, window: Window) -> Path:
    """Find the file with the generated meshes of a window.

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
    """Measure the motion of a model, as far as it has one, and of meshes: metric -> number.

    Args:
        generator: Generator with the model.
        data: Section data, which says what is observed.
        window: Window to measure.
        file: File with the generated meshes of the window.
        seed: Seed of the random draws.
    """
    numbers: dict[str, float] = {}
    if "motion" in generator.model.answers:
        numbers |= _measure_model(generator, data, window, seed)
    return numbers | _measure_meshes(window, file, seed)


@torch.no_grad()
def _measure_model(
    generator: Generator, data: DataConfig, window: Window, seed: int
) -> dict[str, float]:
    model, device = generator.asked, generator.device
    codes = encode_window(generator, data, window, seed)
    start = torch.as_tensor(
        read_true_motion(StoredWindow(data.root, window), seed)[:1], device=device
    )
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
    """Measure the cost of carrying points to evenly spaced times, without the encoding."""
    model, times = generator.asked, frame_times(NUM_TIMES).to(generator.device)
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
    """Measure volume drift and self-overlap; {} for point sets, which have no interior.

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
