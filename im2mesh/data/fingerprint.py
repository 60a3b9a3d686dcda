"""What tells two data sets of the same names apart, found without reading them."""

import functools
import hashlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from im2mesh.data.sequences import DataError, Window
from im2mesh.provenance import DIGITS


def dataset_fingerprint(root: str | Path, windows: Iterable[Window]) -> str:
    """Identifies the clips that windows lie in, wherever in these they start.

    See `clip_fingerprint` for what is looked at.
    """
    digest = hashlib.sha256()
    for category, clip in sorted({(window.category, window.clip) for window in windows}):
        digest.update(f"{clip_fingerprint(root, category, clip)} {category}/{clip}\n".encode())
    return digest.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=1 << 14)
def clip_fingerprint(root: str | Path, category: str, clip: str) -> str:
    """Identifies the files of a clip by names and sizes, and some by content.

    Sizes alone would not tell: frames of as many points are files of the same size. So the first
    and the last npz of each folder add the checksums of their arrays, which the files' tables of
    contents hold. A change of other frames alone, that keeps all sizes, is not seen.

    Raises:
        DataError: If the clip is missing or one of these files is damaged.
    """
    folder = Path(root) / category / clip
    if not folder.is_dir():
        raise DataError(f"clip {clip}: no folder {folder}")
    digest = hashlib.sha256()
    for path, _, names in sorted(os.walk(folder)):
        relative = Path(path).relative_to(folder).as_posix()
        for name in sorted(names):
            size = (Path(path) / name).stat().st_size
            digest.update(f"{relative}/{name} {size}\n".encode())
        npz = sorted(name for name in names if name.endswith(".npz"))
        for name in npz[:: max(1, len(npz) - 1)]:
            digest.update(_checksums(Path(path) / name, clip))
    return digest.hexdigest()[:DIGITS]


def _checksums(path: Path, clip: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            sums = {info.filename: info.CRC for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(
            f"clip {clip}: {path} is not an intact npz file ({error}); copy or create it again"
        ) from error
    return repr(sorted(sums.items())).encode()
