"""Records of evaluations, and the kept predictions that they are about."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.classification.kept import KeptProbabilities
from rnw.evaluation.classification.record import RECORD, Record, read_predictions, write_record

FOLDER = Path("kept")
RECORDED = Record(
    "pets", "Pets", "val", "none", ["64.npz", "32.npz"], ["a", "b"], ["x", "y"], [1, 0]
)
LARGE, SMALL = np.float32([[0.5, 0.5], [0.25, 0.75]]), np.float32([[1, 0], [0.75, 0.25]])


def _keep(name, probabilities, weights="w.params (md5 0)", **computing):
    origin = {"weights": weights, **computing}
    kept = KeptProbabilities(FOLDER / name, origin, (2, 2), overwrite=True)
    kept.append(probabilities)
    kept.save()


@pytest.fixture(autouse=True)
def _kept():
    FOLDER.mkdir()
    _keep("64.npz", LARGE)
    _keep("32.npz", SMALL)
    write_record(FOLDER, RECORDED)


def test_probabilities_are_the_mean_over_the_scales():
    found = read_predictions(FOLDER)
    assert found.record == RECORDED
    assert (found.weights, found.computing) == ("w.params (md5 0)", "")
    np.testing.assert_array_equal(found.probabilities, [[0.75, 0.25], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("changes", "wording"),
    [
        ({"labels": [0, 2]}, r"kept/eval-cls\.json: labels from 0 to 2 are not all classes; run"),
        ({"labels": [-1, 0]}, "labels from -1 to 0 are not all classes"),
        ({"labels": [0]}, "as many labels as pictures"),
        ({"labels": ["cat", "dog"]}, r"kept/eval-cls\.json: invalid literal"),
        ({"labels": [[0], [1]]}, "as many labels as pictures"),
        ({"files": []}, "expected files"),
        ({"other": 1}, r"kept/eval-cls\.json: .*unexpected keyword argument 'other'; run `rnw"),
        ({"files": ["16.npz"]}, r"kept/16\.npz: cannot be read as kept predictions"),
        ({"class_names": ["a", "b", "c"]}, r"kept/64\.npz: .*expected float32 \(2 or fewer, 3\)"),
    ],
)
def test_refuses_a_record_that_does_not_fit(changes, wording):
    (FOLDER / RECORD).write_text(json.dumps({**RECORDED._asdict(), **changes}))
    with pytest.raises(InputError, match=wording):
        read_predictions(FOLDER)


def test_refuses_predictions_that_are_not_whole():
    _keep("32.npz", SMALL[:1])
    with pytest.raises(InputError, match=r"32\.npz: has predictions for 1 of 2 pictures; run"):
        read_predictions(FOLDER)


def test_scales_in_different_precisions_are_not_averaged():
    _keep("64.npz", LARGE, precision="bfloat16")
    with pytest.raises(InputError, match=r"32\.npz: .* in another precision .* than 64\.npz"):
        read_predictions(FOLDER)
    _keep("32.npz", SMALL, precision="bfloat16")
    assert read_predictions(FOLDER).computing == "computed by mxnet in bfloat16"


def test_scales_by_different_providers_are_not_averaged():
    _keep("64.npz", LARGE, engine="onnxruntime")  # an older file, which does not tell
    _keep("32.npz", SMALL, engine="onnxruntime", provider="cuda")
    assert read_predictions(FOLDER).computing == "computed by onnxruntime"
    _keep("64.npz", LARGE, engine="onnxruntime", provider="cpu")
    with pytest.raises(InputError, match=r"32\.npz: .* another engine.* than 64\.npz"):
        read_predictions(FOLDER)


def test_refuses_predictions_of_several_networks():
    _keep("32.npz", SMALL, weights="other")
    with pytest.raises(InputError, match=r"32\.npz: was made by other weights .* than 64\.npz"):
        read_predictions(FOLDER)
