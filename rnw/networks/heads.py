"""The losses that a network ends in: SoftmaxOutput, and its bootstrapped form for segmentation.

Each gives the probabilities; its gradient is that of the cross-entropy, whatever reaches it from
above. All operators are MXNet's own, so that a head is part of the exported graph.
"""

from typing import Any, Callable

from rnw.networks.layout import NetworkConfig

IGNORED_LABEL = 255
OHEM_THRESHOLD, OHEM_KEPT = 0.6, 256  # the original's; the paper does not mention bootstrapping

_VALID = {"use_ignore": True, "normalization": "valid"}
_ABOVE, _IGNORED = 2, 3  # stand for probabilities and are larger than all of them
_LEFT_OUT = 1 << 24  # stands for labels and is larger than all that float32 can tell apart


def loss_of(config: NetworkConfig) -> Callable[[Any, Any, Any], Any]:
    """Return the loss that a network ends in, one of those below."""
    if config.head == "ohem":
        return bootstrapped_softmax
    return segmentation_softmax if config.segmentation else softmax


def softmax(F: Any, scores: Any, label: Any) -> Any:
    """Return probabilities from scores (N, classes) and label (N,); the gradient is summed."""
    return F.SoftmaxOutput(scores, label, grad_scale=1.0, multi_output=False, name="softmax")


def segmentation_softmax(F: Any, scores: Any, label: Any) -> Any:
    """Return probabilities from scores (N, classes, H, W) and label (N, H, W) or (N, HW).

    The label 255 is ignored. The gradient is divided by the number of labels that are not ignored.
    """
    return F.SoftmaxOutput(
        scores,
        label,
        grad_scale=1.0,
        multi_output=True,
        ignore_label=IGNORED_LABEL,
        name="softmax",
        **_VALID,
    )


def bootstrapped_softmax(
    F: Any,
    scores: Any,
    label: Any,
    threshold: float = OHEM_THRESHOLD,
    min_kept: int = OHEM_KEPT,
) -> Any:
    """Do as `segmentation_softmax`, but let only the hard labels of all N images count (OHEM).

    Kept are those whose predicted probability is at most `threshold`, or at most the `min_kept`-th
    smallest such probability where that is larger; the gradient is divided by their number.
    """
    cells = F.transpose(scores, axes=(0, 2, 3, 1))  # softmax is fast over the last axis only
    rows = F.reshape(cells, shape=(-1, 0), reverse=True)
    label = F.reshape(label, shape=(-1,))
    # another softmax, as SoftmaxOutput asks for the labels before it gives probabilities
    easy = easy_labels(F, F.BlockGrad(F.softmax(rows)), label, threshold, min_kept)
    label = F.maximum(label, _LEFT_OUT * easy)
    probabilities = F.SoftmaxOutput(
        rows, label, grad_scale=1.0, ignore_label=_LEFT_OUT, name="softmax_rows", **_VALID
    )
    probabilities = F.reshape_like(probabilities, cells)
    return F.transpose(probabilities, axes=(0, 3, 1, 2), name="softmax")


def easy_labels(
    F: Any,
    probabilities: Any,
    label: Any,
    threshold: float = OHEM_THRESHOLD,
    min_kept: int = OHEM_KEPT,
) -> Any:
    """Return 1 for each label (cells,) that bootstrapping leaves out, ignored ones among them.

    probabilities: (cells, classes), through which no gradient must go.
    """
    ignored = _IGNORED * (label == IGNORED_LABEL)
    true = F.maximum(F.pick(probabilities, label, axis=-1), ignored)
    if min_kept == 0:
        return true > threshold
    padded = F.pad(  # so that there is a smallest of that rank, in the context of the data
        F.reshape(true, shape=(1, 1, 1, -1)),
        mode="constant",
        constant_value=_ABOVE,
        pad_width=(0,) * 7 + (min_kept,),
    )
    last = F.max(F.topk(padded, k=min_kept, ret_typ="value", is_ascend=True))
    return F.broadcast_greater(true, F.maximum(last, threshold))
