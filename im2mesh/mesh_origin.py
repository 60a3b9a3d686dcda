"""Which run made the meshes of a window, and whether those of a split are all of one run."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from im2mesh.data.fingerprint import clip_fingerprint
from im2mesh.data.sequences import Window
from im2mesh.errors import UserError
from im2mesh.provenance import Provenance
from im2mesh.window_folder import WindowFolder

AGAIN = "run generate.py again: it replaces what is not of the present run"


@dataclass(frozen=True)
class MeshOrigin:
    """What made the meshes of one window.

    Attributes:
        run: Hash of weights and settings: the same for all windows of a run.
        provenance: Code, config, clip, seed and libraries.
    """

    run: str
    provenance: Provenance

    def as_dict(self) -> dict[str, Any]:
        return {"run": self.run, **asdict(self.provenance)}


def read_summary(files: WindowFolder) -> dict[str, Any]:
    """What generate.py has noted of a window.

    Raises:
        UserError: If the file is broken.
    """
    try:
        summary = json.loads(files.summary.read_text())
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{files.summary} is broken; delete it and run generate.py again"
        ) from error
    if not isinstance(summary, dict) or not isinstance(summary.get("made_by", {}), dict):
        raise UserError(f"{files.summary} is broken; delete it and run generate.py again")
    return summary


def read_origins(folder: Path, root: str | Path, windows: Sequence[Window]) -> list[dict[str, Any]]:
    """What made the meshes of a split: one entry for each version of code and libraries.

    Returns nothing for meshes of another program, which have no notes.

    Raises:
        UserError: If meshes of several runs, or of a run and of another program, lie in the folder,
            or if the data are not those that the meshes were made from.
    """
    notes: dict[Window, dict[str, Any] | None] = {}
    for window in windows:
        files = WindowFolder.of(folder, window)
        is_noted = files.summary.is_file()
        notes[window] = read_summary(files).get("made_by") if is_noted else None
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
