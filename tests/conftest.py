"""Settings and fixtures for all tests."""

import os

# Float noise grows a hundredfold a step where a ReLU or a maximum flips. With these instructions
# and this number of threads the reference runs made with MXNet 1.9.1 are met in every digit of
# their losses. Both must be set before MXNet starts.
os.environ["DNNL_MAX_CPU_ISA"] = "AVX2"
os.environ["OMP_NUM_THREADS"] = "2"

import pytest

from rnw.cli import main
from tests.golden_cases import fill_network, golden_folder


def pytest_report_header():
    return f"reference data: {golden_folder()}"


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    """Tests run where there is nothing, so that no default path finds anything."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fill():
    """Give a network the deterministic parameters of the reference data."""
    return fill_network


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
