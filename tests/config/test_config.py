"""Strict configuration: every shipped file works, every mistake is named."""

from pathlib import Path

import pytest
import yaml

from im2mesh.build import CHOICES, build_config, build_model, has_weights
from im2mesh.config.files import read_settings
from im2mesh.config.validation import config_from_dict, dump_config, json_schema
from im2mesh.errors import ConfigError
from im2mesh.models.wiring.parts import PARTS

CONFIGS = sorted(set(Path("configs").rglob("*.yaml")) - set(Path("configs/parts").iterdir()))
OFLOW = "configs/pointcloud/oflow.yaml"


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_every_config_loads_and_builds(path):
    config = build_config(path)
    networks = [getattr(config.model, part) for part in PARTS if part != "deformation"]
    deformation = config.model.deformation
    learns = any(networks) or (deformation and deformation.name in ("displacement", "coupling"))
    assert has_weights(build_model(config)) == bool(learns)


def test_output_folders_are_distinct():
    folders = [build_config(path).output_dir for path in CONFIGS]
    assert len(set(folders)) == len(folders)


def test_paper_sizes():
    config = build_config("configs/pointcloud/oflow_w_correspond.yaml")
    assert config.model.code_size == 512
    assert config.model.velocity_field.options == {"hidden_size": 512, "num_blocks": 5}
    assert config.model.decoder.options["hidden_size"] == 256
    assert (config.loss.reconstruction, config.loss.correspondence) == (1.0, 1.0)
    assert (config.ode.method, config.ode.gradient) == ("dopri5", "adjoint")
    assert (config.training.batch_size, config.training.learning_rate) == (16, 1e-4)
    without = build_config(OFLOW)
    assert without.model.code_size == 128 and without.loss.correspondence == 0


def test_overrides_win_over_files():
    config = build_config(OFLOW, ["training.batch_size=8", "ode.method=rk4", "ode.rtol=1e-4"])
    assert config.training.batch_size == 8
    assert config.ode.method == "rk4"
    assert config.ode.rtol == 1e-4  # a number, although YAML 1.1 reads a string


def test_off_is_a_mesh_format_and_no_truth_value(tmp_path):
    config = build_config(OFLOW, ["generation.mesh_format=off", "generation.normals=true"])
    assert (config.generation.mesh_format, config.generation.normals) == ("off", True)
    path = tmp_path / "again.yaml"
    path.write_text(dump_config(config))
    assert build_config(path).generation.mesh_format == "off"


def test_resolved_config_reads_back(tmp_path):
    config = build_config(OFLOW, ["model.decoder.name=simple"])
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert build_config(tmp_path / "config.yaml") == config
    assert config_from_dict(config.model_dump(), "checkpoint", choices=CHOICES) == config


@pytest.mark.parametrize("order", [("name", "hidden_size"), ("hidden_size", "name")])
def test_the_order_of_a_name_and_its_options_does_not_matter(tmp_path, order):
    values = {"name": "simple", "hidden_size": 64}
    overrides = [f"model.decoder.{key}={values[key]}" for key in order]
    assert build_config(OFLOW, overrides).model.decoder.options["hidden_size"] == 64
    decoder = ", ".join(f"{key}: {values[key]}" for key in order)
    child = tmp_path / "child.yaml"
    child.write_text(f"inherit_from: {Path(OFLOW).resolve()}\nmodel: {{decoder: {{{decoder}}}}}\n")
    assert build_config(child).model.decoder.options["hidden_size"] == 64


def test_another_network_drops_inherited_options(tmp_path):
    child = tmp_path / "child.yaml"
    child.write_text(
        f"inherit_from: {Path(OFLOW).resolve()}\n"
        "output_dir: out/child\n"
        "model:\n"
        "  encoder: null\n"
        "  encoder_temporal: {name: pointnet_simple}\n"
        "  decoder: {name: simple}\n"
    )
    config = build_config(child)
    assert config.model.encoder is None
    assert config.model.decoder.options["hidden_size"] == 128  # of 'simple', not of 'cbatchnorm'
    assert config.model.encoder_temporal is not None
    assert config.model.encoder_temporal.options == {"hidden_size": 512, "num_layers": 4}
    assert config.model.velocity_field.options["hidden_size"] == 128  # still inherited


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ode.methd=rk4", "unknown key ode.methd; did you mean ode.method?"),
        (
            "test.mesh_format=ply",
            "unknown key test.mesh_format; did you mean generation.mesh_format",
        ),
        ("training.lr=1e-4", "unknown key training.lr; --print-config shows all keys"),
        ("model.decoder.foo=1", "unknown key model.decoder.foo; its keys are: model.decoder.hidd"),
        ("training.batch_size=many", "training.batch_size must be an integer, got 'many'"),
        ("training.batch_size=8.0", "training.batch_size must be an integer, got 8.0"),
        ("training.batch_size=0", "training.batch_size is 0; it should be greater than 0"),
        ("ode.gradient=exact", "ode.gradient is 'exact'; choose one of: 'adjoint' or 'direct'"),
        (
            "model.decoder.name=cbatchnrom",
            "model.decoder.name is 'cbatchnrom'; choose one of: cbatch",
        ),
        ("model.decoder.hiden_size=8", "did you mean model.decoder.hidden_size?"),
        (
            "model.decoder.hidden_size=big",
            "model.decoder.hidden_size must be an integer, got 'big'",
        ),
        ("model.decoder.hidden_size=-1", "model.decoder.hidden_size is -1; it should be greater"),
        (
            "model.encoder.num_blocks=0",
            "model.encoder.num_blocks is 0; it should be greater than 0",
        ),
        ("model.decoder.name=[a]", "model.decoder.name is ['a']; choose one of"),
        ("model=5", "model must be a section of keys and values, got 5"),
        ("model=null", "model must be a section of keys and values, got None"),
        ("ode.method=rk5", "ode.method is 'rk5'; choose one of: dopri8"),
        ("training=5", "training must be a section of keys and values, got 5"),
        ("generation.normals=yes please", "generation.normals must be true or false"),
        ("generation.normals=off", "generation.normals must be true or false, got 'off' (str)"),
        ("batch_size", "'batch_size' is not of the form key=value"),
        ("output_dir=null", "output_dir must be a string, got None"),
    ],
)
def test_mistakes_on_the_command_line_are_named(override, message):
    with pytest.raises(ConfigError) as error:
        build_config(OFLOW, [override])
    assert message in str(error.value)
    assert "command line" in str(error.value)


def test_mistakes_in_a_file_name_the_file_and_are_told_together(tmp_path):
    parent, child = tmp_path / "parent.yaml", tmp_path / "child.yaml"
    parent.write_text("output_dir: out/x\ntraining: {batchsize: 3}\n")
    child.write_text("inherit_from: parent.yaml\ndata: {num_frame: 5}\n")
    with pytest.raises(ConfigError) as error:
        build_config(child)
    assert f"{parent}: unknown key training.batchsize; did you mean training.batch_size?" in str(
        error.value
    )
    assert f"{child}: unknown key data.num_frame; did you mean data.num_frames?" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inherit_from: self.yaml\n", "leads back to this file"),
        ("inherit_from: nowhere.yaml\n", "no config file"),
        ("a: 1\na: 2\n", "key 'a' is written twice"),
        ("a: [1\n", "is not valid YAML"),
        ("- a\n- b\n", "must hold keys and values"),
        ("data: {root: x}\n", "output_dir is not set"),
        ("output_dir: !!python/object/apply:os.system [ls]\n", "is not valid YAML"),
    ],
)
def test_broken_files(tmp_path, text, message):
    path = tmp_path / "self.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        build_config(path)


def test_schema_knows_the_keys_of_every_config():
    schema = json_schema(CHOICES)
    decoders = schema["$defs"]["ModelConfig"]["properties"]["decoder"]["oneOf"]
    named = [d["properties"]["name"]["const"] for d in decoders if "properties" in d]
    assert named == ["cbatchnorm", "simple", "local_attention", "pixel_aligned"]
    assert {"type": "null"} in decoders
    for path in CONFIGS:
        keys = set(yaml.safe_load(path.read_text())) - {"inherit_from"}
        assert keys <= set(schema["properties"])


def test_several_files_can_be_inherited_and_the_later_one_wins(tmp_path):
    (tmp_path / "a.yaml").write_text("output_dir: a\nmodel: {code_size: 8, encoder: null}\n")
    (tmp_path / "b.yaml").write_text("model: {code_size: 16}\n")
    child = tmp_path / "c.yaml"
    child.write_text("inherit_from: [a.yaml, b.yaml]\noutput_dir: c\n")
    config = build_config(child)
    assert (config.output_dir, config.model.code_size, config.model.encoder) == ("c", 16, None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.encoder=null"], "decoder 'cbatchnorm' is conditioned on a code"),
        (["ode.step_size=0.1"], "for fixed steps use 'rk4'"),
        (["model.encoder={name: resnet18, size: 8}"], "unknown key model.encoder.size"),
        (["model.encoder_temporal={name: conv_3D, x: 1}"], "unknown key .*; it takes no options"),
        (["model.method=onet4d"], "onet4d has no use for model.encoder 'pointnet_resnet'"),
        (
            ["model.velocity_field=null"],
            "occupancy_flow needs model.velocity_field or model.deformation",
        ),
        (["model.decoder=null"], "loss.reconstruction asks for occupancy, .* set loss.recon"),
        (["loss.chamfer=1.0"], "loss.chamfer asks for point set, which occupancy_flow"),
        (["loss.kl=1e-4"], "loss.kl needs a latent code; set model.posterior"),
        (
            ["data.input=images"],
            "reads pointcloud, but data.input is images; choose one of: resnet18, conv_3D",
        ),
        (
            ["data.input_pointcloud_corresponding=false"],
            "needs point i to be .* choose one of: pointnet_2stream, pointnet_space_time",
        ),
        (
            ["data.input_frames=random", "data.num_input_frames=4"],
            "does not see the times .* choose one of: pointnet_space_time",
        ),
        (["data.input_frames=random"], "all frames are observed; set data.num_input_frames"),
        (["generation.times=[0.5, 1.0]"], "must start at 0 and increase strictly"),
        (["generation.times=[]"], "must start at 0 and increase strictly"),
        (["data.num_input_frames=40"], "data.num_input_frames is 40, but windows have 17 frames"),
        (["model.encoder_temporal.name=pointnet_2stream"], "reads 2 frames into a code of even"),
        (["data.num_points=0"], "loss.reconstruction needs labelled points; set data.num_points"),
        (
            ["loss.correspondence=1.0", "data.num_correspondence_points=0"],
            "loss.correspondence needs tracked points; set data.num_correspondence_points",
        ),
        (["data.num_frames=1"], "data.num_frames is 1; .* greater than or equal to 2"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        build_model(build_config(OFLOW, overrides))


def test_a_mistyped_config_is_told_with_the_one_that_was_meant():
    with pytest.raises(ConfigError, match=r"did you mean configs/pointcloud/oflow\.yaml\?; those"):
        read_settings("configs/pointclod/oflow.yaml")
    with pytest.raises(ConfigError, match=r"did you mean configs/.*oflow\.yaml\?"):
        read_settings("/somewhere/oflow.yaml")
    with pytest.raises(ConfigError, match=r"no config file nowhere\.yaml; those of this project"):
        read_settings("nowhere.yaml")
