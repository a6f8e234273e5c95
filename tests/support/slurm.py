"""A private Slurm on this machine: munge, one controller, several nodes on the loopback device."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.support.clusters import wait_for
from tests.support.paths import WORKFLOWS

POLL = 0.2
"""Seconds between questions to the controller, each of which is a process."""
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")


CONFIGURATION = """
ClusterName=geoseg-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
SlurmdTimeout=5
MessageTimeout=5
KillWait=6
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
GresTypes=gpu
"""
NODE = (
    "NodeName=n{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 Boards=1 "
    "SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=64000 Gres=gpu:2 State=UNKNOWN"
)
PARTITIONS = """
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=0
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def why_not() -> str | None:
    """Why there can be no Slurm here, None if there can."""
    missing = [
        name for name in DAEMONS if shutil.which(name, path=f"{os.defpath}:/usr/sbin") is None
    ]
    if missing:
        return f"no {', '.join(missing)}: apt-get install munge slurmctld slurmd slurm-client"
    return None if os.getuid() == 0 else "only root can run slurmd"


def free_ports(number: int) -> int:
    """The first of some free ports in a row, below those that Linux gives to whoever asks."""
    while True:
        first = random.randrange(10_000, 32_000)
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + number):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


class Slurm:
    """The cluster: run its commands, look at its jobs, lose a node."""

    def __init__(self, folder: Path, nodes: int):
        self.folder, self.nodes = folder, nodes
        for name in ("state", "log", "munge", "run", *(f"spool/n{i}" for i in range(1, nodes + 1))):
            (folder / name).mkdir(parents=True)
        port = free_ports(nodes + 1)
        host = socket.gethostname().partition(".")[0]
        for number in range(2):
            os.mknod(folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
        (folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={folder}/gpu[0-1]\n")
        lines = [CONFIGURATION.format(host=host, port=port, folder=folder)]
        lines += [NODE.format(i=i, host=host, port=port + i) for i in range(1, nodes + 1)]
        (folder / "slurm.conf").write_text("\n".join([*lines, PARTITIONS]))
        self.env = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin",
            "PYTHONPATH": str(WORKFLOWS.parent),
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> None:
        """Start the daemons and wait until all nodes are idle."""
        key = self.folder / "munge" / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        names = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "../run/munged.pid"}
        names |= {"log-file": "munged.log", "seed-file": "munged.seed"}
        places = (f"--{k}={(self.folder / 'munge' / v).resolve()}" for k, v in names.items())
        self.run("munged", "--force", *places)
        self.run("slurmctld", "-c")
        for number in range(1, self.nodes + 1):
            self.start_node(f"n{number}")
        idle = ("sinfo", "-h", "-N", "-p", "main", "-t", "idle", "-o", "%N")
        wait_for(lambda: len(self.run(*idle).split()) == self.nodes, pause=POLL)

    def start_node(self, name: str) -> None:
        """Start the daemon of a node."""
        self.run("slurmd", "-N", name)

    def lose_node(self, name: str) -> None:
        """Kill a node's daemon, its step managers and their tasks, as a power cut does."""
        daemon = int((self.folder / "run" / f"slurmd-{name}.pid").read_text())
        lost = [daemon, *self._steps(name)]
        tasks = [child for step in lost[1:] for child in _below(step)]
        for number in (*lost, *tasks):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _steps(self, node: str) -> list[int]:
        """Step managers of a node, told by its log, which they write to."""
        log = self.folder / "log" / f"slurmd-{node}.log"
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "comm").read_text().strip() == "slurmstepd" and any(
                    link.readlink() == log for link in (process / "fd").iterdir()
                ):
                    found.append(int(process.name))
        return found

    def run(self, *command: object, cwd: Path | None = None, **env: str) -> str:
        """Run one of Slurm's commands; what it printed."""
        done = subprocess.run(
            [str(part) for part in command], env={**self.env, **env}, cwd=cwd or self.folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr, done.stdout)
        return done.stdout.strip()

    def queue(self) -> list[str]:
        """State and reason of each job that is not finished."""
        return self.run("squeue", "-h", "-r", "-o", "%i %T %r").splitlines()

    def finish(self, seconds: float = 120) -> None:
        """Wait until no job is left."""
        wait_for(lambda: not self.queue(), seconds, POLL)

    def job(self, number: str) -> dict[str, str]:
        """What the controller knows of a job."""
        words = self.run("scontrol", "-o", "show", "job", number).split()
        return dict(word.partition("=")[::2] for word in words)

    def restarted(self, array: str, *shards: int) -> bool:
        """Whether each of these shards of an array was requeued once."""
        return all(self.job(f"{array}_{shard}")["Restarts"] == "1" for shard in shards)

    def close(self) -> list[int]:
        """End the jobs and the daemons; the process numbers of those that would not go."""
        with suppress(AssertionError):
            self.run("scancel", "--full", "-u", "root")
            wait_for(lambda: not self.queue(), 15, POLL)
        files = [*self.folder.glob("run/slurmd-*.pid"), self.folder / "run" / "slurmctld.pid"]
        ended = []
        for file in (*files, self.folder / "run" / "munged.pid"):
            with suppress(OSError, ValueError):
                number = int(file.read_text())
                # Nobody needs its state again, and it takes 12 s to save it.
                final = signal.SIGKILL if file.name == "slurmctld.pid" else signal.SIGTERM
                os.kill(number, final)
                ended.append(number)
        return [number for number in ended if not _gone(number, 15)]


def _below(parent: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = process.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                number = int(process.parent.name)
                found += [number, *_below(number)]
    return found


def _gone(number: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@contextmanager
def private_slurm(folder: Path, nodes: int = 3) -> Iterator[Slurm]:
    """A Slurm that ends with the tests."""
    slurm = Slurm(folder, nodes)
    try:
        slurm.start()
        yield slurm
    finally:
        assert slurm.close() == []
