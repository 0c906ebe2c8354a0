"""`rnw launch`: training on several machines."""

from pathlib import Path
from typing import Optional, Tuple

import click

from rnw.cli.common import FILE
from rnw.training.launch import JobFailedError, JobStoppedError, launch, read_hosts


@click.command()
@click.argument("job", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("--workers", type=click.IntRange(1), required=True, metavar="N")
@click.option("--servers", type=click.IntRange(1), default=1, show_default=True, metavar="N")
@click.option("--hosts", type=FILE, metavar="FILE", help="Machines for ssh, one a line.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of the scheduler; default: a free one."
)
def command(
    job: Tuple[str, ...], workers: int, servers: int, hosts: Optional[Path], port: Optional[int]
) -> None:
    """Run COMMAND, as `rnw train-cls --kvstore dist_sync ...`, as several workers.

    They run on this machine, or dealt in turn over those of --hosts. When one fails, all are ended.
    """
    machines = () if hosts is None else read_hosts(hosts)
    try:
        launch(job, workers, servers, hosts=machines, port=port, on_line=_show)
    except JobFailedError as failed:
        click.echo(f"{failed}", err=True)
        raise SystemExit(failed.exit_status) from None
    except JobStoppedError as stopped:
        click.echo(f"{stopped}; go on with --resume", err=True)
        raise SystemExit(stopped.exit_status) from None


def _show(name: str, line: str) -> None:
    click.echo(f"{name} | {line}")
