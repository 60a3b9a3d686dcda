"""A folder -> everything in it that can be shown."""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from im2mesh.config.schema import Config
from im2mesh.data.clip_files import has_folder
from im2mesh.data.layout import CLOUD_FOLDER, Window
from im2mesh.errors import Advice, UserError
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import read_report
from im2mesh.files.numbered import NumberedFilesError
from im2mesh.generation.scan_files import MESHES
from im2mesh.runs.folder import CONFIG_FILE, SCAN_FILE, SEQUENCE_FILE, RunFolder
from im2mesh.studies.viewer.clouds import Clouds
from im2mesh.studies.viewer.files import of_file, of_files
from im2mesh.studies.viewer.moving_meshes import MovingMeshes
from im2mesh.studies.viewer.source import Source
from im2mesh.studies.viewer.windows import DataClip, GeneratedWindow

DEEPEST = 8
"""Folders below the one that is given, in which something is looked for."""
ReadConfig = Callable[[Path], Config]
"""Reads a configuration file."""
Found = TypeVar("Found")
GENERATION = RunFolder(Path()).generation("").name
KNOWN = (
    "data sets (docs/data.md), runs after generate.py, reconstructed scans, sequence.npz, moving "
    ".glb and .usdc, and clouds (docs/scans.md)"
)


def find_sources(path: Path, read_config: ReadConfig) -> list[Source]:
    """Everything that can be shown of a folder, or of a file; of what cannot be read, a warning.

    Raises:
        UserError: If there is no such folder, it is empty, or holds nothing that is known.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; name a folder, such as out")
    if path.is_file():
        found: list[Source] = [of_file(path)]
    elif not any(path.iterdir()):
        raise UserError(f"{path} is empty; name a folder that holds {KNOWN}")
    else:
        found = list(_Search(read_config).walk(path.resolve(), path))
    if not found:
        raise UserError(f"{path} holds nothing that can be shown, such as {KNOWN}")
    if len(found) == 1 and isinstance(found[0], Clouds):
        found[0].count_frames()  # reads them: the user hears at the start if they are none
    return found


@dataclass
class _Search:
    """A walk through folders, each of which is visited once, however many links lead there."""

    read_config: ReadConfig
    seen: set[Path] = field(default_factory=set)

    def walk(self, folder: Path, shown: Path, depth: int = 0) -> Iterator[Source]:
        """What is in a folder, in the order of the names.

        Args:
            folder: The folder, absolute, since the names above a clip matter.
            shown: The same as the user named it.
        """
        place = folder.resolve()
        if place in self.seen:
            return
        self.seen.add(place)
        if has_folder(folder, CLOUD_FOLDER):
            yield DataClip(_as_named(folder.parent.parent, shown), folder.parent.name, folder.name)
            return
        yield from _readable(shown, partial(_of_sequence, folder, shown))
        if (folder / GENERATION).is_dir():
            yield from _readable(shown, partial(_of_run, shown, self.read_config))
        if not (folder.name == MESHES and (folder.parent / SEQUENCE_FILE).is_file()):
            yield from _readable(shown, partial(of_files, folder, shown))
        if depth < DEEPEST:
            for child in _readable(shown, partial(_folders, folder)):
                name = shown / child.name
                yield from _readable(name, partial(self.walk, child, name, depth + 1))


def _readable(shown: Path, find: Callable[[], Iterable[Found]]) -> list[Found]:
    """What is found; what cannot be read is told, and spoils nothing else."""
    found = []
    try:
        for one in find():
            found.append(one)
    except (UserError, NumberedFilesError, OSError) as error:
        warnings.warn(f"{shown} is not shown in full: {error}", Advice, stacklevel=2)
    return found


def _folders(folder: Path) -> list[Path]:
    children = (child for child in sorted(folder.iterdir()) if child.is_dir())
    return [child for child in children if child.name[0] != "." and child.name != GENERATION]


def _of_sequence(folder: Path, shown: Path) -> Iterator[Source]:
    if (folder / SEQUENCE_FILE).is_file():
        is_scan = (folder / SCAN_FILE).is_file()
        group = "reconstructed scans" if is_scan else "moving meshes"
        yield MovingMeshes(shown, group, str(shown))


def _as_named(folder: Path, shown: Path) -> Path:
    """A folder above one that the user named, absolute only if the name was."""
    return folder if shown.is_absolute() else Path(os.path.relpath(folder))


def _of_run(run: Path, read_config: ReadConfig) -> Iterator[Source]:
    for place in _folders(run / GENERATION):
        if (place / CONFIG_FILE).is_file():  # else it is of another program
            yield from _readable(place, partial(_of_split, run, place, read_config))


def _of_split(run: Path, place: Path, read_config: ReadConfig) -> Iterator[Source]:
    config = read_config(place / CONFIG_FILE)
    records = _records(RunFolder(run).evaluation(place.name))
    for sequence in sorted(place.glob(f"*/*/*/{SEQUENCE_FILE}")):
        category, clip, name = sequence.parent.relative_to(place).parts
        if named := re.fullmatch(r"(\d+)(?:_step(\d+))?", name):
            count, step = config.data.num_frames, int(named[2] or 1)
            window = Window(category, clip, int(named[1]), count, step)
            meshes = PredictedMeshes(place)
            yield GeneratedWindow(run, place.name, window, config, meshes, records)


def _records(evaluation: Path) -> Sequence[Record]:
    try:
        return read_report(evaluation)[0]
    except UserError:
        return ()  # it was not evaluated, so no IoU is told
