"""The public face of the package, and what importing it costs."""

import ast
import importlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import rnw
from rnw.cli import COMMANDS


def _python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=60
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "modules",
    [
        "rnw",
        "rnw.api, rnw.reports.classification_tables, rnw.reports.segmentation_tables",
        "rnw.runtime, rnw.cli, rnw.networks.cost",
        "rnw.weights, rnw.weights.ndarray_file, rnw.weights.released, rnw.networks.zoo",
        "rnw.data.sets.catalog, rnw.data.prepare.classification, rnw.training.recipes",
    ],
)
def test_importing_does_not_start_mxnet(modules):
    found = _python("-c", f"import sys, {modules}; print('mxnet' in sys.modules)")
    assert found.stdout == "False\n"


def _imported(script, *arguments):
    """What a script prints, how many modules it imports, and of which other packages."""
    before = "import sys; from pathlib import Path; before = set(sys.modules)\n"
    after = (
        "\nnew = [m for name, m in sys.modules.items() if name not in before]\n"
        "files = [Path(f) for m in new if (f := getattr(m, '__file__', None))]\n"
        "installed = [f.parts for f in files if 'site-packages' in f.parts]\n"
        "packages = {p[p.index('site-packages') + 1] for p in installed} - {'rnw'}\n"
        "print(len(new), *packages, file=sys.stderr)"
    )
    found = _python("-c", before + script + after, *arguments)
    modules, *packages = found.stderr.split()
    return found.stdout, int(modules), packages


# Prints the names of all commands whose help it makes.
EVERY_HELP = """
import click
from rnw.cli import _rnw
def show(command, *names):
    context = click.Context(command)
    print(*names, bool(command.get_help(context)))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            show(command.get_command(context, name), *names, name)
show(_rnw)
"""


def test_help_of_no_command_imports_more_than_click():
    """NumPy alone takes as long to import as everything else that help needs."""
    shown, _, packages = _imported(EVERY_HELP)
    commands = {line.rpartition(" ")[0] for line in shown.splitlines()}
    assert {*COMMANDS, "bench all", "study depth-width", "weights diff"} < commands
    assert packages == ["click"]


@pytest.mark.parametrize(
    ("command", "most"), [("", 200), ("eval-cls", 155), ("train-seg", 155), ("weights", 150)]
)
def test_help_imports_little(command, most):
    """What makes help slow is importing, so that its modules are counted in place of seconds."""
    script = (
        "from rnw.cli import main\ntry: main([*sys.argv[1:], '--help'])\nexcept SystemExit: pass"
    )
    shown, modules, _ = _imported(script, *command.split())
    assert command or all(re.search(rf"^  {c} ", shown, re.MULTILINE) for c in COMMANDS)
    assert modules < most


@pytest.mark.slow
@pytest.mark.parametrize("first", ["rnw", "numpy, rnw.networks.zoo"])
def test_numpy_has_its_old_names_once_mxnet_is_imported(first):
    script = (
        f"import {first}\nimport mxnet\nimport numpy as np\n"
        "print([getattr(np, n).__name__ for n in ('bool', 'int', 'float', 'object', 'str')])\n"
        "print(mxnet.nd.ones(3).asnumpy().sum(), np.bool_(1).dtype)"
    )
    names = "['bool', 'int', 'float', 'object', 'str']"
    assert _python("-c", script).stdout == f"{names}\n3.0 bool\n"


def test_version_is_that_of_the_distribution():
    assert rnw.__version__ == version("rnw")
    assert re.fullmatch(r"\d+\.\d+\.\d+", rnw.__version__)


def _names_for_types():
    """The module of each name that the package imports for an editor."""
    tree = ast.parse(Path(rnw.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {alias.name: node.module for node in block.body for alias in node.names}


@pytest.mark.parametrize(("name", "module"), _names_for_types().items())
def test_a_public_name_is_what_an_editor_sees(name, module):
    from_module = getattr(importlib.import_module(module), name)
    assert getattr(rnw, name) is from_module


def test_public_names():
    functions = "evaluate get_network list_networks load_network load_params optimize predict "
    functions += "save_params train warm_start"
    assert set(functions.split()) | {"__version__", "datasets"} < set(rnw.__all__)
    assert set(rnw.__all__) == {*_names_for_types(), "__version__", "runtime"}
    assert {*rnw.__all__, "api", "cli", "errors"} < set(dir(rnw))
    assert all(callable(getattr(rnw, name)) for name in functions.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "uses",
    [
        ("rnw.optimize", "rnw.weights.optimize.optimize"),
        ("rnw.weights.optimize.optimize", "rnw.optimize"),
    ],
)
def test_optimize_is_a_function_and_in_weights_a_module(uses):
    found = _python("-c", f"import rnw\nprint(*({', '.join(uses)}), sep='\\n')")
    first, second = found.stdout.splitlines()
    assert first == second
    assert first.startswith("<function optimize ")


def test_packages_are_imported_on_use():
    script = (
        "import sys, rnw\nprint('rnw.data' in sys.modules)\n"
        "print(rnw.data.sets.catalog.find_dataset('digits').classes)\n"
        "print('voc' in dir(rnw.data.sets), 'mxnet' in sys.modules)"
    )
    assert _python("-c", script).stdout == "False\n10\nTrue False\n"
    with pytest.raises(AttributeError, match=r"module 'rnw\.data' has no attribute 'nothing'"):
        _ = rnw.data.nothing


def test_public_names_work_together(tmp_path):
    path = tmp_path / "weights.params"
    first, second = (rnw.get_network("28-1-1-1-1-1-1-1", 3, width=1 / 64) for _ in range(2))
    first.initialize("xavier")
    rnw.save_params(first, path)
    rnw.load_params(second, path)
    for name, parameter in first.collect_params().items():
        assert (second.collect_params()[name].data() == parameter.data()).asnumpy().all(), name


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="module 'rnw' has no attribute 'get_model'"):
        _ = rnw.get_model
    with pytest.raises(ImportError, match="get_model"):
        from rnw import get_model  # noqa: F401
