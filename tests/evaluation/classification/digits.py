"""Small classification networks, their files and pictures for tests."""

import mxnet as mx
from PIL import Image

from rnw.data.sets.catalog import DATASETS
from rnw.data.sets.reading import read_examples
from rnw.data.transforms import normalize
from rnw.evaluation.classification.model import load_model

NARROW = 1 / 32
TINY = "28-1-1-1-1-1-1-1"
TINY_FILE = f"digits_rna-{TINY}_cls10_ep-0001.params"
RELEASED_A = "ilsvrc-cls_rna-a_cls1000_ep-0001.params"
TEST = read_examples(DATASETS["digits"], "test")


def load_tiny(contexts=1):
    """The filled network for the digits that the fixture `tiny` saved."""
    return load_model(TINY_FILE, [mx.cpu(number) for number in range(contexts)])


def probabilities_of(net, images):
    """What a network gives for images (N, H, W, 3) uint8."""
    return mx.nd.softmax(net(mx.nd.array(normalize(images)))).asnumpy()


def save_picture(name, image):
    """Write (H, W, 3) uint8; its name."""
    Image.fromarray(image).save(name)
    return name
