"""Machines for jobs over ssh: Linux namespaces of this one, each with an address and an sshd.

They are on one switch and share the files of this machine. A link can be cut, slow or lossy; the
delay and the loss are made here, since not every kernel has the `netem` of tc.
"""

import contextlib
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path

from rnw.children import die_with

SSHD = "/usr/sbin/sshd"
ADDRESS = "10.77.0."
HEAD = f"{ADDRESS}1"
SSHD_OPTIONS = """HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
MaxStartups 10
SetEnv SHLVL=1
"""  # without the last, bash runs the start-up file of the user, who may have anything there
SSH_OPTIONS = """Host {refused}
PubkeyAuthentication no
Host *
IdentityFile {folder}/key
UserKnownHostsFile {folder}/known
"""
START = """set -e
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount --bind {folder}/hosts /etc/hosts
ip link set lo up
echo ready
exec {then}
"""
TUN = "/dev/net/tun"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # of linux/if_tun.h


def why_not():
    """Why there can be no machines here; None when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "tc", "nsenter", "ssh", SSHD) if not shutil.which(tool)]
    if not Path(TUN).exists():
        missing.append(TUN)
    if missing:
        return f"not there: {', '.join(missing)}"
    bridge = ("unshare", "--net", "--mount", "ip", "link", "add", "switch", "type", "bridge")
    if subprocess.run(bridge, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "the kernel or the container allows no network namespaces with a bridge"
    return None


def _run(*command):
    subprocess.run([*map(str, command)], check=True)


class Machine:
    """A network and mounts of its own, for as long as the program `then` runs."""

    def __init__(self, folder, then, *options):
        script = START.format(folder=folder, then=then)
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", *options, "sh", "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=partial(die_with, os.getpid()),
        )
        assert self._process.stdout.readline() == "ready\n"
        self.number = self._process.pid
        self.inside = ("nsenter", f"--target={self.number}", "--net", "--mount", "--wd=.")

    def run(self, *command):
        """Run a command in it, such as one that changes its network."""
        _run(*self.inside, *command)

    def end(self):
        """Kill all that runs in it."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Network:
    """The machines node1, node2, ..., and `head`, from where jobs are launched."""

    def __init__(self, folder, count):
        self.folder = folder
        self.names = [f"node{number}" for number in range(1, count + 1)]
        hosts = [f"{self._address(name)} {name}\n" for name in self.names]
        (folder / "hosts").write_text("".join([*hosts, "fd00::9 node9\n"]))
        self._make_keys()
        self.head = Machine(folder, "sleep infinity")
        self.head.run("ip", "link", "add", "switch", "type", "bridge")
        self.head.run("ip", "link", "set", "switch", "up")
        self.head.run("ip", "address", "add", f"{HEAD}/24", "dev", "switch")
        self.machines = {}
        for name in self.names:
            self.start(name)

    def _make_keys(self):
        key = self.folder / "key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        (self.folder / "known").write_text(f"* {(self.folder / 'key.pub').read_text()}")
        (self.folder / "sshd").write_text(SSHD_OPTIONS.format(folder=self.folder))
        self.refuse_key_on("none")
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        ssh = self.programs / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder}/ssh "$@"\n')
        ssh.chmod(0o755)

    def _address(self, name):
        return f"{ADDRESS}{self.names.index(name) + 2}"

    def refuse_key_on(self, name):
        """Log in there, and there alone, by what an sshd asks for without a key."""
        options = SSH_OPTIONS.format(folder=self.folder, refused=name)
        (self.folder / "ssh").write_text(options)

    def start(self, name):
        """Start a machine that is not there, whose processes end with it."""
        sshd = f"{SSHD} -D -e -f {self.folder}/sshd 2>{self.folder}/{name}.log"
        machine = Machine(self.folder, sshd, "--pid", "--fork", "--kill-child", "--mount-proc")
        self.machines[name] = machine
        here, there = f"netns {self.head.number}", f"netns {machine.number}"
        _run(*f"ip link add {name} {here} type veth peer name eth0 {there}".split())
        self._plug_in(name)

    def _plug_in(self, name):
        machine, number = self.machines[name], self.names.index(name)
        card = f"02:00:00:00:00:{number:02x}"  # the same, since others remember it
        self.head.run("ip", "link", "set", name, "master", "switch", "up")
        machine.run("ip", "link", "set", "eth0", "address", card)
        machine.run("ip", "address", "add", f"{self._address(name)}/24", "dev", "eth0")
        machine.run("ip", "link", "set", "eth0", "up")

    def cut(self, name):
        self.head.run("ip", "link", "set", name, "down")

    def vanish(self, name):
        """End a machine as if its power was cut: it says goodbye to nobody."""
        self.cut(name)
        self.machines.pop(name).end()
        self.head.run("ip", "link", "delete", name)

    def limit(self, name, rate):
        """Let the link to a machine carry no more than `rate` each way, as tc writes it."""
        for machine, device in ((self.head, name), (self.machines[name], "eth0")):
            limits = f"rate {rate} burst 32kb latency 200ms"
            machine.run(*f"tc qdisc replace dev {device} root tbf {limits}".split())

    def worsen(self, name, delay, loss):
        """Replace the link by one of `delay` seconds each way that loses a part of its frames."""
        self.head.run("ip", "link", "delete", name)
        wire = Wire(delay, loss)
        places = ((self.head, name), (self.machines[name], "eth0"))
        for device, (machine, own) in zip(wire.names, places):
            _run("ip", "link", "set", device, "netns", machine.number, "name", own)
        self._plug_in(name)
        wire.start()

    def end(self):
        for machine in (*self.machines.values(), self.head):
            machine.end()


class Wire(threading.Thread):
    """Carries frames between two network devices until one of them is gone."""

    def __init__(self, delay, loss):
        super().__init__(daemon=True)
        self._delay, self._loss = delay, loss
        self._files = [os.open(TUN, os.O_RDWR | os.O_NONBLOCK) for _ in range(2)]
        self.names = [self._open_end(file) for file in self._files]

    def _open_end(self, file):
        request = struct.pack("16sH22x", b"wire%d", IFF_TAP | IFF_NO_PI)
        return fcntl.ioctl(file, TUNSETIFF, request)[:16].rstrip(b"\0").decode()

    def run(self):
        chances, frames = random.Random(0), deque()
        try:
            while True:
                wait = max(0, frames[0][0] - time.monotonic()) if frames else None
                for file in select.select(self._files, [], [], wait)[0]:
                    frame = os.read(file, 1 << 16)
                    if chances.random() >= self._loss:
                        other = self._files[file == self._files[0]]
                        frames.append((time.monotonic() + self._delay, other, frame))
                while frames and frames[0][0] <= time.monotonic():
                    _, file, frame = frames.popleft()
                    with contextlib.suppress(OSError):  # the link is cut
                        os.write(file, frame)
        except OSError:  # a machine has ended
            for file in self._files:
                os.close(file)
