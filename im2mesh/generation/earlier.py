"""Results of version 0.1.0, which noted no files: ours are known by the files beside them."""

from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

from im2mesh.files.written import adopt
from im2mesh.meshing.io import MESH_FORMATS
from im2mesh.runs.folder import WindowFolder
from im2mesh.runs.window_summary import read_summary

OBSERVED_FORMATS = ("ply", "png")


def adopt_window(files: WindowFolder) -> None:
    """Count as ours the meshes that belong to the window.json of generate.py, and the inputs."""
    summary = read_summary(files.summary) if files.summary.exists() else {}
    if {"made_by", "status", "frames"} <= summary.keys():
        adopt_frames(files.meshes, MESH_FORMATS, summary["frames"])
        adopt_frames(files.inputs, OBSERVED_FORMATS)


def adopt_frames(folder: Path, formats: Sequence[str], number: int | None = None) -> None:
    """Count 00000.<format>, 00001.<format>, ... as ours, if they are there without a gap.

    Args:
        number: Number of frames; others are not ours. None for as many as there are.
    """
    for ending in formats:
        names = takewhile(lambda n: (folder / n).is_file(), (f"{k:05d}.{ending}" for k in count()))
        found = list(names)[:number]
        if found and len(found) == (number or len(found)):
            adopt(folder, found)
