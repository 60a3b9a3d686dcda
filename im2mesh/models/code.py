"""Codes: what networks are conditioned on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

Generators = Sequence[torch.Generator]
"""One random generator per sequence, so that its draws do not depend on its batch mates."""


@dataclass(frozen=True)
class Conditions:
    """The inputs of a network beside points and times, as a dataclass of tensors.

    The flow declares `tensors()` to the adjoint, so every tensor of a subclass receives gradients
    without any change to the flow. The first dimension of every tensor is that of the batch.
    """

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor that a gradient must reach."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Tensor))

    def as_arguments(self) -> "Conditions":
        """The same values, each as a separate node of the autograd graph.

        One tensor may have been computed from another. The adjoint takes derivatives with respect
        to all of them at once, and would count a gradient twice that reaches one through another.
        """
        return self._map(lambda value: value.view_as(value))

    def of(self, sequences: Int[Tensor, "S"]) -> "Conditions":
        """The values of some sequences of the batch."""
        return self._map(lambda value: value[sequences])

    def first(self, count: int) -> "Conditions":
        """The values of the first sequences of the batch."""
        return self._map(lambda value: value[:count])

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Conditions":
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **{name: function(value) for name, value in tensors.items()})


@dataclass(frozen=True)
class Code(Conditions):
    """The codes of a batch: per sequence, a conditioned part c and a latent part z.

    A code that holds more than these vectors, such as features at anchor points, is a subclass
    with more tensor fields.

    Attributes:
        c: Vector encoded from the observation; width 0 if there is no encoder.
        z: Vector drawn from a posterior or prior; width 0 if there is neither.
    """

    c: Float[Tensor, "B C"]
    z: Float[Tensor, "B Z"]


@dataclass(frozen=True)
class FramesCode(Code):
    """The observed frames themselves, for methods that look at them when they answer."""

    frames: Float[Tensor, "B K *frame"]
    times: Float[Tensor, "B K"]


@dataclass(frozen=True)
class CodePerFrame(Code):
    """One code per observed frame, beside the code c of the whole sequence.

    Attributes:
        frames: One code per observed frame.
        times: Times of the frames, increasing from 0.
    """

    frames: Float[Tensor, "B K C"]
    times: Float[Tensor, "B K"]

    def at(self, t: Float[Tensor, "B"]) -> Float[Tensor, "B C"]:
        """The code at one time per sequence, interpolated linearly between frames."""
        return interpolate_frames(self.frames, self.times, t)


def as_code(encoded: Tensor | Code) -> Code:
    """Make a code of what an encoder returns: a vector per sequence, or a code already."""
    if isinstance(encoded, Code):
        return encoded
    return Code(c=encoded, z=encoded.new_zeros(len(encoded), 0))


def interpolate_frames(
    frames: Float[Tensor, "B K *frame"], times: Float[Tensor, "B K"], t: Float[Tensor, "B"]
) -> Float[Tensor, "B *frame"]:
    """Interpolate values per frame linearly, at one time per sequence.

    Before the first and after the last frame, the values stay constant.
    """
    if frames.shape[1] == 1:
        return frames[:, 0]
    later = (times < t.unsqueeze(1)).sum(1).clamp(1, frames.shape[1] - 1)
    rows = torch.arange(len(t), device=t.device)
    start, end = times[rows, later - 1], times[rows, later]
    weight = ((t - start) / (end - start)).clamp(0, 1).to(frames)
    weight = weight.view(-1, *[1] * (frames.dim() - 2))
    before, after = frames[rows, later - 1], frames[rows, later]
    return before + weight * (after - before)


def empty_code(batch_size: int, like: Tensor | None = None) -> Code:
    """The code of a network that is conditioned on nothing."""
    like = torch.zeros(0) if like is None else like
    return Code(c=like.new_zeros(batch_size, 0), z=like.new_zeros(batch_size, 0))


def blend_codes(first: Code, second: Code, weight: float) -> Code:
    """Interpolate linearly between two codes: weight 0 gives the first, 1 the second.

    Raises:
        ValueError: If a code holds more than the vectors c and z, which alone can be blended.
    """
    for code in (first, second):
        if type(code) is not Code:
            raise ValueError(f"a {type(code).__name__} cannot be blended; only vectors c and z can")
    return Code(c=first.c.lerp(second.c, weight), z=first.z.lerp(second.z, weight))


@dataclass(frozen=True)
class Gaussian:
    """One normal distribution per sequence, independent in every dimension; width 0 is allowed."""

    mean: Float[Tensor, "B Z"]
    log_std: Float[Tensor, "B Z"]

    def sample(self, generators: Generators) -> Float[Tensor, "B Z"]:
        """Draw samples, with noise from the CPU to be the same on every device; differentiable."""
        if len(generators) != len(self.mean):
            raise ValueError(f"got {len(generators)} generators for {len(self.mean)} sequences")
        width = self.mean.shape[1]
        if width == 0:
            return self.mean
        drawn = [torch.randn(width, generator=g, dtype=torch.float32) for g in generators]
        return self.mean + self.log_std.exp() * torch.stack(drawn).to(self.mean, non_blocking=True)

    def kl_to_standard_normal(self) -> Float[Tensor, ""]:
        """KL divergence to N(0, I) in nats, mean over sequences and dimensions; 0 for width 0."""
        if self.mean.numel() == 0:
            return self.mean.new_zeros(())
        variance = (2 * self.log_std).exp()
        return (0.5 * (variance + self.mean**2 - 1) - self.log_std).mean()


def empty_gaussian(batch_size: int, like: Tensor) -> Gaussian:
    """The distribution, of width 0, that stands for a latent code the model does not have."""
    nothing = like.new_zeros(batch_size, 0)
    return Gaussian(nothing, nothing)
