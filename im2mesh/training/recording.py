"""A step's passes, recorded once as a CUDA graph and then replayed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from im2mesh.config.schema import Config
from im2mesh.data.batch import Batch
from im2mesh.models.flow.flow import Flow
from im2mesh.models.sequence_model import SequenceModel

WARM_UPS = 3
"""Passes before the recording, in which libraries choose algorithms and make their buffers."""


@dataclass(frozen=True)
class Outcome:
    """What forward and backward passes of a step leave, beside the gradients.

    Attributes:
        names: Names of the parts of the loss.
        values: Their V - 1 values, and the norm of the gradient before clipping.
        nfe_forward: Evaluations of the velocity field in the forward pass.
        nfe_backward: Those of the backward pass.
    """

    names: tuple[str, ...]
    values: Float[Tensor, "V"]
    nfe_forward: int
    nfe_backward: int


Passes = Callable[[Batch], Outcome]
"""Forward and backward pass of a step; leaves gradients in the weights."""


def obstacle_to_recording(model: SequenceModel, config: Config, world_size: int) -> str:
    """Why a step cannot be recorded; empty if it can. A replay repeats every decision of the host,
    so the host must have none to take."""
    if next(model.parameters()).device.type != "cuda":
        return "only a GPU can record a step"
    if world_size > 1:
        return "several processes exchange gradients"
    if not isinstance(getattr(model, "flow", None), Flow):
        return "that is written for models with a velocity field"
    if solver_decides(model, config):
        return "the solver of torchdiffeq decides about its steps (ode.interpolate is false)"
    if config.loss.correspondence_backward:
        return "the host plans the way back from the end (loss.correspondence_backward)"
    if config.loss.motion_share < 1 or isinstance(config.loss.correspondence_frames, int):
        return "the loss draws frames at random (loss.correspondence_frames, loss.motion_share)"
    if config.data.input_variety:
        return "the number of observed points varies (data.input_variety)"
    if model.has_posterior:
        return "latent codes are drawn at random"
    return ""


def solver_decides(model: SequenceModel, config: Config) -> bool:
    """Whether a solver reads positions from the device, to decide about its steps."""
    return isinstance(getattr(model, "flow", None), Flow) and not config.ode.interpolate


class Recording:
    """Passes for batches of one shape. A GPU runs the thousands of small operations of a step
    faster than the host can ask for them; replaying a recording asks for all at once.

    Args:
        model: Model whose weights receive the gradients; its running statistics advance with every
            replay, but not with the recording.
        passes: Passes to record.
        batch: A batch on the GPU, for its shapes and the times of its frames.
    """

    def __init__(self, model: nn.Module, passes: Passes, batch: Batch) -> None:
        own = {name: tensor.clone() for name, tensor in batch.tensors().items()}
        for name in ("t", "input_times"):  # the host must not plan by these
            own[name] = own[name].to(batch.inputs.device)
        self._batch = replace(batch, **own)
        buffers = {buffer: buffer.clone() for buffer in model.buffers()}
        self._warm_up(model, passes)
        for buffer, value in buffers.items():
            buffer.copy_(value)
        model.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outcome = passes(self._batch)

    def fits(self, batch: Batch) -> bool:
        """Whether the recording is of batches like this one."""
        own = self._batch.tensors()
        return torch.equal(batch.times, self._batch.times) and all(
            tensor.shape == own[name].shape for name, tensor in batch.tensors().items()
        )

    def replay(self, batch: Batch) -> Outcome:
        """Run the passes on another batch; the outcome is overwritten by the next replay."""
        own = self._batch.tensors()
        for name, tensor in batch.tensors().items():
            own[name].copy_(tensor, non_blocking=True)
        self._graph.replay()
        return self._outcome

    def _warm_up(self, model: nn.Module, passes: Passes) -> None:
        """On a stream of its own, as the recording asks for."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                model.zero_grad(set_to_none=True)
                passes(self._batch)
        torch.cuda.current_stream().wait_stream(stream)
