"""Damaged files of every kind: a valid result or the documented error, in little memory and time.

What is checked stands in `tests/fuzzing.py`, which runs as a process of its own.
"""

import random
import subprocess
import sys

import pytest

from im2mesh.files.numbered import READ_FORMATS
from tests.readers import READERS

GROUPS = (
    ("ply", "off", "obj", "glb", "sequence"),
    ("gltf", "buffer", "stl", "xyz", "pcd", "las"),
    tuple(f"{format}.gz" for format in READ_FORMATS),
    ("cloud", "labels", "jpeg", "png", "split"),
    ("records", "window.json", "settings", "note"),
    ("config", "official", "official.yaml", "checkpoint", "resume", "generator", "snapshot"),
)
"""Readers that share a process, since importing what they need takes longer than reading."""


def run_fuzzing(*arguments: str) -> None:
    command = [sys.executable, "-m", "tests.fuzzing", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"


def test_every_reader_is_fuzzed():
    assert sorted(name for group in GROUPS for name in group) == sorted(READERS)


@pytest.mark.parametrize("readers", GROUPS, ids=lambda group: group[0])
def test_damaged_files_end_in_the_documented_error(readers):
    run_fuzzing("--examples", "100", *readers)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_many_more_damaged_files(reader):
    run_fuzzing("--examples", "5000", "--seed", str(random.randrange(2**32)), reader)
