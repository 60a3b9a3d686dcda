"""What the note of a finished clip says."""

import json
from pathlib import Path
from typing import Any

from im2mesh.data.layout import CLIP_NOTE


def read_note(folder: Path) -> dict[str, Any]:
    """The note of a finished clip; empty for clips that are not, or without a note of ours."""
    try:
        note = json.loads((folder / CLIP_NOTE).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}
