"""The notes `made_by` of meshes (see `provenance`); a split made by several runs is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.runs.folder import WindowFolder

NOTED = {"code": str, "config": str, "dataset": str, "seed": int}  # read from notes
AGAIN = "run generate.py again: it replaces the meshes that are out of date"


def broken_summary(path: Path, reason: object) -> UserError:
    """The error for a window.json that cannot be read; generate.py does not replace the file."""
    return UserError(f"{path} is broken ({reason}); delete it and run generate.py again")


def read_summary(path: Path) -> dict[str, Any]:
    """Read the window.json that generate.py writes for a window.

    Raises:
        UserError: If the file is broken.
    """
    try:
        summary = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise broken_summary(path, error) from error
    if not isinstance(summary, dict):
        raise broken_summary(path, f"it holds a {type(summary).__name__}, not keys and values")
    if "made_by" in summary:  # a file without it counts as unfinished
        _check_types(summary, {"status": str, "made_by": dict}, path)
        made_by = {"trained_by": [], **summary["made_by"]}
        _check_types(made_by, {"run": str, "trained_by": list, **NOTED}, path)
        for note in made_by["trained_by"]:
            if not isinstance(note, dict):
                raise broken_summary(path, "each entry of trained_by must hold keys and values")
            _check_types(note, {"since": int, **NOTED}, path)
    return summary


def read_seconds(folder: Path, windows: Sequence[Window]) -> dict[str, list[float]]:
    """Stage of generate.py -> its seconds in each window; empty for meshes of another program.

    Raises:
        UserError: If a summary is broken.
    """
    seconds: dict[str, list[float]] = {}
    for window in windows:
        path = WindowFolder.of(folder, window).summary
        if not path.is_file():
            return {}
        for stage, value in read_summary(path).get("seconds", {}).items():
            seconds.setdefault(stage, []).append(float(value))
    return seconds


def _check_types(values: dict[str, Any], expected: dict[str, type], path: Path) -> None:
    for key, kind in expected.items():
        if not isinstance(values.get(key), kind):
            found = type(values[key]).__name__ if key in values else "nothing"
            raise broken_summary(path, f"{key} must be {kind.__name__}, got {found}")


def read_origins(folder: Path, root: str | Path, windows: Sequence[Window]) -> list[dict[str, Any]]:
    """The origins of the meshes of a split, as notes: one per version of code and libraries.

    The list is empty for meshes of another program, which have no notes.

    Raises:
        UserError: If several runs, or a run and another program, made the meshes in the folder, or
            if the meshes were made from other data than there are now.
    """
    notes: dict[Window, dict[str, Any] | None] = {}
    for window in windows:
        files = WindowFolder.of(folder, window)
        is_noted = files.summary.is_file()
        notes[window] = read_summary(files.summary).get("made_by") if is_noted else None
    first, made_by = next(iter(notes.items()))
    for window, other in notes.items():
        if (made_by or {}).get("run") != (other or {}).get("run"):
            raise UserError(
                f"{folder}: the meshes of {first} and {window} were made by different runs "
                f"(weights or settings differ); {AGAIN}"
            )
        if other is not None:
            _refuse_other_data(folder, root, window, other)
    versions = {json.dumps(_without_clip(note)): note for note in notes.values() if note}
    return [_without_clip(note) for note in versions.values()]


def _refuse_other_data(folder: Path, root: str | Path, window: Window, note: dict) -> None:
    now = clip_fingerprint(root, window.category, window.clip)
    if note["dataset"] != now:
        raise UserError(
            f"{folder}: the meshes of {window} were made from other data than {root} holds now "
            f"(fingerprint {note['dataset']}, now {now}); {AGAIN}"
        )


def _without_clip(note: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in note.items() if key != "dataset"}
