"""One window, asked directly without extracting meshes: occupancy and motion against the truth."""

import math
import zlib

import numpy as np
import torch
from jaxtyping import Float, Int

from im2mesh.config import DataConfig
from im2mesh.data.batch import frame_times
from im2mesh.data.fields import count_points, read_labelled_points, read_trajectories
from im2mesh.data.observation import draw_observation
from im2mesh.data.sequences import CLOUD_FOLDER, POINTS_FOLDER, DataError, Window
from im2mesh.data.transforms import choose_rows
from im2mesh.errors import UserError
from im2mesh.generation import Generator
from im2mesh.metric_info import MetricInfo
from im2mesh.metrics import iou
from im2mesh.models.sequence_model import SequenceCodes
from im2mesh.models.solver_errors import SolverError
from im2mesh.robustness.runs import window_key

NUM_LABELLED = 10_000  # uniform points per frame for the IoU; all where there are fewer
NUM_SURFACE = 2_000  # surface points that are carried

METRICS = {
    "iou_0": MetricInfo("IoU of labelled points, first frame", "higher", digits=3),
    "iou_last": MetricInfo("IoU of labelled points, last frame", "higher", digits=3),
    "correspondence_l2": MetricInfo(
        "Correspondence of surface points, not squared",
        "lower",
        "length",
    ),
    "correspondence_l2_last": MetricInfo(
        "Correspondence of surface points, last frame, not squared", "lower", "length"
    ),
}


class CannotAskError(ValueError):
    """There is no such observation, or the model cannot take it: it was built for another number of
    frames, or needs more points."""


def refuse_mute(generator: Generator, run: str) -> None:
    """Refuse a model that answers nothing that is asked here.

    Raises:
        UserError: Naming the run.
    """
    answers = generator.model.answers
    if answers.isdisjoint({"occupancy", "motion"}):
        raise UserError(
            f"{run}: {generator.model.method} answers {', '.join(sorted(answers))} only, neither "
            "occupancy nor motion; leave it out"
        )


@torch.no_grad()
def measure_window(
    generator: Generator, data: DataConfig, trained: DataConfig, window: Window, seed: int
) -> dict[str, float]:
    """Metric -> number, of whatever the model answers.

    Rows of points, and the random state of the observation, follow from the seed and the window's
    place: they are the same for all runs and settings.

    Args:
        generator: Holds the model.
        data: What is observed of the window.
        trained: The same section as the run has it; with it, everything must be answered.
        window: With the length and step of `data`.
        seed: Of what is drawn.

    Raises:
        CannotAskError: If there is no such observation, or the model cannot take it.
        SolverError: If the motion cannot be solved.
    """
    if data.observed_frames > window.num_frames:
        raise CannotAskError(
            f"{data.observed_frames} frames are observed, the window has {window.num_frames}"
        )
    try:
        return _measure(generator, data, window, seed)
    except DataError as error:
        if data == trained:
            raise
        raise CannotAskError(str(error)) from error
    except SolverError:
        raise  # whatever is observed, a motion that cannot be solved is no gap
    except ValueError as error:
        if _size(data) == _size(trained):
            raise  # it has nothing to do with the size of the observation
        raise CannotAskError(str(error)) from error


def _size(data: DataConfig) -> tuple[int, int]:
    return data.observed_frames, data.num_input_points


def _measure(generator: Generator, data: DataConfig, window: Window, seed: int) -> dict[str, float]:
    codes = encode_window(generator, data, window, seed)
    numbers: dict[str, float] = {}
    if "occupancy" in generator.model.answers:
        numbers["iou_0"] = _iou(generator, codes, data.root, window, 0, seed)
        last = window.num_frames - 1
        numbers["iou_last"] = _iou(generator, codes, data.root, window, last, seed)
    if "motion" in generator.model.answers:
        truth = read_true_motion(data.root, window, seed)
        times = frame_times(window.num_frames).to(generator.device)
        start = torch.as_tensor(truth[:1], device=generator.device)
        carried = generator.model.trajectories(start, times, codes)[0].cpu().numpy()
        errors = np.linalg.norm(carried - truth, axis=-1).mean(axis=1)  # [T]
        numbers["correspondence_l2"] = float(errors[1:].mean())
        numbers["correspondence_l2_last"] = float(errors[-1])
    return numbers


def encode_window(
    generator: Generator, data: DataConfig, window: Window, seed: int
) -> SequenceCodes:
    """The codes of a window (B = 1).

    Raises:
        DataError: If it cannot be observed in that way.
        ValueError: If the model cannot take the observation.
    """
    return generator.encode(
        draw_observation(data, window, _random(window, 0, seed), random_view=False)
    )


def read_true_motion(root: str, window: Window, seed: int) -> Float[np.ndarray, "T N 3"]:
    """Surface points over all frames, in the coordinates of the window's first."""
    rows = _some_rows(root, window, 0, CLOUD_FOLDER, NUM_SURFACE, seed)
    return read_trajectories(root, window, rows)


def _iou(
    generator: Generator, codes: SequenceCodes, root: str, window: Window, frame: int, seed: int
) -> float:
    """IoU of labelled points of the first frame (t = 0) or the last (t = 1); NaN if a logit is."""
    rows = _some_rows(root, window, frame, POINTS_FOLDER, NUM_LABELLED, seed)
    truth = read_labelled_points(root, window, frame, rows)
    points = torch.as_tensor(truth.points, device=generator.device).unsqueeze(0)
    if frame == 0:
        logits = generator.model.occupancy_logits_0(points, codes)
    else:
        logits = generator.model.occupancy_logits(points, points.new_ones(1), codes)
    if not logits.isfinite().all():
        return math.nan  # it would count as outside
    inside = torch.sigmoid(logits[0]) > generator.config.threshold
    return iou(inside.cpu().numpy(), truth.occupancy)


def _some_rows(
    root: str, window: Window, frame: int, folder: str, count: int, seed: int
) -> Int[np.ndarray, "N"]:
    total = count_points(root, window, frame, folder)
    return choose_rows(total, min(count, total), _random(window, 1, seed), folder)


def _random(window: Window, purpose: int, seed: int) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(window_key(window).encode()), purpose))
