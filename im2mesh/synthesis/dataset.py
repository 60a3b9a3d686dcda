"""Make a whole data set, resumable and in several processes: all clips, and the split files."""

import difflib
import json
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from im2mesh.errors import Advice, UserError
from im2mesh.files.atomic import write_json, write_text
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.synthesis.body import count_bodies
from im2mesh.synthesis.clips import ClipSettings, ClipWriter, check_settings
from im2mesh.synthesis.motions.repertoire import MOTIONS
from im2mesh.synthesis.removal import remove_clips
from im2mesh.synthesis.splits import Clip, split_clips
from im2mesh.synthesis.style import FRAMES_PER_SECOND

CATEGORY = "bodies"
MESH_CHOICES = ("all", "held-out", "none")
CONTENT_VERSION = 1  # to be raised whenever the same settings give other files
_POLL_SECONDS = 0.25
_Splits = Mapping[str, Sequence[Clip]]
_WORKER_ENVIRONMENT = {
    "IGL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",  # Mesa, which draws images where there is no GPU
    # glibc is to keep freed memory: returning every large array to the system at once took a sixth
    # of the time.
    "MALLOC_MMAP_THRESHOLD_": "100000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
}


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

    def settings_of(self, is_held_out: bool) -> ClipSettings:
        """Settings of a clip that is, or is not, in a test split."""
        meshes = self.meshes == "all" or (self.meshes == "held-out" and is_held_out)
        return replace(self.clip, meshes=meshes)


def _check_motion(motion: str) -> None:
    if motion not in MOTIONS:
        near = difflib.get_close_matches(motion, MOTIONS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"unknown motion '{motion}'; {hint}choose from: {', '.join(MOTIONS)}")


def make_dataset(
    root: Path, settings: DatasetSettings, workers: int = 1, overwrite: bool = False
) -> None:
    """Write synthetic bodies to root/bodies in the layout of the authors' D-FAUST data.

    A second run with the same settings goes on where the first one stopped. The same settings give
    the same bytes, whatever the number of workers.

    Args:
        workers: Number of processes; with 1, the work is done in this process.
        overwrite: Whether to replace a data set that was made with other settings.

    Raises:
        UserError: If the settings leave a split empty, root holds another data set, or images are
            asked for without pyvista.
    """
    if workers < 1:
        raise UserError(f"workers must be at least 1, got {workers}")
    splits = settings.splits()
    if settings.clip.views:
        import_pyvista()  # fails now, not after the first files
    _prepare(root, settings, overwrite)
    clips = sorted({clip for clips in splits.values() for clip in clips}, key=lambda c: c.name)
    held_out = {*splits["test"], *splits["test_new_individual"]}
    writers = [
        ClipWriter(root / CATEGORY / clip.name, clip, settings.settings_of(clip in held_out))
        for clip in clips
    ]
    missing = [writer for writer in writers if not writer.is_complete()]
    done = (len(writers) - len(missing)) * settings.clip.frames
    total = len(writers) * settings.clip.frames
    with tqdm(total=total, initial=done, unit="frame", smoothing=0.1) as progress:
        if workers == 1 or len(missing) < 2:
            for writer in missing:
                writer.write(_never, lambda: _advance(progress))
        else:
            _write_in_processes(missing, min(workers, len(missing)), progress)
    _write_splits(root / CATEGORY, splits)


def _never() -> bool:
    return False


def _advance(progress: "tqdm[Any]") -> None:
    progress.update(1)


def _prepare(root: Path, settings: DatasetSettings, overwrite: bool) -> None:
    """Refuse to mix two data sets in one folder; write the settings before the first clip."""
    description, folder = root / "dataset.json", root / CATEGORY
    same = {"content_version": CONTENT_VERSION, **asdict(settings.clip), "meshes": settings.meshes}
    if description.is_file():
        earlier = _read_description(description)
        if overwrite:
            _remove_clips(folder)
        else:
            check_settings(description, same)
        _remove_splits(folder, earlier, settings.splits())
    elif folder.exists():
        raise UserError(
            f"{folder} exists but {description} does not, so it is not a data set of this "
            "script; choose another folder, or remove it"
        )
    what = {"bodies": settings.bodies, "motions": list(settings.motions)}
    write_json(description, {**same, **what, "frames_per_second": FRAMES_PER_SECOND})


def _read_description(path: Path) -> dict[str, Any]:
    """What an earlier run wrote. A file of somebody else must not be replaced, nor its data."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not (isinstance(found, dict) and isinstance(found.get("content_version"), int)):
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
    clips = sorted(folder.glob("[0-9][0-9]_*"))
    remove_clips([clip for clip in clips if clip.name[3:] in MOTIONS])


def _remove_splits(folder: Path, earlier: dict[str, Any], wanted: _Splits) -> None:
    """Remove split files of an earlier run that will change. Those that a user has made stay."""
    try:
        splits = split_clips(earlier["bodies"], tuple(earlier["motions"]))
    except (KeyError, TypeError, ValueError, IndexError):
        return  # then all count as the user's
    for name, clips in splits.items():
        path = folder / f"{name}.lst"
        if clips != wanted[name] and not path.is_symlink() and _has_text(path, _lines(clips)):
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


def _write_in_processes(writers: Sequence[ClipWriter], workers: int, progress: "tqdm[Any]") -> None:
    """Write clips in spawned processes; on an error or Ctrl-C each of them finishes its frame."""
    context = multiprocessing.get_context("spawn")
    stop, counter = context.Event(), context.Value("q", 0)
    with (
        _environment(_WORKER_ENVIRONMENT),
        ProcessPoolExecutor(workers, context, _start_worker, (stop, counter)) as pool,
    ):
        futures = {pool.submit(_write_clip, writer) for writer in writers}
        try:
            _wait_for_all(
                futures, lambda: progress.update(counter.value + progress.initial - progress.n)
            )
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _wait_for_all(futures: "set[Future[None]]", on_tick: Callable[[], object]) -> None:
    while futures:
        finished, futures = wait(futures, _POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
        on_tick()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started inside; libraries read them on import."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_worker: dict[str, Any] = {}  # the initializer fills it for the tasks of this process


def _start_worker(stop: Any, counter: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    _worker.update(stop=stop, counter=counter)


def _write_clip(writer: ClipWriter) -> None:
    def count() -> None:
        with _worker["counter"].get_lock():
            _worker["counter"].value += 1

    writer.write(_worker["stop"].is_set, count)
