"""Make a whole data set, resumable and in several processes: all clips, and the split files."""

import json
from pathlib import Path

from tqdm import tqdm

from im2mesh.errors import UserError
from im2mesh.files.atomic import write_json
from im2mesh.machine.clip_processes import work_on_clips
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.synthesis.clips import ClipWriter, as_noted, check_settings
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION
from im2mesh.synthesis.plan import CATEGORY, Plan
from im2mesh.synthesis.removal import remove_clips
from im2mesh.synthesis.split_files import remove_outdated, write_split_files
from im2mesh.synthesis.splits import Clip
from im2mesh.synthesis.style import FRAMES_PER_SECOND


def make_dataset(root: Path, plan: Plan, workers: int = 1, overwrite: bool = False) -> None:
    """Write synthetic bodies to root/bodies in the layout of the authors' D-FAUST data.

    A second run with the same settings goes on where the first one stopped. The same settings give
    the same bytes, whatever the number of workers.

    Args:
        plan: DatasetSettings, or the settings of a benchmark.
        workers: Number of processes; with 1, the work is done in this process.
        overwrite: Whether to replace a data set that was made with other settings.

    Raises:
        UserError: If the settings leave a split empty, root holds another data set, or images are
            asked for without pyvista.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    settings = plan.settings_by_clip()
    if any(clip_settings.views for clip_settings in settings.values()):
        import_pyvista()  # fails now, not after the first files
    _prepare(root, plan, overwrite)
    writers = [
        ClipWriter(root / CATEGORY / clip.name, clip, settings[clip])
        for clip in sorted(settings, key=lambda clip: clip.name)
    ]
    _write_missing(writers, workers)
    write_split_files(root / CATEGORY, plan.splits())


def _write_missing(writers: list[ClipWriter], workers: int) -> None:
    """Write the clips that are not complete, and show the progress in frames."""
    missing = [writer for writer in writers if not writer.is_complete()]
    total, left = (sum(writer.settings.frames for writer in group) for group in (writers, missing))
    with tqdm(total=total, initial=total - left, unit="frame", smoothing=0.1) as progress:
        work_on_clips([writer.write for writer in missing], workers, progress)


def _prepare(root: Path, plan: Plan, overwrite: bool) -> None:
    """Refuse to mix two data sets in one folder; write the settings before the first clip."""
    description, folder, content = root / "dataset.json", root / CATEGORY, plan.content()
    if description.is_file():
        _refuse_foreign(description)
        if overwrite:
            _remove_clips(folder)
        else:
            check_settings(description, content)
        remove_outdated(folder, plan.splits())
    elif folder.exists():
        raise UserError(
            f"{folder} exists but {description} does not, so it is not a data set of this "
            "script; choose another folder, or remove it"
        )
    whole = {**content, **plan.extent(), "frames_per_second": FRAMES_PER_SECOND}
    write_json(description, as_noted(whole))


def _refuse_foreign(path: Path) -> None:
    """Refuse a description that somebody else wrote: it must not be replaced, nor its data."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        found = None
    ours = {"content_version", "frames_per_second"}  # a benchmark has the second alone
    if not (isinstance(found, dict) and ours & found.keys()):
        raise UserError(
            f"{path} was not written by this script, so the data beside it are not its own; choose "
            "another folder, or move them away"
        )


def _remove_clips(folder: Path) -> None:
    """Remove what this script wrote into the clips of a data set."""
    if folder.is_symlink():
        raise UserError(
            f"{folder} is a link, which --overwrite does not follow; choose another folder, or "
            "remove the link"
        )
    clips = sorted(folder.glob("[0-9][0-9]*_*"))
    remove_clips([clip for clip in clips if _motion_of(clip.name) in EVERY_MOTION])


def _motion_of(name: str) -> str | None:
    """The motion of a clip; None for a folder that is none of ours."""
    try:
        return Clip.named(name).motion
    except ValueError:
        return None
