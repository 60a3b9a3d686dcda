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


def blend_codes(first: Code, second: Code, weight: float) -> Code:
    """The code a part `weight` of the way from the first to the second.

    Raises:
        ValueError: If the codes are more than two vectors, which no straight line connects.
    """
    for code in (first, second):
        if type(code) is not Code:
            raise ValueError(f"a {type(code).__name__} cannot be blended with another")
    return Code(c=first.c.lerp(second.c, weight), z=first.z.lerp(second.z, weight))


@dataclass(frozen=True)
class Gaussian:
    """One normal distribution per sequence, independent in every dimension; width 0 is legal."""

    mean: Float[Tensor, "B Z"]
    log_std: Float[Tensor, "B Z"]

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "B Z"]:
        """Draw on the CPU, so that a seed means the same on every device; differentiable."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=torch.float32)
        return self.mean + self.log_std.exp() * noise.to(self.mean)

    def kl_to_standard_normal(self) -> Float[Tensor, ""]:
        """KL divergence to N(0, I) in nats, mean over sequences and dimensions; 0 for width 0."""
        if self.mean.numel() == 0:
            return self.mean.new_zeros(())
        variance = (2 * self.log_std).exp()
        return (0.5 * (variance + self.mean**2 - 1) - self.log_std).mean()


def empty_gaussian(batch_size: int, like: Tensor) -> Gaussian:
    """The distribution of a latent code that a model does not have."""
    nothing = like.new_zeros(batch_size, 0)
    return Gaussian(nothing, nothing)
