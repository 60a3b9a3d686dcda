"""A model that observes clouds several times, turned, and averages its answers."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.models.code import Generators
from im2mesh.models.sequence_model import Inputs, Question, SequenceCodes, SequenceModel


class TurnedModel(SequenceModel):
    """A trained model whose answers hardly depend on which way a body faces.

    No network here is equivariant to turns, so its errors differ from one direction to another,
    and their mean is smaller. The codes of a sequence are those of its `count` turned copies: the
    first dimension of codes is B * count, that of questions and answers B.

    Args:
        model: Model of clouds whose y axis points up.
        count: Number of directions, evenly spread.
    """

    def __init__(self, model: SequenceModel, count: int) -> None:
        super().__init__()
        self.model = model
        self.count = count
        self.turns: Tensor
        self.register_buffer("turns", _about_y(count))

    @property
    def answers(self) -> frozenset[Question]:
        return self.model.answers

    def encode(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        return self.model.encode(
            self._turned_inputs(inputs), self._each(times), self._each_generator(generators)
        )

    def encode_shape(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        return self.model.encode_shape(
            self._turned_inputs(inputs), self._each(times), self._each_generator(generators)
        )

    def occupancy_logits_0(
        self, points_0: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        return self._mean(self.model.occupancy_logits_0(self._turned(points_0), codes))

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        return self._mean(self.model.occupancy_logits(self._turned(points_t), self._each(t), codes))

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        return self._turned_back(self.model.trajectories(self._turned(points_0), times, codes))

    def trajectories_from_end(
        self, points_1: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        turned = self._turned(points_1)
        return self._turned_back(self.model.trajectories_from_end(turned, times, codes))

    def velocities(
        self, points_t: Float[Tensor, "B N 3"], t: float, codes: SequenceCodes
    ) -> Float[Tensor, "B N 3"]:
        return self._turned_back(self.model.velocities(self._turned(points_t), t, codes))

    def take_nfe(self) -> int:
        return self.model.take_nfe()

    def _turned_inputs(self, inputs: Inputs) -> Float[Tensor, "S T N 3"]:
        if not isinstance(inputs, Tensor) or inputs.dim() != 4:
            raise ValueError("images cannot be turned; set generation.turns to 1")
        return self._turned(inputs)

    def _each_generator(self, generators: Generators | None) -> Generators | None:
        if generators is None:
            return None
        return [generator for generator in generators for _ in range(self.count)]

    def _turned(self, points: Float[Tensor, "B *N 3"]) -> Float[Tensor, "S *N 3"]:
        """All copies of all sequences; S = B * count."""
        copies = torch.einsum("b...d,ked->bk...e", points, self.turns.to(points.dtype))
        return copies.flatten(0, 1)

    def _turned_back(self, points: Float[Tensor, "S *N 3"]) -> Float[Tensor, "B *N 3"]:
        copies = points.unflatten(0, (-1, self.count))
        return torch.einsum("bk...e,ked->b...d", copies, self.turns.to(points.dtype)) / self.count

    def _each(self, times: Float[Tensor, "B *T"]) -> Float[Tensor, "S *T"]:
        return times.repeat_interleave(self.count, 0)

    def _mean(self, logits: Float[Tensor, "S N"]) -> Float[Tensor, "B N"]:
        return logits.unflatten(0, (-1, self.count)).mean(1)


def _about_y(count: int) -> Float[Tensor, "K 3 3"]:
    angles = torch.arange(count) * (2 * math.pi / count)
    turns = torch.eye(3).repeat(count, 1, 1)
    turns[:, 0, 0] = turns[:, 2, 2] = angles.cos()
    turns[:, 0, 2], turns[:, 2, 0] = angles.sin(), -angles.sin()
    return turns
