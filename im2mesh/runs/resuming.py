"""Checks that a training may go on from a checkpoint: same model, settings and data."""

import warnings
from pathlib import Path
from typing import Any

from im2mesh.config.effects import Affects, keys_affecting
from im2mesh.config.files import flatten
from im2mesh.config.schema import Config, DataConfig, ModelConfig
from im2mesh.config.validation import is_resolved_config
from im2mesh.errors import Advice
from im2mesh.runs.checkpoints import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_newest,
)
from im2mesh.runs.folder import RunFolder
from im2mesh.runs.provenance import Provenance


def load_to_resume(folder: RunFolder) -> tuple[Checkpoint, Path] | None:
    """The checkpoint from which a training goes on, and its path; None if it starts anew.

    The best checkpoint is the only one if a training was killed between its first validation and
    its first save.

    Raises:
        CheckpointError: As `load_newest`, or if a best checkpoint that did not come about in that
            way would be replaced.
    """
    found = load_newest(folder.checkpoint, folder.previous_checkpoint)
    best = folder.best_checkpoint
    if found is not None or not best.exists():
        return found
    if not (folder.logs.is_dir() and is_resolved_config(folder.config)):
        raise CheckpointError(
            f"{best} would be replaced, and the rest of its run is not there; copy it to "
            f"{folder.checkpoint.name} to go on from it, or start anew with --fresh, which sets "
            "the folder aside"
        )
    return load_checkpoint(best), best


def refuse_another_run(checkpoint: Checkpoint, config: Config, path: Path) -> None:
    """Refuse a checkpoint of another model, or of one that observes something else.

    Raises:
        CheckpointError: With the names of the settings that differ.
    """
    now, before = config.model_dump(), _with_defaults(checkpoint.config)
    kept = keys_affecting(DataConfig, Affects.MODEL)
    changed = [f"data.{key}" for key in kept if before["data"][key] != now["data"][key]]
    kept = keys_affecting(ModelConfig, Affects.MODEL)
    if any(before["model"][key] != now["model"][key] for key in kept):
        changed.insert(0, "section model")
    if changed:
        raise CheckpointError(
            f"{path} was trained with other settings in {', '.join(changed)}; "
            "choose another output_dir, or --fresh to set the old run aside"
        )


def warn_of_changes(checkpoint: Checkpoint, config: Config, now: Provenance, path: Path) -> None:
    """Warn where data or settings are not those of the checkpoint."""
    _warn_of_other_data(checkpoint, now, path)
    _warn_of_other_settings(checkpoint, config, path)


def changed_settings(before: dict[str, Any], now: Config, *effects: Affects) -> list[str]:
    """The settings with these effects that differ, each as its key, the old and the new value."""
    old = dict(flatten(_with_defaults(before), ""))
    new = dict(flatten(now.model_dump(), ""))
    sections = tuple(f"{key}." for effect in effects for key in keys_affecting(Config, effect))
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return [
        f"{key} {old.get(key, [None])[0]} -> {new.get(key, [None])[0]}"
        for key in differing
        if f"{key}.".startswith(sections)
    ]


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint older than a key was trained as if the key had its default value."""
    return {
        name: {**value, **config.get(name, {})}
        if isinstance(value, dict)
        else config.get(name, value)
        for name, value in Config(output_dir="").model_dump().items()
    }


def _warn_of_other_settings(checkpoint: Checkpoint, config: Config, path: Path) -> None:
    """Warn of changed settings that affect what is learned from here on."""
    changed = changed_settings(checkpoint.config, config, Affects.LEARNING)
    if changed:
        started = any(change.startswith("training.start_from ") for change in changed)
        own = " Its weights stay its own: training.start_from is for new runs." if started else ""
        warnings.warn(
            f"{path} was trained with other settings: {', '.join(changed)}.{own} The "
            "result will not be that of a run with one set of settings; --fresh starts anew",
            Advice,
            stacklevel=4,
        )


def _warn_of_other_data(checkpoint: Checkpoint, now: Provenance, path: Path) -> None:
    """Warn loudly that the data has changed. This may be intended, but it is another training."""
    before = checkpoint.state.origins[-1]["dataset"]
    if before != now.dataset:
        warnings.warn(
            f"THE TRAINING DATA IS NOT WHAT {path} WAS TRAINED WITH (fingerprint {before}, now "
            f"{now.dataset}): clips were added, removed or made anew. If this is not meant, put "
            "the old data back; --fresh starts anew",
            Advice,
            stacklevel=4,
        )
