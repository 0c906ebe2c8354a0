"""The order of the house: what may import what, and no circles of files or folders."""

import ast
from pathlib import Path

import pytest

import rnw

ROOT = Path(rnw.__file__).parent

# A module imports only from its own line and from lines below it.
ORDER = (
    ("__main__",),
    ("cli",),
    ("api", "doctor"),
    ("reports",),
    ("bench", "analysis"),
    ("torch",),
    ("evaluation",),
    ("training",),
    ("data", "weights"),
    ("networks",),
    ("memory",),
    ("runtime", "locks", "plots"),
    ("files", "arrays", "children", "gpus", "allowance", "instructions"),
    ("errors", "lazy"),
)
LEVEL = {place: level for level, places in enumerate(ORDER) for place in places}


def _modules():
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree):
    """Modules of the package that a file imports anywhere, also for types or when needed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in names)


IMPORTS = {name: set(_imports(_parse(path))) - {name} for name, path in MODULES.items()}


def _is_for_types(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"


def _place(module):
    return module.split(".")[1] if "." in module else None


def _folder(module):
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def _circle(graph):
    """The names along a circle of a graph, none when there is none."""
    done = set()

    def visit(name, path):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            circle = visit(other, [*path, name])
            if circle:
                return circle
        done.add(name)
        return []

    return next((circle for circle in (visit(name, []) for name in sorted(graph)) if circle), [])


def test_each_place_of_the_package_has_a_line():
    assert {_place(name) for name in MODULES} - {None} == set(LEVEL)


@pytest.mark.parametrize("module", sorted(IMPORTS))
def test_imports_run_one_way(module):
    own = _place(module)
    if own is None:  # it tells types what it imports on use
        tree = _parse(MODULES[module])
        tree.body = [node for node in tree.body if not _is_for_types(node)]
        assert set(_imports(tree)) == {"rnw.lazy", "rnw.runtime"}
        return
    for other in IMPORTS[module] - {"rnw"}:
        same = _place(other) == own
        assert same or LEVEL[_place(other)] > LEVEL[own], f"{module} imports {other}"


def test_no_files_import_each_other_in_a_circle():
    assert _circle({name: others - {"rnw"} for name, others in IMPORTS.items()}) == []


def test_no_folders_import_each_other_in_a_circle():
    folders = {}
    for module, imported in IMPORTS.items():
        others = {_folder(other) for other in imported} - {_folder(module), "rnw"}
        folders.setdefault(_folder(module), set()).update(others)
    folders.pop("rnw")
    assert _circle(folders) == []
