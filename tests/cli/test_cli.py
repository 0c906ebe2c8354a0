"""The command line as a whole: help, errors and tracebacks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rnw import __version__
from rnw.cli import COMMANDS

SUBCOMMANDS = (
    ("analyze", "cost"),
    ("bench", "inference"),
    ("bench", "seg-eval"),
    ("study", "depth-width"),
    ("submission", "check"),
    ("submission", "make"),
    ("weights", "verify"),
)
MISSING = """
import rnw, sys
class Missing:
    def find_spec(name, *_):
        if name == {!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing)
"""


def _process(*arguments, without=None):
    """A command line in its own process, where module `without` cannot be imported."""
    script = "import sys\nfrom rnw.cli import main\nmain(sys.argv[1:])"
    if without:
        script = MISSING.format(without) + script
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_commands_are_those_documented():
    assert set(COMMANDS) == {
        "analyze",
        "bench",
        "convert",
        "doctor",
        "eval-cls",
        "eval-seg",
        "export-symbol",
        "figure",
        "launch",
        "networks",
        "plot",
        "predict",
        "prepare",
        "report",
        "study",
        "submission",
        "table",
        "train-cls",
        "train-seg",
        "weights",
    }


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), *SUBCOMMANDS], ids=" ".join)
def test_help(rnw, command, option):
    code, out, err = rnw(*command, option)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: rnw {' '.join(command)} [OPTIONS]")
    description = out.split("\n")[2].strip()
    assert re.match(r"[A-Z].*\w", description)
    assert "--help" in out


def test_help_lists_the_commands_with_a_summary(rnw):
    code, out, err = rnw("--help")
    assert (code, err) == (0, "")
    listed = dict(re.findall(r"^  ([\w-]+) +(\w.+)$", out.split("Commands:")[1], re.MULTILINE))
    assert list(listed) == list(COMMANDS)
    assert "--debug" in out


@pytest.mark.parametrize("module", ["mxnet", "PIL", "sklearn", "gluoncv", "cv2"])
def test_help_needs_nothing_that_the_extras_bring(module):
    code, out, err = _process("--help", without=module)
    assert (code, err) == (0, "")
    assert all(f"  {command} " in out for command in COMMANDS)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("sklearn", "train-cls --dataset digits"),
        ("PIL", "train-cls --dataset digits"),
    ],
)
def test_module_of_an_extra_that_is_missing(module, command):
    code, out, err = _process(*command.split(), without=module)
    assert (code, out) == (2, "")
    assert err == (
        f"Error: {module} is not installed: pip install '.[cpu]' in the rnw checkout, or for GPUs "
        "pip install '.[cu112]' in the rnw checkout\n"
    )


def test_part_of_the_package_that_is_missing_is_no_mistake_of_the_user():
    code, out, err = _process("networks", without="rnw.analysis")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert "rnw.analysis" in err.splitlines()[-1]


def test_version(rnw):
    assert rnw("--version") == (0, f"rnw, version {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["trian-cls"], ["network", "--json"], ["bench", "training"]])
def test_unknown_command(rnw, arguments):
    code, out, err = rnw(*arguments)
    assert (code, out) == (2, "")
    wrong = arguments[-1] if arguments[0] == "bench" else arguments[0]
    assert f"Error: No such command '{wrong}'" in err


def test_no_command_shows_what_there_is(rnw):
    code, out, err = rnw()
    assert code in (0, 2)
    assert all(f"  {command} " in out + err for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (["weights", "verify", "absent.params"], "absent.params: cannot be read: No such file"),
        (["convert", "absent", "new", "--to", "gluon"], "absent: no such file"),
        (["export-symbol", "resnet34"], "unknown network 'resnet34': expected one of model_a, "),
    ],
)
def test_a_mistake_is_one_line(refused, arguments, wording):
    assert refused(*arguments).startswith(f"Error: {wording}")


@pytest.mark.parametrize(
    ("arguments", "wording"),
    [
        (["weights", "verify", "two\n  lines"], r"two\n  lines: cannot be read"),
        (["convert", "\r\ntwo\n", "new", "--to", "gluon"], r"\r\ntwo\n: no such file"),
        (["convert", "\x1b[2Jx\u202e", "new", "--to", "gluon"], r"\x1b[2Jx\u202e: no such file"),
    ],
)
def test_names_of_files_are_escaped(refused, arguments, wording):
    assert refused(*arguments).startswith(f"Error: {wording}")


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_debug_shows_the_traceback_wherever_it_stands(place):
    arguments = ["weights", "verify", "absent.params"]
    arguments.insert(place, "--debug")
    code, out, err = _process(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    last = err.splitlines()[-1]
    assert last.startswith("rnw.errors.InputError: absent.params: cannot be read")


def test_debug_changes_nothing_where_all_is_well(rnw):
    assert rnw("networks", "--debug") == rnw("networks")


def test_module_and_script_are_the_same_program():
    run = [sys.executable, "-m", "rnw", "weights", "verify", "absent.params"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    found = (done.returncode, done.stdout, done.stderr)
    assert found == _process("weights", "verify", "absent.params")
    assert done.returncode == 2


@pytest.mark.parametrize("seed", ["-1", "4294967296", "x"])
@pytest.mark.parametrize(
    "command",
    [
        ("train-cls", "--dataset", "digits"),
        ("convert", "source", "target", "--to", "npz"),
        ("figure", "kept", "--random", "1"),
        ("analyze", "paths", "--demo"),
    ],
)
def test_refused_seeds_write_nothing(rnw, command, seed):
    code, out, err = rnw(*command, "--seed", seed)
    assert (code, out) == (2, "")
    assert "Invalid value for '--seed'" in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "arguments", ["networks", "launch --workers 1 -- echo", "train-cls --dataset digits --dry-run"]
)
def test_a_full_disk_under_standard_output_is_told(arguments):
    """As where the output of a long run is sent to a file."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rnw", *arguments.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=100,
        )
    told = "Error: this command's output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, told)
