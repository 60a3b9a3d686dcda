"""The name of a tracker in a configuration -> what is told."""

from pathlib import Path

from im2mesh.config.schema import TrainingConfig
from im2mesh.training.trackers.tensorboard import TensorBoard
from im2mesh.training.trackers.tracker import Tracker, Trackers
from im2mesh.training.trackers.weights_and_biases import WeightsAndBiases


def open_trackers(settings: TrainingConfig, logs: Path, iteration: int) -> Tracker:
    """Open what `training.tracker` asks for. Event files are always written: pages and curves are
    drawn from them.

    Raises:
        UserError: If its library is not installed.
    """
    others = [WeightsAndBiases(logs)] if settings.tracker == "wandb" else []
    return Trackers([TensorBoard(logs, iteration), *others])
