"""Seeds: every random draw of training follows from the seed and from what it is drawn for.

(Those of generation and evaluation follow from their own seeds and the name of the window.) Nothing
depends on what was drawn before, so there is no random state to save: a run that stops goes on with
the same draws. What the numbers are derived from:

| Draw | From |
| --- | --- |
| weights at the start | seed |
| order of the windows in an epoch | seed, epoch |
| frames, points and noise of a sample | seed, index of the sample in the whole training |
| the same of validation | seed, index of the window |
| frames of the correspondence loss, steps that train the shape alone | seed, iteration |
| latent noise of a sample | seed, iteration, place of the sample in the batch of all processes |
| dropout | seed, iteration, rank |

A sample's index is epoch * windows + its place in the epoch. Worker and rank are left out on
purpose: a sample is the same whichever process reads it, so neither their number nor that of GPUs
changes what is learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What is drawn; no two purposes share a stream."""

    SAMPLE = 0
    ORDER = 1
    DECISIONS = 2
    NOISE = 3
    NETWORKS = 4
    VALIDATION = 5


def random_stream(seed: int, purpose: Purpose, number: int) -> np.random.Generator:
    """The stream of the `number`-th thing of its kind."""
    return np.random.default_rng((seed, purpose, number))


@dataclass(frozen=True)
class StepRandomness:
    """What a training step draws from.

    Attributes:
        decisions: On the step as a whole: the same in all processes.
        noise: On the items of this process's part of the batch, one for each.
    """

    decisions: torch.Generator
    noise: Sequence[torch.Generator]


def step_randomness(seed: int, iteration: int, rank: int, num_items: int) -> StepRandomness:
    """What one process draws from in one step. Also seeds torch, for networks that draw themselves.

    Args:
        num_items: Of the process's part of the batch, which begins at item `rank * num_items`.
    """
    torch.manual_seed(_torch_seed(seed, Purpose.NETWORKS, iteration, rank))
    first = rank * num_items
    return StepRandomness(
        decisions=_generator(seed, Purpose.DECISIONS, iteration, 0),
        noise=[
            _generator(seed, Purpose.NOISE, iteration, item)
            for item in range(first, first + num_items)
        ],
    )


def _generator(seed: int, purpose: Purpose, iteration: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(_torch_seed(seed, purpose, iteration, number))


def _torch_seed(seed: int, purpose: Purpose, iteration: int, number: int) -> int:
    sequence = np.random.SeedSequence((seed, purpose, iteration, number))
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)  # torch takes 63 bits
