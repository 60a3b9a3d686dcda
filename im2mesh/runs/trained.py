"""A trained model in a file: a checkpoint of a training, or weights alone to give to others."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from im2mesh.config.schema import Config
from im2mesh.errors import ConfigError, UserError
from im2mesh.files.tensor_files import (
    OtherFormatError,
    TensorFileError,
    read_tensors,
    write_tensors,
)
from im2mesh.pretrained.shipped import ENDING
from im2mesh.runs.checkpoints import (
    CheckpointError,
    DamagedCheckpointError,
    check_fields,
    load_checkpoint,
)
from im2mesh.runs.earlier_weights import with_later_layers

FORMAT = "occupancy-flow weights 1"
TYPES = {"config": dict, "origins": list, "best_score": float}


@dataclass(frozen=True)
class TrainedModel:
    """What is needed to use a trained model, and to say where it comes from.

    Attributes:
        config: The resolved configuration, as nested dictionaries.
        model: State dict of the model.
        origins: Notes of the training, one per stretch (see `origins.continued`).
        best_score: Best validation score of the training.
    """

    config: dict[str, Any]
    model: dict[str, Any]
    origins: list[dict[str, Any]]
    best_score: float


def read_trained(path: str | Path) -> TrainedModel:
    """Read a checkpoint (.pt) or weights (.safetensors), onto the CPU. Executes no code.

    Raises:
        CheckpointError: If there is no such file, it is damaged, or of another project.
    """
    path = Path(path)
    if path.suffix == ENDING:
        return _read_weights(path)
    checkpoint = load_checkpoint(path)
    state = checkpoint.state
    model = with_later_layers(checkpoint.model)
    return TrainedModel(checkpoint.config, model, state.origins, state.best_score)


def refuse_other_input(trained: TrainedModel, config: Config, file: str | Path) -> None:
    """Refuse weights that mean something else, even where all names and shapes are equal.

    Raises:
        ConfigError: If the method, the number of frames or the kind of input differs.
    """
    now = config.model_dump()
    for section, key in (("model", "method"), ("data", "num_frames"), ("data", "input")):
        before, asked = trained.config[section].get(key), now[section][key]
        if before != asked:
            raise ConfigError(
                f"{file} was trained with {section}.{key} {before}, the config says {asked}; use "
                "the config it was trained with"
            )


def write_weights(path: Path, trained: TrainedModel) -> None:
    """Write a .safetensors file: the weights, and in its header all else with a checksum.

    Raises:
        OSError: If the file cannot be written; an older one is kept.
    """
    write_tensors(path, FORMAT, trained.model, {name: getattr(trained, name) for name in TYPES})


def rounded(trained: TrainedModel) -> TrainedModel:
    """The same model with weights of half precision (fp16), which take half the space.

    A model that loads them computes as it did before, with weights rounded to three digits.

    Raises:
        UserError: If a weight is too large for half precision.
    """
    model = {}
    for name, tensor in trained.model.items():
        model[name] = tensor.half() if tensor.is_floating_point() else tensor
        if not torch.isfinite(model[name]).all():
            raise UserError(f"{name} has a value that half precision cannot hold; leave out --half")
    return replace(trained, model=model)


def _read_weights(path: Path) -> TrainedModel:
    if not path.is_file():
        raise CheckpointError(
            f"no weights at {path}; give the name of weights that ship with the package "
            "(python scripts/weights.py list), or write the file with scripts/weights.py export"
        )
    try:
        model, values = read_tensors(path, FORMAT)
    except OtherFormatError as error:
        raise CheckpointError(
            f"{path} holds no weights of this project in the format '{FORMAT}'; write them with "
            "scripts/weights.py export"
        ) from error
    except TensorFileError as error:
        raise DamagedCheckpointError(
            f"{error}; take an intact file (weights that ship: install the package again)"
        ) from error
    check_fields(values, TYPES, path)
    return TrainedModel(model=with_later_layers(model), **values)
