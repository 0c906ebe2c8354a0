"""Predictions are told by their origin."""

import pytest

from rnw.errors import InputError
from rnw.evaluation.origins import check_origin, engine_origin


def test_each_difference_is_named():
    found = {"split": "val", "scales": "500", "flip": True}
    check_origin("kept", {**found, "version": 1}, found, "choose another folder")
    with pytest.raises(InputError) as refused:
        check_origin("kept", {"split": "test", "flip": True}, found, "choose another folder")
    assert str(refused.value) == (
        "kept: has predictions of another evaluation: split test, now val; scales None, now 500; "
        "choose another folder, or --overwrite replaces them"
    )


def test_what_does_not_name_its_engine_is_of_mxnet():
    older, other = {"split": "val"}, {"split": "val", **engine_origin("onnxruntime")}
    assert engine_origin("mxnet") == {}
    check_origin("kept", older, {**older, **engine_origin("mxnet")}, "")
    for found, now, told in (
        (older, other, "engine mxnet, now onnxruntime"),
        (other, older, "engine onnxruntime, now mxnet"),
    ):
        with pytest.raises(InputError, match=f"another evaluation: {told}"):
            check_origin("kept", found, now, "choose another folder")
