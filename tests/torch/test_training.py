"""Training steps in PyTorch beside those in Gluon, and the examples of the page as written."""

import re
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

import rnw
from rnw.networks.layout import configure
from rnw.weights import parameter_values
from rnw.weights.formats import read_parameters, write_parameters
from tests.data.own.miniatures import class_folders
from tests.golden_cases import deterministic_weights

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

PAGE = (Path(rnw.__file__).parent / "torch" / "README.md").read_text(encoding="utf-8")
A1 = "models/ilsvrc-cls_rna-a1_cls1000_ep-0001.params"
NARROW = 1 / 32
RATE, DECAY, MOMENTUM, STEPS = 3e-4, 1e-4, 0.9, 2


def _batch(config):
    stream = np.random.RandomState(0)
    images = stream.standard_normal((8, 3, 64, 64)).astype(np.float32)
    labels = stream.randint(0, 5, (8, 8, 8) if config.segmentation else (8,))
    if config.segmentation:
        labels[:, :2] = 255
    return images, labels


def _gluons(path, images, labels):
    """Losses and parameters after steps of Gluon's trainer."""
    net = rnw.load_network(path, head="softmax", dropout=(0, 0))
    options = {"learning_rate": RATE, "momentum": MOMENTUM, "wd": DECAY}
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", options)
    losses = []
    for _ in range(STEPS):
        with mx.autograd.record():
            probabilities = net(mx.nd.array(images), mx.nd.array(labels))
        probabilities.backward()
        trainer.step(1 if net.config.segmentation else len(labels))  # it divides by the labels
        of_label = np.take_along_axis(
            probabilities.asnumpy(), np.where(labels == 255, 0, labels)[:, None], 1
        )
        losses.append(-np.log(of_label[(labels != 255)[:, None]]).mean())
    return losses, parameter_values(net)


def _pytorchs(path, images, labels):
    net = rnw.torch.load(path, dropout=(0, 0))
    biases = [p for key, p in net.named_parameters() if key.endswith("bias")]
    others = [p for key, p in net.named_parameters() if not key.endswith("bias")]
    doubled = {"lr": 2 * RATE, "weight_decay": 0.0} if net.config.segmentation else {}
    optimizer = torch.optim.SGD(
        [{"params": others}, {"params": biases, **doubled}],
        lr=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
    )
    losses = []
    for _ in range(STEPS):
        scores = net(torch.from_numpy(images))
        loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels), ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    rnw.torch.save(net, "trained.params")
    return losses, read_parameters("trained.params")


@pytest.mark.parametrize(
    ("label", "name"),
    [("x_rna-a1_cls5_ep-0001", "model_a1"), ("x_rna-a1_cls5_s8_ep-0001", "fcn_a1")],
)
def test_steps_are_gluons(label, name):
    config = configure(name, 5, width=NARROW)
    write_parameters(f"{label}.params", deterministic_weights(config), "module")
    batch = _batch(config)
    expected_losses, expected = _gluons(f"{label}.params", *batch)
    losses, found = _pytorchs(f"{label}.params", *batch)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    assert losses[-1] < losses[0]
    for key, array in expected.items():
        if not key.endswith("_moving_var"):  # PyTorch's is of the unbiased variance
            limit = 1e-4 * np.abs(array).max()
            np.testing.assert_allclose(found[key], array, rtol=0, atol=limit, err_msg=key)


def _example(heading):
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    (code,) = re.findall(r"```python\n(.+?)```", section, re.DOTALL)
    return code


@pytest.fixture
def narrow_a1():
    """A narrow file under the name of the released one."""
    Path("models").mkdir()
    config = configure("model_a1", 1000, width=NARROW)
    write_parameters(A1, deterministic_weights(config), "module")


@pytest.mark.slow
def test_fine_tuning_as_written(narrow_a1, capfd, rnw):
    class_folders(classes=("daisy", "rose", "tulip"), count=4, root="flowers")
    code = _example("Fine-tuning")
    assert len([line for line in code.splitlines() if line.strip()]) <= 21
    code = code.replace("range(60)", "range(2)").replace(
        "classes=len(names)", f"classes=len(names), width={NARROW}"
    )
    exec(code, {})
    assert "re-initialized: linear3_weight, linear3_bias" in capfd.readouterr().out
    status, out, _ = rnw("weights", "show", "--json", "flowers_rna-a1_cls3_ep-0060.params")
    assert (status, '"classes": 3' in out) == (0, True)


def test_a_class_activation_map_as_written(narrow_a1):
    code = _example("Where a class is seen")
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    found = {}
    exec(code, found)
    assert found["heat"].shape == (1, 1, 224, 224)
    net, weight = found["net"], found["net"].classifier.linear1000.weight[found["label"]]
    score = (found["seen"].mean() + net.classifier.linear1000.bias[found["label"]]).item()
    with torch.no_grad():
        assert score == pytest.approx(net(found["image"])[0, found["label"]].item(), rel=1e-4)
    assert weight.shape == (128,)
