"""Generation: observations -> moving meshes, for one window or a whole split."""

from im2mesh.generation.generator import Generator, StageTimer
from im2mesh.generation.split import GenerationSummary, generate_split

__all__ = ["GenerationSummary", "Generator", "StageTimer", "generate_split"]
