"""A picture of transfers: a row per body, a column per motion, and the truth below each body."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from im2mesh.data.layout import Window
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.studies.generative.pair import Pair
from im2mesh.synthesis.splits import Clip
from im2mesh.visualization.motion_sheet import last_cell
from im2mesh.visualization.sheet import Section, draw_sections

PICTURE = "transfers.png"
MOST_MOTIONS = 5
CELL_HEIGHT = 300  # pixels

Grid = Mapping[int, Mapping[Window, Pair]]
"""Number of a body -> whose motion -> that pair; the same motions for all bodies."""


def choose_grid(pairs: Sequence[Pair]) -> Grid:
    """One or two bodies and at most five motions that they share: those that fill most cells."""
    motions: dict[int, dict[Window, Pair]] = defaultdict(dict)
    for pair in pairs:
        motions[Clip.named(pair.body.clip).body][pair.motion] = pair

    def shared(bodies: Sequence[int]) -> list[Window]:
        first, *others = (motions[body] for body in bodies)
        return [m for m in first if all(m in other for other in others)][:MOST_MOTIONS]

    groups = [group for size in (2, 1) for group in combinations(sorted(motions), size)]
    chosen = max(groups, key=lambda bodies: len(bodies) * len(shared(bodies)))
    return {body: {motion: motions[body][motion] for motion in shared(chosen)} for body in chosen}


def draw_rows(
    path: Path, grid: Grid, rows: Mapping[str, Sequence[Reconstruction]], origin: str
) -> None:
    """Draw moving bodies at t = 1, all seen by one camera; colours are those of `draw_motions`.

    Args:
        path: File to write, .png.
        grid: What the columns are of.
        rows: Name -> one body per column, not all of them empty. The row "motion" is of those whose
            motions are shown.
        origin: Description of what made the meshes, stored in the file's metadata.
    """
    owners = [Clip.named(motion.clip) for motion in next(iter(grid.values()))]
    cells = {name: [last_cell(body) for body in row] for name, row in rows.items()}
    cells["motion"] = [
        replace(cell, caption=f"of body {owner.body}")
        for cell, owner in zip(cells["motion"], owners, strict=True)
    ]
    section = Section(
        "bodies (rows) with the motion codes of others (columns), at t = 1",
        np.ones(len(owners)),
        cells,
        np.concatenate([body.meshes[-1].vertices for row in rows.values() for body in row]),
        headings=[owner.motion.replace("_", " ") for owner in owners],
    )
    draw_sections([section], path, CELL_HEIGHT, origin=origin)
