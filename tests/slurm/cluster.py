"""A Slurm cluster on this machine: a controller and four nodes on loopback, two of them with fake GPUs.

Needs root (nodes run jobs, devices are made) and Debian's packages `slurm-wlm` and `munge` (install.sh).
All files lie in one folder, and every daemon is a child of this process. It has no accounting and needs
neither cgroups nor systemd.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SEARCH = os.environ["PATH"] + ":/usr/sbin:/sbin"
PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
GPU_NODES = ("gpu0", "gpu1")
CPU_NODES = ("cpu0", "cpu1")
NODES = (*GPU_NODES, *CPU_NODES)
GPUS_OF_A_NODE = 2
PATIENCE_S = 60.0
NULL_DEVICE = os.makedev(1, 3)

CONFIGURATION = """
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=30
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
DefMemPerCPU=200
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MinJobAge=3600
SchedulerParameters=sched_interval=5,bf_interval=5
{nodes}
PartitionName=gpu Nodes={gpu_nodes} State=UP
PartitionName=cpu Nodes={cpu_nodes} State=UP Default=YES
"""


class NoSlurm(Exception):
    """Slurm cannot run on this machine; the text says why."""


def missing() -> str:
    """Why no cluster can be started here, or an empty text."""
    if os.geteuid() != 0:
        return "a Slurm cluster is started as root only"
    if absent := [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]:
        return f"no {', '.join(absent)} here: run tests/slurm/install.sh"
    with tempfile.TemporaryDirectory() as folder:
        try:
            _make_device(Path(folder) / "gpu")
        except PermissionError:
            return "no devices can be made here, as fake GPUs: mknod is not permitted"
    return ""


class Cluster:
    """A running cluster; `stop` ends everything that it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SLURM_")},
            "PATH": f"{folder / 'bin'}:{SEARCH}",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }

    def start(self) -> None:
        """Start all daemons and wait until every node is idle; NoSlurm with what they logged if none is."""
        self._configure()
        munge = ("--foreground", "--force", "--key-file", "munge.key", "--socket", "munge.socket")
        files = ("--pid-file", "munged.pid", "--seed-file", "munge.seed")
        self._spawn("munged", "munged", *(self._absolute(one) for one in (*munge, *files)))
        self._await(lambda: (self.folder / "munge.socket").exists(), "munged")
        self.start_controller("-c")
        for node in NODES:
            self.start_node(node)
        self._await(lambda: set(self.node_states()) == {"idle"}, "nodes")

    def start_controller(self, *options: str) -> None:
        """Start the controller; the option -c forgets the state of an earlier one."""
        self._spawn("slurmctld", "slurmctld", "-D", *options)
        self._await(lambda: bool(self.node_states()), "slurmctld")

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._spawn(node, "slurmd", "-D", "-N", node)

    def stop(self) -> None:
        """Cancel all jobs and end every daemon and every process that a node began."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--user", "root", "--signal", "KILL", "--full", timeout=10)
            self.call("scancel", "--user", "root", timeout=10)
        for name in (*NODES, "slurmctld", "munged"):
            self.end(name, signal.SIGTERM)
        for process in self.processes():
            _kill(process)

    def end(self, daemon: str, how: signal.Signals) -> None:
        """End one daemon by a signal, or by SIGKILL if that does not help."""
        process = self.daemons.pop(daemon, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(PATIENCE_S / 4)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def lose(self, node: str) -> None:
        """Lose a node as by a power cut: its daemon and all processes of its jobs die at once."""
        jobs = self.call("squeue", "--noheader", "--format", "%A", "--nodelist", node).split()
        self.end(node, signal.SIGKILL)
        for job in jobs:
            for process in self.processes(job):
                _kill(process)

    def call(self, *command: str, timeout: float = PATIENCE_S) -> str:
        """Run a command of Slurm and return what it said."""
        return subprocess.run(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=timeout,
        ).stdout

    def node_states(self) -> list[str]:
        """The state of every node, or nothing where the controller does not answer."""
        try:
            return self.call("sinfo", "--noheader", "--Node", "--format", "%T").split()
        except subprocess.CalledProcessError:
            return []

    def jobs(self) -> list[dict[str, str]]:
        """What the controller knows of each job, ended ones too, in order of submission."""
        said = self.call("scontrol", "--oneliner", "--details", "show", "job")
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in said.splitlines() if "JobId=" in line]

    def processes(self, job: str | None = None, doing: str = "") -> list[int]:
        """Processes that jobs began, those of one job if it is given, whose command line says `doing`."""
        inside = f"SLURM_CONF={self.environment['SLURM_CONF']}"
        daemons = {daemon.pid for daemon in self.daemons.values()}
        found = []
        for number, environment, command in _all_processes():
            began = [one.partition("=")[2] for one in environment if one.startswith("SLURM_JOB_ID=")]
            watched = re.findall(r"^slurmstepd: \[(\d+)\.", command)
            ours = inside in environment and number not in daemons and bool(began + watched)
            if ours and doing in command and job in (None, *began, *watched):
                found.append(number)
        return found

    def busy_with(self, doing: str) -> str | None:
        """The job that runs a process whose command line says `doing`."""
        for job in self.jobs():
            if job["JobState"] == "RUNNING" and self.processes(job["JobId"], doing):
                return job["JobId"]
        return None

    def _configure(self) -> None:
        # The executor's jobs call srun without SLURM_CONF: it would look for a configuration in /etc.
        srun = self.folder / "bin/srun"
        srun.parent.mkdir()
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun", path=SEARCH)} "$@"\n'
        )
        srun.chmod(0o755)
        ports = iter(_free_ports(1 + len(NODES)))
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        devices = [self.folder / f"gpu{number}" for number in range(GPUS_OF_A_NODE)]
        for device in devices:
            _make_device(device)
        shared = "NodeName={0} NodeHostname=localhost NodeAddr=127.0.0.1 Port={1} CPUs=4 RealMemory=200000{2}"
        gres = f" Gres=gpu:fake:{GPUS_OF_A_NODE}"
        controller = next(ports)
        nodes = [shared.format(name, next(ports), gres if name in GPU_NODES else "") for name in NODES]
        text = CONFIGURATION.format(
            folder=self.folder,
            controller_port=controller,
            nodes="\n".join(nodes),
            gpu_nodes=",".join(GPU_NODES),
            cpu_nodes=",".join(CPU_NODES),
        )
        (self.folder / "slurm.conf").write_text(text)
        files = ",".join(str(device) for device in devices)
        lines = [f"NodeName={node} Name=gpu Type=fake File={files}" for node in GPU_NODES]
        (self.folder / "gres.conf").write_text("\n".join(["AutoDetect=off", *lines, ""]))

    def _absolute(self, argument: str) -> str:
        return argument if argument.startswith("-") else str(self.folder / argument)

    def _spawn(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.out").open("ab")
        self.daemons[name] = subprocess.Popen(
            ("setpriv", "--pdeathsig", "TERM", *command),  # should these tests be killed, daemons end too
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def _await(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            dead = [name for name, process in self.daemons.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = [
                    path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.[lo][ou][gt]")
                ]
                raise NoSlurm(f"{what} did not start; ended: {dead}\n" + "\n".join(logs))
            time.sleep(0.2)


def _make_device(path: Path) -> None:
    """Make a device that is /dev/null by another name."""
    os.mknod(path, stat.S_IFCHR | 0o666, NULL_DEVICE)


def _free_ports(n: int) -> list[int]:
    """Ports of loopback that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _all_processes() -> Iterator[tuple[int, list[str], str]]:
    """Every process: its number, environment and command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (folder / "environ").read_text(errors="replace").split("\0")
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
            yield int(folder.name), environment, command


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
