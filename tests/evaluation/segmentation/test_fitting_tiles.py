"""Tiles as large as the memory allows."""

from pathlib import Path

import pytest

from rnw.errors import InputError
from rnw.evaluation.engines.table import ENGINES
from rnw.evaluation.segmentation import fitting_tiles
from rnw.evaluation.segmentation.evaluate import evaluate
from rnw.evaluation.segmentation.fitting_tiles import (
    FIXED,
    USABLE,
    bytes_per_pixel,
    fitting_tile,
    kept_tile,
)
from rnw.evaluation.segmentation.kept import ORIGIN
from rnw.evaluation.segmentation.protocol import Protocol
from rnw.files import read_json, write_json
from rnw.networks.layout import configure
from tests.data.test_transforms import picture
from tests.evaluation.segmentation.segments import Pictures, label_map, make_dataset, make_model

STRIDE = 8


def _free(pixels):
    """The free memory by which so many pixels of a byte each fit."""
    return (pixels + FIXED) / USABLE + 1


@pytest.mark.parametrize(
    ("size", "pixels", "tile"),
    [
        ((1024, 2048), 1024 * 2048, None),
        ((1024, 2048), 1024 * 2048 - 1, 2040),
        ((1024, 2048), 1024 * 1300, 1296),  # strips of the whole height
        ((1024, 2048), 1000 * 1000, 1000),
        ((2048, 1024), 100 * 100, 96),
        ((500, 500), 32 * 32, 32),
    ],
)
def test_the_largest_tile_that_fits(size, pixels, tile):
    assert fitting_tile(size, STRIDE, 1.0, _free(pixels)) == tile


@pytest.mark.parametrize("pixels", [-FIXED, 0, 31 * 31])
def test_too_little_memory_for_any_tile_is_refused(pixels):
    with pytest.raises(InputError, match=r"^--tile auto: .* too little for tiles of 32 pixels"):
        fitting_tile((500, 500), STRIDE, 1.0, _free(pixels))


def test_the_memory_of_a_pixel_by_hand():
    """The peak of Model A1 is in the last convolution of the last unit, at stride 8.

    There are the shortcut of 4096 channels, what the convolution reads, 2048, and makes, 4096.
    """
    assert bytes_per_pixel(configure("fcn_a1")) == 4 * (4096 + 2048 + 4096) / 8**2


def _model(size=96, **fields):
    images, labels = [picture(48, 96, 1)], [label_map(48, 96, 4, 1)]
    dataset = make_dataset(Pictures(images, labels), 4, **fields)
    model = make_model(dataset, 1, protocol=Protocol((size,)))
    scorers = [scorer._replace(memory=1.0) for scorer in model.scorers]
    return model._replace(scorers=scorers, devices=ENGINES[model.computing.engine].open_devices())


@pytest.fixture
def pixels_fit(monkeypatch):
    """Let as many pixels of a byte fit as a test says, whatever memory there is."""

    def fit(pixels):
        monkeypatch.setattr(fitting_tiles, "USABLE", 1e-30)
        monkeypatch.setattr(fitting_tiles, "FIXED", -pixels)

    return fit


@pytest.mark.parametrize(
    ("pixels", "changes", "tile", "overlap"),
    [
        (96 * 96, {}, None, 0),
        (96 * 96, {"overlap": 16}, None, 0),
        (64 * 64, {}, 64, 16),
        (64 * 64, {"overlap": 8}, 64, 8),
        (96 * 96, {"scales": (96, 128)}, 96, 24),
        (48 * 96, {}, 64, 16),
        (48 * 96, {"any_shape": True}, 64, 16),
    ],
)
def test_auto_is_what_fits_of_the_largest_scale(pixels_fit, pixels, changes, tile, overlap):
    pixels_fit(pixels)
    protocol = _model().tested_by(tile="auto", **changes).protocol
    assert (protocol.tile, protocol.overlap) == (tile, overlap)


def test_where_all_pictures_are_alike_their_shape_counts(pixels_fit):
    pixels_fit(48 * 96)
    model = _model(identical_sizes=True, largest=(48, 96))
    assert model.tested_by(tile="auto").protocol.tile is None
    assert model.tested_by(tile="auto", any_shape=True).protocol.tile == 64


def test_an_evaluation_goes_on_with_the_tiles_it_began_with(pixels_fit):
    folder = Path("kept")
    pixels_fit(64 * 64)
    first = _model().tested_by(tile="auto", kept=folder)
    evaluate(first, predictions=folder)
    assert kept_tile(folder) == first.protocol.tile == 64
    for pixels, tile in ((80 * 80, 64), (96 * 96, 64), (56 * 56, 56)):
        pixels_fit(pixels)
        assert _model().tested_by(tile="auto", kept=folder).protocol.tile == tile
    evaluate(_model().tested_by(tile=48), scores=Path("scores"))
    assert kept_tile(Path("scores")) == 48
    evaluate(_model(), predictions=Path("whole"))
    assert kept_tile(Path("whole")) is None


def test_an_older_record_tells_its_tiles_in_words(pixels_fit):
    folder = Path("kept")
    evaluate(_model().tested_by(tile=64), predictions=folder)
    record = read_json(folder / ORIGIN)
    assert record.pop("tile") == 64
    write_json(folder / ORIGIN, record)
    pixels_fit(96 * 96)
    again = _model().tested_by(tile="auto", kept=folder)
    assert again.protocol.tile == 64
    evaluate(again, predictions=folder)
    assert read_json(folder / ORIGIN)["tile"] == 64
