"""The interface of every method: encode an observation, then answer questions about it.

Trainer, generator and evaluator know this interface only. A method differs in its model and in the
weights of its losses, not in its plumbing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.schema import DataConfig, ModelConfig
from im2mesh.models.code import Code, Gaussian, Generators
from im2mesh.models.views import Views

Question = Literal["occupancy", "motion", "motion back", "point set"]
"""occupancy: is point p inside the body at time t? motion: where is, at time t, the particle that
starts at p at t = 0? motion back: where was, at time t, the particle that ends at p at t = 1? point
set: which points lie on the surface, and how do they move?"""

Inputs = Float[Tensor, "B T N 3"] | Float[Tensor, "B T 3 H W"] | Views
"""Observed frames: clouds in the frame of the first mesh, RGB images in [0, 1], or these with their
cameras."""


@dataclass(frozen=True)
class SequenceCodes:
    """The codes of a batch of sequences.

    Attributes:
        shape: Code of the body's shape at t = 0.
        motion: Code of the motion over the whole sequence.
        shape_posterior: Distribution that shape.z was drawn from; width 0 without a latent code.
        motion_posterior: Distribution that motion.z was drawn from; width 0 without a latent code.
        axes: Axes in which the networks see positions, as rows: those of the first camera, where it
            is known; None for the axes of the positions themselves.
    """

    shape: Code
    motion: Code
    shape_posterior: Gaussian
    motion_posterior: Gaussian
    axes: Float[Tensor, "B 3 3"] | None = None


class SequenceModel(nn.Module):
    """A method. Positions are in the frame of the sequence's first mesh, times in [0, 1].

    Times may lie on the CPU whatever the device of the points, and should: the host reads them, and
    would wait for a GPU to hand them out.

    A subclass declares which parts and which data it needs; the checks of a configuration and the
    assembly of a model read these declarations and know no method by name.
    """

    method: ClassVar[str]
    """Name of the method in the configuration."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Keys of the required networks in section `model`, in the order of the constructor."""
    may_have: ClassVar[tuple[str, ...]] = ()
    """Keys of the optional networks in section `model`."""
    carries_points: ClassVar[bool] = False
    """Whether the method needs either a velocity field or a deformation, exactly one of them."""
    sees_from_cameras: ClassVar[bool] = False
    """Whether images may come with their cameras (data.view_cameras)."""
    decoder_reads: ClassVar[Literal["encoder", "encoder_temporal"]] = "encoder"
    """Key of the encoder whose code the decoder reads."""
    decoder_dimensions: ClassVar[int] = 3
    """Dimensions of the points that the decoder gets: 3 for p, or 4 for (p, t)."""

    @classmethod
    def from_parts(cls, parts: Mapping[str, nn.Module], config: ModelConfig) -> "SequenceModel":
        """Assemble the method from networks by their keys; `carrier` is what moves points."""
        return cls(*(parts[key] for key in cls.needs))

    @classmethod
    def check_data(cls, data: DataConfig) -> None:
        """Refuse data that the method cannot observe; its networks have checks of their own.

        Raises:
            ValueError: If the data do not fit; names the keys and what to change.
        """

    @property
    def answers(self) -> frozenset[Question]:
        """The questions that this model can be asked."""
        raise NotImplementedError

    def encode(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        """Encode observed sequences.

        Args:
            inputs: Observed frames.
            times: Times of the frames, increasing from 0.
            generators: Random generators, one per sequence, that draw latent codes from their
                posteriors; None takes the posterior means.
        """
        raise NotImplementedError

    @property
    def encodes_shape_alone(self) -> bool:
        """Whether the shape at t = 0 has a code of its own."""
        return False

    def encode_shape(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        """Encode the shape from the first frame alone; the motion code is empty.

        Raises:
            ValueError: If shape and motion share one code.
        """
        raise ValueError(f"{self.method} has no separate code for the shape")

    def draw_prior(self, count: int, generator: torch.Generator) -> SequenceCodes:
        """Draw the codes of `count` new sequences from the prior.

        Raises:
            ValueError: If the model has no latent code, or needs an observation.
        """
        raise ValueError(
            f"{self.method} has no latent code to draw; set model.method to occupancy_flow, "
            "model.posterior and model.posterior_temporal, and train"
        )

    @property
    def has_posterior(self) -> bool:
        """Whether the model has a latent code, and a network that infers it."""
        return False

    @property
    def has_prior(self) -> bool:
        """Whether the codes of new sequences can be drawn from a prior (see `draw_prior`)."""
        return False

    @property
    def learns_motion(self) -> bool:
        """Whether the networks that determine the motion have weights."""
        return True

    @property
    def sees_pixels(self) -> bool:
        """Whether the surface at t = 0 is placed where the pixels of an image show it."""
        return False

    @property
    def takes_any_frames(self) -> bool:
        """Whether any number of frames can be observed, at any times."""
        return False

    def occupancy_logits_0(
        self, points_0: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Occupancy logits at t = 0."""
        return self.occupancy_logits(points_0, points_0.new_zeros(len(points_0)), codes)

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        """Occupancy logits at one time per sequence."""
        raise self._cannot_answer("occupancy")

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        """Follow the particles that are at points_0 at t = 0 to each time; times start at 0."""
        raise self._cannot_answer("motion")

    def trajectories_from_end(
        self, points_1: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        """Trace the particles that are at points_1 at t = 1 back to each time; times end at 1."""
        raise self._cannot_answer("motion back")

    def velocities(
        self, points_t: Float[Tensor, "B N 3"], t: float, codes: SequenceCodes
    ) -> Float[Tensor, "B N 3"]:
        """Velocities of the particles that are at points_t at time t, per window length.

        A model that follows points of space also traces them back.
        """
        raise self._cannot_answer("motion back")

    def point_set(
        self, times: Float[Tensor, "S"], codes: SequenceCodes
    ) -> Float[Tensor, "B S N 3"]:
        """Points on the surface; point n is the same particle at all times."""
        raise self._cannot_answer("point set")

    def take_nfe(self) -> int:
        """Number of velocity field evaluations since the last call of this function."""
        return 0

    def _cannot_answer(self, question: Question) -> ValueError:
        return ValueError(
            f"{self.method} cannot be asked for {question}, only for "
            f"{', '.join(sorted(self.answers))}; choose another model.method or other parts"
        )


def refuse_unordered_times(times: Float[Tensor, "B T"]) -> None:
    """Refuse observed frames that do not come one after another; on a GPU, take them as they are.

    Raises:
        ValueError: If a time occurs twice, or times go back.
    """
    if times.device.type == "cpu" and bool((times[:, 1:] <= times[:, :-1]).any()):
        raise ValueError(
            f"the times of observed frames must increase strictly, got {times.tolist()}; "
            "leave out frames of the same time"
        )
