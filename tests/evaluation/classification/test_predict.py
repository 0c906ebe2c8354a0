"""What classification networks see in pictures."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from PIL import Image

from rnw.data.sets.catalog import DATASETS
from rnw.errors import InputError
from rnw.evaluation.classification.model import load_model
from rnw.evaluation.classification.predict import predict
from rnw.networks.classifier import get_network
from rnw.weights import save_params
from tests.data.test_transforms import picture
from tests.evaluation.classification.digits import (
    NARROW,
    RELEASED_A,
    TEST,
    load_tiny,
    probabilities_of,
    save_picture,
)


@pytest.mark.parametrize("contexts", [1, 2])
def test_predictions_are_a_forward_pass_over_the_picture(contexts, tiny):
    paths = [save_picture(f"{index}.png", TEST.images[index]) for index in range(3)]
    predictions = list(predict(load_tiny(contexts), paths, top=3))
    assert [prediction.image for prediction in predictions] == paths
    for prediction, row in zip(predictions, probabilities_of(tiny, TEST.images[:3])):
        numbers, names, values = zip(*prediction.classes)
        assert list(numbers) == sorted(range(10), key=lambda k: -row[k])[:3]
        assert list(names) == [DATASETS["digits"].class_names()[k] for k in numbers]
        np.testing.assert_allclose(values, row[list(numbers)], rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(60, 40), (40, 61), (20, 30)])
def test_pictures_are_scaled_and_cropped(height, width, tiny):
    image = picture(height, width, 1)
    side = min(height, width)
    scaled = tuple(round(28 * length / side) for length in (width, height))
    how = Image.LANCZOS if side > 28 else Image.BICUBIC
    resized = np.array(Image.fromarray(image).resize(scaled, how))
    top, left = (int(np.ceil((length - 28) / 2)) for length in resized.shape[:2])
    crop = resized[top : top + 28, left : left + 28]
    found = next(predict(load_tiny(), [save_picture("a.png", image)], top=10)).classes
    row = probabilities_of(tiny, crop[None])[0]
    np.testing.assert_allclose([p for _, _, p in sorted(found)], row, rtol=1e-4)


def _thin():
    Image.new("RGB", (1, 300)).save("bad.png")


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [lambda: Path("bad.png").write_text("x"), lambda: None, _thin])
def test_unreadable_pictures_are_told_and_passed_over(spoil, tiny):
    spoil()
    good = [save_picture(f"{index}.png", TEST.images[index]) for index in range(2)]
    bad = []
    found = predict(load_tiny(), [good[0], "bad.png", good[1]], on_bad=bad.append)
    assert [prediction.image for prediction in found] == good
    assert [str(error).partition(": ")[0] for error in bad] == ["bad.png"]
    found = predict(load_tiny(), [good[0], "bad.png", good[1]])
    assert next(found).image == good[0]
    with pytest.raises(InputError, match=r"^bad\.png: "):
        next(found)


def test_several_scales_are_averaged(tiny):
    path = save_picture("a.png", picture(60, 80, 1))
    model = load_tiny()
    alone = [next(predict(model.tested_by([scale]), [path], top=10)) for scale in (28, 40)]
    both = next(predict(model.tested_by([28, 40]), [path], top=10))
    expected = {k: p / 2 for k, _, p in alone[0].classes}
    for k, _, p in alone[1].classes:
        expected[k] += p / 2
    assert {k: p for k, _, p in both.classes} == pytest.approx(expected, rel=1e-5)


def test_the_released_protocol_is_what_a_picture_goes_through(fill):
    net = fill(get_network("model_a", width=NARROW, pooling="caffe"))
    save_params(net, RELEASED_A)
    image = picture(400, 400, 1)
    scaled = np.array(Image.fromarray(image).resize((320, 320), Image.BICUBIC))
    row = probabilities_of(net, scaled[None])[0]
    found = next(
        predict(load_model(RELEASED_A, [mx.cpu()]), [save_picture("a.png", image)])
    ).classes
    assert [number for number, _, _ in found] == np.argsort(-row)[:5].tolist()
    np.testing.assert_allclose([p for _, _, p in found], np.sort(row)[:-6:-1], rtol=1e-4)
