"""The learning rate over the course of training."""

import pytest

from im2mesh.config.schema import TrainingConfig
from im2mesh.training.optimizer import learning_rate


def test_learning_rate_follows_the_budget_that_runs_out_first():
    config = TrainingConfig(
        schedule="cosine", max_iterations=1000, max_seconds=100.0, learning_rate=1.0
    )
    assert learning_rate(100, 50.0, config) == pytest.approx(0.5)
    assert learning_rate(500, 20.0, config) == pytest.approx(0.5)
    assert learning_rate(1000, 99.0, config) == pytest.approx(0.0)
    warm = TrainingConfig(warmup_iterations=10, learning_rate=1.0)
    assert [learning_rate(i, 0.0, warm) for i in (0, 4, 9, 500)] == [0.1, 0.5, 1.0, 1.0]
