"""Several machines, over ssh and a network that fails: training, and how a job ends."""

import os
import re
import sys
import time
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.weights.formats import read_parameters
from tests.jobs import PATHS, PYTHON, TRAIN, job_processes, read_until, run_job, start_job
from tests.machines import HEAD, Network, why_not

WHY_NOT = why_not()
pytestmark = [
    pytest.mark.waits,
    pytest.mark.slow,
    pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)),
]

STALL_SECONDS = 4
SETTINGS = ("width=0.03125", "batch=384", "base_lr=0.001", "epochs=2")
LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
SLEEP = ("sh", "-c", "echo ready; exec sleep 1000")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    network = Network(tmp_path_factory.mktemp("network"), 3)
    yield network
    network.end()


@pytest.fixture
def job(network, tmp_path):
    """The keywords of a job of a process on each host, whose servers only wait."""
    (tmp_path / "mxnet.py").write_text("import time; time.sleep(1000)\n")
    return _keywords(network, tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{PATHS}")


def _keywords(network, folder, hosts=3, **more):
    machines = folder / "machines"
    machines.write_text("".join(f"node{number}\n" for number in range(1, hosts + 1)))
    return {
        "inside": network.head.inside,
        "options": ("--workers", str(hosts), "--hosts", machines),
        "PATH": f"{network.programs}{os.pathsep}{os.environ['PATH']}",
        "RNW_STALL_SECONDS": "60",
        "RNW_TEST_JOB": str(folder),
        **more,
    }


def _assert_nothing_is_left(folder):
    """What was cut off is given the seconds in which it notices that it is alone."""
    deadline = time.monotonic() + 60
    while job_processes(f"RNW_TEST_JOB={folder}"):
        assert time.monotonic() < deadline, job_processes(f"RNW_TEST_JOB={folder}")
        time.sleep(0.1)


def test_a_machine_that_vanishes_is_named(network, job, tmp_path):
    running = start_job(*SLEEP, **{**job, "RNW_STALL_SECONDS": str(STALL_SECONDS)})
    for _ in network.names:
        read_until(running, " | ready")
    network.vanish("node2")
    output, _ = running.communicate(timeout=60)
    network.start("node2")
    assert running.returncode == 1
    assert re.match(
        r"worker 1 on node2 made no progress for \d+ s: its guard, or the machine",
        output.splitlines()[-1],
    )
    _assert_nothing_is_left(tmp_path)


def test_a_machine_that_asks_for_a_password_is_named(network, job, tmp_path):
    network.refuse_key_on("node2")
    status, output = run_job(*SLEEP, **job)
    network.refuse_key_on("none")
    assert status == 255
    assert re.search(
        "worker 1 on node2 could not be started:\n  root@node2: Permission denied .*\n"
        "  `ssh node2 true` must work without a password or any other question\n",
        output,
    )
    _assert_nothing_is_left(tmp_path)


def test_a_machine_without_this_python_is_named(network, job, tmp_path):
    folder, node = Path(sys.executable).parent, network.machines["node3"]
    node.run("mount", "-t", "tmpfs", "tmpfs", folder)
    status, output = run_job(*SLEEP, **job)
    node.run("umount", folder)
    assert status == 127
    assert "worker 2 on node3 could not be started:\n" in output
    assert output.endswith(
        f"  on node3 must be {sys.executable} with rnw, and the folder {Path.cwd()}\n"
    )
    _assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("host", "status", "wording"),
    [
        ("node8", 2, "host node8: its address cannot be found: "),
        ("node9", 2, "host node9: its only address is fd00::9, and MXNet's parameter servers"),
        (HEAD, 255, f"worker 1 on {HEAD} could not be started:\n  ssh: connect to host {HEAD}"),
    ],
)
def test_a_host_that_cannot_be_reached_is_named(network, job, tmp_path, host, status, wording):
    (tmp_path / "machines").write_text(f"node1\n{host}\n")
    found, output = run_job(*SLEEP, **job)
    assert found == status
    assert wording in output
    _assert_nothing_is_left(tmp_path)


def test_one_machine_takes_more_processes_than_may_log_in_at_once(network, job, tmp_path):
    (tmp_path / "machines").write_text("node1\n")
    job["options"] = ("--workers", "12", "--hosts", tmp_path / "machines")
    status, output = run_job("echo", "done", **job)
    assert status == 0, output
    assert output.count(" | done\n") == 12


def test_an_exchange_takes_as_long_as_the_readme_says(network, tmp_path):
    """Two workers and a server: the gradients of one cross a link, then the sums come back."""
    parameters, megabits = 312_500, 20
    network.limit("node2", f"{megabits}mbit")
    command = (*PYTHON, "tests.training.exchanging_worker", parameters)
    status, output = run_job(*command, **_keywords(network, tmp_path, hosts=2))
    assert status == 0, output
    seconds = max(float(found) for found in re.findall(r"best (\S+)", output))
    assert seconds == pytest.approx(2 * 32 * parameters / (1e6 * megabits), rel=0.2)


def _losses(log):
    return [float(loss) for loss in re.findall(r", step \d+/.* loss (\S+),", log.read_text())]


def test_training_over_a_slow_and_lossy_link_that_is_cut(network, tmp_path):
    """Three machines give the numbers of one with three devices, which goes on where they ended."""
    network.worsen("node3", delay=0.05, loss=0.01)
    network.limit("node3", "20mbit")
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = (*TRAIN, *settings, "--kvstore", "dist_sync", "--output", tmp_path / "cut")
    job = start_job(*command, **_keywords(network, tmp_path, RNW_STALL_SECONDS=str(STALL_SECONDS)))
    read_until(job, "worker 0 | epoch 1/2")
    network.cut("node3")
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert "worker 2 on node3 made no progress for" in output.splitlines()[-1]
    _assert_nothing_is_left(tmp_path)
    network.vanish("node3")
    network.start("node3")
    recipe, devices = find_recipe("digits", SETTINGS), [mx.cpu(number) for number in range(3)]
    last = train(recipe, devices, tmp_path / "cut", resume=True)
    alone = train(recipe, devices, tmp_path / "alone")
    of_both, expected = (_losses(run.parent / f"{LABEL}.log") for run in (last, alone))
    steps = len(expected) // 2
    assert of_both[:steps] == pytest.approx(expected[:steps], abs=5e-4)
    assert of_both[-steps:] == pytest.approx(expected[steps:], abs=5e-4)
    found, expected = read_parameters(last), read_parameters(alone)
    for name, value in expected.items():
        if not name.endswith(("_beta", "_bias")):  # which are small, and noise beside it
            close = {"rtol": 0, "atol": 2e-3 * np.abs(value).max(), "err_msg": name}
            np.testing.assert_allclose(found[name], value, **close)
