"""Training: the loop, its schedule, validation, and stopping without loss."""

from im2mesh.training.trainer import Trainer, TrainingError

__all__ = ["Trainer", "TrainingError"]
