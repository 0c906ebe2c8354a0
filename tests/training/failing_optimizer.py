"""An optimizer that a server can unpickle, and that fails there after a few updates."""

from mxnet.optimizer import Optimizer


class FailingOptimizer(Optimizer):
    def create_state(self, index, weight):
        return None

    def update(self, index, weight, grad, state):
        self._update_count(index)
        if self.num_update > 4:
            raise ArithmeticError("the optimizer fails")
        weight -= 0.01 * grad
