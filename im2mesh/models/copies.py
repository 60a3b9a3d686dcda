"""A model that observes copies of a sequence, turned or mirrored, and averages its answers."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from im2mesh.errors import ConfigError, UserError
from im2mesh.models.code import Generators
from im2mesh.models.sequence_model import Inputs, Question, SequenceCodes, SequenceModel
from im2mesh.models.views import Views, reflection

COPIES_OF_IMAGES = 2


class MeanOverCopies(SequenceModel):
    """A trained model whose answers hardly depend on which way a body faces, or on left and right.

    No network here is equivariant to turns or reflections, so its errors differ from one copy to
    another, and their mean is smaller. Copies of clouds are turned about the y axis, in directions
    that are evenly spread. Images have two copies: themselves, and mirrored ones, about the upright
    plane in which their first camera looks. Codes are those of all copies: their first dimension is
    B * count, that of questions and answers B.

    Args:
        model: Model of clouds whose y axis points up, or of images whose cameras are known.
        count: Number of copies.

    `encode` and `encode_shape` raise a UserError for images without cameras, and for another number
    of copies of images.
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
            self._copied_inputs(inputs), self._each(times), self._each_generator(generators)
        )

    def encode_shape(
        self, inputs: Inputs, times: Float[Tensor, "B T"], generators: Generators | None = None
    ) -> SequenceCodes:
        return self.model.encode_shape(
            self._copied_inputs(inputs), self._each(times), self._each_generator(generators)
        )

    def occupancy_logits_0(
        self, points_0: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        return self._mean(self.model.occupancy_logits_0(self._moved(points_0, codes), codes))

    def occupancy_logits(
        self, points_t: Float[Tensor, "B N 3"], t: Float[Tensor, "B"], codes: SequenceCodes
    ) -> Float[Tensor, "B N"]:
        moved = self._moved(points_t, codes)
        return self._mean(self.model.occupancy_logits(moved, self._each(t), codes))

    def trajectories(
        self, points_0: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        moved = self._moved(points_0, codes)
        return self._moved_back(self.model.trajectories(moved, times, codes), codes)

    def trajectories_from_end(
        self, points_1: Float[Tensor, "B N 3"], times: Float[Tensor, "T"], codes: SequenceCodes
    ) -> Float[Tensor, "B T N 3"]:
        moved = self._moved(points_1, codes)
        return self._moved_back(self.model.trajectories_from_end(moved, times, codes), codes)

    def velocities(
        self, points_t: Float[Tensor, "B N 3"], t: float, codes: SequenceCodes
    ) -> Float[Tensor, "B N 3"]:
        moved = self._moved(points_t, codes)
        return self._moved_back(self.model.velocities(moved, t, codes), codes)

    def take_nfe(self) -> int:
        return self.model.take_nfe()

    def _copied_inputs(self, inputs: Inputs) -> Float[Tensor, "S T N 3"] | Views:
        """All copies of all sequences, those of one sequence after another."""
        if isinstance(inputs, Views):
            return self._images_and_mirrored(inputs)
        if inputs.dim() != 4:
            raise UserError("images without cameras cannot be mirrored; set generation.copies to 1")
        return torch.einsum("b...d,ked->bk...e", inputs, self.turns).flatten(0, 1)

    def _images_and_mirrored(self, views: Views) -> Views:
        refuse_other_copies_of_images(self.count)
        other = views.mirrored()
        return Views(
            torch.stack([views.images, other.images], 1).flatten(0, 1),
            torch.stack([views.cameras, other.cameras], 1).flatten(0, 1),
            torch.stack([views.up, other.up], 1).flatten(0, 1),
        )

    def _each_generator(self, generators: Generators | None) -> Generators | None:
        if generators is None:
            return None
        return [generator for generator in generators for _ in range(self.count)]

    def _moves(self, codes: SequenceCodes) -> Float[Tensor, "_ K 3 3"]:
        """What takes positions to those of the copies, for each sequence; orthogonal matrices."""
        if codes.axes is None:
            return self.turns.unsqueeze(0)
        right = codes.axes[:: self.count, 0]  # the same for both copies
        itself = torch.eye(3, dtype=right.dtype, device=right.device).expand(len(right), 3, 3)
        return torch.stack([itself, reflection(right)], 1)

    def _moved(
        self, points: Float[Tensor, "B N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "S N 3"]:
        """Positions for all copies of all sequences; S = B * count."""
        moves = self._moves(codes).expand(len(points), -1, -1, -1).to(points.dtype)
        return torch.einsum("bnd,bked->bkne", points, moves).flatten(0, 1)

    def _moved_back(
        self, points: Float[Tensor, "S *N 3"], codes: SequenceCodes
    ) -> Float[Tensor, "B *N 3"]:
        """The mean of the copies' positions."""
        copies = points.unflatten(0, (-1, self.count))
        moves = self._moves(codes).expand(len(copies), -1, -1, -1).to(points.dtype)
        return torch.einsum("bk...e,bked->b...d", copies, moves) / self.count

    def _each(self, times: Float[Tensor, "B *T"]) -> Float[Tensor, "S *T"]:
        return times.repeat_interleave(self.count, 0)

    def _mean(self, logits: Float[Tensor, "S N"]) -> Float[Tensor, "B N"]:
        return logits.unflatten(0, (-1, self.count)).mean(1)


def refuse_other_copies_of_images(count: int) -> None:
    """Refuse another number of copies than images have.

    Raises:
        ConfigError: If it is not 2.
    """
    if count != COPIES_OF_IMAGES:
        raise ConfigError(
            f"generation.copies is {count}, but images have two copies, themselves and mirrored; "
            "set it to 2 or 1"
        )


def _about_y(count: int) -> Float[Tensor, "K 3 3"]:
    angles = torch.arange(count) * (2 * math.pi / count)
    turns = torch.eye(3).repeat(count, 1, 1)
    turns[:, 0, 0] = turns[:, 2, 2] = angles.cos()
    turns[:, 0, 2], turns[:, 2, 0] = angles.sin(), -angles.sin()
    return turns
