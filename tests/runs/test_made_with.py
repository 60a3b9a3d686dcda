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


def test_meshes_of_others_and_keys_of_later_versions_say_nothing(tmp_path):
    assert advice_on_settings(tmp_path / "config.yaml", build_config(CONFIG)) == []
    path = made_with(tmp_path)
    path.write_text(path.read_text().replace("  copies: 1\n", "  turns: 4\n"))
    assert advice_on_settings(path, build_config(CONFIG)) == []
