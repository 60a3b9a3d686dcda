"""Seeds: every random draw of training follows from the seed and from the purpose of the draw.

(Draws of generation and evaluation follow from their own seeds and the name of the window.) No draw
depends on earlier draws, so there is no random state to save: a run that stops goes on with the
same draws. This table says what each draw is derived from:

| Draw | Derived from |
| --- | --- |
| weights at the start | seed |
| order of the windows in an epoch | seed, epoch |
| frames, points and noise of a sample | seed, index of the sample in the whole training |
| whether the clouds of a batch vary, and their size | seed, number of the batch |
| frames, points and noise of a validation sample | seed, index of the window |
| frames of the correspondence loss, steps that train the shape alone | seed, iteration |
| latent noise of a sample | seed, iteration, place of the sample in the batch of all processes |
| dropout, noise of a teacher's clouds | seed, iteration, rank |

A sample's index is epoch * windows + its place in the epoch. Worker and rank are left out on
purpose: a sample is the same whichever process reads it, so the data of a training depend neither
on the number of workers nor on that of GPUs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """Purpose of a draw; no two purposes share a random stream."""

    SAMPLE = 0
    ORDER = 1
    DECISIONS = 2
    NOISE = 3
    NETWORKS = 4
    VALIDATION = 5
    VARIETY = 6


def random_stream(seed: int, purpose: Purpose, number: int) -> np.random.Generator:
    """The random stream of one epoch, sample or window, given by its number."""
    return np.random.default_rng((seed, purpose, number))


@dataclass(frozen=True)
class StepRandomness:
    """The random generators of a training step.

    Attributes:
        decisions: Generator for choices about the whole step, the same in all processes.
        noise: Generators of latent noise, one per item of this process's part of the batch.
    """

    decisions: torch.Generator
    noise: Sequence[torch.Generator]


def step_randomness(seed: int, iteration: int, rank: int, num_items: int) -> StepRandomness:
    """Make the generators of one process and step; also seed torch, for layers such as dropout.

    Args:
        num_items: Items in the process's part of the batch, which begins at item rank * num_items.
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
