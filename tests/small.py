"""A config so small that training it takes seconds, and a checkpoint of next to nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from im2mesh.runs.checkpoints import Checkpoint, TrainingState

SIZES = """
data:
  root: {root}
  num_frames: 5
  skip_frames: 0
  eval_stride: 4
  num_input_points: 40
  num_points: 64
  num_correspondence_points: 16
model:
  code_size: 16
  encoder: {{name: pointnet_resnet, hidden_size: 16, num_blocks: 2}}
  encoder_temporal: {{name: pointnet_resnet, hidden_size: 16, num_blocks: 2}}
  decoder: {{hidden_size: 16, num_blocks: 2}}
  velocity_field: {{hidden_size: 16, num_blocks: 2}}
ode: {{method: rk4, step_size: 0.5, gradient: direct}}
loss: {{correspondence: 1.0}}
training:
  batch_size: 4
  max_iterations: 6
  learning_rate: 0.01
  num_workers: 0
  print_every: 2
  save_every: 3
  validate_every: 3
validation: {{num_points: 200}}
generation: {{resolution: 8, upsampling_steps: 1, threshold: 0.5}}
evaluation: {{num_samples: 500}}
"""


def write_small_config(folder: Path, data_root: Path) -> Path:
    """A config file with an output folder beside it."""
    path = folder / "small.yaml"
    path.write_text(f"output_dir: {folder / 'run'}\n{SIZES.format(root=data_root)}")
    return path


def empty_checkpoint(**changes: Any) -> Checkpoint:
    """Of no model, but valid."""
    origin = {"code": "1.0", "config": "c", "dataset": "d", "seed": 0, "packages": {}, "since": 0}
    optimizer = {"state": {}, "param_groups": []}
    state = TrainingState(0, 1.5, 0.25, 0, [origin])
    of_state = {key: changes.pop(key) for key in vars(state) if key in changes}
    empty = Checkpoint({"data": {}, "model": {}}, {}, optimizer, replace(state, **of_state))
    return replace(empty, **changes)
