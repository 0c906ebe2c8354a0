"""Settings and fixtures for all tests."""

import os

# Both must be set before MXNet starts. With these instructions the reference runs are met: see
# training/golden_runs.py. A second thread doubles the processor time of networks as small as most
# are here.
os.environ["DNNL_MAX_CPU_ISA"] = "AVX2"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"  # of more, idle ones leave cores to others

import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from rnw.cli import main
from rnw.networks.layout import configure
from tests.golden_cases import (
    case_params,
    deterministic_weights,
    fill_network,
    golden_arrays,
    golden_folder,
    golden_json,
    network_of_case,
)

# Each of the hundreds of processes that are started would compile the package again.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""
sys.dont_write_bytecode = False


def pytest_report_header():
    return f"reference data: {golden_folder()}"


def pytest_collection_modifyitems(items):
    """Begin with tests that wait, since others compute meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Fail a test of reference data that found no case of its kind."""
    for mark in item.iter_markers("no_case"):
        pytest.fail(mark.args[0], pytrace=False)


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    """Tests run where there is nothing, so that no default path finds anything."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _same_random_numbers():
    """Tests draw the same numbers in whatever order and process they run."""
    random.seed(0)
    np.random.seed(0)
    if "mxnet" in sys.modules:
        sys.modules["mxnet"].random.seed(0)


@pytest.fixture
def fill():
    """Give a network the deterministic parameters of the reference data."""
    return fill_network


FORWARD = case_params("forward_cases.json", golden_json("forward_cases", []))


@pytest.fixture(scope="session", params=FORWARD)
def forward_case(request):
    """A full-size network, its parameters, which take longest to make, its input and its output."""
    case = request.param
    if case is None:
        return None
    name, options = network_of_case(case["graph"])
    config = configure(name, **options)
    stream = np.random.RandomState(case["input_seed"])
    return SimpleNamespace(
        config=config,
        parameters=deterministic_weights(config),
        data=stream.standard_normal(case["input_shape"]).astype(np.float32),
        expected=golden_arrays(f"forward_{case['case']}"),
    )


@pytest.fixture
def rnw(capfd):
    """Run a command line such as `rnw("networks", "--json")`; its status, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def refused(rnw):
    """Run a command that must fail: one line on standard error, status 2; that line."""

    def run(*arguments):
        code, out, err = rnw(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        return err

    return run
