"""Save and load the state of a training run. Loading never executes code from the file."""

import hashlib
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

import im2mesh
from im2mesh.atomic import atomic_file
from im2mesh.errors import UserError

FORMAT = 2


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or not of this model. The message names the file."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on as if training had not stopped.

    Data order and noise follow from the seed and the number of samples drawn, so they need no
    random state of their own.

    Attributes:
        config: The resolved configuration, nested.
        model: State dict.
        optimizer: State dict.
        iteration: Steps done.
        seconds: Training time spent.
        best_score: Best validation score so far (see `validate`), -inf before the first.
        generator: Random state of the losses.
    """

    config: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    iteration: int
    seconds: float
    best_score: float
    generator: torch.Tensor


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; at no time is there a half-written file of that name."""
    values = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    with atomic_file(path) as file:
        torch.save({"format": FORMAT, "version": im2mesh.__version__, **values}, file)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: If there is no such file, or it is not a checkpoint of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {path}; run train.py with this config first "
            "(model_best.pt is written at the first validation), or name another checkpoint"
        )
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}); "
            "use a model.pt or model_best.pt that train.py wrote"
        ) from error
    names = {field.name for field in fields(Checkpoint)}
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise CheckpointError(
            f"{path} is in format {values['format']} of another version of this project, this one "
            f"reads format {FORMAT}; train again"
        )
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of this project (format {FORMAT})")
    values.pop("version", None)
    if set(values) != names:
        raise CheckpointError(f"{path} lacks {sorted(names - set(values))}; train again")
    return Checkpoint(**values)


def weights_digest(model: torch.nn.Module) -> str:
    """Identifies the weights of a model."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()


def load_weights(model: torch.nn.Module, state: dict[str, Any], origin: str | Path) -> None:
    """Fill a model with a state dict, strictly.

    Raises:
        CheckpointError: If a name or shape differs, listing which.
    """
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        differences = str(error).splitlines()[1:]
        raise CheckpointError(
            f"{origin} holds another model than the config describes; use the config it was "
            f"trained with. {len(differences)} differences, the first: {differences[0].strip()}"
        ) from error
