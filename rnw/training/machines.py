"""How long a training step takes on several machines: compute, exchange and update.

A model of synchronous training through parameter servers. Every worker pushes its gradients to the
servers, each of which has an equal part of every sum, and pulls the sums.
"""

from math import inf
from typing import NamedTuple, Sequence

from rnw.errors import InputError

PROTOCOLS = 1.025  # bytes on a link that is the bottleneck over those of gradients, measured


class Step(NamedTuple):
    """Seconds of the parts of a step: both passes, the exchange of gradients, and the update."""

    compute: float
    exchange: float
    update: float

    @property
    def longest(self) -> float:
        """Return the seconds of a step where nothing of the exchange is hidden behind compute."""
        return self.compute + self.exchange + self.update

    @property
    def shortest(self) -> float:
        """Return the seconds of a step where as much of the exchange is hidden as can be."""
        return max(self.compute, self.exchange) + self.update


def exchange_seconds(
    gradient_bytes: float,
    workers: Sequence[int],
    servers: Sequence[int],
    link: float,
    *,
    local: float = inf,
) -> float:
    """Return the seconds in which all workers push gradients and pull their sums.

    gradient_bytes: those of one worker, 4 for each parameter. workers, servers: how many of them
    are on each machine. link: bytes/s that each machine can send, and as many receive. local:
    bytes/s that pass, one way or the other, between workers and servers of one machine.

    On the busiest machine a link carries one way first and then the other, since the requests for
    sums wait behind the gradients.

    Raises InputError for lists of different lengths, without a worker or a server, and rates of 0
    or less.
    """
    if len(workers) != len(servers) or min(sum(workers), sum(servers)) < 1:
        raise InputError("expected the workers and the servers of each machine, at least one each")
    if min(link, local) <= 0:
        raise InputError("the rates of links and within a machine must be above 0")
    part = gradient_bytes / sum(servers)  # of one worker's gradients, for one server
    return max(
        2 * PROTOCOLS * part * _pairs_apart(own, sum(workers), here, sum(servers)) / link
        + 2 * part * own * here / local
        for own, here in zip(workers, servers)
    )


def _pairs_apart(workers: int, all_workers: int, servers: int, all_servers: int) -> int:
    """Return how many pairs of a worker and a server have just one of them on a machine."""
    return workers * (all_servers - servers) + servers * (all_workers - workers)
