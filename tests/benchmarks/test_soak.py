"""The soak: what counts as growth, what is watched, and a short one of the whole pipeline."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.soak import processes, soak
from benchmarks.soak.growth import (
    MARGINS,
    DiskUse,
    growth_over,
    growth_within,
    measure_disk,
    settled,
)
from benchmarks.soak.processes import Sample, SoakError, Stop, WatchedCommand, group_members
from benchmarks.soak.report import Findings, Stage, format_verdicts, judge, plot
from im2mesh.errors import UserError

needs_linux = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="the soak reads /proc"
)
STAGES = ("steady", "generate", "evaluate")


def test_what_warms_up_and_then_stays_has_not_grown():
    memory = [100.0, 200.0, 300.0, *[400.0] * 9]
    verdict = growth_within("memory", memory, MARGINS["memory"])
    assert (verdict.start, verdict.end, verdict.grew) == (400, 400, False)
    assert verdict.limit == pytest.approx(440)


def test_what_rises_all_the_time_has_grown():
    rng = random.Random(0)
    memory = [400 + 2.0 * k + rng.uniform(-5, 5) for k in range(100)]
    assert growth_within("memory", memory, MARGINS["memory"]).grew
    assert growth_within("threads", [7] * 12 + [9] * 4, MARGINS["threads"]).grew


def test_a_moment_is_no_growth_and_the_margin_is_the_limit():
    handles = [120] * 17 + [200] + [120] * 2
    assert not growth_within("handles", handles, MARGINS["handles"]).grew
    assert not growth_over("handles", [120, 130], MARGINS["handles"]).grew
    assert growth_over("handles", [120, 131], MARGINS["handles"]).grew


def test_rounds_are_compared_from_the_first_third_to_the_last():
    verdict = growth_over("files", [9, 8, 9, 50, 9, 10, 10], MARGINS["files"])
    assert (verdict.start, verdict.end, verdict.grew) == (8.5, 10, True)


def test_the_level_of_a_command_leaves_out_its_start():
    assert settled([2, 116, 147, 188, 194, 195]) == 194


def test_too_little_to_tell_is_an_error():
    with pytest.raises(UserError, match="handles: 7 samples, but 8 are needed"):
        growth_within("handles", [1] * 7, MARGINS["handles"])
    with pytest.raises(UserError, match="files: 1 round, but 2 are needed"):
        growth_over("files", [3], MARGINS["files"])


def test_disk_use_tells_event_files_and_leftovers_apart(tmp_path):
    run, temporary = tmp_path / "run", tmp_path / "tmp"
    for path in (
        run / "model.pt",
        run / "model.pt.tmp",
        run / "logs" / "events.out.tfevents.1",
        run / "logs" / "events.out.tfevents.2",
        temporary / "cache" / "kernel",
        temporary / "pymp-abc" / "listener",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0" * 1000)
    half_written = (str(run / "model.pt.tmp"),)
    assert measure_disk(run, temporary) == DiskUse(1, 0.001, 2, 2, half_written)


def findings(handles=(100, 100), files=(130, 130), leftovers=0) -> Findings:
    """Of two rounds; `handles` and `files` are those of each round."""
    stages = [
        Stage(name, tuple(Sample(k / 2, 300.0, number, 7) for k in range(12)))
        for number in handles
        for name in STAGES
    ]
    long = Stage("long", tuple(Sample(k / 2, 300.0, 100, 7) for k in range(12)))
    disk = [DiskUse(number, 40.0, 3, 1, ()) for number in files]
    counts = Counter({"starts of training": 3, "stops by SIGKILL": 1})
    counts["left-over processes"] = leftovers
    return Findings([*stages, long], disk, counts)


def grown(found: Findings) -> list[str]:
    return [verdict.what for verdict in judge(found) if verdict.grew]


def test_everything_that_grew_is_named():
    assert grown(findings()) == []
    assert grown(findings(handles=(100, 111))) == [
        f"over rounds: handles of {name}" for name in STAGES
    ]
    assert grown(findings(files=(130, 131))) == ["over rounds: files of the run"]
    assert grown(findings(leftovers=1)) == ["processes left 10 s after a stop"]
    table = format_verdicts(judge(findings(files=(130, 131))))
    assert "| over rounds: files of the run | 130 | 131 | 130 | GREW |" in table
    assert "| within the last training: memory [MiB] | 300 | 300 | 335 | ok |" in table


def test_loading_for_longer_is_no_growth_of_a_short_command():
    """A busy machine loads libraries for one, or for three, of four samples."""
    found = findings()
    for index, stage in enumerate(found.stages):
        if stage.name == "generate":
            handles = [3, 3, 3, 68] if index < len(STAGES) else [3, 68, 68, 68]
            samples = tuple(Sample(k / 2, 200.0, held, 2) for k, held in enumerate(handles))
            found.stages[index] = Stage("generate", samples)
    assert grown(found) == []


def test_the_picture_is_drawn(tmp_path):
    plot(tmp_path / "memory.png", findings())
    assert (tmp_path / "memory.png").stat().st_size > 5000


def watch(code: str, folder: Path) -> WatchedCommand:
    return WatchedCommand(["-c", code], folder / "command.log", {})


def sample_of(code: str, folder: Path) -> Sample:
    """Of a command that prints when it is ready, and then waits."""
    with watch(f"{code}\nprint('rea' + 'dy')\nimport time; time.sleep(60)", folder) as command:
        command.run_until(lambda: "ready" in command.text(), 30)
        command.samples.clear()
        command.run_until(lambda: bool(command.samples), 30)
    assert group_members(command.group) == []
    return command.samples[0]


@needs_linux
def test_a_sample_counts_memory_handles_and_threads(tmp_path):
    idle = sample_of("", tmp_path)
    busy = sample_of(
        "import threading, time\n"
        "memory = bytearray(50 * 2**20)\n"
        "files = [open('/dev/null') for _ in range(5)]\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        tmp_path,
    )
    assert busy.memory - idle.memory == pytest.approx(50, abs=5)
    assert (busy.handles - idle.handles, busy.threads - idle.threads) == (5, 1)


@needs_linux
def test_children_that_outlive_a_killed_process_are_counted_and_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "SECONDS_TO_DIE", 0.5)
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "time.sleep(60)"
    )
    with watch(code, tmp_path) as command:
        command.run_until(lambda: len(group_members(command.group)) > 1, 30)
        command.stop(Stop.KILL)
        assert command.wait(30) == -9
        assert command.count_leftovers() == 1
    assert group_members(command.group) == []


@needs_linux
def test_an_end_that_nobody_asked_for_names_the_log(tmp_path):
    with (
        watch("print('no more')", tmp_path) as command,
        pytest.raises(SoakError, match=r"ended by itself, status 0: .*command\.log"),
    ):
        command.run_for(30)
    with pytest.raises(SoakError, match=r"nothing like .* in .*command\.log"):
        soak.numbers(soak.GENERATED, command)


@needs_linux
@pytest.mark.parametrize(
    ("printed", "how", "status", "problem"),
    [
        ("saved", Stop.INTERRUPT, 130, "status 130 after SIGINT"),
        ("saved", Stop.KILL, 0, "status 0 after SIGKILL"),
        ("Traceback", Stop.TERMINATE, 0, "a traceback after SIGTERM"),
        ("Traceback\nValueError: what", Stop.KILL, -9, "a traceback after SIGKILL"),
        ("out of memory", Stop.KILL_WORKER, 1, "status 1 after SIGKILL of a worker"),
        ("train: 1%, loss=nan, kl=0.1", Stop.TERMINATE, 0, "a loss that is not finite"),
    ],
)
def test_a_training_must_end_as_it_was_stopped(printed, how, status, problem, tmp_path):
    with watch(f"print({printed!r})", tmp_path) as command:
        command.wait(30)
    with pytest.raises(SoakError, match=rf"{problem}: .*command\.log"):
        soak.check_end(command, how, status)


@needs_linux
def test_a_worker_may_tell_that_its_training_was_killed(tmp_path):
    says = "print('Trace' + 'back:', 'BrokenPipeError: [Errno 32] Broken pipe', sep=chr(10))"
    with watch(says, tmp_path) as command:  # the log begins with the command, unlike what it says
        command.wait(30)
    soak.check_end(command, Stop.KILL, -9)
    with pytest.raises(SoakError, match="a traceback after SIGINT"):
        soak.check_end(command, Stop.INTERRUPT, 0)


@needs_linux
@pytest.mark.slow
def test_two_minutes_of_everything(tmp_path):
    """As a user starts it: it ends with status 0, and says what it did."""
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", "2", "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = (tmp_path / "report.md").read_text()
    assert "GREW" not in report and "nothing grew" in report
    for how in Stop:
        assert f"stops by {how.value}: " in report
    assert (tmp_path / "memory.png").stat().st_size > 5000
