"""Starting jobs by the command line and looking at their processes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = (sys.executable, "-m")
TRAIN = (*PYTHON, "rnw", "train-cls", "--dataset", "digits")
PATHS = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def start_job(*command, options=("--workers", "2"), inside=(), **environment):
    """`rnw launch`, both of its outputs to one pipe; one thread each, since waiting ones spin.

    inside: the beginning of a command line that runs the rest of it somewhere else.
    """
    return subprocess.Popen(
        [*inside, *PYTHON, "rnw", "launch", *options, "--", *map(str, command)],
        env={**os.environ, "PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_job(*command, seconds=120, **more):
    """The status and the output of a job that ends by itself."""
    job = start_job(*command, **more)
    output, _ = job.communicate(timeout=seconds)
    return job.returncode, output


def read_until(job, wording):
    """Read its output until a line contains `wording`."""
    for line in job.stdout:
        if wording in line:
            return
    raise AssertionError(f"ended without {wording!r}")


def job_processes(*variables):
    """Command lines, by number, of the processes that have these `NAME=VALUE` set."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_text().split("\0")
            if set(variables) <= set(environment):
                found[int(folder.name)] = (folder / "cmdline").read_text().split("\0")
        except (OSError, UnicodeDecodeError):
            continue  # it has ended, or is another user's
    return found


def reading_processes(parent=None):
    """Processes that read pictures for `parent`, by default this one, and are not yet gone."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            command = (status.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        mine = int(fields["PPid"]) == (parent or os.getpid())
        if mine and b"rnw.data.processes" in command and fields["State"][0] != "Z":
            found.append(int(status.parent.name))
    return found
