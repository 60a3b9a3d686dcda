"""What a training says of its duration, and of its distance from convergence."""

import re
import warnings

import torch

from im2mesh.build import build_generator
from im2mesh.config.schema import TrainingConfig
from im2mesh.training.outlook import tell_distance, tell_duration
from tests.training.test_training import trainer

CPU = torch.device("cpu")


def validations(*ious: float) -> list[tuple[int, float]]:
    return [(1000 * k, iou) for k, iou in enumerate(ious, 1)]


def test_a_time_limit_that_ends_first_is_what_is_told():
    settings = TrainingConfig(max_iterations=100_000, max_seconds=302.0)
    told = tell_duration(10, 2.0, 0.2, settings)
    assert told == "1500 more steps of 0.2 s: about 5 min here; training.max_seconds shortens that"


def test_rough_shapes_are_far_from_converged():
    assert (tell_distance(validations(0.59)) or "").startswith(
        "FAR FROM CONVERGED: the validation IoU is 0.59"
    )
    assert tell_distance(validations(0.6)) is None


def test_a_score_that_still_rises_is_told():
    told = tell_distance(validations(0.3, 0.7, 0.75)) or ""
    assert "since iteration 2000, the validation IoU rose from 0.700 to 0.750" in told
    assert tell_distance(validations(0.3, 0.7, 0.71)) is None
    assert tell_distance(validations(0.8, 0.7)) is None


def test_a_model_without_occupancy_has_no_iou_to_judge():
    assert tell_distance([]) is None


def test_a_training_tells_how_long_it_will_take_and_how_it_ended(
    config_path, capsys, without_shape_checks
):
    run = trainer(config_path, "training.max_iterations=12", "training.batch_size=2")
    run.fit()
    told = capsys.readouterr().out
    assert re.search(r"^2 more steps of [\d.e-]+ s: about \d+ s here;", told, re.M)
    assert "FAR FROM CONVERGED: the validation IoU is 0." in told


def test_a_training_of_few_steps_tells_no_duration(config_path, capsys):
    trainer(config_path, "training.max_iterations=3").fit()
    assert "more steps" not in capsys.readouterr().out


def test_generation_from_rough_weights_is_warned_of(config_path):
    run = trainer(config_path)
    path = run.folder.checkpoint
    for score, is_rough in ((0.43, True), (0.7, False), (-0.02, False), (-float("inf"), False)):
        run.state.best_score = score
        run.save(path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            build_generator(run.config, path, CPU)
        assert any("the best validation IoU of" in str(w.message) for w in caught) == is_rough
