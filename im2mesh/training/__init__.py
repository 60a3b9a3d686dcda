"""Training: the loop, its schedule, validation, and stopping without loss."""

from im2mesh.training.processes import process_group
from im2mesh.training.stopping import stop_on_signal
from im2mesh.training.trainer import Trainer, TrainingError

__all__ = ["Trainer", "TrainingError", "process_group", "stop_on_signal"]
