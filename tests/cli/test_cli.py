"""The command line as a whole: help, errors and tracebacks."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rnw import __version__
from rnw.cli import COMMANDS, _rnw

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


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), *SUBCOMMANDS], ids=" ".join)
def test_help(rnw, command, option):
    code, out, err = rnw(*command, option)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: rnw {' '.join(command)} [OPTIONS]")
    description = out.split("\n")[2].strip()
    assert re.match(r"[A-Z].*\w", description)
    assert "--help" in out


def _commands(context, name=""):
    """Every command by its whole name, those below others included."""
    command = context.command
    yield name.strip(), command
    for below in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _commands(click.Context(command.get_command(context, below)), f"{name} {below}")


def test_help_of_each_option_is_a_whole_sentence_or_phrase():
    options = [
        (command, option)
        for command, found in _commands(click.Context(_rnw))
        for option in found.params
        if isinstance(option, click.Option)
    ]
    assert len(options) > 150
    wanting = [
        (command, option.opts, option.help)
        for command, option in options
        if not re.fullmatch(r"[A-Z].*\w \w.*[.]", option.help or "", re.DOTALL)
    ]
    assert wanting == []


def test_help_lists_the_commands_with_a_summary(rnw):
    code, out, err = rnw("--help")
    assert (code, err) == (0, "")
    listed = re.findall(r"^  ([a-z][\w-]+) {2,}[A-Z]\w+ \w", out, re.MULTILINE)
    assert listed == list(COMMANDS)
    assert "--debug" in out


def test_help_groups_the_commands_and_writes_whole_sentences(rnw):
    _, out, _ = rnw("--help")
    headings = re.findall(r"^([A-Z][\w ]+):$", out.split("Options:")[1], re.MULTILINE)
    assert headings == list(dict.fromkeys(COMMANDS.values()))
    training = out.split("\nTraining:\n")[1].split("\n\n")[0]
    found = re.findall(r"^  (\S+)", training, re.MULTILINE)
    assert found == ["train-cls", "train-seg", "launch", "plot"]
    assert not re.search(r"\w\.\.\.$", out, re.MULTILINE)  # where click cuts a sentence


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_as_documented(rnw, monkeypatch, shell):
    assert f"_RNW_COMPLETE={shell}_source rnw" in rnw("--help")[1]
    complete = f"{shell}_complete"
    words = {"COMP_WORDS": "rnw train-", "COMP_CWORD": "train-" if shell == "fish" else "1"}
    for name, value in {"_RNW_COMPLETE": complete, **words}.items():
        monkeypatch.setenv(name, value)
    _, out, _ = rnw()
    assert re.findall(r"train-\w+", out) == ["train-cls", "train-seg"]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["mxnet", "PIL", "sklearn", "gluoncv", "cv2"])
def test_help_needs_nothing_that_the_extras_bring(module):
    code, out, err = _process("--help", without=module)
    assert (code, err) == (0, "")
    assert all(f"  {command} " in out for command in COMMANDS)


@pytest.mark.slow
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
        "pip install '.[cu112]' in the rnw checkout; to evaluate without MXNet, "
        "pip install '.[onnx]' in the rnw checkout\n"
    )


@pytest.mark.slow
def test_library_of_the_system_that_is_missing():
    missing = "libGL.so.1: cannot open shared object file: No such file or directory"
    Path("cv2.py").write_text(f"raise ImportError('{missing}')")
    script = "import sys; sys.path.insert(0, ''); from rnw.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, "train-cls", "--dataset", "digits"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"Error: a library of the system is missing: {missing}; `rnw doctor` says what to do\n"
    )


def test_part_of_the_package_that_is_missing_is_no_mistake_of_the_user():
    code, out, err = _process("networks", without="rnw.networks.layout")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert "rnw.networks.layout" in err.splitlines()[-1]


def test_version(rnw):
    assert rnw("--version") == (0, f"rnw, version {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["trian-cls"], ["network", "--json"], ["bench", "training"]])
def test_unknown_command(rnw, arguments):
    code, out, err = rnw(*arguments)
    assert (code, out) == (2, "")
    wrong = arguments[-1] if arguments[0] == "bench" else arguments[0]
    nearest = {"trian-cls": "train-cls", "network": "networks", "training": "train"}[wrong]
    assert err.endswith(f"Error: No such command '{wrong}'; did you mean '{nearest}'?\n")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        ("train-cls --dataset digit", "digits"),
        ("train-cls --recipe modle_a", "model_a"),
        ("train-cls --kvstore locale", "local"),
        ("train-cls --set epoch=3", "epochs"),
        ("train-cls --prefetcher processes", "process"),
        ("train-seg --dataset cityscape", "cityscapes"),
        ("export-symbol modle_a", "model_a"),
        ("export-symbol model_a --head softmx", "softmax"),
        ("convert source target --to onxx", "onnx"),
        ("prepare vocc", "voc"),
    ],
)
def test_a_mistyped_value_is_answered_with_the_one_most_alike(rnw, arguments, nearest):
    code, out, err = rnw(*arguments.split())
    assert (code, out) == (2, "")
    assert err.endswith(f"; did you mean '{nearest}'?\n")


def test_a_command_unlike_any_other_is_answered_without_a_guess(rnw):
    assert rnw("zzz")[2].endswith("Error: No such command 'zzz'\n")


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "networks",
        "launch --workers 1 -- echo",
        "train-cls --dataset digits --set width=0.03125 --set batch=1024 --set epochs=1",
    ],
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
