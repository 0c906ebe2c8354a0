"""`rnw study depth-width`: what it shows and writes, stopping, and what it refuses."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnw.locks import alone_in

SETTINGS = ("--set", "epochs=1", "--set", "batch=512", "--budget", "parameters=12000")
UNITS = ("--units", "0-1-1-1-1-1-1", "--units", "0-2-2-2-2-2-2")
COMMAND = ("study", "depth-width", *SETTINGS, *UNITS)


@pytest.mark.slow
def test_stopped_it_goes_on_with_the_same_command(rnw):
    command = [sys.executable, "-m", "rnw", *COMMAND, "--seeds", "50"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        first = run.stdout.readline()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err.endswith("; run the same command again to resume\n")
    assert first.startswith("28-0-2-2-2-2-2-2 (depth 30, width 0.0")
    assert ", seed 0: top-1 " in first

    code, out, err = rnw(*COMMAND, "--seeds", 1)
    assert (code, err) == (0, "")
    *runs, header, deep, wide, picture = out.splitlines()
    assert len(runs) <= 1
    assert header.split()[:2] == ["depth", "width"]
    assert [line.split()[0] for line in (deep, wide)] == ["30", "16"]
    assert first.split("top-1 ")[1].split()[0] == deep.split()[-3]
    assert picture == "output/study/study.png"
    written = sorted(path.name for path in Path("output/study").glob("study.*"))
    assert written == ["study.csv", "study.json", "study.pdf", "study.png", "study.txt"]

    code, out, _ = rnw(*COMMAND, "--seeds", 1, "--json")
    assert (code, json.loads(out)) == (0, json.loads(Path("output/study/study.json").read_text()))


def test_two_studies_are_not_written_into_one_folder(refused):
    with alone_in(Path("output/study")):
        err = refused(*COMMAND)
    assert err.startswith("Error: output/study: another run is writing there")
    assert not Path("output").exists()


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (("--budget", "parameters=50"), "no width gives it 50 parameters, the nearest is"),
        (("--budget", "flops"), "unknown budget 'flops': expected one of parameters, activations"),
        (("--units", "0-1-1"), "malformed network '28-0-1-1'"),
        (("--recipe", "a_to_a1"), "which is no start for networks of several structures"),
        (("--recipe", "voc"), "recipe voc is for `rnw train-seg`"),
        (("--set", "batch=1.5"), "cannot set batch=1.5: expected a whole number"),
    ],
)
def test_refused(refused, arguments, wording):
    assert wording in refused("study", "depth-width", *arguments)
    assert list(Path().iterdir()) == []
