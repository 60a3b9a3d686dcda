"""A failed training step as a file, with everything that is needed to repeat the failure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from torch import Tensor

from im2mesh.data.batch import Batch
from im2mesh.data.layout import Window
from im2mesh.files.torch_files import write_torch_file
from im2mesh.runs.checkpoints import CheckpointError, check_fields, read_values


@dataclass(frozen=True)
class Snapshot:
    """A training step that failed.

    Attributes:
        config: The resolved configuration, as nested dictionaries.
        model: State dict of the model before the step.
        iteration: Number of steps done before.
        reason: Description of the failure (see `explain_failure`).
        batches: Parts of the batch, one per process, by rank.
        origin: Provenance of the training, as a dictionary.
    """

    config: dict[str, Any]
    model: dict[str, Tensor]
    iteration: int
    reason: str
    batches: tuple[Batch, ...]
    origin: dict[str, Any]


@dataclass(frozen=True)
class FailedPart:
    """One process's account of a failed step.

    Attributes:
        reason: Reason of the failure; empty if only another process failed.
        loss_parts: Parts of the loss by name, as far as they are known.
        batch: Part of the batch of this process, on the CPU.
    """

    reason: str
    loss_parts: dict[str, float]
    batch: Batch


def explain_failure(parts: Sequence[FailedPart], iteration: int) -> str:
    """One line: iteration, reason, and the loss parts and windows of all processes."""
    reason = next(part.reason for part in parts if part.reason)
    losses = "; ".join(
        ", ".join(f"{name} {value:.4g}" for name, value in part.loss_parts.items()) or "not known"
        for part in parts
    )
    windows = ", ".join(str(window) for part in parts for window in part.batch.windows)
    return f"iteration {iteration} failed: {reason}; loss: {losses}; windows: {windows}"


def save_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot as tensors, numbers and text alone."""
    values = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    values["batches"] = [_plain(batch) for batch in snapshot.batches]
    write_torch_file(path, values)


def load_snapshot(path: Path) -> Snapshot:
    """Read what `save_snapshot` wrote.

    Raises:
        CheckpointError: If there is no such file, or it is not a snapshot.
    """
    if not path.is_file():
        raise CheckpointError(f"no snapshot at {path}; train.py writes one when a step fails")
    values = read_values(path, "use a snapshot that train.py wrote")
    try:
        values["batches"] = tuple(_batch(plain) for plain in values["batches"])
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is no snapshot of a failed step; name one that train.py wrote in "
            "failed_steps/ of a run"
        ) from error
    check_fields(values, get_type_hints(Snapshot), path)
    return Snapshot(**values)


def _plain(batch: Batch) -> dict[str, Any]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    tensors = {name: value.cpu() for name, value in values.items() if isinstance(value, Tensor)}
    return {**tensors, "windows": [asdict(window) for window in batch.windows]}


def _batch(plain: dict[str, Any]) -> Batch:
    windows: Sequence[dict[str, Any]] = plain["windows"]
    return Batch(**{**plain, "windows": tuple(Window(**window) for window in windows)})
