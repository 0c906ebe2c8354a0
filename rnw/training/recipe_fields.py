"""How the fields of a recipe are declared: what each may be and means, in one place.

Checks, their messages, what `--set` takes and the table of the documentation come from there.
"""

import dataclasses
import math
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from rnw.errors import InputError, did_you_mean


class Values(NamedTuple):
    """The values of a field.

    form: how a text must look; of another, `parse` raises ValueError. limits: what a value must be,
    as `allows` tells; empty: any. words: all values, where they are few.
    """

    form: str
    parse: Callable[[str], Any]
    limits: str = ""
    allows: Callable[[Any], bool] = lambda value: True
    words: Sequence[str] = ()

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.form, self.limits)))


def text(limits: str = "", allows: Callable[[str], bool] = lambda value: True) -> Values:
    """Return the values of a field of text."""
    return Values("text", str, limits, allows)


def one_of(words: Iterable[str]) -> Values:
    """Return the values of a field that is one of several words."""
    known = tuple(words)
    return Values("", str, f"one of {', '.join(known)}", lambda value: value in known, known)


def whole(least: int, most: Optional[int] = None, reason: str = "") -> Values:
    """Return the values of a field of whole numbers; `reason` explains its limits."""
    limits = f"at least {least}" if most is None else f"{least} to {most}"
    limits += f": {reason}" if reason else ""
    largest = math.inf if most is None else most
    return Values("a whole number", int, limits, lambda value: least <= value <= largest)


def number(limits: str, allows: Callable[[float], bool]) -> Values:
    """Return the values of a field of numbers."""
    return Values("a number", float, limits, allows)


def _parse_truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


NOT_NEGATIVE = number("0 or more", lambda value: 0 <= value < math.inf)
TRUTH = Values("true or false", _parse_truth)


def joined(form: str, parse: Callable[[str], Any], *limits: Any) -> Values:
    """Return the values of a field of several numbers, in a text joined by commas."""
    return Values(form, lambda text: tuple(map(parse, filter(None, text.split(",")))), *limits)


def declare(values: Values, meaning: str, *, optional: bool = False, **default: Any) -> Any:
    """Return a field of a recipe that `--set` can change, as `dataclasses.field` does.

    optional: files of a run say nothing of the field while it has its default, so that they are the
    same whether or not there is such a field.
    """
    metadata = {"values": values, "meaning": meaning, "optional": optional}
    return dataclasses.field(metadata=metadata, **default)


def redeclare(kind: Any, name: str, values: Optional[Values] = None, **default: Any) -> Any:
    """Return field `name` of a kind of recipe with other values or another default."""
    field = declared(kind)[name]
    return declare(values or field.values, field.meaning, **default)


class Declared(NamedTuple):
    """A field of a kind of recipe, as it is declared."""

    name: str
    values: Values
    meaning: str


def declared(kind: Any) -> Dict[str, Declared]:
    """Return the fields that `--set` can change, of a recipe or a class of recipes, by name."""
    return {
        field.name: Declared(field.name, field.metadata["values"], field.metadata["meaning"])
        for field in dataclasses.fields(kind)
        if field.metadata
    }


def told(recipe: Any) -> Dict[str, Any]:
    """Return the values of a recipe's fields by name, without optional ones that are not set."""
    silent = {
        field.name
        for field in dataclasses.fields(recipe)
        if field.metadata.get("optional") and getattr(recipe, field.name) == field.default
    }
    values = dataclasses.asdict(recipe)
    return {name: value for name, value in values.items() if name not in silent}


def declared_anew(kind: Any, base: Any) -> List[Declared]:
    """Return the fields that a kind of recipe has besides those of `base`, or with other values."""
    known = declared(base).values()
    return [field for field in declared(kind).values() if field not in known]


def parse_override(recipe: Any, override: str) -> Tuple[str, Any]:
    """Return the name and the value of a field of a recipe that `key=value` sets.

    Raises InputError for an unknown field and for a value of another form.
    """
    fields = declared(recipe)
    key, equals, value = override.partition("=")
    if not equals or key not in fields:
        raise InputError(
            f"cannot set {override!r}: expected key=value, key one of {', '.join(fields)}"
            f"{did_you_mean(key, fields)}"
        )
    values = fields[key].values
    try:
        return key, values.parse(value)
    except ValueError:
        raise InputError(f"cannot set {override}: expected {values.form}") from None


def parse_plain(field: Declared, value: Any) -> Any:
    """Return the value of a field that a file of YAML or JSON gives.

    Raises InputError for a value of another form.
    """
    is_list = isinstance(value, list)
    try:
        if any(_is_of_no_field(part, field) for part in _parts(value)):
            raise ValueError
        parsed = field.values.parse(",".join(map(str, _parts(value))))
        if is_list and not isinstance(parsed, tuple):
            raise ValueError
    except ValueError:
        expected = field.values.form or field.values.limits
        raise InputError(f"{field.name} is {value!r}, expected {expected}") from None
    return parsed


def _is_of_no_field(part: Any, field: Declared) -> bool:
    """Whether YAML made of a value, or a part of it, what no text of the field would be."""
    if isinstance(part, bool):
        return field.values is not TRUTH
    return isinstance(part, (dict, list, type(None)))


def _parts(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [value]


def check_limits(recipe: Any) -> None:
    """Raise InputError for the first field of a recipe that has a value it may not have."""
    for field in declared(recipe).values():
        value = getattr(recipe, field.name)
        if not field.values.allows(value):
            nearest = did_you_mean(value, field.values.words) if field.values.words else ""
            raise InputError(f"{field.name} is {value!r}, expected {field.values.limits}{nearest}")
