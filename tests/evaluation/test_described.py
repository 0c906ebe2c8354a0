"""What is said of tests on pictures that networks were trained on."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rnw.data.own.description import Description, Split
from rnw.data.sets.catalog import find_segmentation_dataset
from rnw.data.sets.described import make_row
from rnw.evaluation.described import notes_on_test

OWN = Description("classification", {"train": Split("pictures")}, "data", classes=("cat", "dog"))


@pytest.mark.parametrize(
    ("tested", "trained", "wording"),
    [
        (0.1, 0.1, "$"),
        (0.1, 0.4, "40 % of .* data were held out .* on 10 % of them, all of which were held out$"),
        (0.4, 0.1, "10 % of .* on 40 % of them: the network was trained on 75 % of .*; leave out"),
        (0.4, 0.0, "0 % of .* on 40 % of them: the network was trained on 100 % of"),
        (0.0, 0.0, "data has no split val or test: .*; train and test with --val-fraction 0.1"),
        (0.0, None, "data has no split val or test"),
        (0.1, None, "$"),
    ],
)
def test_parts_that_differ_from_those_of_training(tested, trained, wording):
    row = make_row(replace(OWN, val_fraction=tested))
    beside = None if trained is None else make_row(replace(OWN, val_fraction=trained))
    found = notes_on_test(row, row.test_split, [beside])
    assert re.match(wording, found)
    assert notes_on_test(row, "another", [beside]) == ""
    other = None if beside is None else replace(beside, name="other")
    assert notes_on_test(make_row(replace(OWN, val_fraction=0.4)), "val", [other]) == ""


def test_classes_of_other_names_are_told():
    trained, tested = make_row(OWN), make_row(replace(OWN, name="pets", classes=("cat", "eel")))
    found = notes_on_test(tested, "val", [None, trained])
    assert found.startswith("class 1 is 'eel' in pets, and was 'dog' in training, on data: ")


@pytest.mark.parametrize(("trained", "told"), [("val", True), ("train", False), (None, False)])
def test_a_test_on_the_split_of_training_is_told(trained, told):
    row = make_row(replace(OWN, val_fraction=0.1))
    weights = Path("data_rna-28-1-1-1-1-1-1-1_cls2_ep-0001.params")
    Path("data_rna-28-1-1-1-1-1-1-1_cls2.json").write_text(json.dumps({"split": trained}))
    said = "the network was trained on split val of data, which this is a test on"
    assert notes_on_test(row, "val", (), [weights]) == said * told
    assert notes_on_test(replace(row, name="other"), "val", (), [weights]) == ""
    assert notes_on_test(row, "val", (), [Path("mine.params")]) == ""


@pytest.mark.parametrize(("split", "told"), [("val", True), ("test", False)])
def test_a_split_of_several_is_told(split, told):
    weights = Path("voc_rna-a1_cls21_s8_ep-0001.params")
    Path("voc_rna-a1_cls21_s8.json").write_text(json.dumps({"split": "trainval"}))
    found = notes_on_test(find_segmentation_dataset("voc"), split, (), [weights])
    assert (found != "") == told
