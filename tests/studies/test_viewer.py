"""The live viewer: what it finds, what it shows, and what a model answers it."""

import base64
import io
import json
import zlib
from collections import OrderedDict

import numpy as np
import pytest
import torch

import generate
import train
from im2mesh.build import build_config
from im2mesh.data.frames import StoredWindow
from im2mesh.data.layout import Window
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.studies.viewer.desk import Desk
from im2mesh.studies.viewer.library import find_sources
from im2mesh.studies.viewer.live_model import LiveModel
from im2mesh.studies.viewer.remembering import remember
from im2mesh.visualization.viewer.question import Question, Sent
from tests.ball import ball_motion, unit_vectors
from tests.problems import Rotation
from tests.small import write_small_config

SPEED = 1.0  # radians from t = 0 to 1
TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)


class Ball(torch.nn.Module):
    """Logits of a ball of radius 0.5, whose box has side 1, as that of the data."""

    def forward(self, points, code):
        return 20 * (0.5 - points.norm(dim=-1))


@pytest.fixture
def model(config_path) -> LiveModel:
    """A ball that turns about z, exactly."""
    config = build_config(config_path)
    flow = OccupancyFlow(None, None, Ball(), Flow(Rotation(SPEED), config.ode))
    return LiveModel("exact", config, Generator(flow, config.generation, num_frames=5))


@pytest.fixture
def desk(ball_root, model):
    desk = Desk(find_sources(ball_root, build_config), lambda source: model)
    yield desk
    desk.close()


@pytest.fixture
def clouds() -> np.ndarray:
    """Of a moving ball, in which row n is the same point; shape [5, 300, 3]."""
    motion, directions = ball_motion("ball_d"), unit_vectors(300, np.random.default_rng(0))
    return np.stack([motion.to_world(directions, frame) for frame in range(5)])


def ask(route, body: bytes = b"", **values):
    told = {name: str(value) for name, value in values.items()}
    return route(Question(told, Sent(io.BytesIO(body), len(body))))


def positions(content, name: str, frame: int) -> np.ndarray:
    """Vertices of a layer at a frame, as the page unpacks them."""
    (layer,) = [layer for layer in content.get("layers", []) if layer["name"] == name]
    (part,) = [part for part in layer["parts"] if frame in part["frames"]]
    blob = zlib.decompress(base64.b64decode(content["blob"]))

    def array(place):
        kind, start, count = place
        return np.frombuffer(blob, f"<{kind}", count, start).astype(float)

    found = array(part["base"]).reshape(-1, 3) * part["step"] + part["low"]
    if "shapes" in part:
        shapes = array(part["shapes"]).reshape(-1, *found.shape) * part["shape_step"]
        found = found + np.tensordot(part["weights"][part["frames"].index(frame)], shapes, 1)
    return found


def number_of(desk, name: str) -> int:
    return next(item["id"] for item in ask(desk.list_items) if item["name"] == name)


def test_everything_in_a_folder_is_found(tmp_path, ball_root):
    config = str(write_small_config(tmp_path, ball_root))
    train.main([config, "--device", "cpu", "training.max_iterations=1"])
    generate.main([config, "--device", "cpu", "generation.threshold=0.001"])
    (tmp_path / "data").symlink_to(ball_root)
    points = np.random.default_rng(0).normal(size=(3, 4, 3))
    moving = MeshSequence(TETRAHEDRON, points, np.linspace(0, 1, 3))
    for folder in ("scans/walk", "other"):
        moving.save(tmp_path / folder / "sequence.npz")
    (tmp_path / "scans/walk/scan.json").write_text("{}")
    found = find_sources(tmp_path, build_config)
    assert [(source.group.split()[0], source.name) for source in found] == [
        *(("data", f"balls/ball_{name}") for name in "abcde"),
        ("moving", str(tmp_path / "other")),
        *(("run", f"ball_d/0000{start}") for start in (0, 4)),
        ("reconstructed", str(tmp_path / "scans/walk")),
    ]
    desk = Desk(found, lambda source: None)
    for item in ask(desk.list_items):
        content = ask(desk.show, item=item["id"])
        counts = {"data": 12, "moving": 3, "reconstructed": 3, "run": 5}
        assert content["frames"] == counts[item["group"].split()[0]]
        assert content["layers"] and content["model"] is None
        json.dumps(content)
    generated = ask(desk.show, item=number_of(desk, "ball_d/00004"))
    layers = {layer["name"]: layer for layer in generated["layers"]}
    assert [*layers] == ["input", "prediction", "truth"]
    assert layers["prediction"]["errors"] == "matched"


def test_without_its_data_a_run_is_shown_without_truth(tmp_path, ball_root):
    config = str(write_small_config(tmp_path, ball_root))
    train.main([config, "--device", "cpu", "training.max_iterations=1"])
    generate.main([config, "--device", "cpu", "generation.threshold=0.001"])
    file = tmp_path / "run/generation/test/config.yaml"
    file.write_text(file.read_text().replace(str(ball_root), "elsewhere"))
    content = ask(Desk(find_sources(tmp_path, build_config), lambda source: None).show, item=0)
    assert [layer["name"] for layer in content["layers"]] == ["prediction"]
    assert "errors" not in content["layers"][0] and "no such clip in elsewhere" in content["note"]


def test_a_clip_is_cut_into_windows(desk, ball_root):
    item = number_of(desk, "balls/ball_d")
    first = ask(desk.show, item=item)
    assert first["spans"] == ["frames 0 to 4", "frames 5 to 9", "frames 0 to 11"]
    for span, (start, count) in enumerate([(0, 5), (5, 5), (0, 12)]):
        content = ask(desk.show, item=item, span=span)
        assert content["span"] == span and content["frames"] == count
        stored = StoredWindow(ball_root, Window("balls", "ball_d", start, count))
        for frame in (0, count - 1):
            truth = stored.surface_points(frame).points
            np.testing.assert_allclose(positions(content, "truth", frame), truth, atol=5e-4)
    with pytest.raises(UserError, match="no such frames"):
        ask(desk.show, item=item, span=3)


def reconstructed(desk, item, grid=32, threshold=0.5, span=0):
    return ask(desk.reconstruct, item=item, span=span, grid=grid, threshold=threshold)


def test_grid_and_threshold_change_the_surface(desk):
    item = number_of(desk, "balls/ball_d")
    coarse, fine = (reconstructed(desk, item, grid) for grid in (16, 64))
    small = reconstructed(desk, item, threshold=0.88)  # a logit of 2 at 0.4
    sizes = [len(positions(content, "model exact", 0)) for content in (coarse, fine)]
    assert 8 * sizes[0] < sizes[1]
    radii = [np.linalg.norm(positions(c, "model exact", 3), axis=1).mean() for c in (fine, small)]
    np.testing.assert_allclose(radii, [0.5, 0.4], atol=0.004)
    layers = {layer["name"]: layer for layer in fine["layers"]}
    assert [*layers] == ["input", "model exact"] and fine["moves"]
    assert layers["model exact"]["errors"] == "matched"


@pytest.mark.parametrize("t", [0.0, 0.3712, 1.0])
def test_the_flow_is_evaluated_at_any_time(desk, t):
    item = number_of(desk, "balls/ball_d")
    made = reconstructed(desk, item)
    start = torch.tensor(positions(made, "model exact", 0))
    rows = [5, 0, 77]
    values = {"item": item, "key": made["key"], "t": t, "rows": ",".join(map(str, rows))}
    answer = np.frombuffer(ask(desk.flow, **values), "<f4").reshape(-1, 3)
    moved, velocities = answer[: len(start)], answer[len(start) :]
    expected = Rotation(SPEED).path(start, torch.tensor(t)).detach().numpy()
    np.testing.assert_allclose(moved, expected, atol=2e-3)  # rk4 with steps of 0.5; 16 bits
    x, y, z = moved[rows].T
    np.testing.assert_allclose(velocities, SPEED * np.stack([-y, x, 0 * z], 1), atol=1e-5)


def test_clouds_are_dropped_and_reconstructed(desk, clouds):
    file = io.BytesIO()
    np.savez(file, points=clouds)
    ask(desk.drop, file.getvalue(), name="walk.npz", batch="1")
    item = ask(desk.open, batch="1")["id"]
    shown = ask(desk.show, item=item)
    assert [layer["name"] for layer in shown["layers"]] == ["input"]
    middle = (clouds[0].min(0) + clouds[0].max(0)) / 2
    local = (clouds - middle) / np.ptp(clouds[0], axis=0).max()
    np.testing.assert_allclose(positions(shown, "input", 4), local[4], atol=1e-4)
    made = reconstructed(desk, item)
    assert made["moves"] and "errors" not in made["layers"][-1]


def test_numbered_clouds_are_dropped_together(desk, clouds, tmp_path):
    for frame, cloud in enumerate(clouds):
        np.savetxt(tmp_path / "a.xyz", cloud)
        ask(desk.drop, (tmp_path / "a.xyz").read_bytes(), name=f"{frame}.xyz", batch="2")
    assert ask(desk.show, item=ask(desk.open, batch="2")["id"])["frames"] == 5


def test_a_single_cloud_has_a_shape_and_no_motion(desk, clouds, tmp_path, model):
    np.savez(tmp_path / "one.npz", points=clouds[0])
    item = ask(desk.open, path=tmp_path / "one.npz")["id"]
    model.generator.model.encode_shape = model.generator.model.encode
    made = reconstructed(desk, item)
    assert not made["moves"] and len(positions(made, "model exact", 0)) > 100
    with pytest.raises(UserError, match="no flow is known"):
        ask(desk.flow, item=item, key=made["key"], t=0.5, rows="")


def test_only_what_changes_something_is_posted(desk):
    """No link and no picture of another page can be a POST."""
    posted = {route for route in desk.routes if route.startswith("POST ")}
    assert posted == {"POST /drop", "POST /open", "POST /reconstruct"}


def test_only_the_newest_are_remembered():
    kept: OrderedDict[str, str] = OrderedDict()
    for name in "abcdaef":
        remember(kept, name, name, 4)
    assert [*kept] == ["d", "a", "e", "f"]
