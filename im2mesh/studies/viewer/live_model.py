"""A trained model that answers one question after the other: a surface, and its place at any t."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from im2mesh.config.schema import Config
from im2mesh.data.batch import Observation
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.generation.window_input import WindowInput
from im2mesh.meshing.frame_meshes import Reconstruction
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.sequence_model import SequenceCodes

COARSE = 32
"""Most cells an axis of the grid on which extraction begins; finer ones are doubled near the
surface."""
GRIDS = (16, 32, 64, 128, 256)
REMEMBERED = 4
"""Number of sequences whose codes are kept."""
Name = TypeVar("Name")
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Surface:
    """What is asked of an extraction: cells an axis, and the probability on the surface."""

    grid: int
    threshold: float

    def __post_init__(self) -> None:
        if self.grid not in GRIDS:
            raise UserError(f"the grid has {self.grid} cells; choose one of {GRIDS}")
        if not 0 < self.threshold < 1:
            raise UserError(f"the threshold is {self.threshold:g}; it must be between 0 and 1")


@dataclass
class LiveModel:
    """A model that is asked by a page.

    Attributes:
        name: As it is shown.
        config: Configuration of its training.
        generator: With the settings of extraction that a page starts with.
    """

    name: str
    config: Config
    generator: Generator
    _codes: "OrderedDict[str, SequenceCodes]" = field(default_factory=OrderedDict)
    _surfaces: "OrderedDict[str, MeshSequence]" = field(default_factory=OrderedDict)
    _lock: RLock = field(default_factory=RLock)

    @property
    def start(self) -> Surface:
        """The settings that a page starts with: those of the weights."""
        config = self.generator.config
        cells = config.resolution << config.upsampling_steps
        return Surface(min(GRIDS, key=lambda grid: abs(grid - cells)), config.threshold)

    @property
    def has_field(self) -> bool:
        """Whether it has a field of velocities."""
        return "motion back" in self.generator.model.answers

    def reconstruct(
        self, key: str, seen: WindowInput, count: int, asked: Surface
    ) -> Reconstruction:
        """The meshes of some frames.

        Args:
            key: Name of the frames; the same name is encoded once.
            seen: What the model observes of them.
            count: Number of the frames, and of the meshes.
            asked: How the surface is extracted.

        Raises:
            UserError: If the model cannot read the observation.
        """
        with self._lock, _as_user_error(key):
            self._refuse_other_count(seen.observation)
            generator = self._generator(asked)
            if count == 1:
                mesh = generator.extract_shape(seen.observation)
                return MeshSequence(mesh.faces, mesh.vertices[None], np.zeros(1))
            if key not in self._codes:
                remember(self._codes, key, generator.encode(seen.observation))
            times = np.linspace(0.0, 1.0, count)
            meshes = generator.generate_from_codes(
                self._codes[key], times, frame=seen.frame, given=seen.given
            )
            if isinstance(meshes, MeshSequence):
                remember(self._surfaces, key, meshes)
            return meshes

    def at(self, key: str, t: float, rows: Int[np.ndarray, "R"]) -> Float[np.ndarray, "M 3"]:
        """Where the flow has carried the surface at any time, and how fast some of its vertices
        move there: positions [V, 3], then velocities [R, 3] in units from t = 0 to 1.

        Args:
            key: Name of frames that were reconstructed.
            t: Time, from 0 to 1.
            rows: Vertices whose velocity is asked for.

        Raises:
            UserError: If the frames were not reconstructed, or the model moves no points.
        """
        with self._lock, _as_user_error(key):
            if key not in self._surfaces or "motion" not in self.generator.model.answers:
                raise UserError("no flow is known of these frames; reconstruct them again")
            codes, start = self._codes[key], self._surfaces[key].vertices[0]
            t = float(np.clip(t, 0.0, 1.0))
            moved = start if t == 0 else self.generator.carry(start, np.array([0.0, t]), codes)[1]
            rows = rows[(rows >= 0) & (rows < len(moved))]
            speeds = self.generator.velocities(codes, moved[rows], t) if self.has_field else None
            return np.concatenate([moved, np.zeros((0, 3)) if speeds is None else speeds])

    def _generator(self, asked: Surface) -> Generator:
        """One that extracts that surface."""
        steps = max(0, (asked.grid // COARSE).bit_length() - 1)
        changes = {
            "resolution": asked.grid >> steps, "upsampling_steps": steps,
            "threshold": asked.threshold, "times": None, "num_steps": None,
            "fit_iterations": 0, "normals": False,
        }  # fmt: skip
        made = self.generator
        config = made.config.model_copy(update=changes)
        return Generator(made.model, config, made.num_frames, made.device, made.trained_by)

    def _refuse_other_count(self, seen: Observation) -> None:
        read, count = self.config.data.observed_frames, len(seen.inputs)
        if count not in (1, read) and not self.generator.model.takes_any_frames:
            raise UserError(
                f"{self.name} reads {read} frames, and these are {count}; choose {read}, or "
                "weights that take any number, such as --weights local"
            )


@contextmanager
def _as_user_error(key: str) -> Iterator[None]:
    """What a model says of an observation that it cannot read, as an error of the user."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{key}: {error}") from error


def remember(kept: "OrderedDict[Name, Kept]", key: Name, value: Kept) -> None:
    """Keep a value as the newest, and forget the oldest beyond `REMEMBERED`."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
