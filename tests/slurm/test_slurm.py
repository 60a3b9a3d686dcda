"""The examples of docs/scaling.md under a real Slurm: disturbed, they end with the same numbers."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

import eval as evaluation
import generate
from im2mesh.build import build_config
from im2mesh.runs.folder import RunFolder
from tests.runs.test_resuming import assert_same_run
from tests.slurm.cluster import INSTALL, NODES, Cluster, missing_programs
from tests.slurm.page import MACHINES, SHORT, TASKS, example
from tests.trainings import Trainings, newest_iteration, train_in_this_process

pytestmark = pytest.mark.slow

CPU = ["--device", "cpu"]
LOGGED = ["training.print_every=1", "training.validate_every=25"]
WINDOWS = ["data.eval_stride=1", "--split", "train"]
FINER = ["generation.resolution=32", *CPU]
NUM_WINDOWS = 16


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory):
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)}; on Debian: {INSTALL}")
    if os.geteuid() != 0:
        pytest.skip("only root can make machines of namespaces: run this test as root")
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(running_cluster):
    """The cluster, without jobs of a test that has failed."""
    yield running_cluster
    running_cluster.run("scancel", "--user=root")


def test_a_training_whose_time_is_up_goes_on_in_the_next_job(
    cluster, tmp_path, config_path, trainings
):
    """Nothing but the signal makes it save before its end."""
    run, overrides = RunFolder(tmp_path / "run"), [*LOGGED, "training.save_every=1000000"]
    set_steps(config_path, 1_000_000)
    without_signal = cluster.submit(
        "#!/bin/bash\n#SBATCH --time=1 --requeue\nsrun sleep 600", tmp_path
    )
    script = example("train.py", words(config_path, *overrides, *CPU), {**MACHINES, **SHORT})
    job = cluster.submit(script, tmp_path)
    cluster.wait_for(run.path.exists, "training")
    assert re.search(r"\bcpu[:=]64\b", cluster.step(f"{job}.0").get("TresPerTask", ""))
    cluster.wait_for_restarts(job, 1)
    stopped = newest_iteration(config_path, [])
    set_steps(config_path, stopped + 20)
    cluster.wait_for_state(job, "COMPLETED")
    log = cluster.output_of(job)
    assert stopped > 0 and resumed_at(log)[0] == stopped  # its time may be up once more
    assert "SIGTERM: saving after this step" in log
    assert_same_run(undisturbed(config_path, overrides, tmp_path, trainings), run)
    cluster.wait_for_state(without_signal, "TIMEOUT")
    assert cluster.job(without_signal)["Restarts"] == "0"


def test_a_training_whose_nodes_die_goes_on_when_they_are_back(
    cluster, tmp_path, config_path, trainings
):
    """First the second node, then that with the script and the main process."""
    run, overrides = RunFolder(tmp_path / "run"), [*LOGGED, "training.save_every=1"]
    set_steps(config_path, 1_000_000)
    script = example("train.py", words(config_path, *overrides, *CPU), MACHINES)
    job = cluster.submit(script, tmp_path)
    first, second = NODES
    iterations = [iteration_when_killed(cluster, second, job, config_path)]
    cluster.start_node(second)
    iterations.append(iteration_when_killed(cluster, first, job, config_path))
    set_steps(config_path, iterations[-1] + 20)
    cluster.start_node(first)
    cluster.wait_for_state(job, "COMPLETED")
    assert 0 < iterations[0] < iterations[1]
    assert resumed_at(cluster.output_of(job)) == iterations
    assert_same_run(undisturbed(config_path, overrides, tmp_path, trainings), run)


def test_a_training_that_is_cancelled_saves_and_is_not_queued_again(cluster, tmp_path, config_path):
    run, overrides = RunFolder(tmp_path / "run"), [*LOGGED, "training.save_every=1000000"]
    set_steps(config_path, 1_000_000)
    job = cluster.submit(
        example("train.py", words(config_path, *overrides, *CPU), MACHINES), tmp_path
    )
    cluster.wait_for(run.best_checkpoint.exists, "the first validation")
    cluster.run("scancel", job)
    cluster.wait_for_state(job, "CANCELLED")
    assert newest_iteration(config_path, []) >= 25


def test_two_tasks_of_which_one_dies_make_what_one_process_makes(cluster, tmp_path, config_path):
    run = RunFolder(tmp_path / "run")
    folder, report = run.generation("train"), run.evaluation("train")
    train_in_this_process(str(config_path), ["training.max_iterations=30"])

    script = example("generate.py", words(config_path, *WINDOWS, *FINER), TASKS)
    job = cluster.submit(script, tmp_path)
    cluster.wait_for(lambda: finished(folder) > 0, "the first window", pause=0.02)
    first, second = (task_of(job, rank) for rank in ("0", "1"))
    assert {value_of(task, "CUDA_VISIBLE_DEVICES") for task in (first, second)} == {"0", "1"}
    os.kill(first, signal.SIGKILL)
    assert finished(folder) < NUM_WINDOWS - 2, "generation is too fast: a finer grid is needed"
    cluster.wait_for_state(job, "FAILED")

    script = example("eval.py", words(config_path, *WINDOWS), TASKS)
    cluster.wait_for_state(cluster.submit(script, tmp_path), "COMPLETED")

    together = files_of(folder, "*/*/*/meshes/*.ply"), files_of(report, "*.*")
    shutil.rmtree(folder)
    shutil.rmtree(report)
    generate.main([str(config_path), *WINDOWS, *FINER])
    evaluation.main([str(config_path), *WINDOWS])
    assert len(together[0]) == NUM_WINDOWS * 5 and "summary.md" in map(str, together[1])
    assert together == (files_of(folder, "*/*/*/meshes/*.ply"), files_of(report, "*.*"))


def words(config: Path, *arguments: str) -> str:
    return " ".join([str(config), *arguments])


def set_steps(config: Path, count: int) -> None:
    """Change a training's length where a script finds it that is queued already."""
    text = re.sub(r"max_iterations: \d+", f"max_iterations: {count}", config.read_text())
    config.write_text(text)


def undisturbed(
    config: Path, overrides: list[str], folder: Path, trainings: Trainings
) -> RunFolder:
    """The same training without Slurm, in as many processes."""
    run = RunFolder(folder / "undisturbed")
    arguments = str(config), [*overrides, f"output_dir={run.path}"]
    assert trainings.run_ranks(2, train_in_this_process, *arguments) == [0, 0]
    return run


def iteration_when_killed(cluster: Cluster, node: str, job: str, config: Path) -> int:
    """Kill a node while it trains; returns, once the job is queued again, where it will go on."""
    run, restarts = RunFolder.of(build_config(config)), int(cluster.job(job)["Restarts"])
    cluster.wait_for_state(job, "RUNNING")
    begin = time.time()
    cluster.wait_for(lambda: has_saved_since(run, begin), "a checkpoint")
    time.sleep(2)  # some more steps
    cluster.machines[node].kill()
    cluster.wait_for_restarts(job, restarts + 1)
    return newest_iteration(config, [])


def resumed_at(log: str) -> list[int]:
    return [int(number) for number in re.findall(r"resuming \S+ at iteration (\d+)", log)]


def has_saved_since(run: RunFolder, moment: float) -> bool:
    try:
        return run.checkpoint.stat().st_mtime > moment
    except FileNotFoundError:
        return False


def finished(folder: Path) -> int:
    """Number of windows that are generated."""
    return len(list(folder.glob("*/*/*/window.json")))


def files_of(folder: Path, pattern: str) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob(pattern)}


def task_of(job: str, rank: str) -> int:
    """The process of a task, which runs on this machine, as all pretended ones do."""
    (found,) = (
        number
        for number in (int(path.name) for path in Path("/proc").glob("[0-9]*"))
        if (value_of(number, "SLURM_JOB_ID"), value_of(number, "RANK")) == (job, rank)
    )
    return found


def value_of(process: int, name: str) -> str | None:
    """A variable in the environment that a process was started with."""
    try:
        lines = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    except OSError:
        return None  # it has ended meanwhile
    return next((line[len(name) + 1 :] for line in lines if line.startswith(f"{name}=")), None)
