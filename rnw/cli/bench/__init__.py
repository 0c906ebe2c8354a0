"""`rnw bench`: speed and memory, beside a reference that is measured in the same run."""

import click

from rnw.cli.common import Folder

# In the order of help; `seg-eval` is in seg_eval.py.
BENCHMARKS = (
    "inference",
    "evaluation",
    "convert",
    "train",
    "scaling",
    "loss",
    "data",
    "reading",
    "table",
    "seg-eval",
    "crf",
    "all",
)


@click.group(cls=Folder, package=__name__, names=BENCHMARKS)
def command() -> None:
    """Measure speed and memory on this machine."""
