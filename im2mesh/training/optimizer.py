"""The optimizer, its saved state, and the learning rate."""

import math
from pathlib import Path
from typing import Any

import torch

from im2mesh.config.schema import TrainingConfig
from im2mesh.runs.checkpoints import DamagedCheckpointError

MOMENTS = ("exp_avg", "exp_avg_sq")


def make_optimizer(model: torch.nn.Module, settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW. Without weight decay, this is plain Adam, which the paper uses."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any], path: Path) -> None:
    """Restore the saved state of an optimizer, but keep the settings of the present config.

    Raises:
        DamagedCheckpointError: If the state does not fit the weights.
    """
    groups = optimizer.state_dict()["param_groups"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = state["state"]
    if not all(_is_of(weights, index, saved) for index, saved in moments.items()):
        raise DamagedCheckpointError(
            f"{path} is damaged: the state of its optimizer does not fit its weights; take an "
            "intact file, or train again"
        )
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _is_of(weights: list[torch.nn.Parameter], index: Any, saved: Any) -> bool:
    """Whether a saved state has the keys and shapes of the weight with this index."""
    if not (isinstance(index, int) and 0 <= index < len(weights) and isinstance(saved, dict)):
        return False
    shapes = {"step": torch.Size(), **dict.fromkeys(MOMENTS, weights[index].shape)}
    return saved.keys() == shapes.keys() and all(
        isinstance(saved[key], torch.Tensor) and saved[key].shape == shape
        for key, shape in shapes.items()
    )


def budget_used(iteration: int, seconds: float, config: TrainingConfig) -> float:
    """Share of the training budget that is used up: iterations or time, the larger share.

    Example:
        >>> config = TrainingConfig(max_iterations=100, max_seconds=10.0)
        >>> budget_used(20, 5.0, config)
        0.5
    """
    by_time = 0.0 if config.max_seconds is None else seconds / config.max_seconds
    return max(iteration / config.max_iterations, by_time)


def learning_rate(iteration: int, seconds: float, config: TrainingConfig) -> float:
    """Learning rate of one step: linear warm-up, then constant or half a cosine down to 0.

    Example:
        >>> config = TrainingConfig(schedule="cosine", max_iterations=100, learning_rate=1.0)
        >>> [round(learning_rate(i, 0.0, config), 3) for i in (0, 50, 100)]
        [1.0, 0.5, 0.0]
    """
    rate = config.learning_rate
    if config.schedule == "cosine":
        used = min(budget_used(iteration, seconds, config), 1.0)
        rate *= 0.5 * (1 + math.cos(math.pi * used))
    if iteration < config.warmup_iterations:
        rate *= (iteration + 1) / config.warmup_iterations
    return rate
