"""Pictures of a training as it goes on: the same validation windows, time and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from im2mesh.config.schema import Config, GenerationConfig
from im2mesh.data.dataset import build_validation_windows, spread_windows
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.evaluation.predictions import prediction_of
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.runs.folder import RunFolder
from im2mesh.visualization.contact_sheet import draw_contact_sheet, read_panel
from im2mesh.visualization.panel import Panel

NUM_WINDOWS = 2
NUM_COLUMNS = 4
CELL_HEIGHT = 220  # pixels
UPSAMPLING_STEPS = 1
"""Doublings of the grid: limbs show, and a picture takes seconds."""


@dataclass(frozen=True)
class TrainingPictures:
    """Draws what a model that is being trained makes of some validation windows.

    Attributes:
        config: Configuration of the run.
        windows: Validation windows that are shown.
        folder: Folder of the pictures.
    """

    config: Config
    windows: Sequence[Window]
    folder: Path

    def draw(self, model: SequenceModel, iteration: int, origin: str) -> Path:
        """Draw input, prediction and truth; the model is left as it was.

        Args:
            model: Model after that many iterations.
            origin: Description of the training, stored in the file's metadata.

        Returns:
            Path of the picture, <folder>/<iteration>.png.

        Raises:
            UserError: If a flow cannot be solved, or somebody else's file is in the way.
        """
        was_training, device = model.training, next(model.parameters()).device
        generator = Generator(
            model, _quick(self.config.generation), self.config.data.num_frames, device
        )
        try:
            panels = [self._panel(generator, window, iteration) for window in self.windows]
        finally:
            model.train(was_training)
        path = self.folder / f"{iteration:08d}.png"
        draw_contact_sheet(panels, path, NUM_COLUMNS, CELL_HEIGHT, origin)
        return path

    def _panel(self, generator: Generator, window: Window, iteration: int) -> Panel:
        given = read_input(self.config, window)
        made = generator.generate(given.observation, frame=given.frame, given=given.given)
        panel = read_panel(
            StoredWindow(self.config.data.root, window),
            prediction_of(window, made),
            given.observation,
        )
        return replace(panel, title=f"{panel.title}, after {iteration} steps")


def build_pictures(config: Config) -> TrainingPictures:
    """Build what draws the pictures of a training.

    Raises:
        UserError: If pyvista is not installed, or the validation windows cannot be found.
    """
    import_pyvista()
    shown = spread_windows(build_validation_windows(config), NUM_WINDOWS)
    return TrainingPictures(config, shown, RunFolder.of(config).pictures)


def _quick(config: GenerationConfig) -> GenerationConfig:
    """Meshes of the window's own frames, on a coarser grid."""
    steps = min(config.upsampling_steps, UPSAMPLING_STEPS)
    update = {"upsampling_steps": steps, "num_steps": None, "times": None, "refinement_steps": 0}
    return config.model_copy(update=update)
