"""The comment of an MP4 file, without any library for video (boxes of ISO/IEC 14496-12)."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

PATH = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")
"""The boxes inside each other down to the comment, as players and ffmpeg place them."""
_FIELDS = {b"meta": 4, b"data": 8}
"""Bytes between the header of a box and its content."""
_MOST = 2**20
"""Bytes of a comment that are read at most."""


def read_comment(path: Path) -> str:
    """The comment of the file; empty for a file without one, or that is no MP4."""
    with path.open("rb") as file:
        start, end = 0, path.stat().st_size
        for wanted in PATH:
            boxes = {kind: place for kind, *place in _boxes(file, start, end)}
            if wanted not in boxes:
                return ""
            start, end = boxes[wanted]
            start += _FIELDS.get(wanted, 0)
        file.seek(start)
        return file.read(max(0, min(end - start, _MOST))).decode("utf-8", errors="replace")


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box between two places."""
    while start + 8 <= end:
        file.seek(start)
        header = file.read(16)
        size, kind, length = int.from_bytes(header[:4], "big"), header[4:8], 8
        if size == 1:  # then the size has 64 bits
            size, length = int.from_bytes(header[8:16], "big"), 16
        elif size == 0:  # then the box ends with the file
            size = end - start
        if size < length or start + size > end:
            return
        yield kind, start + length, start + size
        start += size
