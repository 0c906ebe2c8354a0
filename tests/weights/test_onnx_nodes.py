"""ONNX graphs with every combination of options: valid, and equal to the network in all."""

from functools import lru_cache
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from PIL import Image

from rnw.data.transforms import normalize
from rnw.errors import InputError
from rnw.evaluation.segmentation.score_maps import ScoreMap
from rnw.evaluation.segmentation.upsampling import resize_matrix, upsample
from rnw.networks.inputs import IMAGENET, Normalization
from rnw.networks.layout import configure
from rnw.networks.zoo import network_names
from rnw.weights.onnx_graph import onnx_graph
from rnw.weights.onnx_nodes import AS_INPUT, OLDEST_OPSET, GraphForm, parse_size
from rnw.weights.surgery import fold_batch_norms, halve
from tests.golden_cases import deterministic_weights

NARROW, CLASSES = 1 / 64, 5
SIZE = (11, 18)  # of the pictures: no multiple of a stride
RESIZED = (16, 24)
PICTURES = np.random.RandomState(0).randint(0, 256, (2, *SIZE, 3)).astype(np.uint8)
BICUBIC = Image.Resampling.BICUBIC
OWN = Normalization((0.3, 0.4, 0.5), (0.1, 0.2, 0.3))
OPTIONS = {
    "half": (False, True),
    "fold": (False, True),
    "head": ("logits", "softmax"),
    "argmax": (False, True),
    "normalization": (None, OWN),
    "upsample": (None, AS_INPUT, RESIZED),
}


# network, kind of classifier
NAMES = (*network_names(), "resnet50")
NETWORKS = [(name, kind) for name in NAMES for kind in ("linear", "1 conv", "2 conv")]


def _combinations(segmentation):
    choices = dict(OPTIONS, upsample=OPTIONS["upsample"] if segmentation else (None,))
    return [dict(zip(choices, values)) for values in product(*choices.values())]


def _share(name, classifier):
    """The combinations of options that a network is tested with: all of them, dealt like cards."""
    kind = [other for other in NETWORKS if (other[1] == "linear") == (classifier == "linear")]
    return _combinations(classifier != "linear")[kind.index((name, classifier)) :: len(kind)]


def _session(model):
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@lru_cache(maxsize=2)
def _plain(name, classifier):
    """Parameters, and the plain graph, which test_onnx_graph.py compares with MXNet."""
    config = configure(name, CLASSES, width=NARROW, classifier=classifier)
    parameters = deterministic_weights(config)
    return parameters, _session(onnx_graph(config, parameters))


def _softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _expected(scores, config, form):
    if config.head == "softmax" or (form.argmax and form.upsample):
        scores = _softmax(scores)
    if form.upsample:
        maps = (ScoreMap(one, config.stride, SIZE) for one in scores)
        scores = np.stack([upsample(found, SIZE) for found in maps])
    if form.upsample == RESIZED:
        rows, columns = (resize_matrix(*sides, BICUBIC) for sides in zip(SIZE, RESIZED))
        scores = rows @ scores @ columns.T
    return scores


def _check(found, expected, form, half):
    tolerance = (2e-2 if half else 1e-4) * np.abs(expected).max()
    if not form.argmax:
        assert (found.dtype, found.shape) == (np.float32, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        return
    assert (found.dtype, found.shape) == (np.uint8, expected[:, 0].shape)
    taken = np.take_along_axis(expected, found[:, None].astype(np.int64), axis=1)[:, 0]
    assert (expected.max(axis=1) - taken).max() <= 2 * tolerance


def check_graph(name, classifier, half, fold, head, argmax, normalization, upsample):
    """Compare a graph, valid by onnx's checker, with the plain one in both runtimes."""
    config = configure(name, CLASSES, head=head, width=NARROW, classifier=classifier)
    form = GraphForm(normalization, upsample, argmax)
    parameters, plain = _plain(name, classifier)
    (scores,) = plain.run(None, {"data": normalize(PICTURES, *(normalization or IMAGENET))})
    expected = _expected(scores, config, form)
    values = fold_batch_norms(config, parameters) if fold else parameters
    model = onnx_graph(config, halve(values) if half else values, form)
    onnx.checker.check_model(model, full_check=True)
    data = {"data": PICTURES if normalization else normalize(PICTURES)}
    for runtime in (_session, ReferenceEvaluator):
        (found,) = runtime(model).run(None, data)
        _check(found, expected, form, half)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classifier"), NETWORKS)
def test_every_combination_of_options(name, classifier):
    for options in _share(name, classifier):
        check_graph(name, classifier, **options)


SOME = {
    "half-precision probabilities": ("linear", (True, False, "softmax", False, None, None)),
    "bytes to labels": ("1 conv", (True, True, "logits", True, OWN, RESIZED)),
}


@pytest.mark.parametrize("case", SOME)
def test_some_combinations_of_options(case):
    classifier, options = SOME[case]
    check_graph("224-0-1-1-1-1-1-1", classifier, *options)


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 18, 21])
def test_other_versions_of_operators(opset):
    config = configure("fcn_a2", CLASSES, width=NARROW)
    parameters, data = deterministic_weights(config), {"data": PICTURES}
    found = []
    for form in (GraphForm(OWN, RESIZED, opset=opset), GraphForm(OWN, RESIZED)):
        model = onnx_graph(config, parameters, form)
        onnx.checker.check_model(model, full_check=True)
        found += _session(model).run(None, data)
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5 * np.abs(found[1]).max())
    assert onnx_graph(config, parameters, GraphForm(opset=opset)).opset_import[0].version == opset


def test_small_pictures_from_bytes_are_refused():
    config = configure("model_a", CLASSES, width=NARROW, pooling="full")
    session = _session(onnx_graph(config, deterministic_weights(config), GraphForm(OWN)))
    (given,) = session.get_inputs()
    assert (given.type, given.shape) == ("tensor(uint8)", ["batch", "height", "width", 3])
    assert session.run(None, {"data": np.zeros((1, 48, 48, 3), np.uint8)})[0].shape == (1, CLASSES)
    with pytest.raises(InvalidArgument, match="input_must_be_at_least_48x48"):
        session.run(None, {"data": np.zeros((1, 48, 47, 3), np.uint8)})


def test_labels_of_many_classes_are_not_bytes():
    for classes, kind in ((256, "tensor(uint8)"), (257, "tensor(int32)")):
        config = configure("fcn_a1", classes, width=NARROW)
        graph = onnx_graph(config, deterministic_weights(config), GraphForm(argmax=True))
        (given,) = _session(graph).get_outputs()
        assert (given.name, given.type) == ("labels", kind)
        assert given.shape == ["batch", "rows", "columns"]


REFUSED = {
    "a classifier": (
        "model_a1",
        {},
        GraphForm(upsample=AS_INPUT),
        r"model_a1 \(logits\) has no",
    ),
    "maps": ("fcn_a1", {"head": "features"}, GraphForm(upsample=AS_INPUT), "has no score maps"),
    "no scores": ("model_a1", {"head": "features"}, GraphForm(argmax=True), "leave out --argmax"),
    "no border": ("fcn_a", {"pooling": "caffe"}, GraphForm(None, RESIZED), "takes --pooling pad"),
    "channels": ("model_a1", {"channels": 4}, GraphForm(OWN), "inputs of 4 channels"),
    "an old opset": ("model_a1", {}, GraphForm(opset=12), "opset is 12, expected 13 to "),
    "a new opset": ("model_a1", {}, GraphForm(opset=999), "opset is 999, expected 13 to "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_forms_that_a_network_cannot_have(case):
    name, options, form, wording = REFUSED[case]
    config = configure(name, CLASSES, width=NARROW, **options)
    with pytest.raises(InputError, match=wording):
        onnx_graph(config, deterministic_weights(config), form)


@pytest.mark.parametrize(
    ("text", "size"), [("input", AS_INPUT), ("1024x2048", (1024, 2048)), ("1x1", (1, 1))]
)
def test_sizes_are_parsed(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "512", "0x5", "5x", "1x2x3", "1024 x 2048", "-1x5", "label"])
def test_other_sizes_are_refused(text):
    with pytest.raises(InputError, match="expected input, or a height and a width in pixels"):
        parse_size(text)
