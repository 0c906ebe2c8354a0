"""The optimizers of the paper, Torch's SGD with Nesterov momentum and MXNet's SGD; and Adam, AdamW.

A parameter server unpickles an optimizer while MXNet is still being imported, so this module takes
single names from MXNet's modules and never reads attributes of `mxnet` itself.
"""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

from mxnet.ndarray import clip, zeros
from mxnet.ndarray.contrib import adamw_update
from mxnet.optimizer import SGD, Adam, Optimizer

from rnw.errors import look_up
from rnw.training.schedules import Schedule

if TYPE_CHECKING:
    from mxnet.gluon import Parameter


@Optimizer.register
class TorchNesterov(Optimizer):
    """Torch's SGD with Nesterov momentum: v = mu v + g; w -= lr (g + mu v).

    The gradient g includes weight decay; the learning rate is not part of v. As in the original, an
    update asks for its learning rate before it is counted, so that the first parameter of each step
    still gets the rate of the step before.
    """

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index: int, weight: Any) -> Optional[Any]:
        if self.momentum == 0.0:
            return None
        return zeros(weight.shape, weight.context, dtype=weight.dtype)

    def update(self, index: int, weight: Any, grad: Any, state: Optional[Any]) -> None:
        rate, decay = self._get_lr(index), self._get_wd(index)
        self._update_count(index)
        gradient = grad * self.rescale_grad
        if self.clip_gradient is not None:
            gradient = clip(gradient, -self.clip_gradient, self.clip_gradient)
        if decay:
            gradient += decay * weight
        if state is not None:
            state *= self.momentum
            state += gradient
            gradient += self.momentum * state
        weight -= rate * gradient


@Optimizer.register
class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter, arXiv 1711.05101).

    With means m and v corrected as in Adam, w -= lr (m / (sqrt(v) + epsilon) + wd w). MXNet has the
    operator, but no optimizer that uses it.
    """

    def update(self, index: int, weight: Any, grad: Any, state: Any) -> None:
        self._update_count(index)
        updates = self._index_update_count[index]
        correction = math.sqrt(1 - self.beta2**updates) / (1 - self.beta1**updates)
        adamw_update(
            weight,
            grad,
            *state,
            self.rescale_grad,
            lr=correction,
            eta=self._get_lr(index),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            wd=self._get_wd(index),
            clip_gradient=self.clip_gradient or -1,
            out=weight,
        )


class WithTallies(Optimizer):
    """On a server: `optimizer`, but what is pushed to keys from `first` on is only added up."""

    def __init__(self, optimizer: Optimizer, first: int):
        super().__init__()
        self._optimizer, self._first = optimizer, first

    def create_state(self, index: int, weight: Any) -> Any:
        return self._optimizer.create_state(index, weight) if index < self._first else None

    def update(self, index: int, weight: Any, grad: Any, state: Any) -> None:
        if index < self._first:
            self._optimizer.update(index, weight, grad, state)
        else:
            weight += grad


OPTIMIZERS = {"torch_nesterov": TorchNesterov, "sgd": SGD, "adam": Adam, "adamw": AdamW}


def make_optimizer(
    name: str,
    parameters: Sequence["Parameter"],
    *,
    schedule: Schedule,
    momentum: float,
    weight_decay: float,
    rescale: float,
    updates_done: int = 0,
) -> Optimizer:
    """Return the optimizer `name` for `parameters`, whose keys in a KVStore are their places.

    Weight decay applies to `*_weight` and `*_gamma` only; a parameter's own multipliers apply on
    top. `momentum` is the beta1 of Adam. `rescale` multiplies the gradients; `updates_done` counts
    those of a run that is resumed. Raises InputError for an unknown name.
    """
    kind = look_up(OPTIMIZERS, name, "optimizer")
    optimizer = kind(
        learning_rate=schedule.base_lr,
        lr_scheduler=schedule,
        **{"beta1" if issubclass(kind, Adam) else "momentum": momentum},
        wd=weight_decay,
        rescale_grad=rescale,
        begin_num_update=updates_done,
        param_idx2name={key: parameter.name for key, parameter in enumerate(parameters)},
    )
    optimizer.set_lr_mult(_multipliers(parameters, "lr_mult"))
    optimizer.set_wd_mult(_multipliers(parameters, "wd_mult"))
    return optimizer


def _multipliers(parameters: Sequence["Parameter"], kind: str) -> Dict[str, float]:
    return {p.name: getattr(p, kind) for p in parameters if getattr(p, kind) != 1.0}


def describe_multipliers(optimizer: Optimizer, parameters: Sequence["Parameter"]) -> str:
    """Return how many arrays learn at which multiples of rate and weight decay, in one line."""
    groups = Counter(
        (optimizer.lr_mult.get(p.name, 1.0), optimizer.wd_mult.get(p.name, 1.0)) for p in parameters
    )
    return "; ".join(
        f"{count} arrays at {rate:g} times the rate and {decay:g} times the weight decay"
        for (rate, decay), count in groups.items()
    )
