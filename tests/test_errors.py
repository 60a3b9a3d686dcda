"""Mistakes of users, planted one by one: each gives the message that docs/errors.md promises."""

import errno
import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import eval as evaluation
import generate
import train
from im2mesh.command_line import EXIT_INTERRUPTED, exit_status
from im2mesh.data.clouds import gather_clouds
from im2mesh.errors import UserError
from im2mesh.files.written import NOTE
from im2mesh.machine.determinism import deterministic_operations
from im2mesh.machine.ranks import Ranks
from im2mesh.meshing.io import read_mesh
from im2mesh.models.decoders import DecoderCBatchNorm
from im2mesh.runs.checkpoints import FORMAT
from im2mesh.synthesis.clips import ClipSettings
from scripts import (
    compare,
    draw,
    import_official_checkpoint,
    import_official_config,
    latent,
    make_bodies,
    measure,
    replay_batch,
)
from tests.data.packed_mistakes import PACKED
from tests.data.picture_mistakes import PICTURES
from tests.data.scan_mistakes import SCANS
from tests.mesh_mistakes import refused_files
from tests.preparation.mistakes import PREPARATION
from tests.small import write_small_config
from tests.studies.viewer_mistakes import VIEWER
from tests.user import User

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "errors.md"
NEAREST = ROOT / "configs" / "shape_matching" / "nearest_neighbour.yaml"
LOCAL = ROOT / "configs" / "pointcloud" / "local-small.yaml"
IMAGES = (
    "data.input=images", "data.num_views=2", "data.image_size=64", "model.encoder={name: resnet18}",
    "model.encoder_temporal={name: conv_3D}",
)  # fmt: skip
PIXELS = (
    "data.input=images", "data.num_views=2", "data.image_size=16", "data.view_cameras=true",
    "model.encoder={name: image_pixels, width: 8}",
    "model.encoder_temporal={name: image_pixels, width: 8}",
)  # fmt: skip
DEPTH = ("data.input_folder=depth_seq", "data.input_pointcloud_corresponding=false")
PER_FRAME = (
    "model.method=onet_per_frame", "model.encoder_temporal=null", "model.velocity_field=null",
    "loss.correspondence=0.0",
)  # fmt: skip
CLIPS = "data/balls"
CLOUD = f"{CLIPS}/ball_c/pcl_seq/00000007.npz"
LABELS = f"{CLIPS}/ball_c/points_seq/00000007.npz"
WINDOW = "run/generation/test/balls/ball_d/00000"
OTHER_WINDOW = "run/generation/test/balls/ball_d/00004"
RECORDS = "evaluation/test/records.csv"

Mistake = Callable[[User], str]
"""Plants a mistake; returns the message."""


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (os.mkdir, ("harmed",))


def saved(content: object) -> bytes:
    """As torch.save writes it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def reason(user: User, ending: str, content: str | bytes) -> str:
    """Why a file is refused as a mesh, without its name and the advice to copy it again."""
    message = refusal(lambda: read_mesh(user.writes(f"a.{ending}", content).folder / f"a.{ending}"))
    start, end = f"{user.folder / 'a'}.{ending}: not a readable mesh: ", "; copy or make it again"
    assert message.startswith(start) and message.endswith(end)
    return message.removeprefix(start).removesuffix(end)


def clouds(count: int = 5, first: float = 0.0) -> np.ndarray:
    """As many as the model was trained for; `first` is the first coordinate."""
    points = np.random.default_rng(0).normal(size=(count, 40, 3))
    points[0, 0, 0] = first
    return points


def refusal(call: Callable[[], object]) -> str:
    """What the library raises."""
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)


def imports(user: User, values: Mapping[str, object]) -> str:
    """What the import of a config of the authors' code says, given as JSON, which is YAML too."""
    user.writes("theirs.yaml", json.dumps(values))
    return user.sees(import_official_config.main, "theirs.yaml", "ours.yaml")


def gathers(*inputs: object, min_points: int = 1, corresponding: bool = False) -> str:
    """What the library raises for clouds that the model may take in any sizes."""
    with pytest.raises(ValueError) as caught:
        gather_clouds(cast(Any, inputs), 0, corresponding=corresponding, min_points=min_points)
    return str(caught.value)


def unprepared(user: User) -> str:
    user.patch.delenv("CUBLAS_WORKSPACE_CONFIG")
    return refusal(lambda: deterministic_operations(True, torch.device("cuda")).__enter__())


FULL_DISK = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
FULL_GPU = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of "
    "which 1.00 GiB is free."
)
THEIRS = saved({"model": {"decoder.fc_p.weight": torch.zeros(3)}, "it": 3})

MISTAKES: dict[str, dict[str, Mistake]] = {
    "Configuration": {
        "a config that is not there": lambda user: user.trains(config="nowhere.yaml"),
        "broken YAML": lambda user: user.writes("a.yaml", "data: {root: x\n").trains(
            config="a.yaml"
        ),
        "a key written twice": lambda user: user.writes(
            "a.yaml", "output_dir: a\noutput_dir: b\n"
        ).trains(config="a.yaml"),
        "a list instead of keys": lambda user: user.writes("a.yaml", "- data\n").trains(
            config="a.yaml"
        ),
        "a config that inherits from itself": lambda user: user.writes(
            "a.yaml", "inherit_from: a.yaml\n"
        ).trains(config="a.yaml"),
        "no output folder": lambda user: user.writes("a.yaml", "data: {root: x}\n").trains(
            config="a.yaml"
        ),
        "a misspelt key": lambda user: user.trains("ode.methd=rk4"),
        "a key that is not like any valid one": lambda user: user.trains("foo=1"),
        "two mistakes at once": lambda user: user.trains("ode.methd=rk4", "training.lr=1e-4"),
        "a word instead of a number": lambda user: user.trains("training.batch_size=many"),
        "a number out of range": lambda user: user.trains("training.batch_size=0"),
        "an infinite number": lambda user: user.trains("training.learning_rate=.inf"),
        "a value of a thousand characters": lambda user: user.trains(f"data.root={[0] * 400}"),
        "a value that is not among the choices": lambda user: user.trains("ode.gradient=exact"),
        "a number instead of a section": lambda user: user.trains("model=5"),
        "an override without =": lambda user: user.trains("batch_size"),
        "an unknown option of the command": lambda user: user.trains("--freshh"),
        "an unknown network": lambda user: user.trains("model.decoder.name=cbatchnrom"),
        "an unknown option of a network": lambda user: user.trains("model.decoder.hiden_size=8"),
        "a missing network": lambda user: user.trains("model.velocity_field=null"),
        "a decoder without a code": lambda user: user.trains("model.encoder=null"),
        "a network that the method does not use": lambda user: user.trains("model.method=onet4d"),
        "an unknown solver": lambda user: user.trains("ode.method=rk5"),
        "a step size for an adaptive solver": lambda user: user.trains("ode.method=dopri5"),
        "an encoder for corresponding points, without correspondence": lambda user: user.trains(
            "data.input_pointcloud_corresponding=false"
        ),
        "clouds of depth cameras whose rows should correspond": lambda user: user.trains(
            "data.input_folder=depth_seq"
        ),
        "clouds of depth cameras for images": lambda user: user.trains(
            "data.input_folder=depth_seq", "data.input=images"
        ),
        "an encoder of clouds for images": lambda user: user.trains("data.input=images"),
        "more observed frames than there are": lambda user: user.trains("data.num_input_frames=40"),
        "fewer points than an encoder needs neighbours": lambda user: user.trains(
            "data.num_input_points=2", config=LOCAL
        ),
        "images too small for the encoder": lambda user: user.trains(*IMAGES, "data.image_size=8"),
        "a pixel-aligned encoder without cameras": lambda user: user.trains(
            *IMAGES, "model.encoder={name: image_pixels}"
        ),
        "augmented images without cameras": lambda user: user.trains(*IMAGES, "data.augment=true"),
        "pretrained weights that are not there": lambda user: user.has_own_images().trains(
            *IMAGES, "model.encoder.weights=nowhere.pth"
        ),
        "a file of pretrained weights that holds none": lambda user: user.has_own_images().trains(
            *IMAGES, "model.encoder.weights=small.yaml"
        ),
        "a loss that the model cannot answer": lambda user: user.trains("loss.chamfer=1.0"),
        "a loss of latent codes for a model that has none": lambda user: user.trains(
            "loss.kl=1e-4"
        ),
        "no loss": lambda user: user.trains("loss.reconstruction=0.0", "loss.correspondence=0.0"),
        "output times that do not start at 0": lambda user: user.trains(
            "generation.times=[0.5, 1.0]"
        ),
        "a width of an image encoder that its groups do not divide": lambda user: user.trains(
            *PIXELS, "model.encoder={name: image_pixels, width: 12}"
        ),
        "an option of a network that takes more memory than any machine has": lambda user: (
            user.trains("model.decoder.hidden_size=1000000000")
        ),
        "a width that takes more memory than there is": lambda user: user.trains(
            "model.code_size=1000000000000"
        ),
        "a config that is nested without end": lambda user: user.writes(
            "deep.yaml", "[" * 100
        ).trains(config="deep.yaml"),
        "an import of a config with keys of another program": lambda user: imports(
            user, {"data": {"root": "a"}}
        ),
        "an import of a config with a number instead of a section": lambda user: imports(
            user, {"data": 3}
        ),
        "an import of a config with a value without a counterpart": lambda user: imports(
            user, {"data": {"dim": 2}}
        ),
        "an import of a config with an unknown method": lambda user: imports(
            user, {"method": "onet"}
        ),
        "an import of a config with a word instead of a number": lambda user: imports(
            user, {"data": {"length_sequence": "many"}}
        ),
        "an import of a config with a list instead of options": lambda user: imports(
            user, {"model": {"decoder_kwargs": ["legacy"]}}
        ),
        "an import of a config with an unknown option of a network": lambda user: imports(
            user, {"model": {"decoder_kwargs": {"leaky": True}}}
        ),
        "an import of a config with a table of codes": lambda user: imports(
            user, {"model": {"encoder": "idx"}}
        ),
        "an import of a config with some windows of a clip": lambda user: imports(
            user, {"data": {"n_files_per_sequence": 5}}
        ),
        "an import of a config that inherits from a missing one": lambda user: imports(
            user, {"inherit_from": "absent.yaml"}
        ),
        "an import of a config over a file that is there": lambda user: user.writes(
            "ours.yaml", ""
        ).sees(import_official_config.main, "small.yaml", "ours.yaml"),
    },
    "Data": {
        "a data folder that is not there": lambda user: user.trains("data.root=nowhere"),
        "an unknown split": lambda user: user.trains("data.train_split=training"),
        "an unknown category": lambda user: user.trains("data.categories=[cubes]"),
        "a split that the category lacks": lambda user: user.trains(
            "data.categories=[balls]", "data.train_split=training"
        ),
        "an empty split": lambda user: (
            user.has_own_data().writes(f"{CLIPS}/train.lst", "\n").trains()
        ),
        "a listed clip that is not there": lambda user: (
            user.has_own_data().loses(f"{CLIPS}/ball_b").trains()
        ),
        "a clip without a part": lambda user: (
            user.has_own_data().loses(f"{CLIPS}/ball_b/pcl_seq").trains()
        ),
        "clips that are too short": lambda user: user.trains("data.num_frames=40"),
        "clips that are too short for data.frame_step": lambda user: user.trains(
            "data.frame_step=4"
        ),
        "a frame missing in the middle": lambda user: (
            user.has_own_data().loses(f"{CLIPS}/ball_a/pcl_seq/00000012.npz").trains()
        ),
        "a frame missing in one folder": lambda user: (
            user.has_own_data().loses(f"{CLIPS}/ball_c/points_seq/00000012.npz").trains()
        ),
        "two files of one frame": lambda user: (
            user.has_own_data().writes(f"{CLIPS}/ball_c/pcl_seq/12.npz", "").trains()
        ),
        "no labels where they are learnt from": lambda user: (
            user.has_own_data()
            .loses(f"{CLIPS}/ball_a/points_seq")
            .loses(f"{CLIPS}/ball_b/points_seq")
            .trains()
        ),
        "folders without clips for split all": lambda user: user.writes(
            "other/balls/ball_a/readme.txt", ""
        ).trains("data.root=other", "data.train_split=all"),
        "no points near the surface": lambda user: (
            user.has_own_data()
            .loses(f"{CLIPS}/ball_a/points_near_seq")
            .loses(f"{CLIPS}/ball_b/points_near_seq")
            .trains("data.near_surface_fraction=0.5")
        ),
        "no clouds of depth cameras": lambda user: user.trains(
            *DEPTH, "model.encoder_temporal={name: pointnet_per_frame}"
        ),
        "fewer points than asked for": lambda user: user.trains("data.num_input_points=5000"),
        "a hole larger than the body": lambda user: user.trains("data.input_hole=5.0"),
        "an npz file cut short": lambda user: user.has_own_data().cuts(CLOUD).trains(),
        "an npz file without an array": lambda user: (
            user.has_own_data().stores(CLOUD, loc=None).trains()
        ),
        "an npz file with Python objects": lambda user: (
            user.has_own_data().stores(CLOUD, points=np.array([None])).trains()
        ),
        "points of a wrong shape": lambda user: (
            user.has_own_data().stores(CLOUD, points=np.zeros((3, 600))).trains()
        ),
        "points with NaN": lambda user: (
            user.has_own_data().stores(CLOUD, points=np.full((600, 3), np.nan)).trains()
        ),
        "a normalisation with NaN": lambda user: (
            user.has_own_data().stores(CLOUD, loc=np.array([0, np.nan, 0])).trains()
        ),
        "labels that are not packed": lambda user: (
            user.has_own_data().stores(LABELS, occupancies=np.ones(1001)).trains()
        ),
        "frames with different numbers of points": lambda user: (
            user.has_own_data().stores(CLOUD, points=np.zeros((500, 3))).trains()
        ),
        "no images": lambda user: user.trains(*IMAGES),
        "a missing view": lambda user: (
            user.has_own_images().loses(f"{CLIPS}/ball_a/img/1").trains(*IMAGES)
        ),
        "images without their cameras": lambda user: (
            user.has_own_images().loses(f"{CLIPS}/ball_c/img/0/cameras.npz").trains(*PIXELS)
        ),
        "a broken image": lambda user: (
            user.has_own_images()
            .writes(f"{CLIPS}/ball_c/img/0/00007.jpg", b"no image")
            .trains(*IMAGES)
        ),
        "an unknown motion of synthetic bodies": lambda user: user.sees(
            make_bodies.main, "bodies", "--motions", "fly"
        ),
        "a file where the folder of synthetic bodies should be": lambda user: user.writes(
            "bodies", ""
        ).sees(make_bodies.main, "bodies"),
        "a description of other data where that of synthetic bodies should be": lambda user: (
            user.writes("bodies/dataset.json", '{"name": "my data"}').sees(
                make_bodies.main, "bodies", "--overwrite"
            )
        ),
        "frames of somebody else where those of a synthetic body should be": lambda user: (
            user.writes("bodies/dataset.json", '{"content_version": 1}')
            .writes("bodies/bodies/00_hips/pcl_seq/00000000.npz", "")
            .sees(make_bodies.main, "bodies", "--overwrite")
        ),
        "a linked clip of synthetic bodies, to be replaced": lambda user: (
            user.writes("bodies/dataset.json", '{"content_version": 1}')
            .writes("elsewhere/complete.json", json.dumps(asdict(ClipSettings())))
            .links("bodies/bodies/00_hips", "elsewhere")
            .sees(make_bodies.main, "bodies", "--overwrite")
        ),
        "too few synthetic bodies for the splits": lambda user: user.sees(
            make_bodies.main, "bodies", "--bodies", 1
        ),
    },
    "Packed and streamed data": PACKED,
    "Scans": SCANS,
    "Pictures": PICTURES,
    "Preparation": PREPARATION,
    "Training": {
        "a GPU that is not there": lambda user: user.trains("--device", "cuda:99"),
        "an unknown device": lambda user: user.trains("--device", "gpu"),
        "a word instead of seconds": lambda user: user.trains("--exit-after", "soon"),
        "a method without weights": lambda user: user.trains(config=NEAREST),
        "a start from unknown weights": lambda user: user.trains("training.start_from=locla"),
        "a start from weights of other windows": lambda user: user.trains(
            "training.start_from=local"
        ),
        "many windows for a model without input": lambda user: user.trains(
            "data.input=null",
            "model.encoder=null",
            "model.encoder_temporal=null",
            "model.decoder={name: simple}",
        ),
        "another model in the same folder": lambda user: user.has_trained().trains(
            "model.code_size=8"
        ),
        "another observation in the same folder": lambda user: user.has_trained().trains(
            "data.num_frames=4"
        ),
        "a fresh start with the data in the output folder": lambda user: user.has_own_data().trains(
            "output_dir=data", "--fresh"
        ),
        "a best checkpoint of somebody else in the output folder": lambda user: (
            user.has_trained().loses("run/model.pt").loses("run/logs").trains()
        ),
        "two trainings in one folder": lambda user: user.trains_twice_at_once(),
        "a file where the output folder should be": lambda user: user.writes("run", "").trains(),
        "an output folder below a file": lambda user: user.writes("run", "").trains(
            "output_dir=run/a"
        ),
        "a full disk": lambda user: user.has_a_machine_where(os, "fsync", FULL_DISK).trains(),
        "too little memory on the GPU": lambda user: user.has_a_machine_where(
            DecoderCBatchNorm, "forward", FULL_GPU
        ).trains(),
        "a loss that is not finite": lambda user: user.trains(
            *PER_FRAME, "training.learning_rate=1e30"
        ),
        "an occupancy that is not finite, in validation": lambda user: user.has_diverged().trains(
            "training.validate_every=1"
        ),
        "a solver that needs more steps than allowed": lambda user: user.trains(
            "ode.method=dopri5", "ode.step_size=null", "ode.max_steps=1"
        ),
        "a rank without the number of processes": lambda user: user.sets(RANK="0").trains(),
        "no snapshot of a failed step": lambda user: user.sees(replay_batch.main, "nowhere.pt"),
        "a file that is not a snapshot of a failed step": lambda user: user.has_trained().sees(
            replay_batch.main, "run/model.pt"
        ),
        "a curve of a run that was never trained": lambda user: user.sees(
            draw.main, "training", "nowhere", "--output", "curve.png"
        ),
    },
    "Checkpoints": {
        "nothing trained yet": lambda user: user.generates(),
        "a checkpoint that is not there": lambda user: user.generates("--checkpoint", "nowhere.pt"),
        "a damaged checkpoint": lambda user: (
            user.has_trained().cuts("run/model_best.pt").generates()
        ),
        "no intact checkpoint to go on from": lambda user: (
            user.has_trained().cuts("run/model.pt").writes("run/model_previous.pt", "").trains()
        ),
        "a checkpoint that would run code": lambda user: user.writes(
            "theirs.pt", saved({"model": Harmful()})
        ).generates("--checkpoint", "theirs.pt"),
        "a checkpoint of the authors' code": lambda user: user.writes(
            "theirs.pt", THEIRS
        ).generates("--checkpoint", "theirs.pt"),
        "a checkpoint of another version": lambda user: user.writes(
            "old.pt", saved({"format": 1})
        ).generates("--checkpoint", "old.pt"),
        "a checkpoint of a model of another size": lambda user: user.has_trained().generates(
            "model.code_size=8"
        ),
        "a checkpoint of another network": lambda user: user.has_trained().generates(
            "model.encoder_temporal={name: pointnet_space_time}"
        ),
        "a checkpoint of another method": lambda user: user.has_trained().generates(*PER_FRAME),
        "a checkpoint of another length": lambda user: user.has_trained().generates(
            "data.num_frames=4"
        ),
        "a checkpoint of another input": lambda user: user.has_trained().generates(*IMAGES),
        "a checkpoint that lacks something": lambda user: user.writes(
            "part.pt", saved({"format": FORMAT, "config": {"data": {}}})
        ).generates("--checkpoint", "part.pt"),
        "weights of an unknown name": lambda user: user.generates("--weights", "locla"),
        "weights that are not there": lambda user: user.generates(
            "--weights", "nowhere.safetensors"
        ),
        "damaged weights": lambda user: user.writes("cut.safetensors", b"x").generates(
            "--weights", "cut.safetensors"
        ),
        "weights of another model": lambda user: user.generates("--weights", "local"),
        "an import of a checkpoint of this project": lambda user: user.has_trained().sees(
            import_official_checkpoint.main, "run/model.pt", "a.pt", "--config", "small.yaml"
        ),
        "an import of another model": lambda user: user.writes("theirs.pt", THEIRS).sees(
            import_official_checkpoint.main, "theirs.pt", "a.pt", "--config", "small.yaml"
        ),
        "a value of another type in a config of the authors' code": lambda user: user.writes(
            "theirs.yaml", "model: {encoder: [a], loss_corr: hello}"
        ).sees(import_official_config.main, "theirs.yaml", "ours.yaml"),
        "an import over a file that is there": lambda user: user.writes("a.pt", "").sees(
            import_official_checkpoint.main, "theirs.pt", "a.pt", "--config", "small.yaml"
        ),
    },
    "Generation": {
        "an unknown clip": lambda user: user.generates("--clips", "ball_z"),
        "a split that is not there": lambda user: user.generates("--split", "tset"),
        "too few output times": lambda user: user.generates("--num-steps", 1),
        "both times and a number of steps": lambda user: user.has_trained().generates(
            "generation.times=[0.0, 1.0]", "--num-steps", 3
        ),
        "a true surface that is not there": lambda user: user.generates(
            f"data.root={user.ball_root}",
            "output_dir=run",
            "data.skip_frames=0",
            "data.num_frames=5",
            "data.num_input_points=40",
            "generation.surface=mesh",
            config=NEAREST,
        ),
        "a file where the folder of the meshes should be": lambda user: (
            user.has_trained().loses("run/generation").writes("run/generation", "").generates()
        ),
        "meshes in USD without its library": lambda user: user.lacks("pxr").generates(
            "generation.mesh_format=usd"
        ),
        "too little memory on the GPU": lambda user: (
            user.has_trained()
            .loses("run/generation")
            .has_a_machine_where(DecoderCBatchNorm, "forward", FULL_GPU)
            .generates()
        ),
        "an unknown window": lambda user: user.sees(
            latent.main,
            "interpolate",
            "small.yaml",
            "--from",
            "ball_d/00001",
            "--to",
            "ball_d/00004",
            "--what",
            "motion",
        ),
        "a table of codes in a file that does not end in .npz": lambda user: user.sees(
            latent.main, "encode", "small.yaml", "--output", "codes.csv"
        ),
        "new bodies from a model with encoders": lambda user: user.has_trained().sees(
            latent.main, "sample", "small.yaml", "--device", "cpu"
        ),
        "a prior that is not there": lambda user: user.has_trained().sees(
            latent.main, "sample", "small.yaml", "--prior", "mine.safetensors"
        ),
    },
    "Evaluation": {
        "nothing generated yet": lambda user: user.evaluates(),
        "a missing mesh": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .loses(f"{WINDOW}/meshes/00004.ply")
            .evaluates()
        ),
        "a missing mesh in the middle": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .loses(f"{WINDOW}/meshes/00003.ply")
            .evaluates()
        ),
        "a missing mesh of another program": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .loses(f"{WINDOW}/meshes/{NOTE}")
            .loses(f"{WINDOW}/meshes/00003.ply")
            .loses(f"{WINDOW}/meshes/00004.ply")
            .writes(f"{WINDOW}/meshes/3.drc", "DRACO")
            .evaluates("--meshes", "run/generation/test", "--output", "scores")
        ),
        "a broken mesh": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .cuts(f"{WINDOW}/meshes/00003.ply")
            .evaluates()
        ),
        "a broken sequence": lambda user: (
            user.has_trained().cuts(f"{WINDOW}/sequence.npz").evaluates()
        ),
        "a mesh with NaN": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .loses(f"{WINDOW}/meshes/00003.ply")
            .writes(f"{WINDOW}/meshes/00003.off", "OFF\n3 1 0\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n")
            .evaluates()
        ),
        "a window.json without keys": lambda user: (
            user.has_trained().writes(f"{WINDOW}/window.json", "[]").evaluates()
        ),
        "a window.json that lacks a key": lambda user: (
            user.has_trained().replaces(f"{WINDOW}/window.json", '"run": ', '"walk": ').evaluates()
        ),
        "a broken line in the records": lambda user: (
            user.has_trained()
            .writes(f"run/{RECORDS}", "category,clip,start,frame,metric,value\na,b,x,0,iou,1\n")
            .sees(compare.main, user.finished_run, "run")
        ),
        "a picture in an unknown format": lambda user: user.sees(
            draw.main, "sheet", "small.yaml", "--output", "sheet.abc"
        ),
        "a video in an unknown format": lambda user: user.sees(
            draw.main, "video", "run", "--output", "window.avi"
        ),
        "a video of somebody else where ours should be": lambda user: (
            user.has_trained()
            .writes("film.gif", "")
            .sees(draw.main, "video", "run", "--output", "film.gif")
        ),
        "a video of a window that is not there": lambda user: user.has_trained().sees(
            draw.main, "video", "run", "ball_x/00000", "--output", "film.gif"
        ),
        "arrows of a field that did not move the meshes": lambda user: user.has_trained().sees(
            draw.main, "video", "run", "--arrows", "--weights", "local", "--output", "film.gif"
        ),
        "meshes of somebody else where ours should be": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/window.json")
            .writes(f"{WINDOW}/meshes/00042.obj", "v 0 0 0")
            .generates()
        ),
        "a sequence with arrays of somebody else": lambda user: (
            user.has_trained()
            .stores(f"{WINDOW}/sequence.npz", betas=np.ones(10))
            .generates("generation.threshold=0.4")
        ),
        "tables of somebody else where ours should be": lambda user: (
            user.has_trained()
            .writes("run/comparison.md", "")
            .sees(compare.main, "run", "--output", "run")
        ),
        "a picture of somebody else where ours should be": lambda user: (
            user.has_trained()
            .writes("photo.png", "")
            .sees(draw.main, "training", "run", "--output", "photo.png")
        ),
        "results in the folder of a training": lambda user: user.has_trained().evaluates(
            "--output", "run"
        ),
        "a file of somebody else among the records": lambda user: (
            user.has_trained()
            .writes("run/evaluation/test/windows/balls/ball_d/00000.json", "{}")
            .evaluates()
        ),
        "frames whose number is not plain": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .writes(f"{WINDOW}/meshes/body_1_old.ply", "ply")
            .evaluates()
        ),
        "frames that are numbered with fractions": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .loses(f"{WINDOW}/meshes")
            .writes(f"{WINDOW}/meshes/0.ply", "ply")
            .writes(f"{WINDOW}/meshes/0.5.ply", "ply")
            .writes(f"{WINDOW}/meshes/1.ply", "ply")
            .evaluates()
        ),
        "two meshes of one frame": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .writes(f"{WINDOW}/meshes/00003.off", "OFF")
            .evaluates()
        ),
        "frames whose number may be a fraction": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .loses(f"{WINDOW}/meshes")
            .makes(f"{WINDOW}/meshes")
            .writes(f"{WINDOW}/meshes/t_0.25.ply", "ply")
            .writes(f"{WINDOW}/meshes/t_0.5.ply", "ply")
            .evaluates()
        ),
        "a folder that is called like a mesh": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/sequence.npz")
            .makes(f"{WINDOW}/meshes/00007.ply")
            .evaluates()
        ),
        "a mesh in an unknown format": lambda user: refusal(
            lambda: read_mesh(user.writes("a.fbx", "").folder / "a.fbx")
        ),
        "a single mesh that is not there": lambda user: refusal(lambda: read_mesh("absent.ply")),
        "meshes of another program without a folder for the results": lambda user: user.evaluates(
            "--meshes", "theirs"
        ),
        "meshes in unknown coordinates": lambda user: user.evaluates("--coordinates", "camera"),
        "no worker": lambda user: user.has_trained().evaluates("--workers", 0),
        "meshes of two runs": lambda user: (
            user.has_trained()
            .replaces(f"{OTHER_WINDOW}/window.json", '"run": "', '"run": "another')
            .evaluates()
        ),
        "a file where the folder of the results should be": lambda user: (
            user.has_trained().writes("scores", "").evaluates("--output", "scores")
        ),
        "data that has changed since generate.py ran": lambda user: (
            user.has_trained()
            .has_own_data()
            .stores(f"{CLIPS}/ball_d/pcl_seq/00000007.npz", points=np.zeros((9, 3)))
            .evaluates()
        ),
        "true points with NaN": lambda user: (
            user.has_trained()
            .loses(f"{WINDOW}/window.json")
            .loses(f"{OTHER_WINDOW}/window.json")
            .has_own_data()
            .stores(f"{CLIPS}/ball_d/pcl_seq/00000007.npz", points=np.full((600, 3), np.nan))
            .evaluates()
        ),
        "an evaluation that was stopped while it wrote its results": lambda user: (
            user.has_trained()
            .loses("run/evaluation/test/summary.json")
            .sees(compare.main, user.finished_run, "run")
        ),
        "meshes made anew after the evaluation": lambda user: (
            user.has_trained()
            .replaces(f"{OTHER_WINDOW}/window.json", '"run": "', '"run": "another')
            .sees(compare.main, user.finished_run, "run")
        ),
        "a run that was not evaluated": lambda user: (
            user.has_trained().loses("run/evaluation").sees(compare.main, user.finished_run, "run")
        ),
        "runs evaluated in different ways": lambda user: (
            user.has_trained()
            .replaces("run/evaluation/test/config.yaml", "num_samples: 500", "num_samples: 100")
            .sees(compare.main, user.finished_run, "run")
        ),
        "runs evaluated on different windows": lambda user: (
            user.has_trained()
            .replaces(f"run/{RECORDS}", "ball_d,4,", "ball_d,5,")
            .sees(compare.main, user.finished_run, "run")
        ),
        "a file where the folder of a comparison should be": lambda user: (
            user.has_trained().writes("table", "").sees(compare.main, "run", "--output", "table")
        ),
        "more names than runs": lambda user: user.has_trained().sees(
            compare.main, "run", "--names", "a", "b"
        ),
        "an unknown sweep": lambda user: user.has_trained().sees(
            measure.main, "robustness", "run", "--sweeps", "fog"
        ),
        "weights that have diverged": lambda user: (
            user.has_trained()
            .has_diverged()
            .sees(measure.main, "robustness", "run", "--sweeps", "points=10", "--device", "cpu")
        ),
    },
    "Viewer": VIEWER,
    "Meshes of other programs": {
        title: partial(reason, ending=ending, content=content)
        for title, (ending, content) in refused_files().items()
    },
    "Library": {
        "another number of clouds": lambda user: user.reconstructs(clouds(3)),
        "clouds of a wrong shape": lambda user: user.reconstructs(clouds().transpose(0, 2, 1)),
        "clouds of different sizes": lambda user: user.reconstructs([clouds()[0], clouds()[0, :9]]),
        "clouds with NaN": lambda user: user.reconstructs(clouds(first=np.nan)),
        "clouds of too few points": lambda user: gathers(np.zeros((4, 3)), min_points=9),
        "a cloud of a wrong shape": lambda user: gathers(np.zeros((4, 2))),
        "clouds of words": lambda user: gathers([["a", "b", "c"]]),
        "a cloud that holds nothing but NaN": lambda user: gathers(np.full((4, 3), np.nan)),
        "clouds without extent": lambda user: user.reconstructs(np.ones((5, 40, 3))),
        "wanted times that do not start at 0": lambda user: user.reconstructs(
            clouds(), times=[0.5, 1.0]
        ),
        "a wanted time beyond the last": lambda user: user.reconstructs(clouds(), times=[0.0, 2.0]),
        "a single wanted time": lambda user: user.reconstructs(clouds(), times=0.5),
        "observed times that do not match the clouds": lambda user: user.reconstructs(
            clouds(), input_times=[0.0, 1.0]
        ),
        "uneven times for an encoder that does not see them": lambda user: user.reconstructs(
            clouds(), input_times=[0.0, 0.1, 0.2, 0.3, 1.0]
        ),
        "a batch that several processes cannot share": lambda user: refusal(
            lambda: Ranks(world_size=3).share_of(4, "training.batch_size")
        ),
        "deterministic training on a GPU without its environment variable": unprepared,
        "a surface for a model that extracts its own": lambda user: user.reconstructs(
            clouds(), surfaces=(None, None)
        ),
    },
}
"""Stage -> mistake, as in the document -> how it is made."""

ROWS = [(stage, title) for stage, mistakes in MISTAKES.items() for title in mistakes]


def documented() -> Mapping[tuple[str, str], str]:
    """(Stage, mistake) -> message, of the tables of the document, in their order."""
    found: dict[tuple[str, str], str] = {}
    stage = ""
    for line in DOCUMENT.read_text().splitlines():
        if heading := re.fullmatch("## (.+)", line):
            stage = heading[1]
        elif row := re.fullmatch(r"\| (.+?) \| (`+) ?(.+?) ?\2 \|", line):
            found[stage, row[1]] = row[3]
    return found


def pattern(message: str) -> str:
    """A message of the document as a regular expression; <path> and the like stand for anything."""
    return ".+?".join(map(re.escape, re.split("<[a-z ]+>", message)))


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory, ball_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    config = str(write_small_config(folder, ball_root))
    train.main([config, "--device", "cpu", "training.max_iterations=1"])
    generate.main([config, "--device", "cpu"])
    evaluation.main([config])
    return folder / "run"


@pytest.fixture
def user(tmp_path, ball_root, finished_run, capsys, monkeypatch, without_shape_checks) -> User:
    write_small_config(tmp_path, ball_root)
    monkeypatch.chdir(tmp_path)
    return User(tmp_path, ball_root, finished_run, capsys, monkeypatch)


@pytest.mark.parametrize(("stage", "title"), ROWS, ids=[title for _, title in ROWS])
def test_a_mistake_gives_the_message_of_the_document(stage, title, user):
    message = " ".join(MISTAKES[stage][title](user).split())
    assert re.fullmatch(pattern(documented()[stage, title]), message), message
    assert not (user.folder / "harmed").exists()


def test_the_document_and_this_table_list_the_same_mistakes():
    assert list(documented()) == ROWS


def test_other_exit_statuses():
    def interrupted(arguments: Sequence[str]) -> None:
        raise KeyboardInterrupt

    assert exit_status(interrupted, []) == EXIT_INTERRUPTED
    assert exit_status(lambda arguments: None, []) == 0
