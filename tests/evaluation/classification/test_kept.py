"""Predictions kept of an evaluation, and those saved for others."""

import io
from pathlib import Path

import numpy as np
import pytest

from rnw.data.picture_types import Examples
from rnw.data.sets.catalog import DATASETS
from rnw.data.sets.ilsvrc12 import CLASS_NUMBERS, read_devkit
from rnw.data.sets.rows import Dataset
from rnw.errors import InputError
from rnw.evaluation.classification.evaluate import evaluate
from rnw.evaluation.classification.model import Model
from rnw.evaluation.classification.protocol import Protocol
from rnw.evaluation.classification.submission import find_numbering
from rnw.locks import LOCK_FILE, alone_in
from tests.data.prepare.miniature import SYNSETS, make_ilsvrc12
from tests.data.test_transforms import picture

IMAGES = [picture(40 + k, 50, k) for k in range(10)]
LABELS = np.arange(10) % 4


class _Network:
    """Four classes by the red of four rows; counts the crops that it sees."""

    def __init__(self):
        self.crops = 0

    def __call__(self, data):
        self.crops += len(data)
        scores = np.exp(data[:, 0, :4, 0])
        return scores / scores.sum(axis=1, keepdims=True)


def _model(scales=(32,), labels=LABELS, **options):
    dataset = Dataset(
        "pictures",
        "Pictures",
        None,
        4,
        lambda: "abcd",
        lambda root, split: Examples(IMAGES, labels),
        "train",
        "test",
        recipe="",
        class_numbers=CLASS_NUMBERS,
    )
    weights = Path("weights.params")
    if not weights.exists():
        weights.write_bytes(b"some weights")
    protocol = Protocol(scales, **options)
    return Model(_Network(), dataset, protocol, weights=weights)


def _evaluate(model, **options):
    return evaluate(model, predictions=Path("kept"), batch=2, **options)


def _stop_after(batches):
    seen = []

    def stop(tested):
        seen.append(tested)
        if len(seen) == batches:
            raise KeyboardInterrupt

    return stop


def test_an_interrupted_evaluation_goes_on():
    expected = evaluate(_model((40, 32)))
    first = _model((40, 32))
    with pytest.raises(KeyboardInterrupt):
        _evaluate(first, on_step=_stop_after(7))
    assert sorted(path.name for path in Path("kept").iterdir()) == [
        "test_32_center.npz",
        "test_40_center.npz",
    ]
    again, told = _model((40, 32)), []
    assert _evaluate(again, on_step=told.append) == expected
    assert (first.forward.crops, again.forward.crops) == (14, 6)
    assert [(tested.scale, tested.step, tested.steps) for tested in told] == [
        (32, 16, 20),
        (32, 18, 20),
        (32, 20, 20),
    ]
    assert told[-1].top1 == expected.scales[32].top1


def test_an_extended_evaluation_computes_what_is_new():
    _evaluate(_model((32,)))
    extended = _model((40, 32))
    assert _evaluate(extended) == evaluate(_model((40, 32)))
    assert extended.forward.crops == 10
    other = _model((32,), flip=True)
    assert _evaluate(other) == evaluate(_model((32,), flip=True))
    assert other.forward.crops == 20


@pytest.mark.parametrize(
    ("change", "wording"),
    [
        (lambda: Path("weights.params").write_bytes(b"other weights"), "weights"),
        (lambda: _model(labels=LABELS[::-1]), "images"),
        (lambda: _model(interpolation="cubic"), "interpolation adaptive, now cubic"),
    ],
)
def test_predictions_of_another_evaluation_are_refused(change, wording):
    _evaluate(_model())
    before = Path("kept/test_32_center.npz").read_bytes()
    changed = change()
    changed = changed if isinstance(changed, Model) else _model()
    with pytest.raises(InputError, match=f"test_32_center.npz: .* another evaluation: {wording}"):
        _evaluate(changed)
    assert Path("kept/test_32_center.npz").read_bytes() == before
    _evaluate(changed, overwrite=True)
    assert changed.forward.crops == 10
    _evaluate(changed)
    assert changed.forward.crops == 10


def _array_file():
    file = io.BytesIO()
    np.save(file, np.float32([[1, 0, 0, 0]]))
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut", _array_file()])
def test_damaged_predictions_are_refused(content):
    _evaluate(_model())
    Path("kept/test_32_center.npz").write_bytes(content)
    with pytest.raises(
        InputError, match=r"test_32_center\.npz: cannot be read as kept predictions"
    ):
        _evaluate(_model())


@pytest.mark.parametrize("method", [1, 8, 99])
def test_predictions_that_claim_to_be_compressed_are_refused(method):
    _evaluate(_model())
    kept = Path("kept/test_32_center.npz")
    content = bytearray(kept.read_bytes())
    for place in (content.index(b"PK\1\2") + 10, 8):  # in the index of the archive, in the file
        content[place] = method
    kept.write_bytes(content)
    with pytest.raises(
        InputError, match=r"center\.npz: cannot be read as kept predictions .*--over"
    ):
        _evaluate(_model())


def _flipped(rows):
    rows.view(np.uint32)[5, 3] ^= 1 << 30
    return rows


@pytest.mark.parametrize(
    ("damage", "wording"),
    [
        (lambda rows: rows * np.float32(np.nan), "probabilities are not finite: 40 of 40 are NaN"),
        (lambda rows: rows.astype(np.float64), r"expected float32 .* found float64"),
        (lambda rows: np.where(np.eye(10, 4), np.float32("inf"), rows), "not finite: 4 of 40 are"),
        (lambda rows: rows[:, :3], r"expected float32 \(10 or fewer, 4\), found float32 \(10, 3\)"),
        (lambda rows: np.concatenate([rows, rows]), r"found float32 \(20, 4\)"),
        (lambda rows: rows[:, 0], r"found float32 \(10,\)"),
        (lambda rows: np.float32(3), r"found float32 \(\)"),
        (lambda rows: rows.astype("U8"), "found <U8"),
        (lambda rows: rows.astype(np.int32), "found int32"),
        (lambda rows: rows.astype(complex), "found complex128"),
        (lambda rows: rows.astype(object), "Object arrays cannot be loaded"),
        (_flipped, "not between 0 and 1"),
        (lambda rows: rows - np.float32(0.5), "not between 0 and 1"),
        (lambda rows: rows * np.float32(0.3), "of an image do not sum to 1"),
    ],
)
def test_kept_numbers_that_are_no_probabilities_are_refused(damage, wording):
    _evaluate(_model())
    kept = Path("kept/test_32_center.npz")
    with np.load(kept) as arrays:
        good = dict(arrays)
    np.savez(kept, **{**good, "probabilities": damage(good["probabilities"].copy())})
    before = kept.read_bytes()
    with pytest.raises(
        InputError, match=rf"^kept/test_32_center\.npz: cannot be read as .*{wording}.* --overw"
    ):
        _evaluate(_model())
    assert kept.read_bytes() == before
    _evaluate(_model(), overwrite=True)


@pytest.mark.parametrize("origin", ["[" * 100_000, "[]", "3", "[1]", '"x"', "null"])
def test_an_origin_that_is_none_is_refused(origin):
    _evaluate(_model())
    kept = Path("kept/test_32_center.npz")
    with np.load(kept) as arrays:
        np.savez("other.npz", probabilities=arrays["probabilities"], origin=origin)
    Path("other.npz").replace(kept)
    with pytest.raises(InputError, match=r"^kept/test_32_center\.npz: .* --overwrite replaces"):
        _evaluate(_model())


def test_probabilities_that_are_not_finite_are_not_kept():
    model = _model()
    model = model._replace(forward=lambda data: data[:, 0, :4, 0] * [1, 1, np.nan, 1])
    with pytest.raises(InputError, match=r"^the network's probabilities are not finite: "):
        _evaluate(model)
    assert not list(Path("kept").iterdir())


def test_a_folder_that_cannot_be_written_is_refused_at_once():
    Path("kept").write_text("a file")
    model = _model()
    with pytest.raises(InputError, match=r"^kept: predictions cannot be kept there"):
        _evaluate(model)
    assert model.forward.crops == 0


def test_two_evaluations_do_not_keep_predictions_in_one_folder():
    model = _model()
    with alone_in(Path("kept")), pytest.raises(InputError, match=r"^kept: another run is writ"):
        _evaluate(model)
    assert model.forward.crops == 0
    _evaluate(model)
    assert model.forward.crops == len(IMAGES)
    assert not Path("kept", LOCK_FILE).exists()


def test_saved_predictions():
    result = evaluate(_model((40, 32)), save=Path("saved/p.npz"))
    with np.load("saved/p.npz") as arrays:
        saved = dict(arrays)
    assert saved["labels"].tolist() == LABELS.tolist()
    assert saved["images"].tolist() == [str(index) for index in range(10)]
    probabilities = saved["probabilities"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert 100 * np.mean(probabilities.argmax(axis=1) == LABELS) == pytest.approx(result.top1)
    lines = Path("saved/p.txt").read_text().splitlines()
    expected = [" ".join(str(k + 1) for k in np.argsort(-row)) for row in probabilities]
    assert lines == expected
    assert result.numbering == "labels from 1, not ILSVRC2012_ID"


@pytest.mark.parametrize("there", ["p.npz", "p.txt"])
def test_saved_predictions_are_not_lost(there):
    Path(there).write_text("precious")
    with pytest.raises(InputError, match=f"^{there}: exists"):
        evaluate(_model(), save=Path("p.npz"))
    assert Path(there).read_text() == "precious"
    evaluate(_model(), save=Path("p.npz"), overwrite=True)
    assert len(Path("p.txt").read_text().splitlines()) == 10


def test_a_name_for_saved_predictions_is_that_of_an_archive():
    with pytest.raises(InputError, match=r"^p\.txt: expected a name that ends in \.npz"):
        evaluate(_model(), save=Path("p.txt"))


def test_submissions_have_the_numbers_of_the_development_kit():
    made = make_ilsvrc12(Path("archives"))
    archive = made.folder / "ILSVRC2012_devkit_t12.tar.gz"
    numbers, source = find_numbering(_model().dataset, Path(), archive)
    assert source == f"ILSVRC2012_ID of {archive}"
    of_folder = find_numbering(_model().dataset, Path(), archive.parent)
    assert (of_folder.numbers.tolist(), of_folder.description) == (numbers.tolist(), source)
    assert [SYNSETS[number - 1][0] for number in numbers] == list(made.classes)
    assert list(read_devkit(archive).classes) == list(made.classes)
    assert find_numbering(_model().dataset, made.folder)[0].tolist() == numbers.tolist()


def test_a_development_kit_is_refused_for_a_dataset_without_official_numbers():
    with pytest.raises(InputError, match=r"^kit: .*digits has no official class numbers"):
        find_numbering(DATASETS["digits"], Path(), Path("kit"))


def test_the_development_kit_of_other_classes_is_refused_if_asked_for():
    archive = make_ilsvrc12(Path("archives")).folder / "ILSVRC2012_devkit_t12.tar.gz"
    with pytest.raises(InputError, match=r"is for 4 classes, .* has 1000"):
        find_numbering(DATASETS["ilsvrc-cls"], Path(), archive)
    numbers, source = find_numbering(DATASETS["ilsvrc-cls"], archive.parent)
    assert (numbers.tolist(), source) == (list(range(1, 1001)), "labels from 1, not ILSVRC2012_ID")
