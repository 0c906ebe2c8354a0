"""The steps from a picture to score maps."""

import numpy as np
import pytest

from rnw.errors import InputError
from rnw.evaluation.segmentation.score_maps import flipped, score_map, tiled
from tests.data.test_transforms import picture

STRIDE, CLASSES, REACH = 8, 3, 2  # cells to each side that an output depends on


def forward(data):
    """Every cell sees the cells up to two further in each direction, zeros outside."""
    n, _, height, width = data.shape
    cells = data.reshape(n, 3, height // STRIDE, STRIDE, width // STRIDE, STRIDE).mean((3, 5))
    padded = np.pad(cells, ((0, 0), (0, 0), (REACH, REACH), (REACH, REACH)))
    rows, columns = cells.shape[2:]
    side = 2 * REACH + 1
    views = [
        (1 + y + 2 * x) * padded[:, :, y : y + rows, x : x + columns]
        for y in range(side)
        for x in range(side)
    ]
    return np.sum(views, axis=0).astype(np.float32)


def _data(height, width):
    return np.random.RandomState(0).standard_normal((2, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (104, 200), (40, 72), (64, 72)])
@pytest.mark.parametrize("tile", [64, 72, 96])
def test_tiles_are_the_whole_where_the_network_sees_no_further_than_half_the_overlap(
    tile, height, width
):
    data = _data(height, width)
    seen = []
    by_tile = tiled(lambda part: seen.append(part.shape[2:]) or forward(part), STRIDE, tile, 32)
    np.testing.assert_array_equal(by_tile(data), forward(data))
    assert max(map(max, seen)) <= tile


def test_smaller_overlaps_change_scores_at_the_seams_alone():
    data = _data(64, 128)
    difference = (tiled(forward, STRIDE, 64, 0)(data) != forward(data)).any(axis=(0, 1, 2))
    assert np.flatnonzero(difference).tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize(("tile", "overlap"), [(60, 16), (64, 12), (64, 64), (64, -8)])
def test_tiles_that_do_not_fit_are_refused(tile, overlap):
    with pytest.raises(InputError, match=f"^tiles of {tile} with an overlap of {overlap} pixels"):
        tiled(forward, STRIDE, tile, overlap)


def test_flips_are_averaged():
    data = _data(32, 48)
    mirrored = forward(data[..., ::-1])[..., ::-1]
    np.testing.assert_allclose(flipped(forward)(data), (forward(data) + mirrored) / 2, rtol=1e-6)


def test_test_steps_shift_the_picture_by_fractions_of_the_stride():
    """Of a ramp, block means on the finer grid are the ramp at the finer grid's centers."""
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, :, None], (64, 96, 3))

    def block_means(data):
        n, _, height, width = data.shape
        return data.reshape(n, 3, height // 8, 8, width // 8, 8).mean((3, 5))[:, :1]

    found = score_map(block_means, ramp, 96, STRIDE, steps=4, square=False)
    assert (found.scores.shape, found.stride, found.scaled) == ((1, 32, 48), 2, (64, 96))
    inner = found.scores[0, 4:-4, 4:-4] * 0.229 * 255 + 0.485 * 255
    centers = 2 * np.arange(48)[4:-4] + 0.5
    np.testing.assert_allclose(inner, np.broadcast_to(centers, inner.shape), atol=1e-3)


@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 4, 8])
@pytest.mark.parametrize(
    ("sides", "scaled"), [((1, 300), (1, 32)), ((300, 1), (32, 1)), ((3, 9), (11, 32))]
)
def test_pictures_thinner_than_a_cell_are_seen(square, steps, sides, scaled):
    """Of a bright picture each cell on it has some of the brightness, which is a cell's at most."""
    bright = np.full((*sides, 3), 255, np.uint8)

    def block_means(data):
        n, _, height, width = data.shape
        return data.reshape(n, 3, height // 8, 8, width // 8, 8).mean((3, 5))[:, :1]

    found = score_map(block_means, bright, 32, STRIDE, steps=steps, square=square)
    assert found.scaled == scaled
    full = (1 - 0.485) / 0.229
    cells = [-(-side // found.stride) for side in scaled]
    seen = found.scores[0, : cells[0], : cells[1]] / full
    share = [min(side, 8) / 8 for side in scaled]
    assert seen.max() == pytest.approx(share[0] * share[1])
    assert (seen > 0).all()


@pytest.mark.parametrize(("square", "sides"), [(True, (104, 104)), (False, (72, 104))])
def test_inputs_are_padded_to_multiples_of_the_stride(square, sides):
    seen = []
    found = score_map(
        lambda data: seen.append(data) or forward(data),
        picture(70, 101, 1),
        101,
        STRIDE,
        square=square,
    )
    assert seen[0].shape == (1, 3, *sides)
    assert not seen[0][:, :, 70:].any()
    assert not seen[0][:, :, :, 101:].any()
    assert found.scaled == (70, 101)


def test_steps_that_do_not_divide_the_stride_are_refused():
    with pytest.raises(
        InputError, match=r"^3 test steps: expected a divisor of the network's strid"
    ):
        score_map(forward, picture(32, 32, 1), 32, STRIDE, steps=3)
