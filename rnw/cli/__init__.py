"""The `rnw` command: one module per subcommand, imported only when it is called."""

import errno
import io
import sys
from typing import Any, Dict, List, Optional, Sequence

import click

from rnw import __version__
from rnw.cli.common import INTERRUPTED, Folder, show_warnings
from rnw.errors import InputError, printable
from rnw.runtime import INSTALL_CPU, INSTALL_GPU, INSTALL_ONNX

DATA, TRAINING, EVALUATION = "Data", "Training", "Evaluation"
WEIGHTS, STUDY, MACHINE = "Weights", "Study of networks", "Machine"

# In the order of help, each with the heading it stands under; `train-cls` is in train_cls.py.
COMMANDS = {
    "prepare": DATA,
    "dataset": DATA,
    "train-cls": TRAINING,
    "train-seg": TRAINING,
    "launch": TRAINING,
    "plot": TRAINING,
    "eval-cls": EVALUATION,
    "eval-seg": EVALUATION,
    "predict": EVALUATION,
    "crf": EVALUATION,
    "figure": EVALUATION,
    "report": EVALUATION,
    "submission": EVALUATION,
    "table": EVALUATION,
    "weights": WEIGHTS,
    "convert": WEIGHTS,
    "export-symbol": WEIGHTS,
    "networks": STUDY,
    "analyze": STUDY,
    "study": STUDY,
    "doctor": MACHINE,
    "bench": MACHINE,
}
COMPLETION = """\b
Completion of commands and options in a shell:
  bash: eval "$(_RNW_COMPLETE=bash_source rnw)"
  zsh:  eval "$(_RNW_COMPLETE=zsh_source rnw)"
  fish: _RNW_COMPLETE=fish_source rnw | source
Add the line for your shell to its startup file to keep it."""
# brought by the extras
WITHOUT_MXNET = ("PIL", "sklearn", "scipy", "matplotlib")  # of the extra for evaluation alone
OPTIONAL_MODULES = ("mxnet", "gluoncv", "cv2", *WITHOUT_MXNET)


class _Commands(Folder):
    """Show warnings, and turn mistakes into one line and status 2."""

    def sections(self, ctx: click.Context) -> Dict[str, List[str]]:
        return {
            heading: [name for name, group in COMMANDS.items() if group == heading]
            for heading in COMMANDS.values()
        }

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with show_warnings():
                return super().invoke(ctx)
        except (InputError, ImportError, OSError) as error:
            message = _explain(error)
            if ctx.params["debug"] or message is None:
                raise
            click.echo(f"Error: {message}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _explain(error: Exception) -> Optional[str]:
    """Return the error in one line, None when the user cannot mend it."""
    if isinstance(error, InputError):
        return printable(str(error))
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"this command's output cannot be written: {error.strerror}" if full else None
    if isinstance(error, ModuleNotFoundError) and error.name in OPTIONAL_MODULES:
        without = f"; to evaluate without MXNet, {INSTALL_ONNX}" * (error.name in WITHOUT_MXNET)
        return f"{error.name} is not installed: {INSTALL_CPU}, or for GPUs {INSTALL_GPU}{without}"
    if isinstance(error, ImportError) and "cannot open shared object file" in str(error):
        return f"a library of the system is missing: {error}; `rnw doctor` says what to do"
    return None


@click.group(
    cls=_Commands,
    package=__name__,
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=COMPLETION,
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def _rnw(debug: bool) -> None:
    """Wider or Deeper: the paper's networks in MXNet Gluon (arXiv 1611.10080).

    `rnw COMMAND --help` explains a command and its options.
    """


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command line (of this process by default) and exit; `--debug` may stand anywhere."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.errors == "strict":
        out.reconfigure(errors="backslashreplace")  # names that a terminal cannot show
    given = sys.argv[1:] if arguments is None else list(arguments)
    end = given.index("--") if "--" in given else len(given)
    ours = sorted(given[:end], key=lambda argument: argument != "--debug")
    process_ends = arguments is None
    _rnw(ours + given[end:], prog_name="rnw", obj=process_ends)
