"""`python -m tests.training.failing_worker`: steps with an optimizer that fails on a server."""

import numpy as np

from rnw.networks.classifier import get_network
from rnw.runtime import make_contexts
from rnw.training.trainer import Trainer
from tests.golden_cases import fill_network
from tests.training.failing_optimizer import FailingOptimizer

if __name__ == "__main__":
    net = fill_network(get_network("28-1-1-1-1-1-1-1", 3, width=1 / 64, head="softmax"))
    trainer = Trainer(net, make_contexts(), FailingOptimizer(), "dist_async")
    for _ in range(10000):
        outputs = trainer.step(np.zeros((2, 3, 28, 28), np.float32), np.zeros(2, np.float32))
        outputs[0].probabilities.wait_to_read()
