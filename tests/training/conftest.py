"""Fixtures for the tests of training."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from rnw.runtime import import_mxnet
from tests.training.golden_runs import THREADS


@pytest.fixture(scope="session")
def reference_process():
    """An executor of one process, which starts MXNet with the threads of the reference runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", THREADS)
        spawn = multiprocessing.get_context("spawn")
        process = ProcessPoolExecutor(1, spawn, initializer=import_mxnet)
        process.submit(int).result()  # starts it
    with process:
        yield process
