"""The content of a data set, to compare it with another."""

import hashlib
from pathlib import Path

from im2mesh.files.written import NOTE


def digests(root: Path) -> dict[str, str]:
    """Path below the root -> hash of the file; without the notes of what was written when."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != NOTE
    }
