"""What the models of the live viewer answer: for the right thing, surface, time and frames."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from im2mesh.build import build_config, build_model, build_trainer, load_trained
from im2mesh.errors import UserError
from im2mesh.generation.generator import Generator
from im2mesh.models.flow.flow import Flow
from im2mesh.models.occupancy_flow import OccupancyFlow
from im2mesh.pretrained.shipped import find_weights
from im2mesh.studies.viewer import live_model
from im2mesh.studies.viewer.clouds import Clouds
from im2mesh.studies.viewer.desk import Desk
from im2mesh.studies.viewer.live_model import LiveModel
from im2mesh.studies.viewer.model_shelf import KEPT_MODELS, ModelShelf
from tests.problems import Rotation
from tests.studies.test_viewer import (  # noqa: F401, for pytest
    SPEED,
    Ball,
    ask,
    clouds,
    model,
    positions,
    reconstructed,
)

CPU = torch.device("cpu")
GAP = (0, 1, 2, 10)  # numbers of the files of a scan


class AnyFrames(OccupancyFlow):
    takes_any_frames = True  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]


def turning(config_path, kind: type[OccupancyFlow] = OccupancyFlow, **generation) -> LiveModel:
    """The ball that turns, with other settings."""
    config = build_config(config_path)
    settings = config.generation.model_copy(update=generation)
    decoder = None if generation.get("surface") == "cloud" else Ball()
    flow = kind(None, None, decoder, Flow(Rotation(SPEED), config.ode))
    config = config.model_copy(update={"generation": settings})
    return LiveModel("exact", config, Generator(flow, settings, num_frames=5))


def desk_of(model, *points: np.ndarray, folder: Path) -> Desk:  # noqa: F811
    """Clouds that all have the same name."""
    found = []
    for k, cloud in enumerate(points):
        np.savez(folder / f"{k}.npz", points=cloud)
        found.append(Clouds((folder / f"{k}.npz",), "walk.npz"))
    return Desk(found, lambda source: model)


def flow(desk, made, t: float, item: int = 0) -> np.ndarray:
    answer = ask(desk.flow, item=item, key=made["key"], t=t, rows="")
    return np.frombuffer(answer, "<f4").reshape(-1, 3)


def test_things_of_one_name_have_surfaces_of_their_own(clouds, tmp_path):  # noqa: F811
    """With weights that ship, so that the surface follows the cloud."""
    shipped = LiveModel("local", *load_trained(find_weights("local"), CPU))
    narrow = clouds * (0.4, 1, 1)
    desk = desk_of(shipped, clouds, narrow, folder=tmp_path)
    made = [reconstructed(desk, item, grid=16, threshold=0.3) for item in (0, 1)]
    widths = [np.ptp(positions(content, "model local", 0)[:, 0]) for content in made]
    assert widths[1] < 0.7 * widths[0]
    assert len(flow(desk, made[1], 0.5, 1)) == len(positions(made[1], "model local", 0))


def test_a_model_that_ships_answers_as_its_generator(clouds, tmp_path):  # noqa: F811
    shipped = LiveModel("local", *load_trained(find_weights("local"), CPU))
    desk = desk_of(shipped, clouds, folder=tmp_path)
    made = reconstructed(desk, 0, grid=16, threshold=0.3)
    for frame in (0, 2, 4):
        np.testing.assert_allclose(
            flow(desk, made, frame / 4), positions(made, "model local", frame), atol=2e-3
        )


def test_two_tabs_each_get_the_flow_of_their_own_surface(model, clouds, tmp_path):  # noqa: F811
    desk = desk_of(model, clouds, folder=tmp_path)
    coarse, fine = (reconstructed(desk, 0, grid=grid) for grid in (16, 32))
    for made in (coarse, fine):
        assert len(flow(desk, made, 0.5)) == len(positions(made, "model exact", 0))


def test_an_answer_that_is_used_again_stays(model, clouds, tmp_path, monkeypatch):  # noqa: F811
    """Its codes as long as its surface."""
    monkeypatch.setattr(live_model, "KEPT_ANSWERS", 2)
    desk = desk_of(model, clouds, clouds, clouds, folder=tmp_path)
    first, _ = (reconstructed(desk, item) for item in (0, 1))
    again = reconstructed(desk, 0)
    reconstructed(desk, 2)
    assert len(flow(desk, again, 0.5))
    with pytest.raises(UserError, match="no flow is known"):
        flow(desk, first, 0.5)


def test_a_sequence_is_encoded_once(model, clouds, tmp_path, monkeypatch):  # noqa: F811
    encoded, encode = [], model.generator.model.encode

    def count(*seen):
        encoded.append(seen)
        return encode(*seen)

    monkeypatch.setattr(model.generator.model, "encode", count)
    desk = desk_of(model, clouds, clouds, folder=tmp_path)
    for item, threshold in [(0, 0.5), (0, 0.6), (1, 0.5), (0, 0.7)]:
        reconstructed(desk, item, threshold=threshold)
    assert len(encoded) == 2


def gap_folder(clouds, folder: Path) -> Path:  # noqa: F811
    for number, cloud in zip(GAP, clouds, strict=False):
        np.savetxt(folder / f"{number:03d}.xyz", cloud)
    return folder


def test_a_gap_in_time_is_a_gap(config_path, clouds, tmp_path):  # noqa: F811
    (tmp_path / "scan").mkdir()
    source = Clouds((gap_folder(clouds, tmp_path / "scan"),), "scan")
    desk = Desk([source], lambda source: turning(config_path, AnyFrames))
    times = np.array(GAP) / 10
    np.testing.assert_allclose(ask(desk.show, item=0)["times"], times)
    made = reconstructed(desk, 0)
    start = torch.tensor(positions(made, "model exact", 0))
    for frame, t in enumerate(times):
        expected = Rotation(SPEED).path(start, torch.tensor(t)).detach().numpy()
        np.testing.assert_allclose(positions(made, "model exact", frame), expected, atol=3e-3)
        assert len(positions(made, "input", frame)) == 300


def test_an_encoder_that_sees_no_times_gets_no_gap(config_path, clouds, tmp_path):  # noqa: F811
    (tmp_path / "scan").mkdir()
    source = Clouds((gap_folder(clouds, tmp_path / "scan"),), "scan")
    made = turning(config_path)
    data = made.config.data.model_copy(update={"num_frames": 4})
    made.config = made.config.model_copy(update={"data": data})
    with pytest.raises(UserError, match="gaps in time"):
        reconstructed(Desk([source], lambda source: made), 0)


def test_a_blend_with_the_end_is_not_asked_for_its_flow(config_path, clouds, tmp_path):  # noqa: F811
    blending = turning(config_path, surface="cloud", blend_from_end=True)
    desk = desk_of(blending, clouds, folder=tmp_path)
    made = reconstructed(desk, 0)
    assert not made["moves"]
    np.testing.assert_allclose(
        positions(made, "model exact", 4), positions(made, "input", 4), atol=1e-3
    )


def test_a_set_of_points_is_not_asked_for_its_flow(clouds, tmp_path):  # noqa: F811
    config = build_config("configs/pointcloud/psgn4d-small.yaml", ["data.num_frames=5"])
    generator = Generator(build_model(config), config.generation, 5)
    desk = desk_of(LiveModel("points", config, generator), clouds, folder=tmp_path)
    made = reconstructed(desk, 0)
    assert not made["moves"] and made["layers"][-1]["parts"][0]["vertices"]


@pytest.mark.parametrize("num_frames", [5, 12])
def test_weights_that_see_few_frames_see_them_of_any_clip(
    config_path, ball_root, tmp_path, num_frames
):
    """Evenly spread, also in clips of another length, which is told."""
    made = turning(config_path)
    data = made.config.data.model_copy(update={"num_input_frames": 3, "num_frames": 5})
    made.config = made.config.model_copy(update={"data": data})
    moved = np.linspace(0, 0.5, num_frames)[:, None, None] * (1, 0, 0)
    body = np.random.default_rng(0).uniform(size=(400, 3)) * (0.5, 1.8, 0.3)
    desk = desk_of(made, body + moved, folder=tmp_path)
    span = 0 if num_frames == 5 else 2  # all frames
    content = reconstructed(desk, 0, span=span)
    (layer,) = [layer for layer in content["layers"] if layer["name"] == "input"]
    seen = [part["frames"] for part in layer["parts"]]
    assert seen == [[0], [(num_frames - 1) // 2 + num_frames // 12], [num_frames - 1]]
    assert content["note"] == (
        "" if num_frames == 5 else "The weights are of windows of 5 frames, and saw 3 of these 12."
    )


def test_several_that_ask_at_once_wait_for_one_model(config_path, tmp_path):
    loaded = []

    def load(file: Path):
        loaded.append(file)
        time.sleep(0.1)
        return turning(config_path).config, turning(config_path).generator

    shelf, found = ModelShelf(load), []
    (tmp_path / "a").touch()
    threads = [
        threading.Thread(target=lambda: found.append(shelf.get(tmp_path / "a", "a")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 1 and found[0] is found[1] is found[2]


def test_weights_that_a_training_has_replaced_are_loaded_again(config_path, tmp_path):
    trainer = build_trainer(build_config(config_path), CPU)
    file = tmp_path / "model_best.pt"
    trainer.save(file)
    shelf = ModelShelf(lambda file: load_trained(file, CPU))
    old = shelf.get(file, "best")
    assert shelf.get(file, "best") is old
    with torch.no_grad():
        next(trainer.model.parameters()).add_(1)
    trainer.save(file)
    os.utime(file, ns=(0, 10**18))  # the clock of a file system may be coarse
    new = shelf.get(file, "best")
    changed, before = (next(m.generator.model.parameters()) for m in (new, old))
    assert new is not old and not torch.equal(changed, before)


def test_only_a_few_models_are_kept(config_path, tmp_path):
    made = turning(config_path)
    loaded = []

    def load(file: Path):
        loaded.append(file.name)
        return made.config, made.generator

    shelf = ModelShelf(load)
    for name in ("a", "b", "c", "d", "d", "a"):
        shelf.get(tmp_path / name, name)
    assert loaded == ["a", "b", "c", "d", "a"] and KEPT_MODELS == 3


def test_without_named_weights_clouds_get_those_that_suit_them(config_path, clouds, tmp_path):  # noqa: F811
    made, loaded = turning(config_path), []

    def load(file: Path):
        loaded.append(file.stem)
        return made.config, made.generator

    shelf = ModelShelf(load)
    rng = np.random.default_rng(0)
    desk = desk_of(None, clouds, np.stack([rng.permutation(x) for x in clouds]), folder=tmp_path)
    names = [shelf.model_of(source).name for source in desk.sources.values()]
    assert names == loaded == ["local", "local_unordered"]
    named = ModelShelf(load, tmp_path / "mine.safetensors")
    assert named.model_of(desk.sources[1]).name == "mine"
