"""Notes in a clip, which say that this program wrote its files, and with which settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from im2mesh.data.layout import CLIP_NOTE
from im2mesh.errors import UserError

STARTED_NOTE = ".started_by_im2mesh.json"
"""Stands in a clip from its first frame on, and becomes `CLIP_NOTE` after its last: either one says
which files of the clip are ours."""


def find_note(folder: Path) -> Path | None:
    """The note in a clip that was finished or begun; None where there is none."""
    notes = (folder / CLIP_NOTE, folder / STARTED_NOTE)
    return next((note for note in notes if note.is_file()), None)


def refuse_other_settings(
    path: Path, wanted: Mapping[str, Any], defaults: Mapping[str, Any], way_out: str
) -> None:
    """Compare the settings in a note with those asked for.

    Args:
        path: The note.
        wanted: The settings asked for.
        defaults: Settings that a note may lack since they were added later; a default describes
            what was done before.
        way_out: What to do about other settings.

    Raises:
        UserError: If they differ, naming each difference and the way out.
    """
    try:
        found = {**defaults, **json.loads(path.read_text("utf-8"))}
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is broken ({error}); move it and its folder away, then run the same command "
            "again"
        ) from error
    differences = [
        f"{name} {found.get(name)} there, {value} asked for"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    if differences:
        raise UserError(
            f"{path} belongs to a data set made with other settings ({'; '.join(differences)}); "
            f"{way_out}"
        )


def refuse_files_in_the_way(folder: Path, paths: "list[Path]") -> None:
    """Refuse a clip without a note of ours in which one of the files exists already.

    Raises:
        UserError: With the name of the first such file.
    """
    foreign = next((path for path in paths if path.exists()), None)
    if foreign is not None:
        raise UserError(
            f"{foreign} is in the way: no note in {folder} says that this script wrote "
            "it; move that folder away, then run the same command again"
        )
