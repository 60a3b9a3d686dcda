"""The check of one clip: all of its files, and what they say together."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from im2mesh.data.cameras import read_cameras
from im2mesh.data.clip_files import camera_files, has_folder, view_names
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import (
    CLOUD_FOLDER,
    DEPTH_FOLDER,
    IMAGE_FOLDER,
    MESH_FOLDER,
    NEAR_POINTS_FOLDER,
    POINTS_FOLDER,
    Window,
)
from im2mesh.errors import UserError
from im2mesh.preparation.checks.findings import Findings
from im2mesh.preparation.checks.frame_check import FrameCheck
from im2mesh.preparation.checks.over_time import OverTime
from im2mesh.preparation.checks.report import ClipReport
from im2mesh.preparation.checks.stored_frames import StoredFrame, bytes_of, frames_in
from im2mesh.preparation.clip_note import read_note


@dataclass(frozen=True)
class ClipCheck:
    """The check of one clip of a data set."""

    root: Path
    category: str
    clip: str

    @property
    def folder(self) -> Path:
        return self.root / self.category / self.clip

    def run(self, is_stopped: Callable[[], bool], on_frame: Callable[[], None]) -> ClipReport:
        """Read all files of the clip."""
        report = ClipReport(self.category, self.clip, Findings(f"{self.category}/{self.clip}"))
        try:
            files = self._files(report.findings)
        except UserError as error:
            report.findings.fault(str(error))
            return report
        self._check_cameras(report.findings, len(files[CLOUD_FOLDER]))
        clouds, note = files[CLOUD_FOLDER], read_note(self.folder)
        report.frames, report.parts = len(clouds), tuple(files)
        report.size = sum(map(bytes_of, files.values()))
        asked = {0, len(clouds) // 2, len(clouds) - 1}
        over_time = OverTime.of(clouds)
        for index in range(len(clouds)):
            if is_stopped():
                return report
            frame = {folder: frames[index] for folder, frames in files.items()}
            is_normalised = note.get("normalise") != "clip"
            cloud = FrameCheck(frame, report.findings).run(index in asked, is_normalised)
            if cloud is not None:
                over_time.add(clouds[index].name, cloud)
            on_frame()
        over_time.check(report.findings, note.get("corresponds", True))
        report.digest = over_time.digest
        return report

    def _files(self, findings: Findings) -> dict[str, list[StoredFrame]]:
        """Folder -> its frames; folders that lack one, or are damaged, are told and left out.

        Raises:
            UserError: If there are no clouds, frames are missing among them, or their packed file
                is damaged.
        """
        found = {CLOUD_FOLDER: self._of(CLOUD_FOLDER)}
        images = self.folder / IMAGE_FOLDER
        views = [f"{IMAGE_FOLDER}/{v}" for v in view_names(images)] if images.is_dir() else []
        for folder in (POINTS_FOLDER, NEAR_POINTS_FOLDER, DEPTH_FOLDER, MESH_FOLDER, *views):
            try:
                if has_folder(self.folder, folder):
                    found[folder] = self._of(folder)
                elif folder == POINTS_FOLDER:
                    findings.advise(f"it has no {folder}, so only its motion can be learnt")
            except UserError as error:
                findings.fault(str(error))
        return found

    def _check_cameras(self, findings: Findings, num_frames: int) -> None:
        """Read the cameras of all images, of views that have them."""
        stored = StoredWindow(self.root, Window(self.category, self.clip, 0, num_frames))
        images = self.folder / IMAGE_FOLDER
        for view in view_names(images) if images.is_dir() else []:
            if camera_files(images / view):
                try:
                    read_cameras(stored, view, range(num_frames))
                except UserError as error:
                    findings.fault(str(error))

    def _of(self, folder: str) -> list[StoredFrame]:
        return frames_in(self.root, self.category, self.clip, folder)
