"""Fingerprints, which tell data sets with equal names apart without reading all of their files."""

import functools
import hashlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

from im2mesh.data.layout import DataError, Window
from im2mesh.files.hashes import DIGITS


def dataset_fingerprint(root: str | Path, windows: Iterable[Window]) -> str:
    """A hash of the clips that hold the windows, by `clip_fingerprint`, wherever windows start."""
    digest = hashlib.sha256()
    for category, clip in sorted({(window.category, window.clip) for window in windows}):
        digest.update(f"{clip_fingerprint(root, category, clip)} {category}/{clip}\n".encode())
    return digest.hexdigest()[:DIGITS]


@functools.lru_cache(maxsize=1 << 14)
def clip_fingerprint(root: str | Path, category: str, clip: str) -> str:
    """A hash of the names and sizes of a clip's files, and of the contents of some.

    Sizes alone would not do: frames with equally many points have files of equal size. So the first
    and the last npz of each folder add the checksums of their arrays, which stand in the table of
    contents of each file. A change in other frames that keeps all sizes is not noticed.

    Raises:
        DataError: If the clip is missing, or one of these npz files is damaged.
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
