"""Training crops of pictures with label maps: the original's, and by hand; their loader."""

import numpy as np
import pytest
from PIL import Image

from rnw.data.augmentation import DECODERS
from rnw.data.crops import Cropping, LabeledCrops, mean_color
from rnw.data.labeled import LabeledImages
from rnw.data.loader import Loader, Loading
from rnw.data.picture_types import IMAGENET, Normalization, Pair
from rnw.data.sets.shapes import Shapes
from rnw.data.transforms import DEVIATION, MEAN, normalize
from rnw.errors import InputError
from tests.data.pictures import colors
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures
from tests.golden_cases import each_case, golden_arrays, golden_json

CASE = golden_json("segmentation_reader", {"seeds": []})
COUNT, BATCH, SEED = 10, 3, 5
CROPPING = Cropping(32, 64, classes=5)


def label_map(height, width, classes, seed):
    """The label map that the reference data was made from, (height, width) uint8."""
    cells = (-(-height // 10), -(-width // 10))
    classes_of_cells = np.random.RandomState(seed).randint(0, classes, cells).astype(np.uint8)
    labels = np.kron(classes_of_cells, np.ones((10, 10), np.uint8))[:height, :width]
    labels[:2] = 255
    return labels


def _sample(images, cropping, random, index=0, decoder="pillow"):
    maker = LabeledCrops(images, cropping, decoder)
    data = np.full(maker.data_shape, np.nan, np.float32)
    label = np.full(maker.label_shape, np.nan, np.float32)
    maker(index, random, data, label)
    return data, label


@each_case("seed", "segmentation_reader.json", CASE["seeds"])
def test_crops_are_the_originals(seed):
    expected = golden_arrays("segmentation_reader")
    data, labels = expected[f"seed{seed}_data"], expected[f"seed{seed}_label"]
    shapes = [(row["height"], row["width"]) for row in CASE["pictures"]]
    maps = [
        label_map(*shape, CASE["classes"], row["label_seed"])
        for shape, row in zip(shapes, CASE["pictures"])
    ]
    if CASE["label_to_id"] is not None:
        maps = [np.array(CASE["label_to_id"], np.uint8)[labels] for labels in maps]
    images = Pictures([picture(*s, row["seed"]) for s, row in zip(shapes, CASE["pictures"])], maps)
    cropping = Cropping(
        data.shape[-1], CASE["origin"], CASE["classes"], tuple(CASE["scale"]), CASE["stride"]
    )
    random = np.random.RandomState(seed)
    for index, (image, label) in enumerate(zip(data, labels)):
        found = _sample(images, cropping, random, index)
        np.testing.assert_array_equal(found[1].ravel(), label)
        np.testing.assert_allclose(found[0], image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("normalization", [IMAGENET, Normalization((0.5, 0.6, 0.7), (0.2,) * 3)])
@pytest.mark.parametrize("decoder", DECODERS)
def test_padding_is_the_mean_color_and_ignored(decoder, normalization):
    """A picture much smaller than the crop, which is at its top left or a little inside."""
    images = Pictures([np.full((8, 8, 3), 255, np.uint8)], [np.ones((8, 8), np.uint8)])
    images.normalization = normalization
    data, label = _sample(images, Cropping(32, 8, 2, (1, 1)), np.random.RandomState(0), 0, decoder)
    padding = normalize(np.broadcast_to(mean_color(normalization), (1, 1, 3)), *normalization)
    assert np.abs(padding).max() < 0.02
    np.testing.assert_array_equal(data[:, 20:, 20:], np.broadcast_to(padding, (3, 12, 12)))
    assert (data.max(axis=(1, 2)) > 1.4).all()
    assert set(np.unique(label)) == {1, 255}
    assert (label == 1).sum() == 1


@pytest.mark.parametrize("stride", [4, 8])
def test_cell_i_is_the_pixel_in_its_middle(stride):
    """At rate 1 nothing is resampled, so that labels and image tell where they are from."""
    rows, columns = np.mgrid[:40, :56].astype(np.uint8)
    image = np.stack([rows, columns, 0 * rows], axis=2)
    cropping = Cropping(32, 56, 56, (1, 1), stride)
    flips = set()
    for seed in range(20):
        _, flip = cropping.draw(40, 56, np.random.RandomState(seed))
        flips.add(flip)
        for labels, channel in ((rows, 0), (columns, 1)):
            random = np.random.RandomState(seed)
            data, label = _sample(Pictures([image], [labels]), cropping, random)
            plane = data[channel] * DEVIATION[channel] + MEAN[channel]
            seen, label = (a[:, ::-1] if flip else a for a in (np.round(plane * 255), label))
            cells = seen[stride // 2 :: stride, stride // 2 :: stride]
            assert (label != 255).sum() > 4
            np.testing.assert_array_equal(cells[label != 255], label[label != 255])
    assert flips == {True, False}


def test_rates_are_relative_to_the_longer_side():
    cropping = Cropping(48, 100, 2)
    random = np.random.RandomState(0)
    for shape in ((50, 200), (200, 50), (400, 300)):
        sides = [cropping.draw(*shape, random)[0].height * 100 / max(shape) for _ in range(500)]
        assert 48 / 1.3 - 1 <= min(sides) < 48 / 1.25
        assert 48 / 0.75 < max(sides) <= 48 / 0.7


def test_crops_are_drawn_from_the_whole_picture():
    cropping = Cropping(16, 100, 2)
    boxes = [cropping.draw(60, 100, np.random.RandomState(seed))[0] for seed in range(500)]
    for start, length in (("top", 60), ("left", 100)):
        starts = [getattr(box, start) for box in boxes]
        assert min(starts) == -5  # half a stride at 0.7
        assert max(start + box.height for start, box in zip(starts, boxes)) == length


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (3, 500)])
def test_narrow_pictures(shape):
    images = Pictures([np.zeros((*shape, 3), np.uint8)], [np.zeros(shape, np.uint8)])
    for seed in range(30):
        data, label = _sample(images, CROPPING, np.random.RandomState(seed))
        assert np.isfinite(data).all()
        assert set(np.unique(label)) <= {0, 255}


def test_decoders_give_the_same_labels():
    images = Pictures([picture(90, 120, 1)], [label_map(90, 120, 5, 2)])
    (exact, labels), (fast, others) = (
        _sample(images, CROPPING, np.random.RandomState(3), 0, decoder)
        for decoder in ("pillow", "opencv")
    )
    np.testing.assert_array_equal(labels, others)
    assert 0 < np.abs(exact - fast).mean() < 0.1


def test_labels_of_another_size_are_refused():
    images = Pictures([np.zeros((20, 30, 3), np.uint8)], [np.zeros((20, 31), np.uint8)])
    wording = r"^labels/0\.png: a label map of 31 x 20, its picture pictures/0\.jpg is 30 x 20; "
    with pytest.raises(InputError, match=wording):
        _sample(images, CROPPING, np.random.RandomState(0))


def test_labels_of_no_class_are_refused():
    images = Pictures([np.zeros((20, 30, 3), np.uint8)], [np.full((20, 30), 5, np.uint8)])
    with pytest.raises(
        InputError, match=r"^labels/0\.png: has label 5, expected a class, 0 to 4, or 255 for what"
    ):
        _sample(images, CROPPING, np.random.RandomState(0))


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures and label maps of several sizes."""
    pairs = []
    for index in range(COUNT):
        shape = (40 + index, 56 - index)
        Image.fromarray(colors(index, *shape)).save(tmp_path / f"{index}.jpg")
        Image.fromarray(label_map(*shape, 5, index)).save(tmp_path / f"{index}.png")
        pairs.append(Pair(f"{index}.jpg", f"{index}.png"))
    return LabeledImages(tmp_path, pairs)


def _loader(images, part=(0, 1), batch=BATCH, **loading):
    return Loader(images, batch, SEED, part, cropping=CROPPING, loading=Loading(**loading))


def _joined(batches):
    batches = list(batches)
    return [np.concatenate([getattr(b, f) for b in batches]) for f in ("data", "labels")]


def _assert_equal(found, expected):
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def expected(pictures):
    return _joined(_loader(pictures, workers=0).epoch(2))


def test_batches(pictures, expected):
    data, labels = expected
    assert (data.shape, data.dtype) == ((9, 3, 32, 32), np.float32)
    assert (labels.shape, labels.dtype) == ((9, 4, 4), np.float32)
    order = np.random.RandomState([SEED, 2]).permutation(COUNT)
    for image, label, index in zip(data, labels, order):
        sample = _sample(
            pictures, CROPPING, np.random.RandomState([SEED, 2, index]), index, "opencv"
        )
        _assert_equal(sample, (image, label))


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "threads"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("start", [0, 2])
def test_neither_workers_nor_a_pause_change_batches(pictures, expected, start, workers, threads):
    rest = _joined(_loader(pictures, workers=workers, threads=threads).epoch(2, start))
    _assert_equal(rest, [values[start * BATCH :] for values in expected])


def test_parts_make_the_whole(pictures, expected):
    loaders = [_loader(pictures, (rank, 3), workers=1) for rank in range(3)]
    batches = zip(*(loader.epoch(2) for loader in loaders))
    _assert_equal(_joined(part for batch in batches for part in batch), expected)


def test_batches_that_are_kept_do_not_change(pictures):
    kept = [
        (batch.labels, batch.labels.copy())
        for batch in _loader(pictures, batch=1, workers=2).epoch(0)
    ]
    assert len(kept) == COUNT
    for view, copy in kept:
        np.testing.assert_array_equal(view, copy)


@pytest.mark.slow
@pytest.mark.parametrize("bad", ["4.jpg", "4.png"])
@pytest.mark.parametrize("workers", [0, 2])
def test_bad_pictures_and_label_maps(tmp_path, pictures, bad, workers):
    (tmp_path / bad).write_bytes(b"")
    with pytest.raises(InputError, match=rf"/{bad}: cannot be read as a"):
        list(_loader(pictures, batch=COUNT, workers=workers).epoch(0))
    loader = _loader(pictures, batch=COUNT, workers=workers, skip_bad=True)
    data, labels = _joined(loader.epoch(0))
    order = np.random.RandomState([SEED, 0]).permutation(COUNT).tolist()
    _assert_equal((data[order.index(4)],), (data[order.index(5)],))
    _assert_equal((labels[order.index(4)],), (labels[order.index(5)],))
    assert list(loader.skipped) == [str(tmp_path / "4.jpg")]


def test_drawn_shapes():
    data, labels = _joined(_loader(Shapes(6, seed=0), workers=2).epoch(0))
    assert data.shape == (6, 3, 32, 32)
    assert set(np.unique(labels)) <= {0, 1, 2, 3, 4, 255}
