"""What was found in a data set, and a table of what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from im2mesh.data.layout import (
    DEPTH_FOLDER,
    IMAGE_FOLDER,
    MESH_FOLDER,
    NEAR_POINTS_FOLDER,
    POINTS_FOLDER,
)
from im2mesh.evaluation.tables import draw_table
from im2mesh.files.sizes import in_words
from im2mesh.preparation.checks.findings import Findings

_HEADING = (
    "category",
    "split",
    "clips",
    "frames",
    "labels",
    "near",
    "meshes",
    "views",
    "depth",
    "size",
)
_ALL = "(all clips)"


@dataclass
class ClipReport:
    """What a clip holds, and what is wrong with it.

    Attributes:
        frames: Number of frames; 0 if they cannot be told.
        size: Bytes of all files that are read.
        parts: Folders that it has.
        digest: What copies of a clip have in common; None if no frame can be read.
    """

    category: str
    clip: str
    findings: Findings
    frames: int = 0
    size: int = 0
    parts: tuple[str, ...] = ()
    digest: int | None = None


@dataclass(frozen=True)
class CategoryReport:
    """What was found in one category: of its split files, and of each clip."""

    name: str
    splits: dict[str, list[str]]
    clips: dict[str, ClipReport]
    findings: Findings

    def all_findings(self) -> list[Findings]:
        return [self.findings, *(report.findings for report in self.clips.values())]


def tell_table(reports: Sequence[CategoryReport]) -> str:
    """What each split holds, as a table."""
    rows: list[Sequence[str]] = [_HEADING]
    for report in reports:
        for split, names in {**report.splits, _ALL: list(report.clips)}.items():
            clips = [report.clips[name] for name in names if name in report.clips]
            rows.append((report.name, split, *_cells(clips)))
    return draw_table(rows)


def _cells(clips: Sequence[ClipReport]) -> list[str]:
    """How many clips and frames there are, how many clips have each part, and their size."""
    labels, near, meshes, depth = (
        sum(folder in clip.parts for clip in clips)
        for folder in (POINTS_FOLDER, NEAR_POINTS_FOLDER, MESH_FOLDER, DEPTH_FOLDER)
    )
    views = sum(any(p.startswith(f"{IMAGE_FOLDER}/") for p in clip.parts) for clip in clips)
    frames = sum(clip.frames for clip in clips)
    counts = [len(clips), frames, labels, near, meshes, views, depth]
    return [*map(str, counts), in_words(sum(clip.size for clip in clips))]
