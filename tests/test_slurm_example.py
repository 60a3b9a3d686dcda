"""The Slurm script of docs/scaling.md under plain bash, with stand-ins for Slurm's commands."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

TRAINING = """
trap 'echo TERM >> "$FOLDER/log"; is_asked=yes' TERM
echo $$ > "$FOLDER/pid"
for _ in {1..500}; do
    [ "$is_asked" ] || [ -s "$FOLDER/status" ] && break
    sleep 0.02
done
if [ "$is_asked" ]; then sleep 0.5; echo saved >> "$FOLDER/log"; fi
[ -s "$FOLDER/status" ] && exit "$(cat "$FOLDER/status")"
exit 1
"""
"""Ends when it is given a status, or when asked to and saved, as torchrun does with status 1."""
STAND_INS = {
    "srun": TRAINING,
    "scancel": 'echo "scancel $*" >> "$FOLDER/log"; kill -TERM "$(cat "$FOLDER/pid")"',
    "scontrol": '[ "$1" = show ] && echo first || echo "scontrol $*" >> "$FOLDER/log"',
}


@pytest.fixture
def job(tmp_path):
    """The script, running, as soon as its training does."""
    for name, commands in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{commands}\n")
        (tmp_path / name).chmod(0o755)
    text = Path("docs/scaling.md").read_text()
    (script,) = (s for s in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) if "train.py" in s)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "FOLDER": str(tmp_path),
        "SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": "first", "SLURM_NNODES": "1",
    }  # fmt: skip
    process = subprocess.Popen(["bash", "-c", script], env=environment)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    yield process
    process.kill()
    process.wait()


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def log_of(folder):
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def test_a_training_whose_time_is_up_saves_and_is_queued_again(job, tmp_path):
    job.send_signal(signal.SIGUSR1)
    wait_for(lambda: "TERM" in log_of(tmp_path))
    job.send_signal(signal.SIGUSR1)  # while it saves
    assert job.wait(20) == 1
    assert log_of(tmp_path) == [
        "scancel --signal=TERM 17.0",
        "TERM",
        "saved",
        "scontrol requeue 17",
    ]


def test_a_training_that_finishes_when_its_time_is_up_is_not_queued_again(job, tmp_path):
    job.send_signal(signal.SIGUSR1)
    wait_for(lambda: "TERM" in log_of(tmp_path))
    (tmp_path / "status").write_text("0")
    assert job.wait(20) == 0
    assert log_of(tmp_path)[-1] == "saved"


@pytest.mark.parametrize("status", [0, 3])
def test_a_training_that_ends_by_itself_is_not_queued_again(job, tmp_path, status):
    (tmp_path / "status").write_text(str(status))
    assert job.wait(20) == status
    assert log_of(tmp_path) == []


def test_a_job_that_is_cancelled_is_not_queued_again(job, tmp_path):
    """Slurm itself stops the training then, as tests/slurm shows."""
    job.send_signal(signal.SIGTERM)
    assert job.wait(20) == -signal.SIGTERM
    (tmp_path / "status").write_text("0")  # lets the training end
    assert log_of(tmp_path) == []
