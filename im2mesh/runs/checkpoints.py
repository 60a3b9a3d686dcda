"""Save and load the state of a training run. Loading never executes code from the file."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import im2mesh
from im2mesh.errors import Advice, UserError
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
"""Field -> the entries inside it that this project reads, and their types."""
PARTS = ("config", "model", "optimizer")  # fields of a checkpoint beside its training state
PLAIN = ("config", "origin", "origins")  # fields that hold text and numbers alone
PRECISIONS = ("", "fp32", "tf32", "bf16")
MAX_VALUES = 10_000  # in one of the plain fields


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or of another model. The message names the file."""


class DamagedCheckpointError(CheckpointError):
    """The file exists, but its content is not what was written."""


@dataclass
class TrainingState:
    """The progress of a training. The trainer counts in it.

    Every random draw follows from the seed and the iteration (see `randomness`), so no random
    state is saved.

    Attributes:
        iteration: Number of steps done.
        seconds: Training time spent.
        best_score: Best validation score so far (see `validate`), -inf before the first.
        num_skipped: Number of batches left out because their step failed (see `StepError`).
        origins: Notes of the training, one per stretch (see `origins.continued`).
        precision: Precision in which the networks compute; empty if the file does not tell.
    """

    iteration: int
    seconds: float
    best_score: float
    num_skipped: int
    origins: list[dict[str, Any]]
    precision: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a training needs to go on as if it had not stopped.

    Attributes:
        config: The resolved configuration, as nested dictionaries.
        model: State dict of the model.
        optimizer: State dict of the optimizer.
        state: Progress of the training.
    """

    config: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    state: TrainingState


def save_checkpoint(path: Path, checkpoint: Checkpoint, previous: Path | None = None) -> None:
    """Write a checkpoint. There is never a half-written file at `path`.

    Args:
        path: Path of the file.
        checkpoint: Content of the file.
        previous: New path of the old file at `path`, which moves once the new one is on disk.

    Raises:
        OSError: If the file cannot be written, as on a full disk; older files are unchanged.
    """
    parts = {name: getattr(checkpoint, name) for name in PARTS}
    header = {"format": FORMAT, "version": im2mesh.__version__}
    write_torch_file(path, {**header, **parts, **vars(checkpoint.state)}, previous)


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
            "(model_best.pt is written at the first validation), or name another checkpoint, or "
            "weights that ship (python scripts/weights.py list)"
        )
    values = read_values(path, "use a model.pt or model_best.pt that train.py wrote")
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise CheckpointError(
            f"{path} is in format {values['format']}, from another version of this project; this "
            f"version reads format {FORMAT}: train again"
        )
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of this project (format {FORMAT}); import a "
            "checkpoint of the authors' code with scripts/import_official_checkpoint.py"
        )
    values.pop("version", None)
    values.setdefault("precision", "")  # older files do not have it
    types = {**get_type_hints(Checkpoint), **get_type_hints(TrainingState)}
    if values["precision"] not in PRECISIONS:
        raise DamagedCheckpointError(
            f"{path} is damaged: precision must be one of {', '.join(PRECISIONS[1:])}, got "
            f"{str(values['precision'])[:20]}; take an intact file, or train again"
        )
    del types["state"]  # a file holds the fields of the state beside the others, not nested
    check_fields(values, types, path)
    parts = {name: values.pop(name) for name in PARTS}
    return Checkpoint(**parts, state=TrainingState(**values))


def check_fields(values: Mapping[Any, Any], types: Mapping[str, Any], path: Path) -> None:
    """Refuse the values of a file if a field is missing, unknown or of a wrong type. Inside a
    field, only the entries that this project reads are checked.

    Raises:
        DamagedCheckpointError: With the name of the field that is missing or wrong.
    """
    for name, hint in types.items():
        _check_type(values, name, get_origin(hint) or hint, path)
        for key, expected in NESTED.get(name, {}).items():
            _check_type(values[name], key, expected, path, f"{name}.")
        if name in PLAIN and not _is_plain(values[name]):
            raise DamagedCheckpointError(
                f"{path} is damaged: {name} must hold at most {MAX_VALUES} values, all text or "
                "numbers; take an intact file, or train again"
            )
        if name == "origins":
            _check_stretches(values[name], path)
    if len(values) > len(types):
        raise DamagedCheckpointError(f"{path} is damaged: it has unknown entries; train again")


def _check_stretches(notes: list[Any], path: Path) -> None:
    if not notes or not all(isinstance(note, dict) for note in notes):
        raise DamagedCheckpointError(
            f"{path} is damaged: origins must list the stretches of its training; take an intact "
            "file, or train again"
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
    """Whether nested values are text and numbers alone, and at most `MAX_VALUES`. A small file can
    refer to one list many times, at every level, so that visiting all of it would take forever."""
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
    """The newest intact checkpoint of two, and its path; None if neither file exists.

    A damaged newest file is renamed, since the next save would put it in place of the intact one.

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
        f"GOING ON FROM AN OLDER CHECKPOINT, {previous} of iteration {checkpoint.state.iteration}, "
        f"because the newest cannot be used: {problem}",
        Advice,
        stacklevel=2,
    )
    if newest.exists():
        newest.replace(newest.with_name(f"{newest.stem}_damaged{newest.suffix}"))
    return checkpoint, previous


def read_values(path: Path, way_out: str, types: Sequence[Any] = ()) -> Any:
    """Read the content of a file of torch.save (see `read_torch_file`).

    Raises:
        CheckpointError: If the file is damaged or holds anything that could execute code.
    """
    try:
        return read_torch_file(path, way_out, types)
    except TorchFileError as error:
        raise DamagedCheckpointError(str(error)) from error
