"""What the result in a folder was made of: folders are named after it, and two may share a name."""

import json
from pathlib import Path
from typing import Any

from im2mesh.errors import UserError
from im2mesh.files.written import refuse_foreign, written_names

SOURCE = "source"
"""Key of a report, with the path of what was reconstructed."""


def earlier_report(folder: Path, report: str) -> dict[str, Any]:
    """What this program has reported there before, if nobody has changed it since."""
    if report not in written_names(folder):
        return {}
    return json.loads((folder / report).read_text("utf-8"))


def refuse_other_source(folder: Path, report: str, source: str) -> None:
    """Refuse a folder with the result of something else, or with the report of somebody else.

    Raises:
        UserError: Naming what is there.
    """
    refuse_foreign(folder, lambda name: name == report)
    found = earlier_report(folder, report).get(SOURCE, source)
    if found != source:
        raise UserError(
            f"{folder} holds the result of {found}; move it away, or set another output_dir"
        )
