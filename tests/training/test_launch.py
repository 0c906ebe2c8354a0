"""Several workers: the same numbers as one, and a job that ends as a whole."""

import os
import shutil
import signal
import socket
from operator import itemgetter

import mxnet as mx
import numpy as np
import pytest

from rnw.training import launch
from rnw.training.recipes import find_recipe
from rnw.training.run import train
from rnw.weights.formats import read_parameters
from tests.golden_cases import each_case, first_of_each
from tests.jobs import PYTHON, TRAIN, job_processes, read_until, run_job, start_job
from tests.training.golden_runs import THREADS, assert_original

pytestmark = [pytest.mark.waits, pytest.mark.slow]

LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
SMOOTH = ("width=0.03125", "batch=256", "base_lr=0.001")  # rates at which noise stays small
GUARD = "rnw.training.guard"


def _arguments(folder, *options, kvstore="dist_sync", devices=2, epochs=3):
    settings = [part for override in (*SMOOTH, f"epochs={epochs}") for part in ("--set", override)]
    what = ("--kvstore", kvstore, "--cpus", devices, "--output", folder)
    return (*TRAIN, *what, *settings, *options)


def _in_folders_of_their_own(folder, *options):
    own = f'exec "$@" --output "{folder}/$DMLC_RANK"'
    return ("sh", "-c", own, "sh", *_arguments(folder, *options))


def _train_alone(folder, **options):
    recipe = find_recipe("digits", (*SMOOTH, "epochs=3"))
    return train(recipe, [mx.cpu(i) for i in range(4)], folder, **options)


def _results(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".params", ".state")}


def _assert_close(path, expected):
    """All but the betas and biases: these start from 0, and noise is large beside what they are."""
    found, expected = read_parameters(path), read_parameters(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if not name.endswith(("_beta", "_bias")):
            close = {"rtol": 0, "atol": 2e-3 * np.abs(value).max(), "err_msg": name}
            np.testing.assert_allclose(found[name], value, **close)


def test_the_port_of_a_job_is_for_its_scheduler_alone():
    with launch._reserved_port() as port, socket.socket() as other, socket.socket() as scheduler:
        with pytest.raises(OSError, match="in use"):
            other.bind(("", port))
        scheduler.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        scheduler.bind(("127.0.0.1", port))
        scheduler.listen()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of two workers of two devices that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    status, output = run_job(*_in_folders_of_their_own(folder))
    assert status == 0, output
    assert output.count("worker 0 | epoch ") == 3
    assert "worker 1 | epoch " not in output
    assert [path.name for path in folder.iterdir()] == ["0"]  # only one of them writes
    return folder / "0"


@each_case("case", "train_cases.json", first_of_each(itemgetter("task"), "train_cases"))
def test_workers_that_share_the_devices_give_the_originals_numbers(case, reference_process):
    count = 2 if case["devices"] % 2 == 0 else 1
    command = (*PYTHON, "tests.training.golden_worker", case["case"], case["devices"] // count)
    status, output = run_job(*command, options=("--workers", str(count)), OMP_NUM_THREADS=THREADS)
    assert status == 0, output
    workers = [dict(np.load(f"{rank}.npz")) for rank in range(count)]
    pixels = [worker.pop("counts") for worker in workers]
    assert [worker.pop("agreed").tolist() for worker in workers] == count * [[True, False, True]]
    losses = np.average([w.pop("losses") for w in workers], axis=0, weights=pixels)
    for worker in workers:
        for name, value in worker.items():
            np.testing.assert_array_equal(value, workers[0][name], err_msg=name)
    assert_original(case, losses, workers[0], reference_process, workers=count)


def test_a_job_is_the_run_of_one_process(whole, tmp_path):
    last = _train_alone(tmp_path)
    assert sorted(_results(tmp_path)) == sorted(_results(whole))
    _assert_close(whole / last.name, last)
    lines = [(path / f"{LABEL}.log").read_text().splitlines() for path in (whole, tmp_path)]
    assert len(lines[0]) == len(lines[1])
    for ours, theirs in zip(*([line for line in log if ", step " in line] for log in lines)):
        ours, theirs = (float(line.split("loss ")[1].split(",")[0]) for line in (ours, theirs))
        assert ours == pytest.approx(theirs, abs=5e-4)


def test_killed_worker_ends_the_job_which_resumes(whole, tmp_path):
    """As a job, and as one process with the devices of both workers."""
    folder, often = tmp_path / "job", ("--resume", "--checkpoint-every", 1)
    marker = f"RNW_TEST_JOB={tmp_path}"
    job = start_job(*_arguments(folder, *often), RNW_TEST_JOB=str(tmp_path))
    read_until(job, "epoch 1/3")
    second = job_processes(marker, "DMLC_RANK=1")
    (worker,) = (number for number, command in second.items() if GUARD not in command)
    os.kill(worker, signal.SIGKILL)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 128 + signal.SIGKILL
    assert "worker 1 was killed by SIGKILL" in output
    assert job_processes(marker) == {}
    assert _results(folder) != _results(whole)
    shutil.copytree(folder, tmp_path / "alone")
    status, output = run_job(*_arguments(folder, *often))
    assert status == 0, output
    assert _results(folder) == _results(whole)
    last = _train_alone(tmp_path / "alone", resume=True)
    assert "resumed after epoch" in (last.parent / f"{LABEL}.log").read_text()
    _assert_close(last, whole / last.name)


def _stop(job, number, marker):
    """Stop a job as soon as it has ended an epoch, and wait until nothing is left of it."""
    read_until(job, "worker 0 | epoch ")
    job.send_signal(number)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 128 + number, output
    name = signal.Signals(number).name
    assert f"stopped by {name}; run the same command with --resume to continue" in output
    assert job_processes(marker) == {}


def test_stopped_job_resumes(tmp_path):
    """Asynchronous, which learns."""
    options = {"kvstore": "dist_async", "devices": 1, "epochs": 5}
    seed = 123456789  # of more bits than servers keep of a number
    faster = ("--set", "base_lr=0.05", "--set", "batch=64", "--seed", seed)
    job = start_job(*_arguments(tmp_path, *faster, **options), RNW_TEST_JOB=str(tmp_path))
    _stop(job, signal.SIGTERM, f"RNW_TEST_JOB={tmp_path}")
    status, output = run_job(*_arguments(tmp_path, *faster, "--resume", **options))
    assert status == 0, output
    log = (tmp_path / f"{LABEL}.log").read_text()
    epochs = [line for line in log.splitlines() if "saved" in line]
    assert len(epochs) == 5
    first, last = (float(epochs[i].split("loss ")[1].split(",")[0]) for i in (0, -1))
    assert last < 0.5 * first


def test_optimizer_that_fails_on_a_server_ends_the_job():
    status, output = run_job(*PYTHON, "tests.training.failing_worker")
    assert status == 1
    assert "server 0 | ArithmeticError: the optimizer fails" in output
    assert "server 0 failed with status 1; its last lines:" in output


def test_a_loss_that_is_not_finite_ends_all_workers(tmp_path):
    status, output = run_job(*_arguments(tmp_path, "--set", "base_lr=1e30"))
    assert status == 2
    assert "Error: the loss is " in output
    assert "worker 0 failed with status 2" in output or "worker 1 failed with status 2" in output


def test_workers_that_do_not_see_the_same_state_are_refused(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "0")
    status, output = run_job(*_in_folders_of_their_own(tmp_path, "--resume"))
    assert status == 2
    assert "finds another state there" in output
