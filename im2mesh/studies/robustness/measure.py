"""Occupancy and motion of one window against the truth, asked of the model without meshes."""

import math
import zlib

import numpy as np
import torch
from jaxtyping import Float, Int

from im2mesh.config.schema import DataConfig
from im2mesh.data.batch import frame_times
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import CLOUD_FOLDER, POINTS_FOLDER, DataError, Window
from im2mesh.data.observation import draw_observation
from im2mesh.data.transforms import choose_rows
from im2mesh.errors import UserError
from im2mesh.evaluation.metrics import iou
from im2mesh.generation.generator import Generator
from im2mesh.models.flow.solver_errors import SolverError
from im2mesh.models.sequence_model import SequenceCodes

NUM_LABELLED = 10_000  # uniform points per frame for the IoU; all where there are fewer
NUM_SURFACE = 2_000  # surface points that are carried through time


class CannotAskError(ValueError):
    """The data have no such observation, or the model cannot take it: it was built for another
    number of frames, or needs more points."""


def refuse_mute(generator: Generator, run: str) -> None:
    """Refuse a model that answers neither occupancy nor motion.

    Raises:
        UserError: If so; the message names the run.
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
    """Measure occupancy and motion, as far as the model answers them: metric -> number. Occupancy
    is left out for clips without labelled points if there is a motion to measure.

    The chosen points and the random state of the observation follow from the seed and the window's
    place, so they are the same for all runs and settings.

    Args:
        generator: Generator with the model.
        data: Section data with the setting to measure.
        trained: Section data of the run itself, with which the model must answer everything.
        window: Window with the length and step of `data`.
        seed: Seed of the random draws.

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
        raise  # with any observation, a motion that cannot be solved is an error, not a gap
    except ValueError as error:
        if _size(data) == _size(trained):
            raise  # the size of the observation is not the reason
        raise CannotAskError(str(error)) from error


def _size(data: DataConfig) -> tuple[int, int]:
    return data.observed_frames, data.num_input_points


def _measure(generator: Generator, data: DataConfig, window: Window, seed: int) -> dict[str, float]:
    codes, stored = encode_window(generator, data, window, seed), StoredWindow(data.root, window)
    numbers: dict[str, float] = {}
    # a clip without labels still tells how well points are carried
    is_labelled = stored.has_labels() or "motion" not in generator.model.answers
    if "occupancy" in generator.model.answers and is_labelled:
        numbers["iou_0"] = _iou(generator, codes, stored, 0, seed)
        last = window.num_frames - 1
        numbers["iou_last"] = _iou(generator, codes, stored, last, seed)
    if "motion" in generator.model.answers:
        truth = read_true_motion(stored, seed)
        times = frame_times(window.num_frames).to(generator.device)
        start = torch.as_tensor(truth[:1], device=generator.device)
        carried = generator.asked.trajectories(start, times, codes)[0].cpu().numpy()
        errors = np.linalg.norm(carried - truth, axis=-1).mean(axis=1)  # [T]
        numbers["correspondence_l2"] = float(errors[1:].mean())
        numbers["correspondence_l2_last"] = float(errors[-1])
    return numbers


def encode_window(
    generator: Generator, data: DataConfig, window: Window, seed: int
) -> SequenceCodes:
    """Observe and encode a window (B = 1).

    Raises:
        DataError: If the window cannot be observed as `data` says.
        ValueError: If the model cannot take the observation.
    """
    return generator.encode(
        draw_observation(data, window, random_of(window, 0, seed), random_view=False)
    )


def read_true_motion(stored: StoredWindow, seed: int) -> Float[np.ndarray, "T N 3"]:
    """Read true surface points over all frames, in the coordinates of the window's first frame."""
    rows = some_rows(stored, 0, CLOUD_FOLDER, NUM_SURFACE, seed)
    return stored.trajectories(rows)


def _iou(
    generator: Generator, codes: SequenceCodes, stored: StoredWindow, frame: int, seed: int
) -> float:
    """IoU of labelled points at t = 0 (frame 0) or t = 1; NaN if a logit is not finite."""
    rows = some_rows(stored, frame, POINTS_FOLDER, NUM_LABELLED, seed)
    truth = stored.labelled_points(frame, rows)
    points = torch.as_tensor(truth.points, device=generator.device).unsqueeze(0)
    if frame == 0:
        logits = generator.asked.occupancy_logits_0(points, codes)
    else:
        logits = generator.asked.occupancy_logits(points, points.new_ones(1), codes)
    if not logits.isfinite().all():
        return math.nan  # without this, NaN would count as outside
    inside = torch.sigmoid(logits[0]) > generator.config.threshold
    return iou(inside.cpu().numpy(), truth.occupancy)


def some_rows(
    stored: StoredWindow, frame: int, folder: str, count: int, seed: int
) -> Int[np.ndarray, "N"]:
    total = stored.count_points(frame, folder)
    return choose_rows(total, min(count, total), random_of(stored.window, 1, seed), folder)


def random_of(window: Window, purpose: int, seed: int) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(window.place.encode()), purpose))
