"""The name of a tracker in a configuration -> what is told."""

from collections.abc import Callable, Mapping
from pathlib import Path

from im2mesh.config.schema import TrainingConfig
from im2mesh.training.trackers.tensorboard import TensorBoard
from im2mesh.training.trackers.tracker import Tracker, Trackers
from im2mesh.training.trackers.weights_and_biases import WeightsAndBiases

TRACKERS: Mapping[str, Callable[[Path], Tracker] | None] = {
    "tensorboard": None,
    "wandb": WeightsAndBiases,
}
"""Names of `training.tracker` -> what opens a tracker beside TensorBoard, given the folder of the
logs."""


def open_trackers(settings: TrainingConfig, logs: Path, iteration: int) -> Tracker:
    """Open what `training.tracker` asks for. Event files are always written: pages and curves are
    drawn from them.

    Raises:
        UserError: If its library is not installed, or refuses to begin.
    """
    trackers: list[Tracker] = [TensorBoard(logs, iteration)]  # which makes the folder
    open_other = TRACKERS[settings.tracker]
    return Trackers(trackers if open_other is None else [*trackers, open_other(logs)])
