"""Predictions are told by their origin."""

import pytest

from rnw.errors import InputError
from rnw.evaluation.origins import check_origin, computing_note, computing_origin


def test_each_difference_is_named():
    found = {"split": "val", "scales": "500", "flip": True}
    check_origin("kept", {**found, "version": 1}, found, "choose another folder")
    with pytest.raises(InputError) as refused:
        check_origin("kept", {"split": "test", "flip": True}, found, "choose another folder")
    assert str(refused.value) == (
        "kept: has predictions of another evaluation: split test, now val; scales None, now 500; "
        "choose another folder, or --overwrite replaces them"
    )


@pytest.mark.parametrize(
    ("engine", "precision", "differences"),
    [
        ("onnxruntime", "float32", [("engine", "mxnet", "onnxruntime")]),
        ("mxnet", "bfloat16", [("precision", "float32", "bfloat16")]),
        (
            "openvino",
            "bfloat16",
            [("engine", "mxnet", "openvino"), ("precision", "float32", "bfloat16")],
        ),
    ],
)
def test_what_names_neither_engine_nor_precision_is_of_mxnet_in_float32(
    engine, precision, differences
):
    older, other = {"split": "val"}, {"split": "val", **computing_origin(engine, precision)}
    assert computing_origin("mxnet", "float32") == {}
    check_origin("kept", older, {**older, **computing_origin("mxnet", "float32")}, "")
    there = "; ".join(f"{key} {first}, now {then}" for key, first, then in differences)
    back = "; ".join(f"{key} {then}, now {first}" for key, first, then in differences)
    for found, now, told in ((older, other, there), (other, older, back)):
        with pytest.raises(InputError, match=f"another evaluation: {told}; choose another folder"):
            check_origin("kept", found, now, "choose another folder")


def test_the_reference_is_not_mentioned():
    assert computing_note("mxnet", "float32") == ""
    assert computing_note("onnxruntime", "float32") == "computed by onnxruntime"
    assert computing_note("mxnet", "bfloat16") == "computed by mxnet in bfloat16"
