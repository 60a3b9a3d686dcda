"""Prepare a whole source, resumable and in several processes: clips, split files and pictures."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from im2mesh.data.clip_files import forget_files, has_folder
from im2mesh.data.clip_notes import refuse_other_settings
from im2mesh.data.layout import CLIP_NOTE, CLOUD_FOLDER, check_name
from im2mesh.errors import Advice, UserError
from im2mesh.files.atomic import write_json
from im2mesh.files.numbered import listed
from im2mesh.files.results import states_origin
from im2mesh.files.sizes import in_words
from im2mesh.machine.clip_processes import work_on_clips
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.preparation.clip_note import read_note
from im2mesh.preparation.clip_writer import ClipWriter
from im2mesh.preparation.disk_estimate import estimate_bytes, refuse_full_disk
from im2mesh.preparation.kinds import KINDS, find_clips
from im2mesh.preparation.packed_clip_writer import ASIDE, PackedClipWriter
from im2mesh.preparation.picture import draw_clip
from im2mesh.preparation.settings import PreparationSettings
from im2mesh.preparation.sources.clip_source import SourceOptions
from im2mesh.preparation.split_lists import read_lists, refuse_unknown, write_splits

DESCRIPTION = "prepared.json"
"""In the folder of a category: the settings that all of its clips were prepared with."""
_WAY_OUT = (
    "free some space, or lower --surface-points, --occupancy-points and --near-surface-points, or "
    "pass --no-meshes"
)


@dataclass(frozen=True)
class Preparation:
    """What is prepared, and where it goes.

    Attributes:
        source: File or folder.
        root: Folder of the data set, which holds one folder per category.
        kind: One of KINDS.
        settings: What is written of each frame.
        options: What the user says about the source.
        category: Folder in root; None for that of the kind.
        lists: Text files of clip names, one per split; with them, other clips are left out.
        packs: Whether each clip is packed once its frames are written.
    """

    source: Path
    root: Path
    kind: str
    settings: PreparationSettings = field(default_factory=PreparationSettings)
    options: SourceOptions = field(default_factory=SourceOptions)
    category: str | None = None
    lists: Sequence[Path] = ()
    packs: bool = False

    @property
    def category_name(self) -> str:
        return self.category or KINDS[self.kind].category

    @property
    def folder(self) -> Path:
        """The folder of the category."""
        return self.root / self.category_name

    def content(self) -> dict[str, Any]:
        """What all clips of the folder must have been made with."""
        made_with = {"kind": self.kind, "fps": self.options.fps, "packed": self.packs}
        return {**made_with, **asdict(self.settings)}


def prepare(plan: Preparation, workers: int = 1, pictures: bool = True) -> None:
    """Write the clips of a source in our layout.

    Clips that are finished stay, and so do frames of a clip that was begun: a second run goes on
    where the first one stopped. The same settings give the same bytes, whatever the number of
    workers. Clips that cannot be prepared are told after the others are written.

    Raises:
        UserError: If the source is not as its kind promises, the folder holds other data, the disk
            is too small, or clips could not be prepared.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    check_name(plan.category_name, "category")
    given = read_lists(plan.lists)
    writers = _writers(plan, given)
    _refuse_other_data(plan)
    missing = [writer for writer in writers if not writer.is_complete()]
    _tell_plan(plan, writers, missing, workers)
    write_json(plan.folder / DESCRIPTION, plan.content())
    problems = _write(writers, missing, workers)
    with suppress(OSError):  # there is none, or a clip is not finished
        (plan.folder / ASIDE).rmdir()
    _tell_findings(writers)
    write_splits(plan.folder, given or KINDS[plan.kind].splits(finished_clips(plan.folder)))
    if pictures:
        _draw(plan, writers)
    if problems:
        raise UserError(
            f"{len(problems)} of {len(writers)} clips could not be prepared, the others are "
            "written:\n" + "\n".join(problems)
        )


def finished_clips(folder: Path) -> list[str]:
    """Names of the clips of a category that are finished, also by earlier runs; sorted."""
    clips = (note.parent for note in folder.glob(f"*/{CLIP_NOTE}"))
    return sorted(clip.name for clip in clips if has_folder(clip, CLOUD_FOLDER))


def _writers(plan: Preparation, given: Mapping[str, Sequence[str]]) -> list[ClipWriter]:
    clips = find_clips(KINDS[plan.kind], plan.source, plan.options)
    for clip in clips:
        check_name(clip.name, "clip")
    if given:
        refuse_unknown(given, [clip.name for clip in clips])
        wanted = {name for names in given.values() for name in names}
        clips = [clip for clip in clips if clip.name in wanted]
    writer = PackedClipWriter if plan.packs else ClipWriter
    return [writer(plan.folder / clip.name, clip, plan.settings) for clip in clips]


def _refuse_other_data(plan: Preparation) -> None:
    """Refuse to mix data of two settings in one category."""
    description = plan.folder / DESCRIPTION
    if description.is_file():
        refuse_other_settings(
            description,
            plan.content(),
            {"packed": False},
            "choose another OUT or another --category; scripts/pack_dataset.py packs what is "
            "written already",
        )
    elif plan.folder.exists() and any(plan.folder.glob("[!.]*")):
        raise UserError(
            f"{plan.folder} exists but {description.name} does not lie in it, so it is not a data "
            "set of this script; choose another OUT or another --category"
        )


def _tell_plan(
    plan: Preparation, writers: Sequence[ClipWriter], missing: Sequence[ClipWriter], workers: int
) -> None:
    needed, passing = estimate_bytes(missing, workers)
    free = refuse_full_disk(plan.folder, needed + passing, _WAY_OUT)
    more = f" and {in_words(passing)} while clips are packed" if passing else ""
    frames = sum(writer.source.num_frames for writer in writers)
    print(
        f"{KINDS[plan.kind].title}: {len(writers)} clips, {frames} frames -> {plan.folder}\n"
        f"{len(missing)} clips to write, about {in_words(needed)}{more}; {in_words(free)} are "
        "free"
    )


def _write(writers: Sequence[ClipWriter], missing: Sequence[ClipWriter], workers: int) -> list[str]:
    """Write what is missing, and show the progress in frames; return what went wrong."""
    total = sum(writer.source.num_frames for writer in writers)
    left = sum(len(writer.missing_frames()) for writer in missing)
    with tqdm(total=total, initial=total - left, unit="frame", smoothing=0.1) as progress:
        problems = work_on_clips([writer.write for writer in missing], workers, progress)
    return sorted(problem for problem in problems if problem is not None)


def _tell_findings(writers: Sequence[ClipWriter]) -> None:
    """Say of which clips the labels or the correspondence are not what one may expect."""
    notes = {writer.source.name: read_note(writer.folder) for writer in writers}
    leaky = {clip: note["open_frames"] for clip, note in notes.items() if note.get("open_frames")}
    if leaky:
        _advise(
            leaky,
            f"{sum(leaky.values())} frames of {len(leaky)} clips are not watertight",
            "labels say where the winding number is above one half, which at holes is a guess",
        )
    changing = [clip for clip, note in notes.items() if note.get("change")]
    if changing:
        _advise(
            changing,
            f"{len(changing)} clips change their topology ({notes[changing[0]]['change']})",
            "rows of their clouds do not correspond over time; docs/data.md says what to set",
        )
    turned = [clip for clip, note in notes.items() if note.get("turned")]
    if turned:
        _advise(
            turned,
            f"the first frame of {len(turned)} clips {notes[turned[0]]['turned']}",
            "corners of a face must be counter-clockwise seen from outside",
        )


def _advise(clips: Collection[str], what: str, so: str) -> None:
    warnings.warn(f"{what}: {listed(clips)}; {so}", Advice, stacklevel=4)


def _draw(plan: Preparation, writers: Sequence[ClipWriter]) -> None:
    """Draw the finished clips that have no picture yet."""
    notes = {writer.source.name: read_note(writer.folder) for writer in writers}
    wanted = [
        name
        for name, note in notes.items()
        if note and not states_origin(plan.folder / f"{name}.png")
    ]
    if not wanted:
        return
    try:
        import_pyvista()
    except UserError as error:
        warnings.warn(f"no pictures of the clips were drawn: {error}", Advice, stacklevel=3)
        return
    forget_files()
    for name in tqdm(wanted, unit="picture"):
        origin = f"prepared from {KINDS[plan.kind].title}"
        draw_clip(plan.root, plan.category_name, name, notes[name]["corresponds"], origin)
