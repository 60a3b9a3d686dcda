"""Lessons: encoders of images learn the codes that a model of clouds gives to the same bodies.

The teacher is shown every body in upright axes (see `distillation`): turned about the vertical
until the camera looks along -z, and tilted only where an augmented picture is.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.config.effects import Affects
from im2mesh.config.schema import Config
from im2mesh.data.batch import Batch
from im2mesh.errors import UserError
from im2mesh.files.hashes import hash_text
from im2mesh.models.sequence_model import SequenceCodes, SequenceModel
from im2mesh.models.views import Views, axes_of, into_axes
from im2mesh.randomness import step_randomness
from im2mesh.runs.checkpoints import Checkpoint, TrainingState, load_checkpoint, save_checkpoint
from im2mesh.runs.origins import Notes, continued
from im2mesh.runs.provenance import Provenance
from im2mesh.runs.resuming import changed_settings
from im2mesh.runs.weights import load_weights, weights_digest
from im2mesh.training.distillation import NETWORKS, TAUGHT
from im2mesh.training.optimizer import learning_rate, load_optimizer

SLOWER = 0.3
"""Learning rate of networks that were trained before, relative to that of all others."""
THAT_MATTER = (
    Affects.WINDOWS, Affects.MODEL, Affects.OBSERVATION, Affects.LEARNING, Affects.BUDGET,
)  # fmt: skip
"""Effects of settings that must not change while lessons go on."""
BEGUN_AS = "begun_as"
"""Entry, beside the configuration of a saved state, of the hash of the pupil as it was at first."""
TINY = 1e-6
"""Variance of a code that hardly differs; its errors are not magnified further."""


@dataclass(frozen=True)
class Teacher:
    """A model of clouds, and how it is shown what a camera sees.

    Attributes:
        to_camera: Matrix from the axes in which it knows bodies to those of the camera.
        noise: Standard deviation of the noise of its clouds, in units of the first frame.
    """

    model: SequenceModel
    to_camera: Float[Tensor, "3 3"]
    noise: float

    @torch.no_grad()
    def codes(self, batch: Batch) -> SequenceCodes:
        """Codes of clouds that follow the body, as its first camera faces it. Their noise is drawn
        from torch's own generator."""
        axes = self.to_camera.T @ axes_of(batch.cameras[:, 0])
        clouds = into_axes(batch.pointcloud.flatten(1, 2), axes).view_as(batch.pointcloud)
        clouds = clouds + self.noise * torch.randn_like(clouds)
        return self.model.encode(clouds, batch.times.expand(len(clouds), -1))


class Lesson(NamedTuple):
    """Squared errors of both codes in one step, as parts of the variance of these codes."""

    shape: float
    motion: float


class Lessons:
    """Teaches the encoders of a pupil, a step per batch, on the CPU.

    Its state can be saved between two steps, and the lessons go on from there as if they had not
    stopped: every draw follows from the seed and the number of the step (see `randomness`).

    Args:
        pupil: Model of images; all but its encoders stays as it is.
        teacher: The model whose codes it learns.
        config: Of the pupil; its section `training` tells the steps and the learning rate.
        networks_are_trained: Whether the layers that see images come from other weights.
        before: Notes of what made the teacher and all weights that were taken over.
        origin: Provenance of these lessons.

    Attributes:
        begun_as: Hash of the pupil as it was at first, and of what it learns from.
        iteration: Number of steps done.
    """

    def __init__(
        self,
        pupil: SequenceModel,
        teacher: Teacher,
        config: Config,
        *,
        networks_are_trained: bool,
        before: Notes,
        origin: Provenance,
    ) -> None:
        self.pupil, self.teacher, self.config = pupil, teacher, config
        self.before, self.origin = list(before), origin
        self.iteration = 0
        self._own_notes = continued((), origin, 0)
        encoders = {n: p for n, p in pupil.named_parameters() if not n.startswith(TAUGHT)}
        self._networks = [weight for name, weight in encoders.items() if NETWORKS in name]
        self._others = [weight for name, weight in encoders.items() if NETWORKS not in name]
        self._slower = SLOWER if networks_are_trained else 1.0
        whole = weights_digest(pupil), weights_digest(teacher.model)
        self.begun_as = hash_text(*whole, str(teacher.noise), str(self._slower))
        groups = [{"params": self._networks}, {"params": self._others}]
        self.optimizer = torch.optim.Adam(groups, lr=config.training.learning_rate)

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Notes of all that made the pupil."""
        return [*self.before, *self._own_notes]

    def step(self, batch: Batch) -> Lesson:
        """Teach one batch; returns what the pupil said wrong before.

        Raises:
            UserError: If that is not finite; the weights stay as they were.
        """
        settings = self.config.training
        rate = learning_rate(self.iteration, 0.0, settings)
        for group, share in zip(self.optimizer.param_groups, (self._slower, 1.0), strict=True):
            group["lr"] = share * rate
        step_randomness(settings.seed, self.iteration, 0, len(batch.inputs))  # seeds torch
        shape, motion = self._errors(batch)
        lesson = Lesson(shape.item(), motion.item())
        if not math.isfinite(sum(lesson)):
            raise UserError(
                f"the errors of codes are not finite at step {self.iteration} (shape "
                f"{lesson.shape}, motion {lesson.motion}); look after the images, or begin anew "
                "with a lower learning rate"
            )
        self.optimizer.zero_grad()
        (shape + motion).backward()
        torch.nn.utils.clip_grad_norm_([*self._networks, *self._others], 1.0)
        self.optimizer.step()
        self.iteration += 1
        return lesson

    def save(self, path: Path) -> None:
        """Write the state of the lessons.

        Raises:
            OSError: If the file cannot be written; an older one is kept.
        """
        state = TrainingState(
            iteration=self.iteration,
            seconds=0.0,  # lessons have no budget of time, ...
            best_score=-math.inf,  # ... are validated at their end, ...
            num_skipped=0,  # ... and leave out no batch
            origins=self._own_notes,
        )
        config = {**self.config.model_dump(), BEGUN_AS: self.begun_as}
        model, optimizer = self.pupil.state_dict(), self.optimizer.state_dict()
        save_checkpoint(path, Checkpoint(config, model, optimizer, state))

    def resume(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: If the file is damaged, or of another model.
            UserError: If it is of other lessons: another teacher, other settings or data.
        """
        saved = load_checkpoint(path)
        if differing := self._differing(saved):
            raise UserError(
                f"{path} holds the state of lessons with {differing}; give what they were begun "
                "with, choose another --output, or move the file away to begin anew"
            )
        load_weights(self.pupil, saved.model, path)
        load_optimizer(self.optimizer, saved.optimizer, path)
        self.iteration = saved.state.iteration
        self._own_notes = continued(saved.state.origins, self.origin, self.iteration)

    def _errors(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Squared errors of the shape and the motion code, as parts of their variance."""
        seen = Views.of_windows(batch.inputs, batch.cameras)
        said = self.pupil.encode(seen, batch.input_times)
        right = self.teacher.codes(batch)
        shape, motion = (
            (a.c - b.c).square().mean() / b.c.var(0, correction=0).mean().clamp(min=TINY)
            for a, b in ((said.shape, right.shape), (said.motion, right.motion))
        )
        return shape, motion

    def _differing(self, saved: Checkpoint) -> str:
        """What differs between saved lessons and these, in words; nothing if they are the same.
        Their code and their libraries may be other ones."""
        if changed := changed_settings(saved.config, self.config, *THAT_MATTER):
            return f"other settings (then -> now: {', '.join(changed)})"
        if saved.config.get(BEGUN_AS) != self.begun_as:
            return "another teacher, or other weights at first"
        return "" if saved.state.origins[-1]["dataset"] == self.origin.dataset else "other data"
