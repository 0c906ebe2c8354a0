"""TABLE of the paper's numbers: ILSVRC 2012 val (Table 1) and segmentation (Tables 2 to 7)."""

from dataclasses import dataclass
from typing import Dict, Optional, Tuple

# where a number is from
README = "R"  # of the original code, with the released files
REMEMBERED = "M"  # by readers of the paper, not checked against it
TEXT = "T"  # of the paper
AUTHOR = "A"  # who answered in a public thread
RESULTS_PAGE = "W"  # of the benchmark
SOURCES = {
    README: "README of the original code",
    REMEMBERED: "remembered by readers of the paper, not checked against it",
    TEXT: "text of the paper",
    AUTHOR: "an author's answer in a public thread",
    RESULTS_PAGE: "results page of the benchmark",
}


@dataclass(frozen=True)
class Published:
    """A row of Table 1: errors in percent, speed in images/s on a GTX 980, ten a batch, cuDNN 4.

    `network` is a name of `networks.zoo` or `evaluation.baselines`, None for what is only quoted.
    """

    title: str
    network: Optional[str]
    depth: Optional[int]
    top1_error: float
    top5_error: float
    speed: Optional[float] = None
    errors_source: str = REMEMBERED
    speed_source: str = REMEMBERED


TABLE_1 = (
    Published("Model F, 56-1-1-1-1-9-1-1", "model_f", 34, 25.2, 7.8, 113.2),
    Published("Model E, 112-1-1-1-1-5-1-1", "model_e", 26, 22.3, 6.2, 76.2),
    Published("Model D, 112-1-1-1-1-9-1-1", "model_d", 34, 22.1, 6.0, 60.9),
    Published("Model C, 112-1-1-1-1-13-1-1", "model_c", 42, 21.8, 5.9, 51.8),
    Published("224-0-1-1-1-1-1-1", "224-0-1-1-1-1-1-1", 16, 22.0, 5.8, 55.3),
    Published("Model B, 224-0-1-1-1-3-1-1", "model_b", 20, 21.0, 5.5, 43.3),
    Published("Model A, 224-0-3-3-6-3-1-1", "model_a", 38, 19.20, 4.73, 15.7, README),
    Published("Model A1", "model_a1", 38, 19.54, 4.75, errors_source=README),
    Published("ResNet-50, tested", "resnet50_v1", 50, 23.5, 6.8, 75.2),
    Published("ResNet-101, tested", "resnet101_v1", 101, 22.1, 6.1, 48.3),
    Published("ResNet-152, tested", "resnet152_v1", 152, 21.8, 5.8, 32.9),
    Published("VGG16, ten crops", "vgg16", 16, 28.1, 9.3),
    Published("ResNet-152, published", None, 152, 21.3, 5.5),
    Published("Pre-activation ResNet-152, published", None, 152, 21.1, 5.5),
    Published("Pre-activation ResNet-200, published", None, 200, 20.7, 5.3),
    Published("Inception-v4, published", None, None, 20.0, 5.0),
    Published("Inception-ResNet-v2, published", None, None, 19.9, 4.9),
)


@dataclass(frozen=True)
class PublishedSegmentation:
    """A row of Tables 2 to 7: `scores` in percent by name, all of one source.

    `network` is as in model labels, None for what no weights file of ours can give; `coco`: trained
    on COCO's pictures as well. `split` 'test' has no public labels.
    """

    title: str
    split: str
    scores: Tuple[Tuple[str, float], ...]
    source: str
    network: Optional[str] = None
    coco: bool = False


@dataclass(frozen=True)
class SegmentationTable:
    """A table of the paper on one dataset."""

    title: str
    dataset: str
    rows: Tuple[PublishedSegmentation, ...]


def _rows(*rows: tuple) -> Tuple[PublishedSegmentation, ...]:
    return tuple(PublishedSegmentation(*row) for row in rows)


_IOU = "mean IoU"
_ACCURACY = "pixel accuracy"
_SCORE = "score"  # of ADE20K, the mean of the two

SEGMENTATION_TABLES: Dict[int, SegmentationTable] = {
    2: SegmentationTable(
        "PASCAL VOC 2012 val",
        "voc",
        _rows(
            ("Model A1, 2 conv", "val", ((_IOU, 80.84),), README, "a1"),
            ("Model A1, 2 conv, with COCO", "val", ((_IOU, 82.86),), README, "a1", True),
        ),
    ),
    3: SegmentationTable(
        "PASCAL VOC 2012 test",
        "voc",
        _rows(
            ("Model A, 2 conv", "test", ((_IOU, 82.5),), TEXT, "a"),
            ("Model A, 2 conv, several scales", "test", ((_IOU, 83.1),), TEXT, "a"),
            ("Model A, 2 conv, with COCO", "test", ((_IOU, 84.9),), README, "a", True),
        ),
    ),
    4: SegmentationTable(
        "Cityscapes val",
        "cityscapes",
        _rows(("Model A1, 2 conv", "val", ((_IOU, 78.08),), README, "a1")),
    ),
    5: SegmentationTable(
        "Cityscapes test",
        "cityscapes",
        _rows(
            (
                "Model A2, 2 conv",
                "test",
                (
                    ("class IoU", 78.4),
                    ("class iIoU", 59.1),
                    ("category IoU", 90.9),
                    ("category iIoU", 81.1),
                ),
                README,
                "a2",
            )
        ),
    ),
    6: SegmentationTable(
        "ADE20K",
        "ade20k",
        _rows(
            ("Model A1, 2 conv", "val", ((_ACCURACY, 80.55), (_IOU, 43.34)), README, "a1"),
            ("Model A2, 2 conv", "val", ((_IOU, 43.7),), AUTHOR, "a2"),
            ("Model A2, one scale", "test", ((_SCORE, 55.39),), RESULTS_PAGE, "a2"),
            ("Model A2, several scales", "test", ((_SCORE, 56.41),), RESULTS_PAGE, "a2"),
            ("Models A2, A and C, CRF", "test", ((_SCORE, 56.735),), RESULTS_PAGE),
            ("SenseCUSceneParsing, the winner", "test", ((_SCORE, 57.205),), RESULTS_PAGE),
        ),
    ),
    7: SegmentationTable(
        "PASCAL Context val",
        "pascal-context",
        _rows(("Model A2, 2 conv", "val", ((_IOU, 48.1),), REMEMBERED, "a2")),
    ),
}
