"""Removal of clips: of the frames that their notes list, and of nothing else."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from im2mesh.data.clip_files import find_packed
from im2mesh.data.clip_notes import STARTED_NOTE, find_note
from im2mesh.data.layout import CLIP_NOTE, IMAGE_FOLDER, PACKABLE
from im2mesh.errors import UserError
from im2mesh.synthesis.clips import ClipSettings, ClipWriter
from im2mesh.synthesis.splits import Clip

_NEEDED = {"seed", "frames", "surface_points", "occupancy_points"}
"""Keys of every note, also of the first version."""


def remove_clips(folders: Sequence[Path]) -> None:
    """Remove the frames that the notes of clips list, and folders that are empty then.

    All else stays, as do clips without a note of ours.

    Raises:
        UserError: If a clip of ours or one of its folders is a link: what lies behind it may be
            part of another data set; or if a clip is packed: new frames would stand beside the
            packed ones. Then nothing is removed.
    """
    writers = [writer for folder in folders if (writer := _writer_of(folder)) is not None]
    for writer in writers:
        _refuse_links((writer.folder, *_parts(writer)))
        _refuse_packed(writer.folder)
    for writer in writers:
        _remove(writer)


def _writer_of(folder: Path) -> ClipWriter | None:
    """The writer that left a note in a clip; None without a note, or if somebody else wrote it."""
    note = find_note(folder)
    if note is None:
        return None
    try:
        found = json.loads(note.read_text("utf-8"))
        settings = ClipSettings(**found) if found.keys() >= _NEEDED else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return None if settings is None else ClipWriter(folder, Clip.named(folder.name), settings)


def _parts(writer: ClipWriter) -> list[Path]:
    """The folders of the frames; those inside of others come first."""
    folders = {path.parent: None for path in writer.frame_paths(0).values()}
    return [*folders, writer.folder / IMAGE_FOLDER]


def _refuse_links(folders: Sequence[Path]) -> None:
    for folder in folders:
        if folder.is_symlink():
            raise UserError(
                f"{folder} is a link, which --overwrite does not follow; remove the link, then run "
                "the same command again"
            )


def _refuse_packed(clip: Path) -> None:
    for folder in PACKABLE:
        packed = find_packed(clip / folder, clip.name)
        if packed is not None:
            raise UserError(
                f"{packed} is a packed clip, which --overwrite does not replace; choose another "
                "folder, or remove the packed data set"
            )


def _remove(writer: ClipWriter) -> None:
    """Remove the notes after the frames, so that a removal that was killed can go on."""
    frames = map(writer.frame_paths, range(writer.settings.frames))
    paths = [path for paths in frames for path in paths.values()]
    for path in (*paths, *writer.camera_paths()):
        if path.is_file() and not path.is_symlink():
            path.unlink()
    for note in (CLIP_NOTE, STARTED_NOTE):
        (writer.folder / note).unlink(missing_ok=True)
    for folder in (*_parts(writer), writer.folder):
        with suppress(OSError):  # it holds other files
            folder.rmdir()
