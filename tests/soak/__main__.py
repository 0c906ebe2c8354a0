"""Disturbs a run of training for hours: `python -m tests.soak FOLDER --minutes 120`.

Every few minutes a fault strikes the run (see `tests.soak.faults`), and each time the same command
resumes it. In the end its weights, state and metrics must be, byte for byte, those of a run of the
same command that nothing has disturbed. Prints what happened; the exit status is 1 for a failure,
which leaves all files in FOLDER.

The run has a disk to fill, a network link to cut, and processes to count, of which other programs
see nothing: namespaces of Linux, made by `unshare`, which not every system lets its users do.
"""

import argparse
import collections
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.soak.disturbed import DEADLINE_SECONDS, Run, SoakError
from tests.soak.faults import FAULTS, FAULTS_OF_JOBS

DISK = "256m"
EPOCHS_AFTER = 2  # which the run trains after the last fault
INSIDE = "--inside"
NAMESPACES = ("--user", "--map-root-user", "--mount", "--net", "--pid", "--mount-proc")
UNSHARE = ("unshare", *NAMESPACES, "--fork", "--kill-child")


def main():
    arguments = _parse()
    if not arguments.inside:
        command = [sys.executable, "-m", "tests.soak", INSIDE, *sys.argv[1:]]
        sys.exit(subprocess.run([*UNSHARE, *command]).returncode)
    folder = arguments.folder.resolve()
    disk = folder / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(disk)], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        _soak(disk, folder / "output.log", arguments)
    except BaseException as error:
        shutil.copytree(disk, folder / "failed")
        if not isinstance(error, SoakError):
            raise
        _say(f"FAILED: {error}")
        sys.exit(1)


def _parse():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="new folder for what the run prints")
    parser.add_argument("--minutes", type=float, default=120, help="how long faults strike")
    parser.add_argument("--every", type=float, default=150, help="mean seconds between them")
    parser.add_argument("--workers", type=int, default=2, help="processes that train")
    parser.add_argument("--faults", nargs="*", metavar="NAME", help="those that strike, by name")
    parser.add_argument("--seed", type=int, default=0, help="of what strikes when")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _soak(disk, output, arguments):
    """Disturb a run until the time is over and each fault has struck; compare what it leaves."""
    dice = random.Random(arguments.seed)
    run = Run(disk / "disturbed", output, arguments.workers)
    kinds = FAULTS if arguments.workers == 1 else FAULTS_OF_JOBS
    names = arguments.faults or list(kinds)
    struck, begin = collections.Counter(), time.monotonic()
    while not struck or time.monotonic() - begin < 60 * arguments.minutes:
        for name in dice.sample(names, len(names)):
            _strike(run, kinds[name], dice, arguments.every)
            struck[name] += 1
            _say(f"{name}: resumed {sum(struck.values())} times, epoch {run.finished_epochs()}")
    seconds = time.monotonic() - begin
    last = str(run.finished_epochs() + EPOCHS_AFTER)
    whole = Run(disk / "whole", output, arguments.workers)
    for each in (run, whole):
        each.start("--stop-epoch", last)
        each.check_end(0, seconds=DEADLINE_SECONDS + 2 * seconds)
    _compare(run, whole)
    faults = ", ".join(f"{name} {count}" for name, count in sorted(struck.items()))
    resumed = sum(struck.values())
    summary = f"{seconds / 3600:.2f} h, resumed {resumed} times ({faults}), {last} epochs"
    _say(f"{summary}: equal byte for byte")


def _strike(run, fault, dice, every):
    run.start()
    run.wait_for_a_state()
    pause = time.monotonic() + dice.uniform(0, 2 * every)
    run.wait_until(lambda: time.monotonic() > pause)
    run.check_end(*fault(run, dice))


def _compare(run, whole):
    """Raise SoakError for what a disturbed run left otherwise than one that nothing disturbed."""
    found, expected = run.results(), whole.results()
    names = sorted(found.keys() | expected.keys())
    wrong = [name for name in names if found.get(name) != expected.get(name)]
    wrong += [path.name for path in run.folder.glob(".*")]
    if wrong:
        raise SoakError(f"not as in a run that nothing disturbed: {', '.join(wrong)}")


def _say(line):
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
