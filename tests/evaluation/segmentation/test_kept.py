"""Labels kept as pictures: what is read back, and what is refused."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import SEGMENTATION
from rnw.errors import InputError
from rnw.evaluation.segmentation.evaluate import evaluate
from rnw.evaluation.segmentation.kept import (
    KeptLabels,
    kept_dataset,
    kept_split,
    palette_image,
    read_kept,
)
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, label_map, make_dataset, make_model

IDS = (7, 8, 11, 12)
DATASET = make_dataset((), 4, title="Streets", label_ids=IDS)
LABELS = np.random.RandomState(0).randint(0, 4, (30, 40)).astype(np.uint8)
FILE = Path("kept/labels/a.png")


@pytest.fixture
def kept():
    labels = KeptLabels(Path("kept"), DATASET, {"weights": "some"})
    labels.write("a", LABELS)
    return labels


def test_labels_are_read_as_they_were_written(kept):
    np.testing.assert_array_equal(kept.read("a", (30, 40)), LABELS)
    np.testing.assert_array_equal(read_kept(Path("kept"), "a", DATASET), LABELS)
    origin = json.loads(Path("kept/evaluation.json").read_text())
    assert origin == {"dataset": "pictures", "weights": "some"}


def _numbers(array):
    """A picture of other numbers with the palette of the dataset."""
    image = palette_image(LABELS, DATASET)
    image.putdata(array.ravel().tolist())
    return image


def _renumbered():
    return palette_image(LABELS, DATASET).convert("RGB").convert("P", palette=1, colors=4)


@pytest.mark.parametrize(
    ("make", "wording"),
    [
        (lambda: palette_image(LABELS[:, :39], DATASET), "kept labels of 39x30 pixels for a pictu"),
        (lambda: palette_image(LABELS.T, DATASET), "kept labels of 30x40 pixels for a picture of"),
        (
            lambda: Image.fromarray(np.uint8(IDS)[LABELS]),
            "with a palette, found a picture of mode L",
        ),
        (lambda: Image.fromarray(np.uint16(LABELS)), "with a palette, found a picture of mode I"),
        (lambda: palette_image(LABELS, DATASET).convert("RGB"), "a picture of mode RGB"),
        (lambda: _numbers(np.uint8(IDS)[LABELS] + 1), "kept label 9 is no class of Streets"),
        (lambda: _numbers(LABELS), "kept label 0 is no class of Streets"),
        (_renumbered, "kept label 0 is no class of Streets"),
        (
            lambda: palette_image(LABELS, make_dataset((), 4, label_ids=(8, 7, 11, 12))),
            r"label 7 has the color \(10, 254, 3\) in its palette, Streets has \(0, 255, 0\)",
        ),
    ],
)
def test_files_that_are_no_kept_labels_are_refused(kept, make, wording):
    make().save(FILE)
    before = FILE.read_bytes()
    with pytest.raises(
        InputError, match=rf"^kept/labels/a\.png: .*{wording}.*; if the file is removed, it is"
    ):
        kept.read("a", (30, 40))
    assert FILE.read_bytes() == before


def test_a_cut_file_is_refused(kept):
    FILE.write_bytes(FILE.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"^kept/labels/a\.png: cannot be read as a label map"):
        kept.read("a", (30, 40))


@pytest.mark.parametrize("labeled", [True, False])
def test_an_evaluation_looks_at_what_it_does_not_compute(labeled):
    images = [picture(40, 60, seed) for seed in range(2)]
    labels = [label_map(40, 60, 4, seed) for seed in range(2)] if labeled else None
    dataset = make_dataset(Pictures(images, labels), 4)
    model = make_model(dataset, 1)
    evaluate(model, predictions=Path("kept"))
    other = Path("kept/labels/1.png")
    palette_image(np.zeros((60, 40), np.uint8), dataset).save(other)
    with pytest.raises(InputError, match=r"^kept/labels/1\.png: kept labels of 40x60 pixels for"):
        evaluate(model, predictions=Path("kept"))
    other.unlink()
    evaluate(model, predictions=Path("kept"))
    assert Image.open(other).size == (60, 40)


def test_labels_of_another_data_set_are_of_another_evaluation(kept):
    other = make_dataset((), 4, name="others", label_ids=IDS)
    with pytest.raises(InputError, match=r"^kept: .* another .*: dataset pictures, now others;"):
        KeptLabels(Path("kept"), other, {"weights": "some"})
    Path("kept/evaluation.json").write_text('{"weights": "some"}')  # as older ones are
    KeptLabels(Path("kept"), DATASET, {"weights": "some"})


def test_the_split_is_known_but_of_older_predictions(kept):
    assert kept_split(Path("kept")) is None
    KeptLabels(Path("kept"), DATASET, {"weights": "some", "split": "train"})
    assert kept_split(Path("kept")) == "train"
    with pytest.raises(InputError, match=r"^kept: .* another .*: split train, now val;"):
        KeptLabels(Path("kept"), DATASET, {"weights": "some", "split": "val"})
    assert kept_split(Path("nowhere")) is None


@pytest.mark.parametrize(
    ("origin", "name", "found"),
    [
        ('{"dataset": "voc"}', None, "voc"),
        ('{"dataset": "voc"}', "voc", "voc"),
        ('{"weights": ["voc_rna-a1_cls21_s8_ep-0001.params (md5 0)"]}', None, "voc"),
        ("[" * 100_000, "voc", "voc"),
        ('{"weights": [3]}', "ade20k", "ade20k"),
        ("{}", "ade20k", "ade20k"),
    ],
)
def test_the_data_set_is_the_recorded_one(origin, name, found):
    Path("evaluation.json").write_text(origin)
    assert kept_dataset(Path(), name).name == found


@pytest.mark.parametrize(
    ("origin", "name", "wording"),
    [
        ('{"dataset": "voc"}', "ade20k", "has predictions for voc, as evaluation.json says, not"),
        ('{"dataset": "voc"}', "cats", "unknown dataset 'cats'"),
        ("{}", None, "no evaluation.json in it names the dataset; give --dataset"),
        ('{"weights": []}', None, "no evaluation.json in it names the dataset; give --dataset"),
    ],
)
def test_a_data_set_that_does_not_fit_is_refused(origin, name, wording):
    Path("evaluation.json").write_text(origin)
    with pytest.raises(InputError, match=wording):
        kept_dataset(Path(), name)


def test_predictions_of_voc_have_the_colors_of_the_original():
    """Those of its cmap.pkl, whose 256 colors have this checksum."""
    image = palette_image(np.zeros((2, 2), np.uint8), SEGMENTATION["voc"])
    colors = bytes(image.getpalette("RGB"))
    assert hashlib.md5(colors).hexdigest() == "496a7d93c8c64153ddc1d0fcbb40786a"
    gray = palette_image(np.zeros((2, 2), np.uint8), SEGMENTATION["cityscapes"])
    assert gray.getpalette("RGB")[:21] == 21 * [0]  # no class has a number below 7


def test_labels_are_copied_to_where_the_original_has_them(tmp_path):
    kept = KeptLabels(tmp_path, DATASET, {})
    kept.write("a", LABELS)
    kept.copy_to_original_places(["a"])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "labels" / "a.png").read_bytes()
