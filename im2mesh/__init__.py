"""Occupancy Flow: dense 4D reconstruction of moving bodies (Niemeyer et al., ICCV 2019).

Read the folders in the order of the pipeline:
    config         YAML files -> a checked configuration
    data           clips on disk -> windows, samples and batches
    models         encoders, the flow and the occupancy decoder; baselines; our local codes
    losses         the terms that training minimises
    training       the training loop: steps, validation, stopping and resuming
    generation     a trained model and observations -> moving meshes
    meshing        meshes: extraction from occupancy, files, rendering
    evaluation     meshes and true points -> metrics, tables and plots
    studies        several trained runs -> comparisons
    visualization  meshes and their errors -> pictures
Beside them stand `pretrained` (weights that ship), `synthesis` (synthetic bodies), `compat` (the
authors' checkpoints), `runs` (what a run leaves on disk), `machine` (devices and processes) and
`files` (safe reading and writing).
`build.py` joins all parts; `reconstruction.py` is the door to the library.
"""

from importlib.util import find_spec

__version__ = "0.1.0"

if find_spec("torch") is None:  # the first line that runs, and the one place to say it well
    raise ModuleNotFoundError(
        "No module named 'torch'; activate the environment: source .venv/bin/activate (on Windows "
        ".venv/Scripts/activate), which bash scripts/setup.sh makes",
        name="torch",
    )
