"""A folder -> everything in it that can be shown."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from im2mesh.config.schema import Config
from im2mesh.data.clip_files import has_folder
from im2mesh.data.layout import CLOUD_FOLDER, Window
from im2mesh.errors import UserError
from im2mesh.evaluation.predictions import PredictedMeshes
from im2mesh.evaluation.records import Record
from im2mesh.evaluation.report import read_report
from im2mesh.files.numbered import READ_ENDINGS, find_numbered
from im2mesh.runs.folder import CONFIG_FILE, SCAN_FILE, SEQUENCE_FILE, RunFolder
from im2mesh.studies.viewer.clouds import Clouds, holds_clouds
from im2mesh.studies.viewer.moving_meshes import MovingMeshes
from im2mesh.studies.viewer.source import Source
from im2mesh.studies.viewer.windows import Clip, GeneratedWindow

DEEPEST = 8
"""Folders below the one that is given, in which something is looked for."""
ReadConfig = Callable[[Path], Config]
"""Reads a configuration file."""
GENERATION = RunFolder(Path()).generation("").name
KNOWN = (
    "data sets (docs/data.md), runs after generate.py, reconstructed scans, sequence.npz, moving "
    ".glb, and clouds (docs/scans.md)"
)


def find_sources(path: Path, read_config: ReadConfig) -> list[Source]:
    """Everything that can be shown of a folder, or of a file.

    Raises:
        UserError: If there is no such folder, it is empty, or holds nothing that is known.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; name a folder, such as out")
    if path.is_file():
        return [_of_file(path)]
    if not any(path.iterdir()):
        raise UserError(f"{path} is empty; name a folder that holds {KNOWN}")
    found: list[Source] = list(_walk(path.resolve(), path, read_config))
    if not found and _has_clouds(path):
        found = [_readable(Clouds((path,), path.resolve().name))]
    if not found:
        raise UserError(f"{path} holds nothing that can be shown, such as {KNOWN}")
    return found


def _of_file(path: Path) -> Source:
    is_meshes = path.suffix.lower() == ".glb" or path.suffix.lower() == ".npz"
    if is_meshes and not holds_clouds(path):
        return MovingMeshes(path, "moving meshes", path.name)
    return _readable(Clouds((path,), path.name))


def _readable(clouds: Clouds) -> Clouds:
    """Clouds that are read at once, so that the user hears at the start if they are none."""
    clouds.count_frames()
    return clouds


def _has_clouds(path: Path) -> bool:
    return bool(find_numbered(path, (*READ_ENDINGS, "npz")).names)


def _walk(folder: Path, shown: Path, read_config: ReadConfig, depth: int = 0) -> Iterator[Source]:
    """What is in a folder, in the order of the names.

    Args:
        folder: The folder, absolute, since the names above a clip matter.
        shown: The same as the user named it.
    """
    if has_folder(folder, CLOUD_FOLDER):
        yield Clip(_as_named(folder.parent.parent, shown), folder.parent.name, folder.name)
        return
    if (folder / SEQUENCE_FILE).is_file():
        is_scan = (folder / SCAN_FILE).is_file()
        group = "reconstructed scans" if is_scan else "moving meshes"
        yield MovingMeshes(shown, group, str(shown))
        return
    if (folder / GENERATION).is_dir():
        yield from _of_run(shown, read_config)
    if depth < DEEPEST:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and child.name[0] != "." and child.name != GENERATION:
                yield from _walk(child, shown / child.name, read_config, depth + 1)


def _as_named(folder: Path, shown: Path) -> Path:
    """A folder above one that the user named, absolute only if the name was."""
    return folder if shown.is_absolute() else Path(os.path.relpath(folder))


def _of_run(run: Path, read_config: ReadConfig) -> Iterator[Source]:
    folder = RunFolder(run)
    for split in sorted(path.name for path in (run / GENERATION).iterdir() if path.is_dir()):
        place = folder.generation(split)
        if not (place / CONFIG_FILE).is_file():
            continue  # of another program
        config = read_config(place / CONFIG_FILE)
        records = _records(folder.evaluation(split))
        for sequence in sorted(place.glob(f"*/*/*/{SEQUENCE_FILE}")):
            category, clip, name = sequence.parent.relative_to(place).parts
            if named := re.fullmatch(r"(\d+)(?:_step(\d+))?", name):
                count, step = config.data.num_frames, int(named[2] or 1)
                window = Window(category, clip, int(named[1]), count, step)
                meshes = PredictedMeshes(place)
                yield GeneratedWindow(run, split, window, config, meshes, records)


def _records(evaluation: Path) -> Sequence[Record]:
    try:
        return read_report(evaluation)[0]
    except UserError:
        return ()  # it was not evaluated, so no IoU is told
