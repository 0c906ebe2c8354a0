"""`python -m tests.training.golden_worker CASE DEVICES`: a training case as one of several workers.

Writes what came of it to `<rank>.npz`.
"""

import sys

import numpy as np

from tests.golden_cases import golden_json
from tests.training.golden_runs import Run

if __name__ == "__main__":
    case = next(case for case in golden_json("train_cases", []) if case["case"] == sys.argv[1])
    run = Run(case, devices=int(sys.argv[2]), kvstore="dist_sync")
    agreed = [run.kvstore.all_agree(mine) for mine in (True, run.rank > 0, True)]
    told = {"losses": run.losses, "counts": run.counts, "agreed": agreed}
    np.savez(f"{run.rank}.npz", **told, **run.values())
