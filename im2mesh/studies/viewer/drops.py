"""Files that are dropped into the page of the live viewer, until others take their place."""

import shutil
import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from im2mesh.data.layout import check_name
from im2mesh.errors import UserError
from im2mesh.visualization.viewer.question import Question

MOST_BYTES = 2**31
"""Of all dropped files together."""
MOST_BATCHES = 8


class Drops:
    """Keeps dropped files in a folder for each batch that is dropped together; the oldest batches
    make room for new ones."""

    def __init__(self) -> None:
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def receive(self, question: Question) -> list[str]:
        """Keep one of the files of a batch.

        Returns:
            The batches that had to go.

        Raises:
            UserError: If its name leads elsewhere, or its batch is too large.
        """
        name = question.text("name")
        check_name(name, "file")
        folder, size = self.folder(question), question.sent.left
        with self._lock:
            if self._sizes[folder.name] + size > MOST_BYTES:
                raise UserError(
                    f"files that are dropped together may have at most {MOST_BYTES >> 20} MB; give "
                    "their path instead"
                )
            self._sizes[folder.name] += size
            gone = self._make_room()
        question.save(folder / name)
        return gone

    def folder(self, question: Question) -> Path:
        """Where the files of a batch lie."""
        batch = question.text("batch")
        check_name(batch, "batch")
        with self._lock:
            if self._place is None:
                self._place = tempfile.TemporaryDirectory(
                    prefix="im2mesh_viewer_", ignore_cleanup_errors=True
                )
            folder = Path(self._place.name) / batch
            folder.mkdir(exist_ok=True)
            self._sizes.setdefault(batch, 0)
            self._sizes.move_to_end(batch)
            return folder

    def close(self) -> None:
        """Remove everything."""
        if self._place is not None:
            self._place.cleanup()

    def _make_room(self) -> list[str]:
        """Remove the oldest batches, until the others are few and small enough."""
        gone = []
        while len(self._sizes) > MOST_BATCHES or sum(self._sizes.values()) > MOST_BYTES:
            batch, _ = self._sizes.popitem(last=False)
            assert self._place is not None
            shutil.rmtree(Path(self._place.name) / batch, ignore_errors=True)
            gone.append(batch)
        return gone
