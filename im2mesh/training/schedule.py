"""The learning rate over the course of training."""

import math

from im2mesh.config import TrainingConfig


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
