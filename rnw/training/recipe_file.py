"""Recipes in files: of YAML that somebody wrote, or the JSON that each run leaves in its folder."""

import dataclasses
from pathlib import Path
from typing import Any, Dict, Set

from rnw.errors import InputError, check_fields, naming
from rnw.files import YAML_SUFFIXES, read_yaml
from rnw.training.recipe import Recipe, SegmentationRecipe
from rnw.training.recipe_fields import declared, parse_plain

_TEXTS = ("name", "source")  # fields that are no settings


def is_recipe_file(name: str) -> bool:
    """Return whether a recipe is called by the path of a file, there or not."""
    return "/" in name or name.endswith(YAML_SUFFIXES)


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file of YAML or JSON, as `Recipe.to_json` writes it.

    It is one of segmentation if it has a field that only these have. Raises InputError, which names
    the file, where it cannot be read, for an unknown field or a missing one, and for a value that a
    field may not have.
    """
    content = read_yaml(path, "a recipe")
    with naming(path):
        if not isinstance(content, dict):
            raise InputError("expected the fields of a recipe, such as `dataset` and `network`")
        is_segmentation = any(field in content for field in _only_of_segmentation())
        kind = SegmentationRecipe if is_segmentation else Recipe
        recipe = kind(**{"name": path.stem, "source": str(path), **_parse(content, kind)})
        recipe.check()
    return recipe


def _only_of_segmentation() -> Set[str]:
    return declared(SegmentationRecipe).keys() - declared(Recipe).keys()


def _parse(content: Dict[Any, Any], kind: Any) -> Dict[str, Any]:
    """Return the values of the fields; raise InputError for one that is wrong or missing."""
    fields = declared(kind)
    settings = [key for key in content if key not in _TEXTS]
    check_fields(settings, fields, _only_of_segmentation())
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in (*content, *_TEXTS):
            raise InputError(f"has no field {field.name!r}, which every recipe needs")
    return {
        key: str(value) if key in _TEXTS else parse_plain(fields[key], value)
        for key, value in content.items()
    }
