"""The optimizer of the weights."""

import torch

from im2mesh.config import TrainingConfig


def make_optimizer(model: torch.nn.Module, settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW, which is plain Adam (the paper's) without weight decay."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
