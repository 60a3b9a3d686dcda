"""What every method is asked: encode an observation, then answer questions about it.

Trainer, generator and evaluator know this interface only. A method differs in its model and in the
weights of its losses, not in its plumbing.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.models.code import Code, Gaussian, Generators

Question = Literal["occupancy", "motion", "motion back", "point set"]
"""occupancy: is p inside at time t? motion: where is the particle p of t = 0 at time t? motion
back: where was the particle p of t = 1? point set: which points lie on the surface, followed over
time?"""

Inputs = Float[Tensor, "B T N 3"] | Float[Tensor, "B T 3 H W"]
"""Observed frames: clouds in the frame of the first mesh, or RGB images in [0, 1]."""


@dataclass(frozen=True)
class SequenceCodes:
    """What is known of a batch of sequences.

    Attributes:
        shape: Of the body at t = 0.
        motion: Of the whole sequence.
        shape_posterior: What shape.z was drawn from; width 0 if there is no such latent code.
        motion_posterior: The same for motion.z.
    """

    shape: Code
    motion: Code
    shape_posterior: Gaussian
    motion_posterior: Gaussian


class SequenceModel(nn.Module):
    """A method. Positions are in the frame of the sequence's first mesh, times in [0, 1]."""

    method: ClassVar[str]
    """Its name in the configuration."""

    @property
    def answers(self) -> frozenset[Question]:
        """The questions that this model can be asked."""
        raise NotImplementedError

    def encode(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        """The codes of observed sequences.

        Args:
            inputs: Observed frames.
            times: Of the frames, increasing from 0.
            generators: Draw latent codes from their posteriors, one for each sequence; None takes
                the means.
        """
        raise NotImplementedError

    @property
    def encodes_shape_alone(self) -> bool:
        """Whether the shape at t = 0 has a code of its own."""
        return False

    def encode_shape(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        """What the first frame says of the shape; nothing is known of the motion.

        Raises:
            ValueError: If shape and motion have one code.
        """
        raise ValueError(f"{self.method} has no code of the shape alone")

    @property
    def has_posterior(self) -> bool:
        """Whether there is a latent code to draw."""
        return False

    @property
    def learns_motion(self) -> bool:
        """Whether what carries points has weights."""
        return True

    @property
    def takes_any_frames(self) -> bool:
        """Whether any number of frames can be observed, at any times."""
        return False

    def occupancy_logits_0(
        self, points_0: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Occupancy at t = 0."""
        return self.occupancy_logits(points_0, points_0.new_zeros(len(points_0)), codes)

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Occupancy at one time per sequence."""
        raise self._cannot_answer("occupancy")

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        """Where the particles at points_0 at t = 0 are at each time; times start at 0."""
        raise self._cannot_answer("motion")

    def trajectories_from_end(
        self, points_1: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        """Where the particles at points_1 at t = 1 were at each time; times end at 1."""
        raise self._cannot_answer("motion back")

    def point_set(
        self, times: Float[Tensor, "S"], codes: SequenceCodes
    ) -> Float[Tensor, "B S N 3"]:
        """Points on the surface; point n is the same particle at all times."""
        raise self._cannot_answer("point set")

    def take_nfe(self) -> int:
        """Evaluations of a velocity field since the last call of this function."""
        return 0

    def _cannot_answer(self, question: Question) -> ValueError:
        return ValueError(
            f"{self.method} cannot be asked for {question}, only for "
            f"{', '.join(sorted(self.answers))}; choose another model.method or other parts"
        )


def refuse_unordered_times(times: Float[Tensor, "B T"]) -> None:
    """Observed frames must come one after another.

    Raises:
        ValueError: If a time stands twice, or times go back.
    """
    if bool((times[:, 1:] <= times[:, :-1]).any()):
        raise ValueError(
            f"the times of observed frames must increase strictly, got {times.tolist()}; "
            "leave out frames of the same time"
        )
