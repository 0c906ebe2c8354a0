"""The order in which an epoch draws its pictures."""

import numpy as np

SAMPLERS = ("random", "balanced")


def balanced_order(labels: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Return (N,) indices of pictures with labels (N,), as many of each class, evenly spread.

    As in the original's balanced sampler all classes are drawn in turn, in a new random order each
    time; the pictures of a class come in random order, and again once all of them have come.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    rounds = -(-len(labels) // len(members))
    drawn = np.stack([_repeated(pictures, rounds, random) for pictures in members], axis=1)
    order = np.argsort(random.random_sample(drawn.shape), axis=1)
    return np.take_along_axis(drawn, order, axis=1).ravel()[: len(labels)]


def _repeated(pictures: np.ndarray, count: int, random: np.random.RandomState) -> np.ndarray:
    """Return `count` of the pictures, each permutation of them followed by another one."""
    times = -(-count // len(pictures))
    return np.concatenate([random.permutation(pictures) for _ in range(times)])[:count]
