"""Observers of runs: one that keeps what it is told, and one that acts at a step."""

import os
import signal

from rnw.training.observer import Observer


class Keeping(Observer):
    """Keeps all that it is told, in the order of the run."""

    def __init__(self):
        self.warm_starts, self.steps, self.epochs, self.validated = [], [], [], []
        self.early_stops = []

    def on_warm_start(self, source, transfer):
        self.warm_starts.append((source, transfer))

    def on_step(self, progress):
        self.steps.append(progress)

    def on_epoch(self, progress):
        self.epochs.append(progress)

    def on_validation(self, validated):
        self.validated.append(validated)

    def on_early_stop(self, stop):
        self.early_stops.append(stop)


class AtSteps(Observer):
    """Calls `act` with the progress of each step."""

    def __init__(self, act):
        self.on_step = act


def stop_after(steps):
    """An observer that sends Ctrl-C to this process after so many steps."""
    seen = []

    def count(progress):
        seen.append(progress)
        if len(seen) == steps:
            os.kill(os.getpid(), signal.SIGINT)

    return AtSteps(count)
