"""Every small experiment of configs/, end to end on synthetic bodies: train, generate, evaluate."""

from pathlib import Path

import numpy as np
import pytest

import eval as evaluation
import generate
import train
from im2mesh.build import build_config, build_model, has_weights
from im2mesh.config.schema import Config
from im2mesh.data.dataset import build_windows
from im2mesh.evaluation.records import read_table
from im2mesh.meshing.frame_meshes import FrameMeshes, load_reconstruction
from im2mesh.meshing.mesh_sequence import MeshSequence
from im2mesh.runs.folder import RunFolder
from im2mesh.synthesis.clips import ClipSettings
from im2mesh.synthesis.dataset import make_dataset
from im2mesh.synthesis.plan import DatasetSettings
from scripts.experiments.engine import DATASETS
from scripts.experiments.paper import TASKS, small_experiment

CONFIGS = sorted(Path("configs").rglob("*-small.yaml"))
WITHOUT_CORRESPONDENCE = ("onet4d", "onet_per_frame")
MOTIONS = ("hips", "punching", "shake_arms")
FEW = [
    "data.skip_frames=0", "data.num_frames=17", "data.num_input_points=40",
    "training.max_iterations=2", "training.batch_size=2",
    "training.num_workers=0", "training.warmup_iterations=0", "validation.max_windows=2",
    "generation.resolution=8", "generation.upsampling_steps=0", "evaluation.num_samples=200",
]  # fmt: skip


@pytest.fixture(scope="module")
def bodies_root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("bodies")
    clip = ClipSettings(
        frames=17, surface_points=600, occupancy_points=20000, near_surface_points=100, views=4,
        image_size=64,
    )  # fmt: skip
    make_dataset(root, DatasetSettings(2, MOTIONS, clip))
    return root


def name_of(path: Path) -> str:
    return path.relative_to("configs").with_suffix("").as_posix()


def test_every_experiment_that_is_compared_has_its_config():
    compared = {f"{task.configs}/{name}-small" for task in TASKS.values() for name in task.methods}
    assert compared <= set(map(name_of, CONFIGS))
    assert {task.data for task in TASKS.values()} == set(DATASETS)


def test_tasks_with_the_same_configs_differ_in_data_and_folders():
    """Runs of one would be mistaken for those of the other."""
    same, people = (
        small_experiment(task, "oflow", 5).build_config()
        for task in ("shape_matching", "matching_of_people")
    )
    assert same.data.root != people.data.root and same.output_dir != people.output_dir
    assert same.model == people.model and same.training == people.training


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_experiment(path, bodies_root, tmp_path):
    arguments = [str(path), f"data.root={bodies_root}", f"output_dir={tmp_path}", *FEW]
    config = build_config(path, arguments[1:])
    if not has_weights(build_model(config)):
        with pytest.raises(ValueError, match=r"has no weights to train; run generate\.py"):
            train.main(arguments)
    else:
        train.main(arguments)
    generate.main(arguments)
    evaluation.main(arguments)
    run = RunFolder(tmp_path)
    windows = build_windows(config, config.data.test_split, stride=config.data.eval_stride)
    result = load_reconstruction(run.window(config.data.test_split, windows[0]).sequence)
    has_frames_alone = config.model.method in WITHOUT_CORRESPONDENCE
    assert isinstance(result, FrameMeshes if has_frames_alone else MeshSequence)
    records, _ = read_table(run.evaluation_records(config.data.test_split))
    assert np.isfinite([record.value for record in records]).all()
    assert {record.metric for record in records} == expected_metrics(config)
    frames = {record.frame for record in records}
    given = {"shape_matching": set(range(16)), "interpolation": {0, 16}}
    assert frames == set(range(17)) - given.get(path.parent.name, set())


def test_other_settings_of_a_part_without_weights_make_new_meshes(bodies_root, tmp_path, capsys):
    path = "configs/interpolation/carried-small.yaml"
    arguments = [path, f"data.root={bodies_root}", f"output_dir={tmp_path}", *FEW]
    generate.main(arguments)
    generate.main(arguments)
    assert "replaced" not in capsys.readouterr().out
    generate.main([*arguments, "model.deformation.num_neighbours=2"])
    assert "replaced: weights, input or settings have changed" in capsys.readouterr().out


def expected_metrics(config: Config) -> set[str]:
    """Surfaces have an IoU and normals, bodies that are followed a correspondence error."""
    metrics = {"empty", "accuracy", "completeness", "chamfer_l1", "chamfer_l2"}
    if config.model.method != "psgn4d":
        metrics |= {"iou", "normal_consistency"}
    if config.model.method not in WITHOUT_CORRESPONDENCE:
        metrics |= {"correspondence_l2"}
    return metrics
