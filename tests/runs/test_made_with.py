"""What is said of meshes that were made with other settings than those of an evaluation."""

from pathlib import Path

from im2mesh.build import build_config
from im2mesh.config.validation import write_config
from im2mesh.runs.made_with import advice_on_settings

CONFIG = "configs/pointcloud/local.yaml"


def made_with(folder: Path, *overrides: str) -> Path:
    path = folder / "config.yaml"
    write_config(path, build_config(CONFIG, overrides))
    return path


def test_the_same_settings_are_not_mentioned(tmp_path):
    path = made_with(tmp_path, "data.root=elsewhere", "evaluation.num_samples=7")
    assert advice_on_settings(path, build_config(CONFIG)) == []


def test_other_settings_are_named_with_both_values(tmp_path):
    overrides = ("generation.copies=4", "data.num_input_points=77", "model.decoder.hidden_size=12")
    (text,) = advice_on_settings(made_with(tmp_path, *overrides), build_config(CONFIG))
    assert "generation.copies 4 instead of 1" in text
    assert "data.num_input_points 77 instead of 300" in text
    assert "model.decoder.hidden_size 12 instead of 128" in text
    assert text.count("instead of") == 3


def test_networks_that_are_null_and_renamed_keys_are_compared(tmp_path):
    overrides = ("model.velocity_field=null", "model.deformation={name: static}")
    path = made_with(tmp_path, *overrides)
    path.write_text(path.read_text().replace("  copies: 1\n", "  turns: 4\n"))
    moving = ["model.deformation=null", "model.velocity_field={name: concat}"]
    moving += [
        "model.encoder_temporal={name: pointnet_resnet}",
        "ode={method: rk4, step_size: 1.0}",
    ]
    (text,) = advice_on_settings(path, build_config(CONFIG, moving))
    assert "model.velocity_field null instead of {" in text
    assert "model.deformation {name: static} instead of null" in text
    assert "generation.copies 4 instead of 1" in text


def test_what_changes_no_position_is_not_mentioned(tmp_path):
    path = made_with(tmp_path, "generation.normals=true", "data.num_views=3", "data.image_size=99")
    assert advice_on_settings(path, build_config(CONFIG)) == []


def test_without_a_configuration_of_ours_nothing_is_said(tmp_path):
    path = tmp_path / "config.yaml"
    assert advice_on_settings(path, build_config(CONFIG)) == []
    path.write_text("somebody: [else's")
    assert advice_on_settings(path, build_config(CONFIG)) == []


def test_keys_of_later_versions_had_their_defaults(tmp_path):
    path = made_with(tmp_path)
    path.write_text(path.read_text().replace("  copies: 1\n", ""))
    assert advice_on_settings(path, build_config(CONFIG)) == []
    (text,) = advice_on_settings(path, build_config(CONFIG, ["generation.copies=2"]))
    assert "generation.copies 1 instead of 2" in text
