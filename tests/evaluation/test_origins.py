"""Predictions are told by their origin."""

import pytest

from rnw.errors import InputError
from rnw.evaluation.computing import REFERENCE, Computing
from rnw.evaluation.origins import check_origin


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
    older, other = {"split": "val"}, {"split": "val", **Computing(engine, precision).record}
    assert REFERENCE.record == {}
    check_origin("kept", older, {**older, **REFERENCE.record}, "")
    there = "; ".join(f"{key} {first}, now {then}" for key, first, then in differences)
    back = "; ".join(f"{key} {then}, now {first}" for key, first, then in differences)
    for found, now, told in ((older, other, there), (other, older, back)):
        with pytest.raises(InputError, match=f"another evaluation: {told}; choose another folder"):
            check_origin("kept", found, now, "choose another folder")


def test_the_reference_is_not_mentioned():
    assert REFERENCE.note == ""
    assert Computing("onnxruntime").note == "computed by onnxruntime"
    assert Computing("onnxruntime", provider="cuda").note == "computed by onnxruntime (cuda)"
    assert Computing(precision="bfloat16").note == "computed by mxnet in bfloat16"


def test_providers_are_not_mixed_and_an_older_record_fits_any():
    older, cpu, cuda = (
        Computing("onnxruntime", "float16", provider=provider).record
        for provider in ("", "cpu", "cuda")
    )
    assert Computing.of_record(cuda) == Computing("onnxruntime", "float16", provider="cuda")
    for found, now in ((older, cuda), (cuda, older), (cpu, cpu)):
        check_origin("kept", found, now, "")
    with pytest.raises(InputError, match="another evaluation: provider cpu, now cuda; choose"):
        check_origin("kept", cpu, cuda, "choose another folder")
