"""Observations -> moving meshes, for one window or a whole split."""

from im2mesh.generation.generator import Generator, StageTimer
from im2mesh.generation.split import (
    GenerationSummary,
    WindowInput,
    generate_split,
    read_input,
    run_hash,
)
from im2mesh.generation.surface import GivenSurface

__all__ = [
    "GenerationSummary",
    "Generator",
    "GivenSurface",
    "StageTimer",
    "WindowInput",
    "generate_split",
    "read_input",
    "run_hash",
]
