"""A run of training that can be disturbed: the same command starts and resumes it."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.jobs import PATHS, PYTHON, TRAIN, job_processes

LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
STALL_SECONDS = 30
DEADLINE_SECONDS = 900  # until a run has started, or has ended after a fault, on a busy machine
GONE_SECONDS = 60  # until what was killed is gone, on such a machine
POLL_SECONDS = 0.01
SETTINGS = ("width=0.03125", "batch=256", "base_lr=0.01", "epochs=100000")
OFTEN = ("--checkpoint-every", "3", "--keep", "2", "--val-every", "4", "--resume")


class SoakError(Exception):
    """What a run did other than it should."""


class Run:
    """A run in `folder`, of so many workers; what it prints is appended to the file `output`.

    One worker is a process alone, more are a job of `rnw launch`.
    """

    def __init__(self, folder, output, workers):
        self.folder, self._output, self.workers = folder, output, workers
        self.state = folder / f"{LABEL}.state"
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        self._command = [*TRAIN, "--cpus", "1", "--output", str(folder), *OFTEN, *settings]
        if workers > 1:
            job = ("--workers", str(workers), "--stall-seconds", str(STALL_SECONDS), "--")
            self._command = [*PYTHON, "rnw", "launch", *job, *self._command]
            self._command += ["--kvstore", "dist_sync"]
        self._popen = None
        self._begin = 0

    def start(self, *more):
        """Start the command, which goes on where the run was disturbed."""
        environment = {**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"}
        with self._output.open("ab") as output:
            self._begin = output.tell()
            self._popen = subprocess.Popen(
                [*self._command, *more], env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        self._started = time.time_ns()

    def wait_for_a_state(self):
        """Wait until the run has saved a state since it was started."""
        self.wait_until(
            lambda: self.state.exists() and self.state.stat().st_mtime_ns > self._started
        )

    def wait_until(self, is_so, pause=POLL_SECONDS):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_so():
            if self._popen.poll() is not None:
                raise SoakError(f"the run ended with status {self._popen.returncode}")
            if time.monotonic() > deadline:
                self._give_up(f"the run did not come so far in {DEADLINE_SECONDS} s")
            time.sleep(pause)

    def processes(self):
        """The numbers of the process that was started, and of those that share the work."""
        shared = {**job_processes("DMLC_ROLE=worker"), **job_processes("DMLC_ROLE=server")}
        shared.update(job_processes("DMLC_ROLE=scheduler"))
        reading = "rnw.data.processes"
        return [
            self._popen.pid,
            *(number for number, command in shared.items() if reading not in " ".join(command)),
        ]

    def writer(self):
        """The number of the process that saves the state."""
        if self.workers == 1:
            return self._popen.pid
        first = job_processes("DMLC_RANK=0")
        return next(
            number for number, command in first.items() if "rnw.training.guard" not in command
        )

    def is_leader(self, number):
        """Whether a process is the one that was started, whose status is that of the run."""
        return number == self._popen.pid

    def signal(self, number):
        self._popen.send_signal(number)

    def check_end(self, status, *wordings, seconds=DEADLINE_SECONDS):
        """Wait for the end of the run; raise SoakError unless it has the status and said so.

        Nothing that it has started may be left.
        """
        try:
            found = self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self._give_up(f"the run did not end in {seconds:.0f} s")
        said = self._output.read_bytes()[self._begin :].decode(errors="replace")
        if found != status:
            raise SoakError(f"status {found} in the place of {status}; it said:\n{said[-4000:]}")
        for wording in wordings:
            if wording not in said:
                raise SoakError(f"it did not say {wording!r}, but:\n{said[-4000:]}")
        self._check_nothing_left()

    def _give_up(self, reason):
        """End the run, so that its files stay as they are."""
        self._popen.kill()
        self._popen.wait()
        with contextlib.suppress(SoakError):
            self._check_nothing_left()
        raise SoakError(reason)

    def _check_nothing_left(self):
        deadline = time.monotonic() + GONE_SECONDS
        while left := living_processes():
            if time.monotonic() > deadline:
                raise SoakError(f"processes are left: {left}")
            time.sleep(POLL_SECONDS)

    def finished_epochs(self):
        """The number of epochs whose weights are saved."""
        weights = self.folder.glob("*.params")
        return max((int(path.stem.rsplit("-", 1)[1]) for path in weights), default=0)

    def results(self):
        """All files that count, by name, and the metrics that do not depend on the clock."""
        kinds = (".params", ".state", ".best.json")
        files = {p.name: p.read_bytes() for p in self.folder.iterdir() if p.name.endswith(kinds)}
        with (self.folder / "metrics.jsonl").open() as lines:
            metrics = [json.loads(line) for line in lines]
        for record in metrics:
            record.pop("images_per_second", None)
        return {**files, "metrics": metrics}


def living_processes():
    """Command lines, by number, of all processes but this one; takes leave of those that ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


def stop_while_saving(run):
    """Freeze the process that saves the state while it does; return its number."""
    number = run.writer()

    def is_saving():
        return any(run.folder.glob(f".{LABEL}.state.*.part"))

    def is_stopped_while_saving():
        if not is_saving():
            return False
        os.kill(number, signal.SIGSTOP)
        if is_saving():
            return True
        os.kill(number, signal.SIGCONT)
        return False

    run.wait_until(is_stopped_while_saving, pause=0)
    return number
