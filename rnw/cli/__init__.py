"""The `rnw` command: one module per subcommand, imported only when it is called."""

import errno
import importlib
import sys
from typing import List, Optional, Sequence

import click

from rnw import __version__
from rnw.cli.common import INTERRUPTED
from rnw.errors import InputError, printable
from rnw.runtime import INSTALL_CPU, INSTALL_GPU

COMMANDS = {
    "analyze": "analyze",
    "bench": "bench",
    "convert": "convert",
    "doctor": "doctor",
    "eval-cls": "eval_cls",
    "eval-seg": "eval_seg",
    "export-symbol": "export_symbol",
    "figure": "figure",
    "launch": "launch",
    "networks": "networks",
    "plot": "plot",
    "predict": "predict",
    "prepare": "prepare",
    "report": "report",
    "study": "study",
    "submission": "submission",
    "table": "table",
    "train-cls": "train_cls",
    "train-seg": "train_seg",
    "weights": "weights",
}
# brought by the extras
OPTIONAL_MODULES = ("mxnet", "gluoncv", "PIL", "sklearn", "scipy", "cv2", "matplotlib")


class _Commands(click.Group):
    """Finds subcommands in the table and turns mistakes into one line and status 2."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in COMMANDS:
            return None
        return importlib.import_module(f"rnw.cli.{COMMANDS[name]}").command

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except (InputError, ModuleNotFoundError, OSError) as error:
            message = _explain(error)
            if ctx.params["debug"] or message is None:
                raise
            click.echo(f"Error: {message}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _explain(error: Exception) -> Optional[str]:
    """The error in one line, None when it is not the user's to mend."""
    if isinstance(error, InputError):
        return printable(str(error))
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"this command's output cannot be written: {error.strerror}" if full else None
    if error.name in OPTIONAL_MODULES:
        return f"{error.name} is not installed: {INSTALL_CPU}, or for GPUs {INSTALL_GPU}"
    return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def _rnw(debug: bool) -> None:
    """Wider or Deeper: the paper's networks in MXNet Gluon (arXiv 1611.10080)."""


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command line (of this process by default) and exit; `--debug` may stand anywhere."""
    if getattr(sys.stdout, "errors", None) == "strict":  # names that a terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else list(arguments)
    end = given.index("--") if "--" in given else len(given)
    ours = sorted(given[:end], key=lambda argument: argument != "--debug")
    process_ends = arguments is None
    _rnw(ours + given[end:], prog_name="rnw", obj=process_ends)
