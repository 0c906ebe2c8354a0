"""What the tests of several commands share."""

import contextlib
import io
from pathlib import Path

import pytest

from rnw.cli import main

SHORT = ("--dataset", "digits", "--set", "epochs=3", "--set", "width=0.03125")


@pytest.fixture(scope="package")
def checkpoint(tmp_path_factory):
    """A narrow network for the digits, trained for a few seconds by the command line."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.raises(SystemExit) as stopped, contextlib.redirect_stdout(io.StringIO()) as shown:
        main(["train-cls", *SHORT, "--cpus", "2", "--output", str(folder)])
    assert not stopped.value.code
    return Path(shown.getvalue().splitlines()[-1])
