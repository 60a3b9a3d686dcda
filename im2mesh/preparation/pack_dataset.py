"""Pack a data set: one file for each clip and kind instead of one for each frame."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from im2mesh.data.clip_files import find_packed, has_folder, numbered_files
from im2mesh.data.layout import CLOUD_FOLDER, PACKABLE, DataError
from im2mesh.data.pack_clip import copied_files, copy_file, pack_clip
from im2mesh.data.storage import StorageError, close_files, open_arrays
from im2mesh.errors import UserError
from im2mesh.files.numbered import listed
from im2mesh.files.sizes import in_words
from im2mesh.machine.clip_processes import work_on_clips
from im2mesh.preparation.disk_estimate import refuse_full_disk

DESCRIPTION = "dataset.json"
"""Beside the categories of a data set that this program made."""
NUM_MEASURED = 32  # clips from whose sizes that of all clips is estimated
_WAY_OUT = "free some space, or choose another folder"


def pack_dataset(root: Path, out: Path, workers: int = 1) -> None:
    """Pack all clips of a data set, those that no split names among them.

    What is there from an earlier time and holds the same frames stays, so a run that was
    interrupted goes on. Clips that cannot be packed do not stop the others.

    Args:
        root: The data set; it stays as it is.
        out: Folder of the new data set, made if it is missing.
        workers: Number of processes.

    Raises:
        UserError: If there is no clip, no room on the disk, or a file of somebody else in the way;
            at the end, with the names of the clips that could not be packed.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    _refuse_nested(root, out)
    clips = list(clips_in(root))
    if not clips:
        raise DataError(
            f"{root} holds no clip, which has a folder {CLOUD_FOLDER} in a folder of a category"
        )
    left = [clip for clip in clips if not has_folder(out / clip, CLOUD_FOLDER)]
    needed = _estimate([root / clip for clip in left])
    free = refuse_full_disk(out, needed, _WAY_OUT)
    print(f"{len(left)} clips to pack, about {in_words(needed)}; {in_words(free)} are free")
    _pack(root, out, clips, workers)
    for path in _lists(root):
        copy_file(path, out / path.relative_to(root))


@dataclass(frozen=True)
class _Packing:
    """The packing of one clip, which another process can do."""

    root: Path
    out: Path
    clip: Path

    def run(
        self, is_stopped: Callable[[], bool], on_clip: Callable[[], None]
    ) -> tuple[str, str] | None:
        """Returns the clip and what is wrong with it, if it cannot be packed."""
        if is_stopped():
            return None
        try:
            pack_clip(self.root / self.clip, self.out / self.clip)
        except DataError as error:
            return self.clip.as_posix(), str(error)
        finally:
            close_files()
        on_clip()
        return None


def _pack(root: Path, out: Path, clips: Sequence[Path], workers: int) -> None:
    tasks = [_Packing(root, out, clip).run for clip in clips]
    with tqdm(total=len(clips), unit="clip") as progress:
        found = work_on_clips(tasks, workers, progress)
    problems = dict(sorted(problem for problem in found if problem is not None))
    for problem in problems.values():
        print(f"not packed: {problem}")
    if problems:
        raise UserError(
            f"{len(problems)} of {len(clips)} clips were not packed: {listed(problems)}; mend "
            "them, then run the same command again, which writes the split files, too"
        )


def clips_in(root: Path) -> Iterator[Path]:
    """The folders of all clips, such as <category>/<clip>, sorted."""
    if not root.is_dir():
        raise DataError(f"data folder {root} does not exist")
    for category in _visible_folders(root):
        for clip in _visible_folders(category):
            if has_folder(clip, CLOUD_FOLDER):
                yield clip.relative_to(root)


def _lists(root: Path) -> Iterator[Path]:
    """The split files, and the description of the data set if there is one."""
    for category in _visible_folders(root):
        yield from sorted(path for path in category.glob("*.lst") if path.name[0] != ".")
    if (root / DESCRIPTION).is_file():
        yield root / DESCRIPTION


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _refuse_nested(root: Path, out: Path) -> None:
    """Refuse to write into the data set that is read, where nothing may change."""
    source, target = root.resolve(), out.resolve()
    if target == source or source in target.parents or target in source.parents:
        raise UserError(f"{out} and {root} lie in each other; choose a folder beside {root}")


def _estimate(clips: list[Path]) -> int:
    """Bytes that packing takes, from the first files of some of the clips."""
    some = clips[:: max(1, len(clips) // NUM_MEASURED)]
    return round(len(clips) * sum(map(_clip_size, some)) / max(1, len(some)))


def _clip_size(clip: Path) -> int:
    try:
        copied = sum((clip / relative).stat().st_size for relative in copied_files(clip))
        return copied + sum(_packed_size(clip / folder, clip.name) for folder in PACKABLE)
    except (DataError, StorageError):
        return 0  # it is told where it is packed


def _packed_size(folder: Path, clip: str) -> int:
    packed = find_packed(folder, clip)
    if packed is not None:
        return packed.stat().st_size
    if not folder.is_dir():
        return 0
    frames = numbered_files(folder, clip).names
    arrays = open_arrays(str(folder / next(iter(frames.values()))))
    return len(frames) * sum(arrays.location(name).num_bytes for name in arrays.names())
