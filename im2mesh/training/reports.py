"""The report on one training step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepReport:
    """What was measured in one step. Losses are means over all processes.

    Times are in seconds; `nfe` counts evaluations of the velocity field in this process.
    """

    loss_parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    nfe_forward: int
    nfe_backward: int
    step_time: float

    @property
    def loss(self) -> float:
        return sum(self.loss_parts.values())
