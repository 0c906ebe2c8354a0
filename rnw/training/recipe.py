"""What a recipe is: the settings of a training run, of one class for each of the two tasks."""

import json
import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Tuple, Union

from rnw.data.own.description import CLASSIFICATION, SEGMENTATION
from rnw.data.picture_types import Classified, LabeledSource
from rnw.data.sampling import SAMPLERS
from rnw.data.sets.catalog import find_dataset, find_segmentation_dataset, is_path
from rnw.data.sets.reading import (
    check_classes,
    check_label_maps,
    published_images,
    published_pictures,
    read_examples,
    read_pictures,
)
from rnw.data.sets.rows import Row
from rnw.data.sets.subsets import match_labels, with_labels
from rnw.errors import InputError
from rnw.networks.heads import IGNORED_LABEL
from rnw.networks.layout import (
    LOSSES,
    MAX_WIDTH,
    SEGMENTATION_CLASSIFIERS,
    SEGMENTATION_DROPOUT,
    NetworkConfig,
    configure,
)
from rnw.networks.zoo import CLASSIFICATION_PREFIX, find_network
from rnw.training.choices import ADAMS, KVSTORES, OPTIMIZERS
from rnw.training.recipe_fields import (
    NOT_NEGATIVE,
    TRUTH,
    check_limits,
    declare,
    joined,
    number,
    one_of,
    redeclare,
    text,
    told,
    whole,
)
from rnw.training.schedules import SCHEDULES
from rnw.training.styles import STYLES
from rnw.weights.labels import ModelLabel, parse_label
from rnw.weights.precision import FLOAT32, PRECISIONS

if TYPE_CHECKING:
    from rnw.data.crops import Cropping

MAX_SUFFIX = 100
_SUFFIX = re.compile(rf"(?!ep-)[A-Za-z0-9_.+=-]{{0,{MAX_SUFFIX}}}")
LARGEST = 65_535  # pixels of the longer side: what a JPEG file can have
MAX_CLASSES = 1_000_000  # more than any dataset has; what MXNet can count is not far above
MAX_CROP = 1 << 14  # pixels a side; no picture has more

_WIDTH = number(f"above 0 and at most {MAX_WIDTH}", lambda value: 0 < value <= MAX_WIDTH)
_UPDATES = joined(
    "whole numbers joined by commas",
    int,
    "numbers of updates from 1 on",
    lambda steps: all(step >= 1 for step in steps),
)
_SUFFIX_TEXT = text(
    f"at most {MAX_SUFFIX} letters a to z, digits and any of '_-.+=', not 'ep-' at first",
    lambda suffix: _SUFFIX.fullmatch(suffix) is not None,
)
_PAIR = joined("two numbers joined by a comma", float)
_STYLES = joined(
    "one or two words joined by a comma",
    str,
    f"at most two of {', '.join(STYLES)}",
    lambda styles: len(styles) <= 2 and set(styles) <= set(STYLES),
)
_CLASS_WEIGHTS = joined(
    "numbers joined by commas",
    float,
    "each 0 or more, and not all of them 0",
    lambda weights: all(0 <= w < math.inf for w in weights) and (any(weights) or not weights),
)
_SMOOTHING = number("0 or more and below 1", lambda value: 0 <= value < 1)


@dataclass(frozen=True)
class Recipe:
    """How a classification network is trained; `source` says where the settings come from."""

    task: ClassVar[str] = CLASSIFICATION

    name: str
    source: str
    dataset: str = declare(text(), "dataset to train on: a name, a folder or a description")
    network: str = declare(text(), "network to train, as `rnw networks` lists them")
    classes: int = declare(whole(2, MAX_CLASSES), "number of classes of the dataset")
    batch: int = declare(whole(1), "images of a step, over all devices")
    epochs: int = declare(whole(1), "number of passes through the data")
    base_lr: float = declare(NOT_NEGATIVE, "learning rate that the schedule starts from")
    width: float = declare(
        _WIDTH, "channels of each layer, as a multiple of the network's own", default=1.0
    )
    schedule: str = declare(
        one_of(SCHEDULES),
        "how the learning rate changes: not at all, down to `lr_floor` linearly or along a cosine, "
        "or to a tenth at each of `lr_steps`",
        default="linear",
    )
    lr_floor: float = declare(
        NOT_NEGATIVE, "learning rate that the linear and the cosine schedule end at", default=1e-6
    )
    lr_steps: Tuple[int, ...] = declare(
        _UPDATES, "updates after which the step schedule lowers the learning rate", default=()
    )
    warmup: float = declare(
        NOT_NEGATIVE,
        "epochs, or a part of one, in which the learning rate rises to `base_lr` at first",
        optional=True,
        default=0.0,
    )
    optimizer: str = declare(
        one_of(OPTIMIZERS),
        "Torch's or MXNet's SGD, both with momentum; Adam; or Adam with decay of its own",
        default="torch_nesterov",
    )
    momentum: float = declare(NOT_NEGATIVE, "momentum of SGD, or beta1 of Adam", default=0.9)
    weight_decay: float = declare(NOT_NEGATIVE, "weight decay of the optimizer", default=1e-4)
    class_weights: Tuple[float, ...] = declare(
        _CLASS_WEIGHTS,
        "weight of each class in the loss, in the order of their numbers (default: 1 each)",
        optional=True,
        default=(),
    )
    balance: bool = declare(
        TRUTH,
        "weigh each class by the inverse of its share of the labels, so that all count alike",
        optional=True,
        default=False,
    )
    label_smoothing: float = declare(
        _SMOOTHING,
        "part of each label that the loss spreads evenly over all classes",
        optional=True,
        default=0.0,
    )
    kvstore: str = declare(
        one_of(KVSTORES),
        "how devices and machines share gradients (dist_* need `rnw launch`)",
        default="local",
    )
    starts_from: str = declare(
        text(), "weights file in models/ that training starts from, if any", default=""
    )
    suffix: str = declare(
        _SUFFIX_TEXT, "end of the label in file names, which tells the run from others", default=""
    )
    styles: Tuple[str, ...] = declare(
        _STYLES,
        "how layers learn, one word for all or one for features and one for the classifier: alike "
        "(torch), biases at twice the rate without decay (alex), all of that ten times as fast "
        "(alex10), not at all (fixed) (default: torch, in segmentation alex)",
        optional=True,
        default=(),
    )
    sampler: str = declare(
        one_of(SAMPLERS),
        "which pictures an epoch draws: each once, or as many of each class (classification only)",
        optional=True,
        default="random",
    )
    split: str = declare(
        text(),
        "split of the dataset to train on (default: its training split)",
        optional=True,
        default="",
    )
    precision: str = declare(
        one_of(PRECISIONS),
        "numbers to compute the network in, with weights and their updates in float32: bfloat16 on "
        "CPUs with instructions for it, float16 on GPUs",
        optional=True,
        default=FLOAT32,
    )

    def to_json(self) -> str:
        """Return the recipe as a JSON object, one field a line."""
        return json.dumps(told(self), indent=2) + "\n"

    def check(self) -> None:
        """Raise InputError for a field with a value that it may not have."""
        check_limits(self)
        self._check_suffix()
        self._check_rates()
        self._check_class_weights()

    def _check_rates(self) -> None:
        """Refuse rates and a momentum with which the schedule or the optimizer would not work."""
        if self.optimizer in ADAMS and self.momentum >= 1:
            raise InputError(f"momentum is {self.momentum}, expected less than 1 by Adam")
        if self.warmup >= self.epochs:
            raise InputError(
                f"warmup is {self.warmup}, expected less than epochs, which is {self.epochs}"
            )
        if self.schedule in ("linear", "cosine") and self.lr_floor > self.base_lr:
            raise InputError(
                f"lr_floor is {self.lr_floor}, above base_lr, {self.base_lr}, from which the rate "
                "is to fall: set both"
            )

    def _check_class_weights(self) -> None:
        if self.class_weights and self.balance:
            raise InputError(
                "class_weights and balance both weigh the classes: set one of them "
                "(class_weights= sets none)"
            )
        if len(self.class_weights) not in (0, self.classes):
            raise InputError(
                f"class_weights has {len(self.class_weights)} numbers, expected one for each of "
                f"the {self.classes} classes"
            )

    def _check_suffix(self) -> None:
        """Refuse a suffix from which, as part of a file name, another network would be found."""
        label = ModelLabel("dataset", "a", self.classes, self.label_stride, self.suffix)
        if parse_label(label.params_file(1)) != label:
            raise InputError(f"suffix is {self.suffix!r}, which in file names would be the stride")

    @cached_property
    def row(self) -> Any:
        """The row of the dataset, a `Dataset`; in segmentation a `SegmentationDataset`.

        It is looked up once. Raises InputError for a dataset that is unknown or of the other task.
        """
        return find_dataset(self.dataset)

    def with_row(self, row: Row) -> "Recipe":
        """Return the recipe, which takes `row` as that of its dataset and looks up none."""
        recipe = replace(self)
        vars(recipe)["row"] = row  # where `cached_property` keeps it
        return recipe

    @cached_property
    def label(self) -> ModelLabel:
        """The label of what the recipe trains."""
        network = find_network(self.network).name.replace(CLASSIFICATION_PREFIX, "")
        dataset = self.row.name if is_path(self.dataset) else self.dataset
        return ModelLabel(dataset, network, self.classes, self.label_stride, self.suffix)

    @property
    def trained_split(self) -> str:
        """The split of the dataset that is trained on; raises InputError for data without one."""
        if self.split:
            return self.split
        found = self.row.description
        if found is not None and "train" not in found.splits:
            splits = ", ".join(found.splits)
            raise InputError(f"{found.place}: has no split 'train' to train on, found {splits}")
        return str(self.row.train_split)

    @property
    def changes_loss(self) -> bool:
        """Whether classes are weighed or labels smoothed, which the paper's losses do not."""
        return bool(self.class_weights or self.balance or self.label_smoothing)

    @property
    def label_stride(self) -> Optional[int]:
        """The output stride that the label tells."""
        return None

    @property
    def first_phase(self) -> str:
        """The name of the recipe whose last checkpoint this one starts from, if any."""
        return ""

    @property
    def input_size(self) -> int:
        """Pixels a side of what the network sees in training."""
        return find_network(self.network).size

    def configure(self) -> NetworkConfig:
        """Return the network that the recipe trains; raise InputError as `configure` does."""
        return configure(self.network, self.classes, width=self.width, head="softmax")

    def read_examples(self, data_root: Optional[Path] = None) -> Union[Classified, LabeledSource]:
        """Return what the recipe trains on, of the dataset in `data_root` or its usual folder.

        Raises InputError for data that is missing or has no labels, and for other classes than
        those of the recipe.
        """
        dataset, split, classes = self.row, self.trained_split, self.classes
        examples = read_examples(dataset, split, data_root)
        labels = match_labels(dataset, split, data_root, examples.labels, classes, "the recipe")
        check_classes(dataset, data_root, classes)
        return with_labels(examples, labels)

    def published_images(self, data_root: Optional[Path] = None) -> Optional[int]:
        """Return the published number of training images where the dataset is not there."""
        return published_images(self.row, data_root, self.trained_split)

    def cropping(self) -> "Optional[Cropping]":
        """Return how crops of pictures and label maps are drawn; None: there are no label maps."""
        return None

    def gradients_summed(self, devices: int) -> int:
        """Return how many means the gradient of a step on all devices is the sum of.

        A device gives the sum over its pictures in classification, and the mean over its labels in
        segmentation.
        """
        return self.batch


@dataclass(frozen=True)
class SegmentationRecipe(Recipe):
    """How a segmentation network is trained, from a classification network (section 5)."""

    task: ClassVar[str] = SEGMENTATION

    classes: int = redeclare(
        Recipe,
        "classes",
        whole(1, IGNORED_LABEL, f"label maps have 8 bits, and {IGNORED_LABEL} is ignored"),
    )
    split: str = redeclare(Recipe, "split", default="")  # files of a run always say it
    stride: int = declare(
        whole(1),
        "output stride: pixels a side of the input for each cell of the score maps",
        default=8,
    )
    classifier: str = declare(
        one_of(SEGMENTATION_CLASSIFIERS),
        "number of convolutions that make scores of the last feature maps",
        default="2 conv",
    )
    dropout: Tuple[float, float] = declare(
        _PAIR, "rates of dropout on levels 6 and 7", default=SEGMENTATION_DROPOUT
    )
    frozen_statistics: bool = declare(
        TRUTH,
        "whether batch normalizations keep, also in training, the moving averages that training "
        "starts from",
        optional=True,
        default=True,
    )
    loss: str = declare(
        one_of(LOSSES),
        "cross-entropy over all pixels, or with online bootstrapping over hard ones",
        default="ohem",
    )
    crop: int = declare(
        whole(1, MAX_CROP), "pixels a side of crops, rounded up to whole strides", default=500
    )
    origin: int = declare(
        whole(1),
        "pixels of the longer side of a picture at a rate of 1",
        default=500,
    )
    rates: Tuple[float, float] = declare(
        _PAIR,
        "limits of rates: the longer side of a picture becomes `origin` times a rate",
        default=(0.7, 1.3),
    )
    optimizer: str = redeclare(Recipe, "optimizer", default="sgd")
    weight_decay: float = redeclare(Recipe, "weight_decay", default=5e-4)
    continues: str = declare(
        text(),
        "recipe of the first phase, whose last checkpoint in the same folder training starts from",
        default="",
    )

    def check(self) -> None:
        super().check()
        if self.sampler != "random":
            raise InputError(
                f"sampler is {self.sampler!r}, which is for pictures of one class each; expected "
                "'random' in segmentation"
            )
        if not self._are_rates():
            raise InputError(
                f"rates is {self.rates}, expected two numbers, the first not above the second, and "
                f"a pixel of origin at least, {LARGEST:,} at most (origin is {self.origin})"
            )

    def _are_rates(self) -> bool:
        if len(self.rates) != 2:
            return False
        shortest, longest = (rate * self.origin for rate in self.rates)
        return 1 <= shortest <= longest <= LARGEST

    @property
    def label_stride(self) -> Optional[int]:
        return self.stride

    @property
    def first_phase(self) -> str:
        return self.continues

    @property
    def input_size(self) -> int:
        return -(-self.crop // self.stride) * self.stride

    def configure(self) -> NetworkConfig:
        return configure(
            self.network,
            self.classes,
            width=self.width,
            head=self.loss,
            stride=self.stride,
            classifier=self.classifier,
            dropout=self.dropout,
            frozen_statistics=self.frozen_statistics,
        )

    @cached_property
    def row(self) -> Any:
        return find_segmentation_dataset(self.dataset)

    def read_examples(self, data_root: Optional[Path] = None) -> LabeledSource:
        dataset, split = self.row, self.trained_split
        pictures = read_pictures(dataset, split, data_root)
        if not pictures.has_labels:
            raise InputError(
                f"{dataset.title}, split {split!r}: its list names no label maps, so that nothing "
                "can be learnt from it; choose another with --set split=NAME"
            )
        if dataset.classes != self.classes:
            raise InputError(
                f"{dataset.title} has {dataset.classes} classes, the recipe {self.classes}"
            )
        check_label_maps(dataset, pictures)
        return pictures

    def published_images(self, data_root: Optional[Path] = None) -> Optional[int]:
        return published_pictures(self.row, self.trained_split, data_root)

    def cropping(self) -> "Cropping":
        from rnw.data.crops import Cropping  # needs an extra

        return Cropping(self.input_size, self.origin, self.classes, self.rates, self.stride)

    def gradients_summed(self, devices: int) -> int:
        return devices
