"""Launching by the command line: output, hosts, ends and refusals."""

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from rnw.runtime import cpu_cores
from tests.jobs import PATHS, PYTHON, TRAIN, job_processes, read_until, run_job, start_job

pytestmark = [pytest.mark.waits, pytest.mark.slow]

RNW_TRAIN = ("train-cls", "--dataset", "digits")
FEW = ("--set", "epochs=1", "--set", "width=0.03125", "--set", "batch=512", "--output", "out")
LABEL = "digits_rna-28-1-1-1-1-1-1-1_cls10"
FAKE_SSH = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
echo "$1" >> "$SSH_LOG"
shift
cd / && exec env -i SSH_LOG="$SSH_LOG" sh -c "$*"
"""
SAY = 'echo "$DMLC_ROLE $DMLC_RANK of $DMLC_NUM_WORKER, $RNW_LOCAL_WORKERS here"'


def _wait_until_gone(*variables):
    deadline = time.monotonic() + 60
    while job_processes(*variables):
        assert time.monotonic() < deadline, job_processes(*variables)
        time.sleep(0.05)


def test_output_is_prefixed():
    status, output = run_job("sh", "-c", f"{SAY}; echo to stderr >&2; echo and more")
    assert status == 0
    for rank in (0, 1):
        lines = [line for line in output.splitlines() if line.startswith(f"worker {rank} | ")]
        texts = [line.split(" | ")[1] for line in lines]
        assert texts == [f"worker {rank} of 2, 2 here", "to stderr", "and more"]
    assert len(output.splitlines()) == 6


@pytest.mark.parametrize(
    ("script", "status", "wording"),
    [
        ("echo why; exit 7", 7, "worker 1 failed with status 7; its last lines:\n  why\n"),
        ("kill -SEGV $$", 139, "worker 1 was killed by SIGSEGV\n"),
        ("exec no-such-command", 127, "worker 1 failed with status 127"),
    ],
)
def test_one_that_fails_ends_the_others(tmp_path, script, status, wording):
    both = f'[ "$DMLC_RANK" = 0 ] && exec sleep 1000; {script}'
    found, output = run_job("sh", "-c", both, RNW_TEST_JOB=str(tmp_path))
    assert found == status
    assert wording in output
    assert job_processes(f"RNW_TEST_JOB={tmp_path}") == {}


def test_command_that_is_not_there():
    status, output = run_job("no-such-command")
    assert status == 127
    assert "no-such-command: cannot be run: No such file or directory" in output


def test_failed_one_has_its_last_lines_only():
    status, output = run_job("sh", "-c", "seq 1000; exit 3", options=("--workers", "1"))
    assert status == 3
    last = output.split("its last lines:\n")[1].split()
    assert last == [str(number) for number in range(981, 1001)]


def test_those_that_do_not_heed_a_signal_are_killed_by_the_second(tmp_path):
    stubborn = "trap '' INT TERM; echo ready; sleep 100"
    job = start_job("sh", "-c", stubborn, RNW_TEST_JOB=str(tmp_path))
    read_until(job, "worker 0 | ready")
    job.send_signal(signal.SIGINT)
    read_until(job, "launcher | passes SIGINT to the workers")
    job.send_signal(signal.SIGINT)
    assert job.wait(60) == 130
    assert job_processes(f"RNW_TEST_JOB={tmp_path}") == {}


def _run_with_limit(*arguments, **more):
    return run_job(*arguments, options=("--workers", "2", "--stall-seconds", "2"), **more)


@pytest.mark.parametrize("stop", ["kill -STOP $$", "sleep 100 & kill -STOP $!; wait"])
def test_a_stopped_worker_ends_the_job_and_is_named(tmp_path, stop):
    script = f'[ "$DMLC_RANK" = 0 ] && exec sleep 100; {stop}'
    status, output = _run_with_limit("sh", "-c", script, RNW_TEST_JOB=str(tmp_path))
    assert status == 1
    last = output.splitlines()[-1]
    assert re.match(
        r"worker 1 made no progress for \d+ s: its process \d+ is stopped; all were", last
    )
    assert job_processes(f"RNW_TEST_JOB={tmp_path}") == {}


def test_a_stopped_server_ends_the_job_and_is_named(ssh, tmp_path):
    Path("machines").write_text("localhost\n")
    options = ("--workers", "1", "--hosts", "machines")
    marker = f"RNW_TEST_JOB={tmp_path}"
    variables = {"RNW_TEST_JOB": str(tmp_path), "RNW_STALL_SECONDS": "2"}
    job = start_job("sleep", "100", options=options, **variables)
    _stop_one(marker, "DMLC_ROLE=server", module="rnw.training.server")
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert re.match(
        r"server 0 on localhost made no progress for \d+ s: its process \d+ is stopped; all were",
        output.splitlines()[-1],
    )
    assert job_processes(marker) == {}


def test_a_guard_that_does_not_answer_ends_the_job(tmp_path):
    variables = {"RNW_TEST_JOB": str(tmp_path), "RNW_STALL_SECONDS": "2"}
    job = start_job("sh", "-c", "echo ready; exec sleep 100", **variables)
    read_until(job, "worker 1 | ready")
    time.sleep(1)  # until it has been heard
    _stop_one(f"RNW_TEST_JOB={tmp_path}", "DMLC_RANK=1", guard=True)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    last = output.splitlines()[-1]
    assert re.match(r"worker 1 made no progress for \d+ s: its guard, or the machine that", last)
    _wait_until_gone(f"RNW_TEST_JOB={tmp_path}")


def _stop_one(*variables, guard=False, module=None):
    """Stop the process of a job that has these variables, as soon as it is there.

    module: what it runs; where `ssh` starts it, that has the variables, too.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for number, command in job_processes(*variables).items():
            if ("rnw.training.guard" in command) == guard and (module or command[0]) in command:
                os.kill(number, signal.SIGSTOP)
                return
    raise AssertionError(f"no process with {variables}")


STEP_THEN = "import time; from rnw.training.heartbeat import report_step; report_step(); "


def test_workers_that_make_no_more_steps_end_the_job():
    status, output = _run_with_limit(*PYTHON[:1], "-c", STEP_THEN + "time.sleep(100)")
    assert status == 1
    last = output.splitlines()[-1]
    assert re.match(r"worker [01] made no step for \d+ s, and no process computes; all were", last)


EXCHANGE = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0))
sender = socket.create_connection(listener.getsockname())
threading.Thread(target=sender.sendall, args=(bytes(10**8),), daemon=True).start()
receiver, _ = listener.accept()
for _ in range(14):
    receiver.recv(300_000)
    time.sleep(0.25)
"""


@pytest.mark.parametrize(
    "script",
    [
        STEP_THEN + "[0 for _ in iter(lambda: time.thread_time() < 2.5, False)]",
        STEP_THEN + EXCHANGE,
        "import time; time.sleep(3)",
    ],
    ids=["computes", "exchanges over a slow link", "has made no step"],
)
def test_workers_that_may_take_their_time_are_left_alone(script):
    status, output = _run_with_limit(*PYTHON[:1], "-c", script)
    assert status == 0, output


def test_one_signal_ends_a_job_with_a_stopped_worker(tmp_path):
    script = '[ "$DMLC_RANK" = 0 ] && trap "" INT; echo ready; exec sleep 100'
    job = start_job("sh", "-c", script, RNW_TEST_JOB=str(tmp_path))
    read_until(job, "worker 1 | ready")
    _stop_one(f"RNW_TEST_JOB={tmp_path}", "DMLC_RANK=1")
    job.send_signal(signal.SIGINT)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 130
    assert re.search(r"launcher \| worker 1 made no progress for \d+ s: .* stopped: kills", output)
    assert job_processes(f"RNW_TEST_JOB={tmp_path}") == {}


def test_a_limit_that_is_no_number_is_refused(rnw, monkeypatch):
    monkeypatch.setenv("RNW_STALL_SECONDS", "soon")
    code, out, err = rnw("launch", "--workers", 1, "--", "true")
    assert (code, out) == (2, "")
    assert "'soon' is not a valid integer" in err


def _listening(processes):
    """The addresses, as /proc writes them, at which processes take connections."""
    sockets = set()
    for number in processes:
        with contextlib.suppress(OSError):
            sockets |= {os.readlink(file) for file in Path(f"/proc/{number}/fd").iterdir()}
    rows = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    fields = (row.split() for row in rows.splitlines())
    listening = "0A"
    return [
        row[1].split(":")[0]
        for row in fields
        if row[3] == listening and f"socket:[{row[9]}]" in sockets
    ]


def test_a_job_without_hosts_cannot_be_reached_from_outside(tmp_path):
    job = start_job("sleep", "100", RNW_TEST_JOB=str(tmp_path))
    addresses, deadline = [], time.monotonic() + 60
    while len(addresses) < 2 and time.monotonic() < deadline:  # the scheduler's and the server's
        addresses = _listening(job_processes(f"RNW_TEST_JOB={tmp_path}"))
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert addresses == ["0100007F"] * 2  # 127.0.0.1


def test_nothing_outlives_a_killed_launcher(tmp_path):
    stubborn = "trap '' INT TERM HUP; sleep 100 & echo ready; wait"
    job = start_job("sh", "-c", stubborn, RNW_TEST_JOB=str(tmp_path))
    read_until(job, "worker 1 | ready")
    job.kill()
    job.wait()
    _wait_until_gone(f"RNW_TEST_JOB={tmp_path}")


def test_killed_guard_ends_the_job(tmp_path):
    job = start_job("sleep", "100", RNW_TEST_JOB=str(tmp_path))
    processes = {}
    while len(processes) < 2:
        processes = job_processes(f"RNW_TEST_JOB={tmp_path}", "DMLC_RANK=1")
    os.kill(next(n for n, command in processes.items() if "-m" in command), signal.SIGKILL)
    output, _ = job.communicate(timeout=60)
    assert job.returncode == 128 + signal.SIGKILL
    assert "worker 1 was killed by SIGKILL" in output
    _wait_until_gone(f"RNW_TEST_JOB={tmp_path}")


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """An `ssh` that runs the command here, in an environment as empty as that of another machine.

    Returns the file in which it notes the hosts.
    """
    script = tmp_path / "bin" / "ssh"
    script.parent.mkdir()
    script.write_text(FAKE_SSH)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SSH_LOG", str(tmp_path / "hosts"))
    return tmp_path / "hosts"


def test_hosts_are_dealt_in_turn(ssh, tmp_path):
    (tmp_path / "machines").write_text("127.0.0.1  # first\n\nlocalhost\n")
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    os.chdir(folder)
    options = ("--workers", "3", "--servers", "2", "--hosts", tmp_path / "machines")
    status, output = run_job(
        "sh", "-c", f'{SAY}; pwd; echo "$1"', "sh", "a  'b' $c", options=options
    )
    assert status == 0, output
    assert sorted(ssh.read_text().split()) == ["127.0.0.1"] * 4 + ["localhost"] * 2
    for rank, here in enumerate((2, 1, 2)):
        lines = [line for line in output.splitlines() if line.startswith(f"worker {rank} | ")]
        texts = [line.split(" | ")[1] for line in lines]
        assert texts == [f"worker {rank} of 3, {here} here", str(folder), "a  'b' $c"]


def test_training_over_ssh(ssh, tmp_path):
    Path("machines").write_text("127.0.0.1\nlocalhost\n")
    options = ("--workers", "2", "--hosts", "machines")
    status, output = run_job(*TRAIN, *FEW, "--kvstore", "dist_device_sync", options=options)
    assert status == 0, output
    assert Path("out", f"{LABEL}_ep-0001.params").exists()
    assert "worker 0 | epoch 1/1, lr " in output


def test_failure_over_ssh_names_the_machine(ssh, tmp_path):
    Path("machines").write_text("localhost\n")
    status, output = run_job("false", options=("--workers", "1", "--hosts", "machines"))
    assert status == 1
    assert "worker 0 on localhost failed with status 1" in output


NOBODY = """import os, sys, time
if os.environ["DMLC_ROLE"] != "worker":
    time.sleep(1000)
sys.path.remove(os.path.dirname(__file__))
del sys.modules["mxnet"]
import mxnet
"""
JOIN = "from rnw.training.kvstores import open_kvstore; open_kvstore('dist_sync')"


def test_workers_that_find_no_scheduler_end_the_job(ssh, tmp_path):
    """As behind a firewall that lets ssh through, and nothing else."""
    Path("machines").write_text("localhost\n")
    nobody = tmp_path / "nobody" / "mxnet.py"
    nobody.parent.mkdir()
    nobody.write_text(NOBODY)
    variables = {"PYTHONPATH": f"{nobody.parent}{os.pathsep}{PATHS}", "RNW_STALL_SECONDS": "2"}
    options = ("--workers", "1", "--hosts", "machines")
    status, output = run_job(*PYTHON[:1], "-c", JOIN, options=options, **variables)
    assert status == 1
    assert re.match(
        r"worker 0 on localhost made no step for \d+ s, and no process computes: the hosts may not",
        output.splitlines()[-1],
    )


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        (None, "machines: cannot be read: "),
        ("# none\n\n", "machines: names no machine: expected one a line"),
        ("no.such.host.invalid\n", "host no.such.host.invalid: its address cannot be found: "),
        ("localhost\n192.0.2.1\n", "the others cannot reach 127.*"),
        ("::1\n", "host ::1: its only address is ::1, and MXNet's parameter servers do not use"),
        ("-oProxyCommand=true\n", "host -oProxyCommand=true: its address cannot be found: "),
    ],
)
def test_hosts_that_cannot_be_used_are_refused(refused, text, wording):
    if text is not None:
        Path("machines").write_text(text)
    assert wording in refused("launch", "--workers", 1, "--hosts", "machines", "--", "true")


def test_a_machine_without_ssh_is_told(refused, monkeypatch):
    Path("machines").write_text("127.0.0.1\n")
    monkeypatch.setenv("PATH", "nowhere")
    message = refused("launch", "--workers", 1, "--hosts", "machines", "--", "true")
    assert "ssh: cannot be run: No such file or directory" in message


def test_a_port_that_is_taken_is_told(refused):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused("launch", "--workers", 1, "--port", port, "--", "true")
    assert f"port {port}: the scheduler cannot have it: Address already in use" in message
    status, output = run_job("true", options=("--workers", "1", "--port", str(port)))
    assert status == 0, output


@pytest.mark.parametrize("arguments", ["--workers 0 -- true", "-- true", "--workers 2"])
def test_refused_usage(rnw, arguments):
    code, out, err = rnw("launch", *arguments.split())
    assert (code, out) == (2, "")
    assert err.startswith("Usage: rnw launch")


@pytest.mark.parametrize("kind", ["dist_sync", "dist_device_sync", "dist_async"])
def test_several_workers_need_a_launcher(refused, kind):
    message = refused(*RNW_TRAIN, "--kvstore", kind)
    assert f"kvstore {kind} needs servers and other workers" in message
    assert "`rnw launch --workers 2 --servers 1 -- rnw train-cls --kvstore dist_sync" in message
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "wording"),
    [
        ((), "Error: kvstore local is for one process: under `rnw launch` take dist_sync"),
        (
            ("--kvstore", "dist_sync", "--cpus", 3),
            "Error: a batch of 512 cannot be cut into 6 equal parts",
        ),
    ],
)
def test_jobs_that_cannot_be_are_refused(options, wording):
    status, output = run_job(*TRAIN, *FEW, *options)
    assert status == 2
    assert wording in output
    assert list(Path().iterdir()) == []


def test_workers_share_the_cores(monkeypatch):
    cores = cpu_cores()
    monkeypatch.setenv("RNW_LOCAL_WORKERS", "2")
    assert cpu_cores() == max(1, cores // 2)
