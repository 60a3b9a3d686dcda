"""Pictures of a training as it goes on: the same validation windows, time and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from im2mesh.config.schema import Config, GenerationConfig
from im2mesh.data.dataset import build_validation_windows, spread_windows
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.evaluation.predictions import prediction_of
from im2mesh.generation.generator import Generator
from im2mesh.generation.inputs import read_input
from im2mesh.meshing.mesh import Mesh
from im2mesh.meshing.rendering import import_pyvista
from im2mesh.models.sequence_model import SequenceModel
from im2mesh.runs.folder import RunFolder
from im2mesh.training.progress import Drawn
from im2mesh.visualization.contact_sheet import draw_contact_sheet, read_panel
from im2mesh.visualization.panel import Panel
from im2mesh.visualization.sheet import spread_frames
from im2mesh.visualization.video.film import Film
from im2mesh.visualization.video.window_scene import VideoSettings, even_clock, window_scene

NUM_WINDOWS = 2
NUM_COLUMNS = 4
CELL_HEIGHT = 220  # pixels
FILM_HEIGHT = 160  # pixels
FRAMES_A_SECOND = 5.0
MOST_FRAMES = 9
"""Of each window in motion; a frame takes about a tenth of a second on one core."""
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

    def draw(self, model: SequenceModel, iteration: int, origin: str) -> Drawn:
        """Draw input, prediction and truth, still and in motion; the model is left as it was.

        Args:
            model: Model after that many iterations.
            origin: Description of the training, stored in the file's metadata.

        Returns:
            The pictures; the still one is also written, as <folder>/<iteration>.png.

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
        with Image.open(path) as picture:
            sheet = np.asarray(picture.convert("RGB"))
        lengths = {
            "predicted": [_displacements(panel.prediction or {}) for panel in panels],
            "true": [_displacements(dict(enumerate(panel.truth))) for panel in panels],
        }
        joined = {name: np.concatenate(parts) for name, parts in lengths.items()}
        known = {name: values for name, values in joined.items() if len(values)}
        return Drawn(path, sheet, _film(panels), FRAMES_A_SECOND, known)

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


def _film(panels: Sequence[Panel]) -> UInt8[np.ndarray, "T H W 3"]:
    """The windows in motion, one after the other."""
    scenes = []
    for panel in panels:
        clock = even_clock(panel.num_frames, None, FRAMES_A_SECOND)
        scenes.append(window_scene(panel, clock, VideoSettings()))
    film = Film(scenes, FILM_HEIGHT)
    chosen = [
        window * panel.num_frames + int(k)
        for window, panel in enumerate(panels)
        for k in spread_frames(panel.num_frames, min(panel.num_frames, MOST_FRAMES))
    ]
    return np.stack(list(film.frames(chosen)))


def _displacements(meshes: Mapping[int, Mesh]) -> Float[np.ndarray, "N"]:
    """How far points move from the first frame to the last; none where they are not followed."""
    found = [meshes[k] for k in sorted(meshes)]
    if not found or not all(map(found[0].shares_rows, found)):
        return np.zeros(0)
    return np.linalg.norm(found[-1].vertices - found[0].vertices, axis=1)


def _quick(config: GenerationConfig) -> GenerationConfig:
    """Meshes of the window's own frames, on a coarser grid."""
    steps = min(config.upsampling_steps, UPSAMPLING_STEPS)
    update = {"upsampling_steps": steps, "num_steps": None, "times": None, "refinement_steps": 0}
    return config.model_copy(update=update)
