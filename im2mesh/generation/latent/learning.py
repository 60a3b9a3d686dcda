"""Learn what the codes of a trained model are like, from the windows that train it."""

import warnings
from collections import deque
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from im2mesh.config.schema import Config
from im2mesh.data.dataset import build_training_data
from im2mesh.errors import Advice, UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.latent.samples import refuse_copies
from im2mesh.generation.latent.vectors import refuse_other_codes
from im2mesh.models.prior.code_prior import CodePrior, CodeWidths, join
from im2mesh.models.prior.components import Components
from im2mesh.models.views import with_cameras
from im2mesh.training.batches import training_batches

HELD_OUT = 10
"""Every so many-th clip, and at least one, is kept apart: are the others learned by heart?"""
BY_HEART = 1.25
"""Ratio of the losses of other clips and of those that were learned, above which this is told."""
DRAWS = 8
"""Noise and times per code of a clip that is kept apart."""


@dataclass(frozen=True)
class TrainingCodes:
    """Codes of windows as training draws them: at any start, with noise, and turned if it turns.

    Attributes:
        joined: Both codes of each window (see `join`).
        held_out: Which are of clips that are kept apart.
    """

    widths: CodeWidths
    joined: Float[Tensor, "W D"]
    held_out: Bool[Tensor, "W"]


@dataclass(frozen=True)
class PriorBudget:
    """How a prior is learned, and its size.

    Attributes:
        batch_size: Codes in a step.
        learning_rate: The first one; it falls to 0.
    """

    iterations: int = 12_000
    batch_size: int = 512
    learning_rate: float = 2e-3
    hidden_size: int = 384
    num_blocks: int = 4


@dataclass(frozen=True)
class Learned:
    """A prior, and its loss (see `CodePrior.loss`): of its last steps, and of clips kept apart."""

    prior: CodePrior
    loss: float
    held_out_loss: float


@torch.no_grad()
def encode_training(generator: Generator, config: Config, count: int) -> TrainingCodes:
    """Encode windows as training draws them, at least `count` of them.

    Raises:
        UserError: If a code of the model is no vector, or the model has none; or if windows are
            observed in several copies, or are of too few clips.
    """
    refuse_copies(generator)
    per_batch = config.training.batch_size
    num_batches = -(-count // per_batch)
    joined, clips = [], []
    settings = config.training.model_copy(update={"max_iterations": num_batches})
    batches = training_batches(build_training_data(config), settings)
    for batch in tqdm(batches, "encode", num_batches, unit="batch"):
        batch = batch.to(generator.device)
        observed = with_cameras(batch.inputs, batch.cameras)
        codes = generator.model.encode(observed, batch.input_times)
        refuse_other_codes(codes, "a window of the training")
        joined.append(join(codes).cpu())
        if joined[0].shape[1] == 0:
            raise UserError("the model has no code, so there is nothing to learn a prior of")
        clips += [(window.category, window.clip) for window in batch.windows]
    different = sorted(set(clips))
    if len(different) < 2:
        raise UserError(
            f"{len(clips)} windows of one clip say too little of what codes are like; encode more "
            "windows, or use a split of several clips"
        )
    apart = set(different[::-HELD_OUT])
    held_out = torch.tensor([clip in apart for clip in clips])
    return TrainingCodes(CodeWidths.of(codes), torch.cat(joined), held_out)


def learn_prior(codes: TrainingCodes, budget: PriorBudget, seed: int) -> Learned:
    """Learn a prior by flow matching, on the CPU.

    Raises:
        UserError: If the codes do not differ.
    """
    seen, apart = codes.joined[~codes.held_out], codes.joined[codes.held_out]
    components = Components.of(*seen.tensor_split([codes.widths.shape], 1))
    if len(components.directions) == 0:
        raise UserError(
            f"the codes of {len(seen)} windows do not differ, so there is nothing to learn a prior "
            "of; encode more windows, or train longer"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # before the weights are drawn
        prior = CodePrior(codes.widths, components, budget.hidden_size, budget.num_blocks)
    loss = _descend(prior, seen, budget, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        held_out = float(prior.loss(apart.repeat(DRAWS, 1), torch.Generator().manual_seed(seed)))
    if held_out > BY_HEART * loss:
        warnings.warn(
            f"the loss is {held_out:.2f} on clips that were kept apart, and {loss:.2f} on others: "
            "the prior has learned these by heart; encode more windows, or of more clips",
            Advice,
            stacklevel=2,
        )
    return Learned(prior.eval(), loss, held_out)


def _descend(
    prior: CodePrior, codes: Float[Tensor, "W D"], budget: PriorBudget, random: torch.Generator
) -> float:
    """Fit the velocities; returns the mean loss of the last hundredth of the steps."""
    optimizer = torch.optim.Adam(prior.parameters(), lr=budget.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.iterations)
    losses = deque[float](maxlen=max(1, budget.iterations // 100))
    for _ in tqdm(range(budget.iterations), "learn the prior", unit="step"):
        rows = torch.randint(len(codes), (budget.batch_size,), generator=random)
        loss = prior.loss(codes[rows], random)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(prior.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)
