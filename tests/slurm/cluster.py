"""A Slurm cluster of pretended machines: a head and two nodes."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.slurm.machines import Machine, add_network, plug_in

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "ip", "unshare", "nsenter")
INSTALL = "apt-get install slurm-wlm munge iproute2"
HEAD, NODES = "head", ("n1", "n2")
ADDRESSES = {"head": "10.0.0.1", "n1": "10.0.0.11", "n2": "10.0.0.12"}
SETTINGS = """
ClusterName=pretended
SlurmctldHost=head
SlurmUser=root
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
KillOnBadExit=1
SlurmdParameters=config_overrides
SlurmdTimeout=10
SchedulerParameters=sched_interval=3,bf_interval=3
ReturnToService=2
NodeName=n1 NodeAddr=10.0.0.11 CPUs=128 Gres=gpu:8
NodeName=n2 NodeAddr=10.0.0.12 CPUs=128 Gres=gpu:8
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
"""cred_expire is also what a job waits before it runs again; config_overrides lets a node claim
more CPUs than it has; with ReturnToService=2 a node that was down is used once it registers.
KillOnBadExit=1, as some clusters have it, is what the example of generation has to overrule."""
PATIENCE = 180
"""Seconds to wait for anything; a program alone takes ten to start, or more on a busy machine."""

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if not shutil.which(name)]


class Cluster:
    """Slurm and munge with all their files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",  # more threads would round otherwise
        }
        self.machines: dict[str, Machine] = {}
        self._daemons: list[subprocess.Popen] = []

    def start(self) -> None:
        self._write_files()
        head = self.machines[HEAD] = Machine(HEAD, self.folder / "hosts")
        add_network(head, ADDRESSES[HEAD])
        self._start_daemon(
            HEAD, "munged", "--foreground", "--force", f"--key-file={self.folder / 'munge.key'}",
            f"--socket={self.folder / 'munge.socket'}", f"--pid-file={self.folder / 'munged.pid'}",
            f"--seed-file={self.folder / 'munge.seed'}",
        )  # fmt: skip
        self.wait_for((self.folder / "munge.socket").exists, "munge's socket")
        self._start_daemon(HEAD, "slurmctld", "-D")
        for name in NODES:
            self.start_node(name)
        for name in NODES:
            self.wait_for(lambda name=name: self.state_of(name) == "IDLE", f"node {name}")

    def stop(self) -> None:
        for machine in self.machines.values():
            machine.kill()
        for daemon in self._daemons:
            daemon.wait()

    def start_node(self, name: str) -> None:
        """Start a node for the first time, or again after it was killed."""
        self.machines[name] = Machine(name, self.folder / "hosts")
        plug_in(self.machines[HEAD], self.machines[name], ADDRESSES[name])
        self._start_daemon(name, "slurmd", "-D", "-N", name)

    def submit(self, script: str, folder: Path) -> str:
        """Queue a script from the root of the repository; returns the number of the job."""
        path = folder / "job.sh"
        path.write_text(script)
        log = f"--output={folder / 'job-%j.log'}"
        answer = self.run("sbatch", "--parsable", f"--chdir={Path.cwd()}", log, str(path))
        return answer.strip()

    def job(self, number: str) -> dict[str, str]:
        """What Slurm knows of a job, as its own names say it."""
        return _fields(self.run("scontrol", "--oneliner", "show", "job", number))

    def step(self, name: str) -> dict[str, str]:
        return _fields(self.run("scontrol", "--oneliner", "show", "step", name))

    def output_of(self, number: str) -> str:
        return Path(self.job(number)["StdOut"]).read_text()

    def state_of(self, node: str) -> str:
        try:
            return _fields(self.run("scontrol", "--oneliner", "show", "node", node))["State"]
        except subprocess.CalledProcessError:
            return "UNKNOWN"  # the controller does not answer yet

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands on the head; returns what it says."""
        return subprocess.run(
            self.machines[HEAD].inside(*command),
            env=self.environment, check=True, capture_output=True, text=True, timeout=60,
        ).stdout  # fmt: skip

    def wait_for(self, condition: Callable[[], bool], what: str, pause: float = 0.3) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {PATIENCE} s\n{self.ends_of_logs()}")
            time.sleep(pause)

    def wait_for_state(self, number: str, state: str) -> None:
        def has_come() -> bool:
            found = self.job(number)["JobState"]
            if found in ENDED and found != state:
                raise AssertionError(f"job {number} is {found}\n{self.ends_of_logs()}")
            return found == state

        self.wait_for(has_come, f"job {number} {state}")

    def wait_for_restarts(self, number: str, count: int) -> None:
        def are_made() -> bool:
            return self.job(number)["Restarts"] == str(count)

        self.wait_for(are_made, f"job {number} queued again, time {count}")

    def ends_of_logs(self) -> str:
        logs = [*self.folder.glob("*.log"), *self.folder.parent.glob("*/job-*.log")]
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in sorted(logs)
        )

    def _write_files(self) -> None:
        (self.folder / "state").mkdir()
        (self.folder / "slurm.conf").write_text(SETTINGS.format(folder=self.folder))
        for number in range(8):  # devices like /dev/null: Slurm numbers only what is a device
            null = Path("/dev/null").stat()
            os.mknod(self.folder / f"gpu{number}", null.st_mode, null.st_rdev)
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-7]\n")
        (self.folder / "hosts").write_text(
            "127.0.0.1 localhost\n" + "".join(f"{a} {name}\n" for name, a in ADDRESSES.items())
        )
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))

    def _start_daemon(self, machine: str, *command: str) -> None:
        with (self.folder / f"{command[0]}-{machine}.log").open("a") as log:
            daemon = subprocess.Popen(
                self.machines[machine].inside(*command), env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._daemons.append(daemon)


def _fields(line: str) -> dict[str, str]:
    return dict(re.findall(r"([\w:]+)=(\S*)", line))
