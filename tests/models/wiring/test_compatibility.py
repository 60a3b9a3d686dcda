"""Parts that do not go together are refused, and what is refused says the way out."""

import re

import pytest

from im2mesh.build import build_config, build_model
from im2mesh.errors import ConfigError
from im2mesh.models.wiring.compatibility import OBSERVERS
from im2mesh.models.wiring.parts import ENCODERS, PARTS

TRACKED = "{name: pointnet_tracked}"
SEVERAL_FRAMES = (
    "pointnet_2stream",
    "pointnet_per_frame",
    "soft_matching",
)
UNORDERED = "data.input_pointcloud_corresponding=false"


def refuse(config, overrides, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_model(build_config(f"configs/{config}.yaml", overrides))


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        (
            "pointcloud/oflow",
            ["model.deformation={name: static}"],
            "both model.velocity_field 'concat' and model.deformation 'static' would carry the "
            "points; set one of them to null",
        ),
        (
            "pointcloud/static",
            ["model.deformation=null"],
            "occupancy_flow needs model.velocity_field or model.deformation; choose a velocity "
            "field of: concat, anchored, pixel_aligned; or a deformation of: static, carried, ",
        ),
        (
            "pointcloud/static",
            ["model.encoder_temporal={name: pointnet_resnet}"],
            "'static' has no use for model.encoder_temporal 'pointnet_resnet'; set it to null",
        ),
        (
            "pointcloud/carried",
            ["model.encoder_temporal={name: pointnet_local}"],
            "'carried' has no use for model.encoder_temporal 'pointnet_local'; set it to null",
        ),
        (
            "pointcloud/carried",
            ["model.posterior_temporal={name: pointnet}"],
            "'carried' has no use for model.posterior_temporal 'pointnet'; set it to null",
        ),
        (
            "pointcloud/onet4d",
            ["model.deformation={name: static}"],
            "onet4d has no use for model.deformation 'static'; set it to null",
        ),
    ],
)
def test_one_thing_carries_the_points(config, overrides, message):
    refuse(config, overrides, message)


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        (
            "pointcloud/carried",
            [UNORDERED],
            "model.deformation 'carried' needs point i to be the same particle in every frame, but "
            "data.input_pointcloud_corresponding is false; choose one of: static, anchored",
        ),
        (
            "img/static",
            ["model.deformation={name: carried}"],
            "model.deformation 'carried' reads pointcloud, but data.input is images; choose one of",
        ),
        (
            "pointcloud/local",
            [UNORDERED, "model.encoder={name: pointnet_local}"],
            "model.encoder_temporal 'pointnet_local' needs point i to be the same particle in "
            "every frame, but data.input_pointcloud_corresponding is false; "
            "choose one of: soft_matching",
        ),
        (
            "pointcloud/local_unordered",
            ["data.input=images", "model.evidence_frames=1"],
            "model.encoder 'pointnet_local' reads pointcloud, but data.input is images; choose one "
            "of: resnet18",
        ),
        (
            "pointcloud/local_unordered",
            [f"model.encoder={TRACKED}", "model.evidence_frames=1"],
            "model.encoder 'pointnet_tracked' needs point i to be the same particle in every "
            "frame, but data.input_pointcloud_corresponding is false; choose one of: "
            "pointnet_local",
        ),
        (
            "pointcloud/onet_per_frame",
            [f"model.encoder={TRACKED}"],
            "model.encoder 'pointnet_tracked' sees all frames, and onet_per_frame shows it one at "
            "a time; choose one of: pointnet_resnet",
        ),
        (
            "pointcloud/oflow",
            [f"model.encoder_temporal={TRACKED}"],
            "model.encoder_temporal 'pointnet_tracked' gives the shape at t = 0, and no motion; "
            "choose one of: pointnet_resnet",
        ),
        (
            "pointcloud/local",
            [f"model.encoder={TRACKED}", "model.evidence_frames=2"],
            "model.evidence_frames is 2, but model.encoder 'pointnet_tracked' sees all frames; set "
            "it to 1",
        ),
    ],
)
def test_parts_can_read_what_is_observed(config, overrides, message):
    refuse(config, overrides, message)


@pytest.mark.parametrize("name", SEVERAL_FRAMES)
@pytest.mark.parametrize("config", ["oflow", "onet_per_frame"])
def test_what_compares_frames_is_no_encoder_of_one(config, name):
    message = (
        f"model.encoder '{name}' compares frames, but sees a single one; choose one of: "
        "pointnet_resnet, pointnet_simple, pointnet_space_time, pointnet_local"
        + (", pointnet_tracked" if config == "oflow" else "")
    )
    with pytest.raises(ConfigError) as error:
        encoder = f"model.encoder={{name: {name}}}"
        build_model(build_config(f"configs/pointcloud/{config}.yaml", [encoder]))
    assert str(error.value).endswith(message)


def test_what_compares_frames_says_so():
    found = {name for name, encoder in ENCODERS.items() if encoder.needs_several_frames}
    assert found == set(SEVERAL_FRAMES)


@pytest.mark.parametrize("key", ["input_hole", "input_outliers"])
@pytest.mark.parametrize(
    ("config", "seen"), [("img/oflow", "images"), ("representation_power/oflow", "null")]
)
def test_what_spoils_clouds_needs_clouds(config, seen, key):
    message = f"data.{key} is 0.1, which spoils clouds, but data.input is {seen}; set data.{key} to"
    refuse(config, [f"data.{key}=0.1"], message)


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        (
            "pointcloud/local",
            ["model.encoder_temporal={name: pointnet_resnet}"],
            "model.deformation 'anchored' needs codes that model.encoder_temporal "
            "'pointnet_resnet' does not give; set model.encoder_temporal to one of: "
            "pointnet_local, soft_matching",
        ),
        (
            "pointcloud/local",
            ["model.encoder_temporal=null"],
            "model.deformation 'anchored' needs codes that model.encoder_temporal null does not",
        ),
        (
            "pointcloud/local",
            ["model.encoder={name: pointnet_resnet}"],
            "model.decoder 'local_attention' needs codes that model.encoder 'pointnet_resnet' does "
            "not give; set model.encoder to one of: pointnet_local, pointnet_tracked",
        ),
        (
            "pointcloud/local",
            ["model.encoder=null"],
            "model.decoder 'local_attention' needs codes that model.encoder null does not give",
        ),
        (
            "pointcloud/oflow_unordered",  # whose clouds pointnet_local could not read
            ["model.velocity_field={name: anchored}"],
            "'pointnet_space_time' does not give; set model.encoder_temporal to one of: "
            "soft_matching",
        ),
        (
            "pointcloud/displacement",
            ["model.encoder_temporal={name: pointnet_resnet}"],
            "model.deformation 'displacement' needs codes that model.encoder_temporal "
            "'pointnet_resnet' does not give; set model.encoder_temporal to one of: "
            "pointnet_per_frame",
        ),
        (
            "pointcloud/coupling",
            ["model.encoder_temporal={name: pointnet_resnet}"],
            "model.deformation 'coupling' needs codes that model.encoder_temporal "
            "'pointnet_resnet' does not give; set model.encoder_temporal to one of: "
            "pointnet_per_frame",
        ),
        (
            "img/oflow",
            ["model.velocity_field={name: anchored}"],
            "needs codes that model.encoder_temporal 'conv_3D' does not give; "
            "choose another model.velocity_field",
        ),
        (
            "pointcloud/onet4d",
            ["model.decoder={name: local_attention}"],
            "model.decoder 'local_attention' answers for points of one time, but onet4d "
            "asks it for points (p, t); choose one of: cbatchnorm, simple",
        ),
    ],
)
def test_codes_are_of_the_kind_that_is_read(config, overrides, message):
    refuse(config, overrides, message)


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        (
            "pointcloud/local",
            ["data.num_input_frames=1"],
            "model.deformation 'anchored' follows observed motion, but one frame is observed; "
            "set data.num_input_frames to at least 2",
        ),
        (
            "pointcloud/local",
            ["model.posterior_temporal={name: pointnet}"],
            "model.deformation 'anchored' has no use for a latent code; set "
            "model.posterior_temporal to null",
        ),
        (
            "pointcloud/local_flow",
            ["model.posterior_temporal={name: pointnet}"],
            "model.velocity_field 'anchored' has no use for a latent code; set "
            "model.posterior_temporal to null",
        ),
    ],
)
def test_anchors_move_as_observed(config, overrides, message):
    refuse(config, overrides, message)


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        (
            "pointcloud/local_unordered",
            ["model.evidence_frames=18"],
            "model.evidence_frames is 18, but 17 frames are observed; lower it",
        ),
        (
            "pointcloud/local_unordered",
            ["data.num_input_frames=3"],
            "model.evidence_frames is 4, but 3 frames are observed; lower it",
        ),
        (
            "pointcloud/oflow",
            ["model.evidence_frames=2", "model.encoder=null", "model.decoder={name: simple}"],
            "model.evidence_frames is 2, but there is no encoder to show them to; set it to 1, or",
        ),
        (
            "img/oflow",
            ["model.evidence_frames=2"],
            "but only clouds can be carried to t = 0, and data.input is images; set it to 1",
        ),
        (
            "pointcloud/onet4d",
            ["model.evidence_frames=2"],
            "but onet4d carries no observed clouds to t = 0; set it to 1",
        ),
    ],
)
def test_evidence_is_observed_and_carried(config, overrides, message):
    refuse(config, overrides, message)


@pytest.mark.parametrize("config", ["pointcloud/static", "pointcloud/carried", "img/static"])
@pytest.mark.parametrize("loss", ["correspondence", "correspondence_backward"])
def test_a_motion_without_weights_learns_nothing_from_a_loss_of_motion(config, loss):
    refuse(config, [f"loss.{loss}=1.0"], f"so nothing can be learned from it; set loss.{loss} to 0")


@pytest.mark.parametrize("config", ["oflow", "local", "local_flow", "displacement"])
def test_a_motion_that_is_learned_anywhere_takes_a_loss_of_motion(config):
    """What reads anchors has no weights, but their encoder has."""
    path = f"configs/pointcloud/{config}-small.yaml"
    model = build_model(build_config(path, ["loss.correspondence=1.0"]))
    assert model.learns_motion


@pytest.mark.parametrize("size", ["", "-small"])
def test_weights_of_the_anchored_motion_serve_a_solver_and_one_shot(size):
    """The two configs differ in what carries the points, and in nothing that is learned."""
    configs = [build_config(f"configs/pointcloud/{n}{size}.yaml") for n in ("local", "local_flow")]
    one, other = (build_model(config).state_dict() for config in configs)
    assert {k: v.shape for k, v in one.items()} == {k: v.shape for k, v in other.items()}
    same = [config.model_dump(exclude={"model", "ode", "output_dir"}) for config in configs]
    assert same[0] == same[1]


def test_what_a_message_offers_is_accepted():
    """One change at a time, as the messages say, from local codes to unordered clouds."""
    overrides = [UNORDERED]
    refuse("pointcloud/local", overrides, "choose one of: pointnet_local")
    overrides += ["model.encoder={name: pointnet_local}"]
    refuse("pointcloud/local", overrides, "choose one of: soft_matching")
    overrides += ["model.encoder_temporal={name: soft_matching}"]
    build_model(build_config("configs/pointcloud/local.yaml", overrides))


@pytest.mark.parametrize("part", OBSERVERS)
def test_every_part_that_observes_says_what_it_reads(part):
    for network in PARTS[part].values():
        assert network.input_kind in (None, "pointcloud", "images")
        assert isinstance(network.needs_corresponding_points, bool)
        assert isinstance(network.sees_times, bool)
