"""One clip of a source -> its packed files: its frames are written aside, packed, and removed."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from im2mesh.data.clip_files import has_folder
from im2mesh.data.clip_notes import STARTED_NOTE
from im2mesh.data.layout import CLIP_NOTE, CLOUD_FOLDER
from im2mesh.data.pack_clip import pack_clip
from im2mesh.data.storage import close_files
from im2mesh.errors import UserError
from im2mesh.preparation.clip_writer import ClipWriter

ASIDE = ".frames"
"""Folder of a category in which clips lie until they are packed; hidden, so that it is no clip."""


@dataclass(frozen=True)
class PackedClipWriter(ClipWriter):
    """The writer of one packed clip. The disk never holds more frames than those of the clips that
    are being written."""

    @property
    def aside(self) -> ClipWriter:
        """The writer of the frames."""
        return ClipWriter(self.folder.parent / ASIDE / self.folder.name, self.source, self.settings)

    def is_complete(self) -> bool:
        """Whether the clip is packed, and its frames are gone.

        Raises:
            UserError: As in the base class.
        """
        is_finished = super().is_complete() and self._is_packed()
        self.aside.is_complete()  # refuse frames of other settings, too
        return is_finished and not self.aside.folder.exists()

    def write(self, is_stopped: Callable[[], bool], on_frame: Callable[[], None]) -> str | None:
        if not self._is_packed():
            problem = self.aside.write(is_stopped, on_frame)
            if problem is not None or not self.aside.is_complete():
                return problem
            self._tidy()
            try:
                pack_clip(self.aside.folder, self.folder)
            except UserError as error:
                return str(error)
        self._remove_frames()
        return None

    def missing_frames(self) -> list[int]:
        return [] if self._is_packed() else self.aside.missing_frames()

    def frames_to_write(self) -> tuple[int, int]:
        return (0, 0) if self._is_packed() else (self.source.num_frames, len(self.missing_frames()))

    def _is_packed(self) -> bool:
        """Whether the clip is whole: of all files, the packed clouds come last."""
        return (self.folder / CLIP_NOTE).is_file() and has_folder(self.folder, CLOUD_FOLDER)

    def _remove_frames(self) -> None:
        """Remove what was written aside and nothing else, the notes last: a removal that was
        killed goes on."""
        close_files()  # or else they keep their place on the disk
        aside = self.aside
        for index in range(self.source.num_frames):
            for path in aside.frame_paths(index).values():
                path.unlink(missing_ok=True)
        for note in (CLIP_NOTE, STARTED_NOTE):
            (aside.folder / note).unlink(missing_ok=True)
        folders = {path.parent for path in aside.frame_paths(0).values()}
        for folder in (*folders, aside.folder):
            with suppress(OSError):  # somebody else put files there
                folder.rmdir()
