"""How a training that is not resumed begins: with fresh weights, or with those of another one."""

from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.errors import ConfigError, UserError
from im2mesh.models.encoders.encoder import Encoder
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.pretrained.shipped import find_weights
from im2mesh.runs.origins import Notes
from im2mesh.runs.trained import TrainedModel, read_trained, refuse_other_input
from im2mesh.runs.weights import load_weights

CHECKPOINT_ENDING = ".pt"


def read_first_weights(config: Config) -> TrainedModel | None:
    """Read the weights that a training starts from; None without training.start_from.

    Raises:
        ConfigError: If training.start_from names no weights, or such of another kind of input.
        CheckpointError: If the file is missing or damaged.
    """
    if config.training.start_from is None:
        return None
    file = _find(config.training.start_from)
    trained = read_trained(file)
    refuse_other_input(trained, config, file)
    return trained


def load_first_weights(model: SequenceModel, first: TrainedModel | None, config: Config) -> Notes:
    """Fill a fresh model with the weights that a training starts from.

    Without any, only encoders that have pretrained weights of their own load them.

    Args:
        first: Weights to start from, if any; the configuration names them.

    Returns:
        The notes of the training that made the weights; empty for fresh ones.

    Raises:
        CheckpointError: If they are of another model.
    """
    if first is None:
        for module in model.modules():
            if isinstance(module, Encoder):
                module.load_pretrained()
        return ()
    load_weights(model, first.model, f"training.start_from {config.training.start_from}")
    return first.origins


def _find(name: str) -> Path:
    if name.endswith(CHECKPOINT_ENDING):
        return Path(name)
    try:
        return find_weights(name, other=f", or of a checkpoint ({CHECKPOINT_ENDING})")
    except UserError as error:
        raise ConfigError(f"training.start_from: {error}") from error
