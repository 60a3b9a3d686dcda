"""Make a whole data set, resumable and in several processes: all clips, and the split files."""

import difflib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tqdm import tqdm

from im2mesh.errors import Advice, UserError
from im2mesh.files.atomic import write_json, write_text
from im2mesh.machine.clip_processes import work_on_clips
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.synthesis.body import count_bodies
from im2mesh.synthesis.clips import ClipSettings, ClipWriter, check_settings
from im2mesh.synthesis.motions.repertoire import EVERY_MOTION, MOTIONS
from im2mesh.synthesis.removal import remove_clips
from im2mesh.synthesis.splits import Clip, split_clips
from im2mesh.synthesis.style import FRAMES_PER_SECOND

CATEGORY = "bodies"
MESH_CHOICES = ("all", "held-out", "none")
CONTENT_VERSION = 1  # to be raised whenever the same settings give other files
_Splits = Mapping[str, Sequence[Clip]]


@runtime_checkable
class Plan(Protocol):
    """A data set to be made: which clips it has, and what is written of each."""

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split."""
        ...

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip, for all clips of all splits."""
        ...

    def content(self) -> dict[str, Any]:
        """What a data set in the same folder must have been made with."""
        ...

    def extent(self) -> dict[str, Any]:
        """What may differ between two runs in the same folder: the second adds clips."""
        ...


@dataclass(frozen=True)
class DatasetSettings:
    """The settings of a data set. Motion and points of a clip do not depend on the other clips."""

    bodies: int = 10
    motions: tuple[str, ...] = tuple(MOTIONS)
    clip: ClipSettings = field(default_factory=ClipSettings)
    meshes: str = "all"
    """Clips with a folder mesh_seq, by far the largest part of the data: one of MESH_CHOICES."""

    def __post_init__(self) -> None:
        if self.bodies > count_bodies():
            raise UserError(
                f"bodies must be within 2 to {count_bodies()}, the number of baked bodies, "
                f"got {self.bodies}"
            )
        if self.meshes not in MESH_CHOICES:
            raise UserError(f"meshes is {self.meshes}; choose one of: {', '.join(MESH_CHOICES)}")
        for motion in self.motions:
            _check_motion(motion)
        if len(set(self.motions)) < len(self.motions):
            raise UserError(f"motions must differ from each other, got {' '.join(self.motions)}")

    def splits(self) -> dict[str, list[Clip]]:
        """Clips by split."""
        return split_clips(self.bodies, self.motions)

    def settings_by_clip(self) -> dict[Clip, ClipSettings]:
        """What is written of each clip: the test clips may have meshes where others have none."""
        splits = self.splits()
        held_out = {*splits["test"], *splits["test_new_individual"]}
        return {
            clip: replace(self.clip, meshes=self._has_meshes(clip in held_out))
            for clips in splits.values()
            for clip in clips
        }

    def _has_meshes(self, is_held_out: bool) -> bool:
        return self.meshes == "all" or (self.meshes == "held-out" and is_held_out)

    def content(self) -> dict[str, Any]:
        return {"content_version": CONTENT_VERSION, **asdict(self.clip), "meshes": self.meshes}

    def extent(self) -> dict[str, Any]:
        return {"bodies": self.bodies, "motions": list(self.motions)}


def _check_motion(motion: str) -> None:
    if motion not in MOTIONS:
        near = difflib.get_close_matches(motion, MOTIONS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"unknown motion '{motion}'; {hint}choose from: {', '.join(MOTIONS)}")


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
    splits, settings = plan.splits(), plan.settings_by_clip()
    if any(clip_settings.views for clip_settings in settings.values()):
        import_pyvista()  # fails now, not after the first files
    _prepare(root, plan, overwrite)
    writers = [
        ClipWriter(root / CATEGORY / clip.name, clip, settings[clip])
        for clip in sorted(settings, key=lambda clip: clip.name)
    ]
    _write_missing(writers, workers)
    _write_splits(root / CATEGORY, splits)


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
        earlier = _read_description(description)
        if overwrite:
            _remove_clips(folder)
        else:
            check_settings(description, content)
        _remove_splits(folder, earlier, plan.splits())
    elif folder.exists():
        raise UserError(
            f"{folder} exists but {description} does not, so it is not a data set of this "
            "script; choose another folder, or remove it"
        )
    whole = {**content, **plan.extent(), "frames_per_second": FRAMES_PER_SECOND}
    write_json(description, whole)


def _read_description(path: Path) -> dict[str, Any]:
    """What an earlier run wrote. A file of somebody else must not be replaced, nor its data."""
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
    return found


def _remove_clips(folder: Path) -> None:
    """Remove what this script wrote into the clips of a data set."""
    if folder.is_symlink():
        raise UserError(
            f"{folder} is a link, which --overwrite does not follow; choose another folder, or "
            "remove the link"
        )
    clips = sorted(folder.glob("[0-9][0-9]*_*"))
    remove_clips([clip for clip in clips if clip.name.partition("_")[2] in EVERY_MOTION])


def _remove_splits(folder: Path, earlier: dict[str, Any], wanted: _Splits) -> None:
    """Remove split files of an earlier run that will change. Those that a user has made stay."""
    try:
        splits = split_clips(earlier["bodies"], tuple(earlier["motions"]))
    except (KeyError, TypeError, ValueError, IndexError):
        return  # then all count as the user's
    for name, clips in splits.items():
        path = folder / f"{name}.lst"
        if clips != wanted.get(name) and not path.is_symlink() and _has_text(path, _lines(clips)):
            path.unlink()


def _write_splits(folder: Path, splits: _Splits) -> None:
    for name, clips in splits.items():
        path = folder / f"{name}.lst"
        if not path.exists():
            write_text(path, _lines(clips))
        elif not _has_text(path, _lines(clips)):
            warnings.warn(
                f"{path} stays as it is, which is not how this script wrote it; remove it and run "
                "the same command again for the split of this script",
                Advice,
                stacklevel=3,
            )


def _lines(clips: Sequence[Clip]) -> str:
    return "".join(f"{clip.name}\n" for clip in clips)


def _has_text(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
