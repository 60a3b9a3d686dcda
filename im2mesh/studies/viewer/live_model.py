"""A trained model that answers one question after the other: a surface, and its place at any t."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import RLock

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
from im2mesh.studies.viewer.observed import observed_frames
from im2mesh.studies.viewer.remembering import remember
from im2mesh.studies.viewer.source import Frames
from im2mesh.studies.viewer.telling import as_user_error

COARSE = 32
"""Most cells an axis of the grid on which extraction begins; finer ones are doubled near the
surface."""
GRIDS = (16, 32, 64, 128, 256)
KEPT_ANSWERS = 16
"""So many answers can be asked for their flow."""


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


@dataclass(frozen=True)
class LiveAnswer:
    """What a model has made of some frames.

    Attributes:
        key: By which its flow is asked for. No other answer has it, so none of another surface,
            of another browser, or of weights that were loaded since can be mistaken for it.
        moves: Whether its flow can be asked for.
    """

    key: str
    meshes: Reconstruction
    moves: bool


@dataclass(frozen=True)
class _Kept:
    """What is left of an answer: the codes, and the surface at t = 0, if it moves."""

    frames: Frames
    codes: SequenceCodes
    start: Float[np.ndarray, "V 3"] | None


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
    _kept: "OrderedDict[str, _Kept]" = field(default_factory=OrderedDict)
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

    @property
    def moves(self) -> bool:
        """Whether its flow alone says where the meshes are between the frames; not if they are
        blended with the last surface, carried back."""
        answers = self.generator.model.answers
        return "motion" in answers and not self.generator.config.blend_from_end

    def reconstruct(
        self, frames: Frames, seen: WindowInput, times: Float[np.ndarray, "T"], asked: Surface
    ) -> LiveAnswer:
        """The meshes of some frames.

        Args:
            frames: What is encoded once, if it is asked for again.
            seen: What the model observes of them.
            times: Of the meshes, from 0 to 1.
            asked: How the surface is extracted.

        Raises:
            UserError: If the model cannot read the observation.
        """
        with self._lock, as_user_error(frames.name):
            self._refuse_other_frames(seen.observation, len(times))
            generator, key = self._generator(asked), secrets.token_hex(8)
            if len(times) == 1:
                mesh = generator.extract_shape(seen.observation)
                still = MeshSequence(mesh.faces, mesh.vertices[None], np.zeros(1))
                return LiveAnswer(key, still, False)
            known = (kept.codes for kept in self._kept.values() if kept.frames == frames)
            codes = next(known, None) or generator.encode(seen.observation)
            meshes = generator.generate_from_codes(codes, times, frame=seen.frame, given=seen.given)
            moves = self.moves and isinstance(meshes, MeshSequence)
            start = meshes.meshes[0].vertices if moves else None
            remember(self._kept, key, _Kept(frames, codes, start), KEPT_ANSWERS)
            return LiveAnswer(key, meshes, moves)

    def at(self, key: str, t: float, rows: Int[np.ndarray, "R"]) -> Float[np.ndarray, "M 3"]:
        """Where the flow has carried the surface at any time, and how fast some of its vertices
        move there: positions [V, 3], then velocities [R, 3] in units from t = 0 to 1.

        Args:
            key: Of an answer.
            t: Time, from 0 to 1.
            rows: Vertices whose velocity is asked for.

        Raises:
            UserError: If there is no such answer any more, or it does not move.
        """
        with self._lock, as_user_error("the flow"):
            kept = self._kept.get(key)
            if kept is None or kept.start is None:
                raise UserError("no flow is known of these frames; reconstruct them again")
            self._kept.move_to_end(key)
            t = float(np.clip(t, 0.0, 1.0))
            moved = kept.start
            if t > 0:
                moved = self.generator.carry(moved, np.array([0.0, t]), kept.codes)[1]
            if not self.has_field:
                return moved
            rows = rows[(rows >= 0) & (rows < len(moved))]
            return np.concatenate([moved, self.generator.velocities(kept.codes, moved[rows], t)])

    def remark(self, seen: WindowInput, count: int) -> str:
        """What may not be expected of an answer for so many frames; empty if there is nothing."""
        trained, num_seen = self.config.data.num_frames, len(seen.observation.times)
        if count in (1, trained):
            return ""
        return (
            f"The weights are of windows of {trained} frames, and saw {num_seen} of these {count}."
        )

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

    def _refuse_other_frames(self, seen: Observation, total: int) -> None:
        """Refuse frames that an encoder would take for others, which counts them and sees no times.

        Args:
            total: Number of the frames of which some are seen.
        """
        data, count = self.config.data, len(seen.inputs)
        if count == 1 or self.generator.model.takes_any_frames:
            return
        if count != data.observed_frames:
            raise UserError(
                f"{self.name} reads {data.observed_frames} frames, and these are {count}; choose "
                f"{data.observed_frames}, or weights that take any number, such as --weights local"
            )
        even = observed_frames(self.name, data, total) / (total - 1)
        if data.input_frames == "even" and not np.allclose(seen.times, even, atol=1e-4):
            raise UserError(
                f"{self.name} takes frames for evenly spaced, and these have gaps in time; choose "
                "others, or weights that see times, such as --weights local"
            )
