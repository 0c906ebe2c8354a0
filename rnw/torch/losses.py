"""The loss of the original's training that PyTorch does not have."""

from rnw.networks.heads import IGNORED_LABEL, OHEM_KEPT, OHEM_THRESHOLD
from rnw.torch.modules import F, Tensor, torch


def bootstrapped_cross_entropy(
    scores: Tensor,
    labels: Tensor,
    threshold: float = OHEM_THRESHOLD,
    min_kept: int = OHEM_KEPT,
) -> Tensor:
    """Return the mean cross-entropy of the hard labels of all N images (online bootstrapping).

    scores: (N, classes, H, W). labels: (N, H, W) int64, where 255 is ignored.

    Hard are those whose predicted probability is at most `threshold`, or at most the `min_kept`-th
    smallest such probability where that is larger. The loss is 0 where all labels are ignored. The
    paper does not mention it, the original's code has it.
    """
    with torch.no_grad():
        valid = labels != IGNORED_LABEL
        of_label = labels.where(valid, torch.zeros_like(labels))[:, None]
        probabilities = scores.float().softmax(1).gather(1, of_label)[:, 0]
        ranked = probabilities.masked_fill(~valid, 2.0).flatten()  # behind all probabilities
        if min_kept:
            smallest = ranked.kthvalue(min(min_kept, ranked.numel())).values
            hard = probabilities <= smallest.clamp(min=threshold)
        else:
            hard = probabilities <= threshold
        kept = valid & hard
    taken = labels.masked_fill(~kept, IGNORED_LABEL)
    total = F.cross_entropy(scores, taken, ignore_index=IGNORED_LABEL, reduction="sum")
    return total / kept.sum().clamp(min=1)
