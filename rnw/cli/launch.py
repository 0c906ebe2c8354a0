"""`rnw launch`: training on several machines."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE
from rnw.training.launch import (
    STALL_SECONDS,
    JobFailedError,
    JobStoppedError,
    launch,
    read_hosts,
)


@click.command()
@click.argument("job", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("--workers", type=click.IntRange(1), required=True, metavar="N")
@click.option("--servers", type=click.IntRange(1), default=1, show_default=True, metavar="N")
@click.option("--hosts", type=FILE, metavar="FILE", help="Machines for ssh, one a line.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of the scheduler; default: a free one."
)
@click.option(
    "--stall-seconds",
    type=click.IntRange(1),
    default=STALL_SECONDS,
    show_default=True,
    envvar="RNW_STALL_SECONDS",
    show_envvar=True,
    metavar="N",
    help="End a job in which nothing goes on for so long.",
)
def command(
    job: Tuple[str, ...],
    workers: int,
    servers: int,
    hosts: Optional[Path],
    port: Optional[int],
    stall_seconds: int,
) -> None:
    """Run COMMAND, as `rnw train-cls --kvstore dist_sync ...`, as several workers.

    They run on this machine, or dealt in turn over those of --hosts. When one fails, all are ended,
    and so they are when the job stalls: when for --stall-seconds a process of it is stopped, its
    machine does not answer, or no worker that trains makes a step while nothing computes. A long
    preparation or test of a network computes, and a COMMAND that reports no steps may also sleep.
    Ctrl-C is passed to the workers; a second one kills them, and so does the launcher when they
    cannot or do not end.
    """
    machines = () if hosts is None else read_hosts(hosts)
    try:
        launch(
            job,
            workers,
            servers,
            hosts=machines,
            port=port,
            stall_seconds=stall_seconds,
            on_line=_show,
        )
    except JobFailedError as failed:
        click.echo(f"{failed}", err=True)
        raise SystemExit(failed.exit_status) from None
    except JobStoppedError as stopped:
        click.echo(f"{stopped}; go on with --resume", err=True)
        raise SystemExit(stopped.exit_status) from None


def _show(name: str, line: str) -> None:
    click.echo(f"{name} | {line}")
