"""Configs of the authors' code become ours: the same networks, losses, solver and surfaces."""

import json
from pathlib import Path

import pytest

from im2mesh.build import build_config
from im2mesh.errors import UserError
from scripts.import_official_config import main

SMALLER = {"hidden_dim": 128}
END_CLOUDS = {"input_type": "end_pointclouds", "input_pointcloud_n": 10000}
NO_SHAPE = {"decoder": None, "encoder": None, "encoder_temporal": "pointnet_2stream"}
OFFICIAL = {
    "pointcloud/oflow": {
        "model": {
            "encoder_kwargs": SMALLER,
            "encoder_temporal_kwargs": SMALLER,
            "velocity_field_kwargs": {"hidden_size": 128},
            "c_dim": 128,
        }
    },
    "pointcloud/oflow_w_correspond": {"method": "oflow", "model": {"loss_corr": True}},
    "pointcloud/onet4d": {"method": "onet4d", "generation": {"padding": 0.5}},
    "pointcloud/psgn4d": {"method": "psgn4d", "model": {"decoder": "simple"}},
    "pointcloud/psgn4d_w_correspond": {
        "method": "psgn4d",
        "model": {"decoder": "simple", "loss_corr": True},
    },
    "img/oflow": {
        "data": {"input_type": "img_seq"},
        "model": {
            "encoder": "resnet18",
            "encoder_temporal": "conv_3D",
            "decoder_kwargs": {"hidden_size": 256, "legacy": True},
            "c_dim": 256,
        },
    },
    "generative/oflow": {
        "data": {"input_pointcloud_n": 4000, "train_split": "train_generative"},
        "model": {
            "encoder": None,
            "encoder_temporal": None,
            "encoder_latent": "pointnet",
            "encoder_latent_temporal": "pointnet",
            "encoder_latent_kwargs": {"hidden_dim": 128, "dim": 3},
            "encoder_latent_temporal_kwargs": {"hidden_dim": 128, "dim": 51},
            "decoder": "simple",
            "c_dim": 0,
            "z_dim": 128,
            "velocity_field_kwargs": {"hidden_size": 128, "n_blocks": 3},
            "loss_corr": True,
        },
    },
    "interpolation/oflow": {
        "data": {**END_CLOUDS, "length_sequence": 30},
        "model": {**NO_SHAPE, "loss_corr": True, "loss_corr_bw": True, "loss_recon": False},
        "training": {"batch_size": 8},
        "generation": {"n_time_steps": 30, "interpolate": True},
    },
    "shape_matching/oflow": {
        "data": {**END_CLOUDS, "input_pointcloud_corresponding": False},
        "model": {**NO_SHAPE, "loss_corr": True, "loss_recon": False},
        "training": {"batch_size": 8},
        "generation": {"correspondence": True, "only_end_time_points": True},
        "test": {"project_to_final_mesh": True, "eval_only_end_time_steps": True},
    },
    "representation_power/oflow": {
        "data": {"input_type": None, "length_sequence": 50, "n_files_per_sequence": 50},
        "model": {
            "decoder": "simple",
            "encoder": None,
            "encoder_temporal": None,
            "c_dim": 0,
            "velocity_field_kwargs": {"hidden_size": 128},
        },
        "generation": {"n_time_steps": 50},
    },
}


def imported(folder: Path, official: object, *arguments: str) -> Path:
    source, out = folder / "theirs.yaml", folder / "ours.yaml"
    source.write_text(json.dumps(official))  # JSON is YAML
    main([str(source), str(out), *arguments])
    return out


@pytest.mark.parametrize("name", OFFICIAL)
def test_their_experiments_become_ours(name, tmp_path):
    found, ours = (
        build_config(imported(tmp_path, OFFICIAL[name])),
        build_config(f"configs/{name}.yaml"),
    )
    assert found.model.model_dump() == ours.model.model_dump()
    assert found.ode == ours.ode
    assert found.loss.model_copy(update={"correspondence_frames": None}) == ours.loss.model_copy(
        update={"correspondence_frames": None}
    )
    assert found.generation == ours.generation
    assert found.training.batch_size == OFFICIAL[name].get("training", {}).get("batch_size", 16)
    for key in ("input", "num_frames", "num_input_frames", "num_input_points", "stride"):
        assert getattr(found.data, key) == getattr(ours.data, key), key


def test_their_demo_inherits_and_asks_for_all_clips(tmp_path):
    clone = tmp_path / "clone" / "configs"
    clone.mkdir(parents=True)
    (clone / "base.yaml").write_text("method: oflow\ndata: {offset_sequence: 3}\n")
    demo = {
        "inherit_from": "configs/base.yaml",
        "data": {"classes": ["Demo"], "test_split": None},
        "training": {"out_dir": "out/demo", "eval_sample": True},
    }
    (clone / "demo.yaml").write_text(json.dumps(demo))
    main([str(clone / "demo.yaml"), str(tmp_path / "ours.yaml")])
    config = build_config(tmp_path / "ours.yaml")
    assert (config.data.test_split, config.data.skip_frames) == ("all", 3)
    assert config.data.categories == ["Demo"]
    assert config.output_dir == "out/demo"


def test_keys_without_effect_are_named(tmp_path, capsys):
    imported(tmp_path, {"generation": {"mesh_color": True}, "test": {"eval_mesh": False}})
    assert "no mesh here: generation.mesh_color, test.eval_mesh" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("official", "message"),
    [
        ({"model": {"encodr": "x"}}, r"theirs\.yaml: unknown keys model\.encodr"),
        ({"method": "onet"}, "method is 'onet', which has no counterpart here"),
        ({"data": {"input_type": "idx"}}, r"data\.input_type is 'idx'"),
        ({"data": {"img_augment": True}}, r"data\.img_augment is True; only False has"),
        ({"model": {"encoder": "idx"}}, r"model\.encoder is idx, a table of codes"),
        ({"model": {"decoder_kwargs": {"leaky": True}}}, r"model\.decoder_kwargs sets leaky"),
        ({"model": {"decoder_kwargs": {"depth": 7}}}, r"model\.decoder_kwargs sets depth"),
        ({"model": {"decoder": "batchnorm"}}, r"model\.decoder\.name is 'batchnorm'; choose one"),
        ({"data": {"n_files_per_sequence": 20}}, r"data\.n_files_per_sequence is 20"),
        ({"model": "oflow"}, "model must be a section of keys and values, got 'oflow'"),
        ({"inherit_from": "nowhere.yaml"}, r"^\S*theirs\.yaml inherits from nowhere\.yaml"),
        ({"method": ["oflow"]}, r"theirs\.yaml: method is \['oflow'\], expected text"),
        ({"model": {"encoder": {"name": "a"}}}, r"model\.encoder is \{.*\}, expected text"),
        ({"model": {"decoder": ["a"]}}, r"model\.decoder is \['a'\], expected text"),
        ({"model": {"encoder_latent": 3}}, r"model\.encoder_latent is 3, expected text"),
        ({"model": {"encoder_kwargs": 3}}, r"encoder_kwargs is 3, expected keys and values"),
        ({"model": {"loss_corr": "hello"}}, "loss_corr is 'hello', expected true or false"),
        ({"model": {"z_dim": None}}, "z_dim is None, expected a whole number"),
        ({"model": {"ode_step_size": "a"}}, "ode_step_size is 'a', expected a number"),
        ({"model": {"vae_beta": True}}, "vae_beta is True, expected a number"),
        (
            {"data": {"n_files_per_sequence": None}},
            "n_files_per_sequence is None, expected a",
        ),
        ({"data": {"classes": "A"}}, r"data\.classes is 'A', expected a list"),
        (
            {"method": 3, "generation": {"simplify_nfaces": 0.5}},
            r"theirs\.yaml: method is 3, expected text; generation\.simplify_nfaces is 0\.5",
        ),
        ({"inherit_from": "theirs.yaml"}, r"inherits from theirs\.yaml, .* leads back to it"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(official, message, tmp_path):
    with pytest.raises(UserError, match=message):
        imported(tmp_path, official)
    assert not (tmp_path / "ours.yaml").exists()


def test_no_config_is_replaced_unless_asked(tmp_path):
    out = imported(tmp_path, {})
    with pytest.raises(UserError, match="exists; name another file"):
        imported(tmp_path, {})
    assert imported(tmp_path, {}, "--overwrite") == out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"n_files_per_sequence": "17"}}, "data.n_files_per_sequence is '17', expected a"),
        (
            {"data": {"length_sequence": None}},
            "data.length_sequence is None, expected a whole number",
        ),
        ({"data": {"classes": "balls"}}, "data.classes is 'balls', expected a list"),
        ({"method": ["oflow"]}, r"method is \['oflow'\], expected text"),
        (
            {"model": {"decoder": {"name": "simple"}}},
            "model.decoder is .*, expected text",
        ),
        (
            {"model": {"decoder_kwargs": ["legacy"]}},
            "model.decoder_kwargs is .*, expected keys and",
        ),
        ({"model": {"encoder_kwargs": {"hidden_dim": 10**12}}}, "hidden_size is 1000000000000; it"),
        ({"model": {"c_dim": 10**12}}, "cannot be built with its sizes .*; lower them"),
        (
            {"model": {"encoder": None}},
            "theirs.yaml: decoder 'cbatchnorm' is conditioned on a code, but there is neither",
        ),
        ({"inherit_from": "x" * 300}, "which lies in no folder above it"),
    ],
)
def test_values_of_a_wrong_kind_are_named(tmp_path, change, message):
    (tmp_path / "theirs.yaml").write_text(json.dumps(change))
    with pytest.raises(UserError, match=message):
        main([str(tmp_path / "theirs.yaml"), str(tmp_path / "ours.yaml")])
