"""What a network is conditioned on."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Code:
    """One conditioning per sequence: a conditioned part c and a latent part z.

    The flow hands a code through to the velocity field untouched and declares `tensors()` to the
    adjoint. A code with more than vectors (features at anchor points, say) is a subclass with more
    tensor fields: they reach the field and receive gradients without any change to the flow.

    Attributes:
        c: Encoded from the observation. Width 0 if there is no encoder.
        z: Drawn from a posterior or prior. Width 0 if there is none.
    """

    c: Float[Tensor, "B C"]
    z: Float[Tensor, "B Z"]

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor that a gradient must reach."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Tensor))


def empty_code(batch_size: int, like: Tensor | None = None) -> Code:
    """The code of a network that is conditioned on nothing."""
    like = torch.zeros(0) if like is None else like
    return Code(c=like.new_zeros(batch_size, 0), z=like.new_zeros(batch_size, 0))
