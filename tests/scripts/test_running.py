"""A study ends its scripts when it is ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from im2mesh.errors import UserError
from scripts.experiments.running import run_script

ROOT = Path(__file__).parents[2]
STUDY = """
import sys
from pathlib import Path
from im2mesh.command_line import exit_status
from scripts.experiments.engine import Experiment, run_side_by_side
from scripts.experiments.running import pass_on_signals, run_script

def run(experiment, threads):
    run_script([sys.argv[1], experiment.name], Path(experiment.name + ".log"), threads)

@pass_on_signals()
def main(_arguments):
    experiments = [Experiment("first", ""), Experiment("second", "")]
    if sys.argv[2] == "side by side":
        run_side_by_side(run, experiments, 1)
    else:
        for experiment in experiments:
            run(experiment, 1)

sys.exit(exit_status(main))
"""
SCRIPT = """
import os, sys, time
from pathlib import Path
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signal to end a process")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("way", ["side by side", "one by one"])
def test_a_study_that_is_ended_ends_its_scripts_and_starts_no_more(tmp_path, way, number):
    (tmp_path / "study.py").write_text(STUDY)
    (tmp_path / "script.py").write_text(SCRIPT)
    study = subprocess.Popen(
        [sys.executable, "study.py", "script.py", way],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    started = tmp_path / "first"
    deadline = time.monotonic() + 120
    while not (started.is_file() and started.read_text()):
        assert study.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    study.send_signal(number)
    _, error = study.communicate(timeout=60)
    assert "run the same command again to go on" in error
    assert study.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert not (tmp_path / "second").exists()


def test_a_script_that_fails_is_named_with_its_log(tmp_path):
    (tmp_path / "script.py").write_text("raise SystemExit(3)")
    log = tmp_path / "logs" / "script.log"
    with pytest.raises(UserError, match=r"script\.py ended with status 3; see .*script\.log"):
        run_script([str(tmp_path / "script.py")], log)
    assert "$ python" in log.read_text()
