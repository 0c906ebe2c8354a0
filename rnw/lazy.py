"""Packages that import what they offer when it is first used (PEP 562)."""

import importlib
import sys
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, List, Mapping


def import_on_use(package: str, names: Mapping[str, str] = MappingProxyType({})) -> None:
    """Let the modules of a package, and further `names`, be attributes without being imported.

    names: what the package offers besides, as a table from the name to the module that has it.
    """
    module = sys.modules[package]

    def find(name: str) -> Any:
        if name in names:
            return getattr(importlib.import_module(names[name]), name)
        if not name.startswith("_") and find_spec(f"{package}.{name}"):
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> List[str]:
        from pkgutil import iter_modules  # takes time that only whoever looks around need spend

        modules = (found.name for found in iter_modules(module.__path__))
        return sorted({*vars(module), *names, *modules})

    module.__dict__.update(__getattr__=find, __dir__=list_names)
