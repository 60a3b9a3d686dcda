"""The kinds of sources: how each is recognised, read, and divided into splits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from im2mesh.data.clip_files import has_folder
from im2mesh.data.layout import CLOUD_FOLDER
from im2mesh.errors import UserError
from im2mesh.files.numbered import READ_ENDINGS
from im2mesh.preparation.dfaust_splits import dfaust_splits
from im2mesh.preparation.sources import dfaust
from im2mesh.preparation.sources.animated_files import find_animations, is_animated
from im2mesh.preparation.sources.clip_source import ClipSource, SourceOptions
from im2mesh.preparation.sources.deforming_things import anime_files, find_animes
from im2mesh.preparation.sources.every_nth import EveryNth, step_between
from im2mesh.preparation.sources.folders import folders_with
from im2mesh.preparation.sources.npz_frames import find_npz_frames, holds_npz_frames
from im2mesh.preparation.sources.numbered_meshes import find_numbered_meshes

Splits = Mapping[str, Sequence[str]]
"""Name of a split -> names of its clips."""


def _no_splits(clips: Iterable[str]) -> Splits:
    return {}


@dataclass(frozen=True)
class Kind:
    """One kind of source.

    Attributes:
        title: What it is, for messages.
        category: Folder of the data set in which its clips go.
        recognise: Whether a file or folder holds such clips.
        find: The clips in it.
        fps: Frames a second of the source, where that is known.
        splits: The division of clips that the literature uses, from their names.
        samples_time: Whether frames are made at any rate, so `find` heeds the wanted one.
    """

    title: str
    category: str
    recognise: Callable[[Path], bool]
    find: Callable[[Path, SourceOptions], list[ClipSource]]
    fps: float | None = None
    splits: Callable[[Iterable[str]], Splits] = _no_splits
    samples_time: bool = False


KINDS: dict[str, Kind] = {
    "dfaust": Kind(
        "D-FAUST registrations (.hdf5)",
        "D-FAUST",
        lambda source: bool(dfaust.hdf5_files(source)),
        dfaust.find_registrations,
        fps=dfaust.FPS,
        splits=dfaust_splits,
    ),
    "deforming-things": Kind(
        "DeformingThings4D (.anime)",
        "DeformingThings4D",
        lambda source: bool(anime_files(source)),
        find_animes,
    ),
    "cape": Kind(
        "one npz file of vertices per frame, as in CAPE",
        "CAPE",
        holds_npz_frames,
        find_npz_frames,
        fps=60.0,
    ),
    "animation": Kind(
        "animated glTF files (.glb, .gltf)",
        "animations",
        is_animated,
        find_animations,
        samples_time=True,
    ),
    "meshes": Kind(
        "folders of numbered meshes",
        "meshes",
        lambda source: source.is_dir() and bool(folders_with(source, READ_ENDINGS)),
        find_numbered_meshes,
    ),
}
"""Name on the command line -> kind, in the order in which they are tried."""


def detect_kind(source: Path) -> str:
    """The name of the kind of a source.

    Raises:
        UserError: If there is no such file or folder, it is of no known kind, or it needs no
            preparation.
    """
    if not source.exists():
        raise UserError(f"no file or folder {source}; give what you downloaded or exported")
    if source.is_dir() and _is_prepared(source):
        raise UserError(
            f"{source} has the layout of this program already (folders {CLOUD_FOLDER}), so nothing "
            "needs to be prepared; set data.root to the folder that holds its categories, and see "
            "scripts/check_dataset.py"
        )
    for name, kind in KINDS.items():
        if kind.recognise(source):
            return name
    known = "; ".join(kind.title for kind in KINDS.values())
    raise UserError(f"{source} holds nothing that can be prepared; what is read: {known}")


def find_clips(kind: Kind, source: Path, options: SourceOptions) -> list[ClipSource]:
    """The clips of a source at the wanted frame rate, sorted by name.

    Raises:
        UserError: If there are none, two have one name, or the frame rate cannot be had.
    """
    clips = sorted(kind.find(source, options), key=lambda clip: clip.name)
    if not clips:
        raise UserError(f"{source} holds no {kind.title}; name another source, or another --kind")
    for before, after in pairwise(clips):
        if before.name == after.name:
            raise UserError(
                f"{before.where(0)} and {after.where(0)} are both named {after.name}; rename one"
            )
    if options.fps is None or kind.samples_time:
        return clips
    step = step_between(options.fps, options.source_fps or kind.fps)
    return [clip if step == 1 else EveryNth(clip, step) for clip in clips]


def _is_prepared(source: Path) -> bool:
    """Whether a folder is a clip of our layout, packed or not, or holds clips or categories."""
    levels = ("", "*/", "*/*/")
    folders = (path.parent for level in levels for path in source.glob(f"{level}{CLOUD_FOLDER}*"))
    return any(has_folder(folder, CLOUD_FOLDER) for folder in folders)
