"""The optimizer of the weights."""

from pathlib import Path
from typing import Any

import torch

from im2mesh.checkpoints import DamagedCheckpointError
from im2mesh.config import TrainingConfig

MOMENTS = ("exp_avg", "exp_avg_sq")


def make_optimizer(model: torch.nn.Module, settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW, which is plain Adam (the paper's) without weight decay."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any], path: Path) -> None:
    """Go on from what was saved of an optimizer; its settings stay those of the present config.

    Raises:
        DamagedCheckpointError: If that is not the state of these weights.
    """
    groups = optimizer.state_dict()["param_groups"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = state["state"]
    if not all(_is_of(weights, index, saved) for index, saved in moments.items()):
        raise DamagedCheckpointError(
            f"{path} is damaged: the state of its optimizer is not that of its weights; take an "
            "intact file, or train again"
        )
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _is_of(weights: list[torch.nn.Parameter], index: Any, saved: Any) -> bool:
    """Whether a state is that of the weight of that index."""
    if not (isinstance(index, int) and 0 <= index < len(weights) and isinstance(saved, dict)):
        return False
    shapes = {"step": torch.Size(), **dict.fromkeys(MOMENTS, weights[index].shape)}
    return saved.keys() == shapes.keys() and all(
        isinstance(saved[key], torch.Tensor) and saved[key].shape == shape
        for key, shape in shapes.items()
    )
