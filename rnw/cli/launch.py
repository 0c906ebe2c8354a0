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
@click.option(
    "--workers",
    type=click.IntRange(1),
    required=True,
    metavar="N",
    help="Number of processes that train.",
)
@click.option(
    "--servers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of parameter servers.",
)
@click.option(
    "--hosts",
    type=FILE,
    metavar="FILE",
    help="File with the hosts to reach by ssh, one a line (default: this machine alone).",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port of the scheduler (default: any free port)."
)
@click.option(
    "--stall-seconds",
    type=click.IntRange(1),
    default=STALL_SECONDS,
    show_default=True,
    envvar="RNW_STALL_SECONDS",
    show_envvar=True,
    metavar="N",
    help="End a job that has made no progress for N seconds.",
)
def command(
    job: Tuple[str, ...],
    workers: int,
    servers: int,
    hosts: Optional[Path],
    port: Optional[int],
    stall_seconds: int,
) -> None:
    """Train with several worker processes, on this machine or on several hosts.

    COMMAND is what each worker runs, such as `rnw train-cls --kvstore dist_sync ...`. Workers are
    assigned to the --hosts in turn. When one of them fails, all are ended. They are also ended when
    the job stalls: when for --stall-seconds one of its processes is suspended, its host does not
    answer, or no training worker completes a step while nothing computes. A long preparation or
    test of a network computes; a COMMAND that reports no steps may also sleep. Ctrl-C is passed to
    the workers; a second one kills them, as the launcher does when they do not end by themselves.
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
        click.echo(f"{stopped}; run the same command with --resume to continue", err=True)
        raise SystemExit(stopped.exit_status) from None


def _show(name: str, line: str) -> None:
    click.echo(f"{name} | {line}")
