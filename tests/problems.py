"""Velocity fields whose paths are known in closed form."""

import torch
from torch import Tensor, nn

from im2mesh.models.flow.velocity_fields import VelocityField


class Constant(VelocityField):
    """v = velocity; p(t) = p0 + t velocity."""

    def __init__(self, velocity: tuple[float, float, float] = (0.3, -0.2, 0.1)) -> None:
        super().__init__()
        self.velocity = nn.Parameter(torch.tensor(velocity))

    def forward(self, t, points, code):
        return self.velocity.expand_as(points)

    def path(self, points_0: Tensor, t: Tensor) -> Tensor:
        return points_0 + t * self.velocity


class Rotation(VelocityField):
    """Turns about z with a constant angular velocity."""

    def __init__(self, speed: float = 2.0) -> None:
        super().__init__()
        self.speed = nn.Parameter(torch.tensor(speed))

    def forward(self, t, points, code):
        x, y, _ = points.unbind(-1)
        return self.speed * torch.stack([-y, x, torch.zeros_like(x)], -1)

    def path(self, points_0: Tensor, t: Tensor) -> Tensor:
        x, y, z = points_0.unbind(-1)
        cos, sin = torch.cos(self.speed * t), torch.sin(self.speed * t)
        return torch.stack([cos * x - sin * y, sin * x + cos * y, z], -1)


class Expansion(VelocityField):
    """v = rate p; p(t) = p0 exp(rate t)."""

    def __init__(self, rate: float = 0.7) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(rate))

    def forward(self, t, points, code):
        return self.rate * points

    def path(self, points_0: Tensor, t: Tensor) -> Tensor:
        return points_0 * torch.exp(self.rate * t)


class Accelerated(VelocityField):
    """v = c t, with a direction from the code; p(t) = p0 + c t^2 / 2."""

    def forward(self, t, points, code):
        return (code.c[:, :3] * t.view(-1, 1)).unsqueeze(1).expand_as(points)

    def path(self, points_0: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return points_0 + c[:, None, :3] * t.view(-1, 1, 1) ** 2 / 2


class Conditioned(VelocityField):
    """A smooth non-linear field that depends on time, place, code and weights."""

    def __init__(self, size: int = 4) -> None:
        super().__init__()
        self.fc_p = nn.Linear(4, 16)
        self.fc_c = nn.Linear(size, 16)
        self.fc_out = nn.Linear(16, 3)

    def forward(self, t, points, code):
        time = t.view(-1, 1, 1).expand(*points.shape[:2], 1)
        hidden = self.fc_p(torch.cat([points, time], -1)) + self.fc_c(code.c).unsqueeze(1)
        return self.fc_out(torch.tanh(hidden))
