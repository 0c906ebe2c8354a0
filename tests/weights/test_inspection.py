"""What is told of a weights file: the network that it fits, statistics, differences."""

import math
from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.networks.layout import SEGMENTATION_CLASSIFIERS, configure
from rnw.networks.zoo import network_names
from rnw.weights import ndarray_file
from rnw.weights.formats import write_parameters
from rnw.weights.inspection import compare, fitting_networks, inspect, statistics
from rnw.weights.ndarray_file import BFLOAT16, read_arrays, write_arrays
from tests.golden_cases import each_checkpoint

FAMILY = ["model_a", "model_a1", "model_a2"]
ALIKE = (FAMILY, ["model_d", "model_f"])  # cannot be told apart by their parameters


def _shapes(*arguments, **options):
    return {p.name: p.shape for p in configure(*arguments, **options).parameters()}


def _found(shapes):
    return [(c.name, c.classes, c.width, c.classifier) for c in fitting_networks(shapes)]


@pytest.mark.parametrize("name", network_names())
@pytest.mark.parametrize(("classes", "width"), [(1000, 1.0), (7, 1 / 32)])
def test_every_network_of_the_paper_is_found(name, classes, width):
    same = next((names for names in ALIKE if name in names), [name])
    expected = [(other, classes, width, "linear") for other in same]
    assert _found(_shapes(name, classes, width=width)) == expected


@pytest.mark.parametrize("classifier", SEGMENTATION_CLASSIFIERS)
@pytest.mark.parametrize("classes", [19, 21, 150])
def test_segmentation_networks_are_found(classifier, classes):
    expected = [(n.replace("model", "fcn"), classes, 1.0, classifier) for n in FAMILY]
    assert _found(_shapes("fcn_a1", classes, classifier=classifier)) == expected


def test_features_are_found():
    fits = fitting_networks(_shapes("c", head="features"))
    assert [(config.name, config.head) for config in fits] == [("model_c", "features")]


@pytest.mark.parametrize("name", ["resnet101", "fcn_resnet50"])
def test_resnets_are_found(name):
    classifier = "2 conv" if name.startswith("fcn_") else "linear"
    assert _found(_shapes(name, 9, width=1 / 8)) == [(name, 9, 1 / 8, classifier)]
    shapes = _shapes(name, 9)
    shapes.update({f"bn4b90_branch2{letter}_gamma": (256,) for letter in "ac"})
    assert fitting_networks(shapes) == []


def test_networks_that_the_paper_does_not_have_are_found_by_their_structure():
    assert _found(_shapes("28-2-1-3-1-1-1-1", 10)) == [("<size>-2-1-3-1-1-1-1", 10, 1.0, "linear")]


@pytest.mark.parametrize(
    "change",
    [
        {"linear9_weight": None},
        {"bn7_gamma": (0,)},
        {"bn7_gamma": ()},
        {"conv1a_weight": (64, 3, 3)},
        {"more": (1,)},
        {"res5a_branch1_weight": None},
        {"linear9_weight": ()},
    ],
    ids=str,
)
def test_what_is_not_whole_fits_nothing(change):
    shapes = {**_shapes("a1", 9), **change}
    assert fitting_networks({n: s for n, s in shapes.items() if s is not None}) == []
    assert fitting_networks({}) == []


def test_more_units_than_any_network_may_have_fit_nothing():
    shapes = _shapes("a1", 9)
    shapes.update({f"bn5b{i}_branch2a_gamma": (512,) for i in range(100, 1200)})
    assert fitting_networks(shapes) == []


@each_checkpoint()
def test_reference_files(path):
    found = inspect(path)
    arrays = read_arrays(path)
    assert (found.size, found.versions, found.devices) == (path.stat().st_size, ["0.8"], ["cpu(0)"])
    assert found.values == sum(array.size for array in arrays.values())
    assert [entry.name for entry in found.entries] == list(arrays)
    assert found.meaning.config.name in [config.name for config in found.fits]
    assert not found.problem


def _write(path, *arguments, to="module", **options):
    shapes = _shapes(*arguments, **options)
    parameters = {n: np.broadcast_to(np.float32(i), s) for i, (n, s) in enumerate(shapes.items())}
    write_parameters(path, parameters, to)


def test_a_renamed_file_is_recognized():
    _write("renamed.params", "a1", 5, width=1 / 32, to="gluon")
    found = inspect("renamed.params")
    assert [config.name for config in found.fits] == FAMILY
    assert found.meaning is None
    assert found.problem.startswith("renamed.params: the file name does not indicate the network")


def test_a_wrong_name_is_told():
    _write("x_rna-b_cls5_ep-0001.params", "a1", 5, width=1 / 32)
    found = inspect("x_rna-b_cls5_ep-0001.params")
    assert [config.name for config in found.fits] == FAMILY
    assert (found.meaning, "does not fit model_b" in found.problem) == (None, True)


@pytest.mark.parametrize("window", [3, 1 << 20])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([1, -2, 4, np.nan, np.inf, 3]), (-2, 4, 1.5, 1, 1)),
        (np.int8([[1, 2], [-128, 127]]), (-128, 127, 0.5, 0, 0)),
        (np.array([True, False, True, True]), (0, 1, 0.75, 0, 0)),
        (np.float16([np.nan, -np.inf]), (None, None, None, 1, 1)),
        (np.zeros((2, 0)), (None, None, None, 0, 0)),
        (np.uint16([0x3F80, 0xC000, 0x7FC0]).view(BFLOAT16), (-2, 1, -0.5, 1, 0)),
        (np.array(2.5), (2.5, 2.5, 2.5, 0, 0)),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, np.ndarray) else "",
)
def test_statistics(values, expected, window, monkeypatch):
    monkeypatch.setattr(ndarray_file, "_WINDOW", window)
    assert statistics(values) == expected


A = np.arange(6, dtype=np.float32).reshape(2, 3)


def _compared(a, b, tolerance=0.0):
    write_arrays("a.params", a)
    write_arrays("b.params", b)
    return compare("a.params", "b.params", tolerance)


def test_equal_files_of_two_kinds():
    _write("module.params", "a1", 5, width=1 / 32)
    _write("gluon.params", "a1", 5, width=1 / 32, to="gluon")
    found = compare("module.params", "gluon.params")
    assert found.equal
    assert found.arrays == len(read_arrays("module.params"))


def test_names_shapes_and_types():
    found = _compared(
        {"arg:a": A, "arg:b": A, "c": A, "d": A}, {"b": A.T, "a": A, "d": A.astype("f8"), "e": A}
    )
    assert (found.only_first, found.only_second) == (["c"], ["e"])
    assert found.shapes == {"b": ((2, 3), (3, 2))}
    assert found.types == {"d": ("float32", "float64")}
    assert (found.arrays, found.values, found.equal) == (3, [], False)


@pytest.mark.parametrize("window", [4, 1 << 20])
def test_values_are_compared_the_largest_difference_first(window, monkeypatch):
    monkeypatch.setattr(ndarray_file, "_WINDOW", window)
    b = A.copy()
    b[1] = (3.5, 2, 5)  # 3, 4, 5 in A
    nan = np.where(A == 2, np.nan, A).astype("f4")
    found = _compared(
        {"same": A, "near": A, "far": A, "nan": A, "nans": nan, "half": A},
        {"same": A, "near": A + 0.25, "far": b, "nan": nan, "nans": nan, "half": -A},
    )
    assert [tuple(value) for value in found.values] == [
        ("nan", math.inf, math.inf, 1, 6),
        ("half", 10, 2, 5, 6),
        ("far", 2, 0.4, 2, 6),
        ("near", 0.25, 0.25 / 5.25, 6, 6),
    ]


@pytest.mark.parametrize(("tolerance", "count"), [(0, 2), (0.4999, 2), (0.5, 1), (2, 0), (3, 0)])
def test_tolerance(tolerance, count):
    b = A + np.float32([[0, 0.5, 0], [0, 0, 2]])
    found = _compared({"a": A}, {"a": b}, tolerance)
    assert sum(value.count for value in found.values) == count
    assert found.equal == (count == 0)


def test_large_integers_are_compared_exactly():
    a = np.int64([1 << 53, -(1 << 63), 5])
    found = _compared({"a": a}, {"a": a + np.int64([1, 0, 0])})
    assert found.values[0].count == 1


def test_bfloat16_is_compared_with_float32():
    bits = np.uint16([0x3F80, 0xC000]).view(BFLOAT16)
    found = _compared({"a": bits}, {"a": np.float32([1, -3])})
    assert found.types == {"a": ("bfloat16", "float32")}
    assert [(value.largest, value.count) for value in found.values] == [(1, 1)]


@pytest.mark.parametrize("tolerance", [-1, math.nan])
def test_bad_tolerances_are_refused(tolerance):
    with pytest.raises(InputError, match="expected at least 0"):
        _compared({"a": A}, {"a": A}, tolerance)


@pytest.mark.parametrize("function", [inspect, lambda path: compare(path, path)])
def test_what_cannot_be_read_is_refused(function):
    Path("page.params").write_text("<html>")
    for path in ("page.params", "missing.params"):
        with pytest.raises(InputError, match=rf"^{path}: "):
            function(path)
