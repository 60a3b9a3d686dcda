"""Every key says what it affects, and what follows from that stays what it was."""

from typing import Annotated

import pytest

from im2mesh.build import build_config
from im2mesh.config.effects import Affects, keys_affecting, refuse_unclassified
from im2mesh.config.schema import Config, DataConfig, ModelConfig, OdeConfig
from im2mesh.config.sections import Section
from im2mesh.runs.provenance import config_hash, run_hash


class Inner(Section):
    said: Annotated[int, Affects.LEARNING, Affects.BUDGET] = 1
    not_said: int = 2


class Outer(Section):
    path: Annotated[str, Affects.NOTHING] = "out"
    inner: Inner = Inner()


def test_a_key_that_does_not_say_what_it_affects_is_refused():
    with pytest.raises(TypeError, match=r"Outer\.inner\.not_said does not say what it affects"):
        refuse_unclassified(Outer)


def test_keys_are_listed_by_what_they_affect():
    assert keys_affecting(Outer, Affects.NOTHING) == ["path"]
    assert keys_affecting(Outer, Affects.BUDGET) == ["inner.said"]
    assert keys_affecting(Inner, Affects.LEARNING) == ["said"]


@pytest.mark.parametrize("effect", Affects)
def test_every_effect_has_a_key(effect):
    assert keys_affecting(Config, effect)


def test_what_affects_no_number():
    assert keys_affecting(Config, Affects.NOTHING) == [
        "output_dir",
        "data.root",
        "training.num_workers",
        "training.print_every",
        "training.save_every",
        "training.tracker",
        "training.visualize_every",
        "generation.batch_points",
        "generation.mesh_format",
        "generation.write_inputs",
    ]


def test_a_run_is_named_by_all_settings_of_its_networks_and_its_solver():
    assert keys_affecting(ModelConfig, Affects.MODEL) == list(ModelConfig.model_fields)
    assert keys_affecting(OdeConfig, Affects.MESHES) == list(OdeConfig.model_fields)


def test_a_run_must_keep_what_the_model_is_and_can_observe():
    assert keys_affecting(DataConfig, Affects.MODEL) == [
        "num_frames",
        "frame_step",
        "input",
        "num_input_frames",
        "input_frames",
        "input_pointcloud_corresponding",
        "view_cameras",
    ]


def test_the_hashes_of_version_0_1_0_are_still_right():
    """Another hash would make everybody's meshes out of date."""
    config = build_config("configs/pointcloud/oflow.yaml")
    assert (config_hash(config), run_hash("weights", config)) == (
        "a21ca101762f0e1c",
        "080eced1cc657646",
    )
