"""Pretended machines on this one, of Linux namespaces: processes, name and network of their own."""

import subprocess
from pathlib import Path

START = """
set -e
hostname "$0"
mount --bind "$1" /etc/hosts
ip link set lo up
echo started
cat  # until the pipe is closed, or the process at its other end has died
"""


class Machine:
    """A machine that lives until it is killed, or until the process that made it ends.

    All machines share the file system of the real one, but for /etc/hosts. Needs root.
    """

    def __init__(self, name: str, hosts: Path) -> None:
        command = [
            "unshare", "--fork", "--kill-child", "--mount-proc", "--pid", "--mount", "--net",
            "--uts", "bash", "-c", START, name, str(hosts),
        ]  # fmt: skip
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "started\n", f"{name} does not start"
        number = self._process.pid
        self.init = Path(f"/proc/{number}/task/{number}/children").read_text().strip()

    def inside(self, *command: str) -> list[str]:
        """A command as it has to be given here to run on that machine."""
        return ["nsenter", "--target", self.init, "--pid", "--mount", "--net", "--uts", *command]

    def run(self, *command: str) -> None:
        subprocess.run(self.inside(*command), check=True, capture_output=True, text=True)

    def kill(self) -> None:
        """End all processes and the network of the machine at once, as if its power had failed."""
        self._process.kill()
        self._process.communicate()


def add_network(center: Machine, address: str) -> None:
    """Put a switch into a machine, for others to be plugged in."""
    center.run("ip", "link", "add", "switch", "type", "bridge")
    center.run("ip", "address", "add", f"{address}/24", "dev", "switch")
    center.run("ip", "link", "set", "switch", "up")


def plug_in(center: Machine, other: Machine, address: str) -> None:
    """Lay a cable from the center to another machine; it disappears when that machine dies."""
    cable = ["ip", "link", "add", other.name, "type", "veth", "peer", "name", "eth0"]
    # not center.run: the number of the other's process is that of this machine
    into_network = ["nsenter", "--target", center.init, "--net"]
    subprocess.run([*into_network, *cable, "netns", other.init], check=True)
    center.run("ip", "link", "set", other.name, "master", "switch", "up")
    other.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    other.run("ip", "link", "set", "eth0", "up")
