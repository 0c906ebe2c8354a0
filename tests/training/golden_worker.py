"""`python -m tests.training.golden_worker CASE DEVICES`: a training case as one of several workers.

Writes what came of it to `<rank>.npz`.
"""

import sys

import numpy as np

from tests.golden_cases import fill_network
from tests.training.test_trainer import CASES, Run

if __name__ == "__main__":
    case = next(case for case in CASES if case["case"] == sys.argv[1])
    run = Run(case, fill_network, devices=int(sys.argv[2]), kvstore="dist_sync")
    values = {name: run.value(name) for name in run.net.collect_params()}
    np.savez(f"{run.rank}.npz", losses=run.losses, counts=run.counts, **values)
