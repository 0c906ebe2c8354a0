"""The nodes of an ONNX graph: what they are made with, and those before and behind a network.

Every operator here means the same in all versions from OLDEST_OPSET on.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, List, Optional, Sequence, Tuple, Union

import numpy as np

from rnw.errors import InputError
from rnw.networks.inputs import Normalization
from rnw.networks.layout import NetworkConfig
from rnw.weights.choices import OPSET
from rnw.weights.onnx_file import require_onnx

OLDEST_OPSET = 13  # before, Softmax joined all axes behind its own
INPUT = "data"
LABELS = "labels"
AS_INPUT = "input"
Size = Tuple[int, int]  # height, width in pixels


def parse_size(text: str) -> Union[str, Size]:
    """Return AS_INPUT, or the height and width in '1024x2048'; raise InputError for neither."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None and text != AS_INPUT:
        raise InputError(
            f"{text!r}: expected {AS_INPUT}, or a height and a width in pixels, as 1024x2048"
        )
    return AS_INPUT if match is None else (int(match[1]), int(match[2]))


@dataclass(frozen=True)
class GraphForm:
    """What a graph does before and behind its network, and the version of its operators.

    normalization: of a graph that takes pictures as bytes, (batch, height, width, 3) uint8; None:
        the graph takes what its network does.
    upsample: the size of a segmentation network's scores: AS_INPUT for that of the input, or
        (height, width); None: one cell per `stride` pixels.
    argmax: give the number of the class with the largest score; where scores are upsampled, with
        the largest probability, as evaluations do.
    opset: the version of ONNX's operators.
    """

    normalization: Optional[Normalization] = None
    upsample: Union[str, Size, None] = None
    argmax: bool = False
    opset: int = OPSET

    def check(self, config: NetworkConfig, newest: int) -> None:
        """Raise InputError where a network, or an onnx package up to opset `newest`, lacks it."""
        if not OLDEST_OPSET <= self.opset <= newest:
            raise InputError(
                f"opset is {self.opset}, expected {OLDEST_OPSET} to {newest} (of the installed "
                "onnx package)"
            )
        if self.normalization is not None:
            config.check_rgb()
        if self.argmax and config.head == "features":
            raise InputError(
                f"{config.name} has no scores without a classifier: leave out --argmax"
            )
        if self.upsample is None:
            return
        if not config.segmentation or config.head == "features":
            raise InputError(
                f"{config.name} ({config.head}) has no score maps: leave out --upsample, or make a "
                "segmentation network of it with --fcn"
            )
        if config.pooled and config.pooling != "pad":
            raise InputError(
                f"{config.name} with pooling {config.pooling!r} has no scores for the right and "
                "lower border: --upsample takes --pooling pad"
            )


class Nodes:
    """Collects the nodes of a graph; methods that add one return the name of its output."""

    def __init__(self, config: NetworkConfig, form: GraphForm):
        self.onnx = require_onnx("to write an ONNX graph")
        form.check(config, self.onnx.defs.onnx_opset_version())
        self.config = config
        self.form = form
        self.nodes: List[Any] = []

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        node = self.onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        self.nodes.append(node)
        return name

    def cast(self, x: str, to: int, name: str) -> str:
        return self.add("Cast", [x], name, to=to)

    def constant(self, name: str, numbers: Any, dtype: type = np.int64) -> str:
        """A node rather than an initializer, since those are the network's parameters alone."""
        value = self.onnx.numpy_helper.from_array(np.array(numbers, dtype), name)
        return self.add("Constant", [], name, value=value)

    def value(self, name: str, shape: Sequence[Any], kind: Optional[int] = None) -> Any:
        """An input or output of the graph; default type: float32."""
        kind = self.onnx.TensorProto.FLOAT if kind is None else kind
        return self.onnx.helper.make_tensor_value_info(name, kind, shape)

    def input(self) -> Any:
        """The only input of the graph."""
        sides = ["height", "width"]
        if self.form.normalization is None:
            return self.value(INPUT, ["batch", self.config.channels, *sides])
        return self.value(INPUT, ["batch", *sides, 3], self.onnx.TensorProto.UINT8)

    @cached_property
    def sides(self) -> str:
        """(2,): height and width of the input."""
        axes = [2, 3] if self.form.normalization is None else [1, 2]
        shape = self.add("Shape", [INPUT], "input_shape")
        return self.add("Gather", [shape, self.constant("axes_of_sides", axes)], "sides")

    def enter(self) -> str:
        """What the network takes, in float32."""
        x = INPUT if self.form.normalization is None else self.normalize_bytes()
        return self.refuse_small(x) if self.config.least_size > 1 else x

    def normalize_bytes(self) -> str:
        """The input in planes, and normalized as `rnw.data.transforms.normalize` does."""
        mean, deviation = (
            self.constant(name, np.reshape(numbers, (3, 1, 1)), np.float32)
            for name, numbers in zip(("mean", "deviation"), self.form.normalization or ())
        )
        planes = self.add("Transpose", [INPUT], "data_planes", perm=[0, 3, 1, 2])
        x = self.cast(planes, self.onnx.TensorProto.FLOAT, "data_float")
        x = self.add("Div", [x, self.constant("white", 255, np.float32)], "data_scaled")
        x = self.add("Sub", [x, mean], "data_centered")
        return self.add("Div", [x, deviation], "data_normalized")

    def refuse_small(self, x: str) -> str:
        """The input itself; for one that is too small, an index out of bounds, which ends the run.

        ONNX has no assertion. ONNX Runtime would divide by zero where a pooling leaves nothing.
        """
        least = self.config.least_size
        small = self.add("Less", [self.sides, self.constant("least_size", [least])], "too_small")
        index = self.cast(small, self.onnx.TensorProto.INT64, "index_if_too_small")
        message = f"input_must_be_at_least_{least}x{least}"
        ones = self.add("Gather", [self.constant("one", [1]), index], message)
        checked = self.add("Mul", [self.sides, ones], "checked_sides")
        same = self.constant("batch_and_channels", [0, 0])  # of Reshape: as they are
        shape = self.add("Concat", [same, checked], "checked_shape", axis=0)
        return self.add("Reshape", [x, shape], "checked_data")

    def leave(self, x: str) -> Any:
        """The only output: what the network gives, float32, in the form that is asked for."""
        head, form = self.config.head, self.form
        shape = self.output_shape()
        if head == "softmax" or (form.argmax and form.upsample):
            name = "softmax_of_cells" if form.upsample else "softmax"
            x = self.add("Softmax", [x], name, axis=1)
        if form.upsample:
            x = self.upsample(x)
        if not form.argmax:
            self.nodes[-1].output[0] = head
            return self.value(head, shape)
        kinds = self.onnx.TensorProto
        kind = kinds.UINT8 if self.config.classes <= 256 else kinds.INT32  # numbered from 0
        numbers = self.add("ArgMax", [x], "class_numbers", axis=1, keepdims=0)
        labels = self.cast(numbers, kind, LABELS)
        return self.value(labels, [shape[0], *shape[2:]], kind)

    def output_shape(self) -> List[Any]:
        config, to = self.config, self.form.upsample
        if config.head == "features":
            return ["batch", *config.feature_channels, "rows", "columns"]
        maps = ["rows", "columns"] if config.segmentation else []
        if to:
            maps = ["height", "width"] if to == AS_INPUT else [*to]
        return ["batch", config.classes, *maps]

    def upsample(self, x: str) -> str:
        """Scores of pixels, as `rnw.evaluation.segmentation.upsampling.upsample` resamples them."""
        scales = self.constant("cells_to_pixels", [1, 1, *[self.config.stride] * 2], np.float32)
        x = self.resize([x, "", scales], "scores_of_whole_cells")
        x = self.add(
            "Slice",
            [x, self.constant("corner", [0, 0]), self.sides, self.constant("rows_columns", [2, 3])],
            "scores_of_pixels",
        )
        if self.form.upsample == AS_INPUT:
            return x
        shape = self.add("Shape", [x], "shape_of_scores")
        same = self.add("Gather", [shape, self.constant("axes_kept", [0, 1])], "kept_sides")
        size = self.constant("size", list(self.form.upsample or ()))
        sizes = self.add("Concat", [same, size], "resized_shape", axis=0)
        return self.resize([x, "", "", sizes], "resized_scores")

    def resize(self, inputs: Sequence[str], name: str) -> str:
        """Cubic interpolation as Pillow's: Keys' kernel, weights beyond the edges left out."""
        return self.add(
            "Resize",
            inputs,
            name,
            mode="cubic",
            cubic_coeff_a=-0.5,
            exclude_outside=1,
            coordinate_transformation_mode="half_pixel",
        )
