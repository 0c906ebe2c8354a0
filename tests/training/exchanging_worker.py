"""A worker that exchanges gradients and computes nothing; it tells the seconds of its best step."""

import sys
import time

from rnw.training.kvstores import mx, open_kvstore

PARAMETERS, STEPS = 10, 5


def main(parameters):
    """Exchange this many numbers in each step."""
    store = open_kvstore("dist_sync")
    arrays = []
    for number in range(PARAMETERS):
        arrays.append(mx.gluon.Parameter(f"p{number}", shape=(parameters // PARAMETERS,)))
        arrays[-1].initialize()
    store.start(arrays, mx.optimizer.get_updater(mx.optimizer.SGD()))
    sys.stdout.write(f"best {min(_step(store, arrays) for _ in range(STEPS)):.6f}\n")
    store.finish()


def _step(store, arrays):
    start = time.monotonic()
    for key, array in enumerate(arrays):
        store.update(key, array)
    mx.nd.waitall()
    return time.monotonic() - start


if __name__ == "__main__":
    main(int(sys.argv[1]))
