"""What commands print for people, beside the errors of `test_errors.py`."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eval as evaluation
import generate
from im2mesh.command_line import add_clips, config_parser, parse_with_overrides
from im2mesh.data.images import _read_rgb
from im2mesh.data.storage import open_arrays
from im2mesh.errors import explain_system_error
from im2mesh.files.npz import read_arrays, read_checksums
from im2mesh.meshing.io import read_mesh
from im2mesh.meshing.mesh_sequence import MeshSequence
from tests.small import write_small_config

ROOT = Path(__file__).parents[1]
WARNINGS = """
import sys, warnings
from tqdm import tqdm
from im2mesh.command_line import exit_status
from im2mesh.errors import Advice

def main(_):
    for _ in tqdm(range(1)):
        warnings.warn("mind the gap", Advice, stacklevel=2)
        warnings.warn("of a library", UserWarning, stacklevel=2)

sys.exit(exit_status(main, []))
"""


def stderr_of(*arguments: str) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return result.returncode, result.stderr


def test_our_warnings_are_one_line_and_those_of_libraries_stay():
    status, told = stderr_of("-c", WARNINGS)
    assert status == 0 and "UserWarning: of a library" in told
    lines = re.split("[\r\n]", told)  # a progress bar goes back to the start of its line
    assert "warning: mind the gap" in lines


def test_without_the_environment_the_last_line_names_it():
    # -S leaves out the installed packages, as a system's Python does
    status, told = stderr_of("-S", "train.py", "configs/demo_train.yaml")
    assert status == 1
    assert "activate the environment: source .venv/bin/activate" in told.splitlines()[-1]


@pytest.mark.parametrize("main", [generate.main, evaluation.main])
def test_a_setting_after_the_names_of_clips_stays_a_setting(main, tmp_path, ball_root, capsys):
    config = str(write_small_config(tmp_path, ball_root))
    output = ["--output", str(tmp_path)] if main is evaluation.main else []
    names = ["--clips", "ball_a", "data.skip_frames=2", "ball_b", "ode.rtol=0.5"]
    main([config, *output, *names, "--print-config", "generation.seed=7"])
    told = capsys.readouterr().out
    assert "skip_frames: 2" in told and "rtol: 0.5" in told and "seed: 7" in told
    with pytest.raises(SystemExit):
        main([config, *output, "--clips", "data.skip_frames=2"])
    assert "argument --clips: expected at least one name" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--clouds", "--images"])
def test_a_setting_after_the_files_stays_a_setting(option, tmp_path, ball_root, capsys):
    config = str(write_small_config(tmp_path, ball_root))
    generate.main([config, "--print-config", option, "a folder", "generation.copies=2"])
    assert "copies: 2" in capsys.readouterr().out


def test_clips_are_still_names():
    parser = config_parser("", "x.py")
    add_clips(parser)
    args = parse_with_overrides(parser, ["a.yaml", "--clips", "A", "a.b=c", "50002_hips"])
    assert args.clips == ["A", "50002_hips"] and args.overrides == ["a.b=c"]
    assert parse_with_overrides(parser, ["a.yaml"]).clips is None


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.ply", read_mesh),
        ("a.npz", MeshSequence.load),
        ("a.npz", lambda path: open_arrays(str(path))),
        ("a.npz", read_arrays),
        ("a.jpg", lambda path: _read_rgb(str(path), "clip", 8)),
        ("a.npz", read_checksums),
    ],
)
def test_a_file_that_must_not_be_read_is_not_called_damaged(name, read, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_bytes(b"precious")

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(PermissionError) as caught:
        read(path)
    monkeypatch.undo()
    told = explain_system_error(caught.value)
    assert told is not None and told.startswith(
        f"{path}: Permission denied; change its permissions"
    )
