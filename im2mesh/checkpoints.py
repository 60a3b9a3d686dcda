"""Save and load the state of a training run. Loading never executes code from the file."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch

import im2mesh
from im2mesh.errors import UserError
from im2mesh.files.torch_files import TorchFileError, read_torch_file, write_torch_file

FORMAT = 4
ORIGIN: Mapping[str, type] = {
    "code": str, "config": str, "dataset": str, "seed": int, "packages": dict,
}  # fmt: skip
NESTED: Mapping[str, Mapping[str, type]] = {
    "config": {"data": dict, "model": dict},
    "optimizer": {"state": dict, "param_groups": list},
    "origin": ORIGIN,
}
"""What is read of nested fields, and its types."""
PLAIN = ("config", "origin", "origins")  # fields that hold text and numbers alone
MAX_VALUES = 10_000  # in one of these


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or not of this model. The message names the file."""


class DamagedCheckpointError(CheckpointError):
    """The file is there, but not as it was written."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on as if training had not stopped.

    All that is random follows from the seed and the iteration (see `randomness`), so there is no
    random state to save.

    Attributes:
        config: The resolved configuration, nested.
        model: State dict.
        optimizer: State dict.
        iteration: Steps done.
        seconds: Training time spent.
        best_score: Best validation score so far (see `validate`), -inf before the first.
        num_skipped: Batches left out because their loss or gradient was not finite.
        origins: What made it, by stretches of training (see `origins.continued`).
    """

    config: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    iteration: int
    seconds: float
    best_score: float
    num_skipped: int
    origins: list[dict[str, Any]]


def save_checkpoint(path: Path, checkpoint: Checkpoint, previous: Path | None = None) -> None:
    """Write a checkpoint; at no time is there a half-written file of that name.

    Args:
        path: Of the file.
        checkpoint: What to write.
        previous: Name that the present file of that name gets, once the new one is on disk.

    Raises:
        OSError: If it cannot be written, as on a full disk; older files are as they were.
    """
    values = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
    values = {"format": FORMAT, "version": im2mesh.__version__, **values}
    write_torch_file(path, values, previous)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: If there is no such file, it is damaged, or it is not a checkpoint of this
            project.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {path}; run train.py with this config first "
            "(model_best.pt is written at the first validation), or name another checkpoint"
        )
    values = read_values(path, "use a model.pt or model_best.pt that train.py wrote")
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise CheckpointError(
            f"{path} is in format {values['format']} of another version of this project, this one "
            f"reads format {FORMAT}; train again"
        )
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of this project (format {FORMAT}); one of the authors' "
            "code is imported with scripts/import_official_checkpoint.py"
        )
    values.pop("version", None)
    return Checkpoint(**check_fields(values, Checkpoint, path))


def check_fields(values: dict[Any, Any], kind: type, path: Path) -> dict[str, Any]:
    """Values for a dataclass, as they were read from a file, if all are there and of its types; of
    nested ones, those that are read.

    Raises:
        DamagedCheckpointError: If not, naming the field.
    """
    for name, hint in get_type_hints(kind).items():
        _check_type(values, name, get_origin(hint) or hint, path)
        for key, expected in NESTED.get(name, {}).items():
            _check_type(values[name], key, expected, path, f"{name}.")
        if name in PLAIN and not _is_plain(values[name]):
            raise DamagedCheckpointError(
                f"{path} is damaged: {name} holds more than text and numbers, or itself; take an "
                "intact file, or train again"
            )
        if name == "origins":
            _check_stretches(values[name], path)
    if len(values) > len(fields(kind)):
        raise DamagedCheckpointError(f"{path} is damaged: it holds more than it should")
    return values


def _check_stretches(notes: list[Any], path: Path) -> None:
    if not notes or not all(isinstance(note, dict) for note in notes):
        raise DamagedCheckpointError(
            f"{path} is damaged: origins does not say what trained it; take an intact file, or "
            "train again"
        )
    for number, note in enumerate(notes):
        for key, expected in {"since": int, **ORIGIN}.items():
            _check_type(note, key, expected, path, f"origins[{number}].")


def _check_type(
    values: Mapping[Any, Any], key: str, expected: type, path: Path, prefix: str = ""
) -> None:
    if not isinstance(values.get(key), expected):
        found = type(values[key]).__name__ if key in values else "nothing"
        raise DamagedCheckpointError(
            f"{path} is damaged: {prefix}{key} must be {expected.__name__}, got {found}; take an "
            "intact file, or train again"
        )


def _is_plain(values: Any) -> bool:
    """Nested text and numbers, not too many. A file can name one part many times, and the parts of
    that part, so that few bytes would take forever to walk through."""
    waiting, count = [values], 0
    while waiting and count + len(waiting) <= MAX_VALUES:
        value = waiting.pop()
        count += 1
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        elif not isinstance(value, str | int | float | None):
            return False
    return not waiting


def load_newest(newest: Path, previous: Path) -> tuple[Checkpoint, Path] | None:
    """The newest intact checkpoint of two, and which it is; None where there never was one.

    A damaged newest one is set aside, so that it cannot take the place of the intact one.

    Raises:
        CheckpointError: If there are files, but none is intact. A run never starts over by itself.
    """
    if not (newest.exists() or previous.exists()):
        return None
    problem = f"{newest} is not there"
    if newest.exists():
        try:
            return load_checkpoint(newest), newest
        except DamagedCheckpointError as error:
            if not previous.exists():
                raise CheckpointError(f"{error}; or start anew with --fresh") from error
            problem = str(error)
    try:
        checkpoint = load_checkpoint(previous)
    except DamagedCheckpointError as error:
        raise CheckpointError(
            f"neither {newest} nor {previous} can be used ({problem}); copy model_best.pt to "
            f"{newest.name} to go on from there, or start anew with --fresh"
        ) from error
    warnings.warn(
        f"GOING ON FROM AN OLDER CHECKPOINT, {previous} of iteration {checkpoint.iteration}, "
        f"because the newest cannot be used: {problem}",
        stacklevel=2,
    )
    if newest.exists():
        newest.replace(newest.with_name(f"{newest.stem}_damaged{newest.suffix}"))
    return checkpoint, previous


def read_values(path: Path, way_out: str, types: Sequence[Any] = ()) -> Any:
    """What a file of torch.save holds (see `read_torch_file`).

    Raises:
        CheckpointError: If the file is damaged or holds anything that could execute code.
    """
    try:
        return read_torch_file(path, way_out, types)
    except TorchFileError as error:
        raise DamagedCheckpointError(str(error)) from error


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
    refuse_another_model(model, state, origin)
    model.load_state_dict(state, strict=True)


def refuse_another_model(model: torch.nn.Module, state: dict[str, Any], origin: str | Path) -> None:
    """Refuse a state dict of which a name or shape differs from the model's.

    Raises:
        CheckpointError: Listing which.
    """
    differences = list(_differences(model.state_dict(), state))
    if differences:
        raise CheckpointError(
            f"{origin} holds another model than the config describes: {'; '.join(differences)}; "
            "use the config it was trained with"
        )


def _differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """What a state dict lacks, has too much, or has in another shape; the first of each kind."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    misshapen = [
        f"{name} {_shape(found[name])}, not {_shape(expected[name])}"
        for name in expected
        if name in found and _shape(found[name]) != _shape(expected[name])
    ]
    for what, names in (
        ("it lacks", missing),
        ("it has besides", unknown),
        ("of another shape is", misshapen),
    ):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{what} {names[0]}{more}"


def _shape(value: Any) -> list[int] | None:
    """None for what is no tensor."""
    return list(value.shape) if isinstance(value, torch.Tensor) else None
