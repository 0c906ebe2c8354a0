"""`rnw doctor`: what is installed, and what to do about problems."""

import click

from rnw.cli.common import json_option, print_json


@click.command()
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check this machine for what rnw needs, and say how to mend what is wrong.

    The exit status is 1 when something needs mending.
    """
    from rnw.doctor import diagnose  # takes time that help need not spend

    findings = diagnose()
    if as_json:
        print_json({"findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            mark = "!" if finding.advice else " "
            click.echo(f"{mark} {finding.what:22}{finding.found}")
            if finding.advice:
                click.echo(f"  {'':22}-> {finding.advice}")
    if any(finding.advice for finding in findings):
        ctx.exit(1)
