"""Checkpoints of the authors' released code -> ours; needed to import them only.

`names` and shapes of parameters, `reading` of files, `matching` with our model, and `advice` where
they do not match. Nothing but scripts/import_official_checkpoint.py and tests need this folder.
"""

from im2mesh.compat.matching import convert_official_state
from im2mesh.compat.names import official_to_ours, ours_to_official, rename_official_state
from im2mesh.compat.reading import OfficialCheckpoint, read_official

__all__ = [
    "OfficialCheckpoint",
    "convert_official_state",
    "official_to_ours",
    "ours_to_official",
    "read_official",
    "rename_official_state",
]
