"""Observations of every kind for training: other numbers of points, noise, outliers, missing parts.

A network that has seen only 300 clean points breaks with anything else (docs/local.md). So a part
of the batches draws what the settings say otherwise, anew for every sample; the number of points is
drawn for the whole batch, whose clouds must be of one size.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from im2mesh.config.schema import DataConfig
from im2mesh.data.layout import CLOUD_FOLDER, DEPTH_FOLDER
from im2mesh.randomness import Purpose, random_stream

POINTS = (100.0, 3000.0)
NOISE = (5e-4, 0.02)
OUTLIERS = 0.2
HOLE = 0.2
UNEVEN = 20.0
"""Ranges of the draws: those that `scripts/measure.py robustness` tries. Numbers of points and
noise are drawn evenly by their logarithm."""
CHANCE = 0.4
"""Probability of each imperfection in a sample of such a batch."""
ALL_AROUND = 0.4
"""Share of the samples of depth cameras that are seen from all around, so that a network does not
forget such clouds; half of the others are what one camera saw."""
SEEN_SHARE = 8
"""One of so many stored points may be asked for where a part of the body is not seen."""


def vary(
    config: DataConfig,
    seed: int,
    batch: int,
    num_stored: Callable[[], int],
    rng: np.random.Generator,
) -> DataConfig:
    """The settings with which one sample is observed.

    Args:
        config: Settings of the run; `input_variety` is the share of the batches that vary.
        seed, batch: Seed of the run and number of the batch, from which its size follows.
        num_stored: What tells the least number of points that a frame has, or a camera saw of it.
        rng: Generator of the sample's own draws.
    """
    of_batch = random_stream(seed, Purpose.VARIETY, batch)
    if of_batch.random() >= config.input_variety:
        return config
    stored = num_stored()
    count = min(round(_log_uniform(POINTS, of_batch)), stored)
    return config.model_copy(
        update={
            "num_input_points": count,
            **_imperfections(
                rng,
                may_hide=count <= stored / SEEN_SHARE,
                may_turn=config.input_folder != DEPTH_FOLDER,
            ),
            **(_cameras(rng) if config.input_folder == DEPTH_FOLDER else {}),
        }
    )


def _cameras(rng: np.random.Generator) -> dict[str, Any]:
    """One depth camera, all of them, or the surface from all around."""
    kind = rng.random()
    if kind < ALL_AROUND:
        return {"input_folder": CLOUD_FOLDER, "input_cameras": 0}
    return {"input_cameras": int(kind < (1 + ALL_AROUND) / 2)}


def _imperfections(rng: np.random.Generator, *, may_hide: bool, may_turn: bool) -> dict[str, Any]:
    noisy, strewn, uneven, holed, one_sided = rng.random(5) < CHANCE
    changes: dict[str, Any] = {}
    if noisy:
        changes["input_noise"] = _log_uniform(NOISE, rng)
    if strewn:
        changes["input_outliers"] = float(rng.uniform(0, OUTLIERS))
    if uneven and may_hide:
        changes["input_uneven"] = _log_uniform((1.0, UNEVEN), rng)
    if one_sided and may_hide and may_turn:
        changes["input_cameras"] = 1
    elif holed and may_hide:
        changes["input_hole"] = float(rng.uniform(0, HOLE))
    return changes


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(*np.log(bounds)))
