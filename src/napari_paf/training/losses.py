"""Losses on affinity logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor


def affinity_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    boundary_weight: float = 8.0,
) -> Tensor:
    """Return the cross-entropy of affinities, boundaries counting more.

    Parameters
    ----------
    logits, target, weight : Tensor
        Of one shape. `target` is the share of annotators who put both pixels
        of the pair into one segment: the loss is then the mean of the losses
        on every annotator's own map. `weight` is 0 for pairs that do not count.
    boundary_weight : float, default: 8.0
        Weight of a boundary relative to a pair inside a segment. Boundaries
        are few: with 1, the network would call almost everything connected.

    Returns
    -------
    loss : Tensor
        ``sum(w * cross-entropy) / sum(w)``, a scalar.
    """
    inside = weight * target
    across = weight * (1 - target) * boundary_weight
    total = inside * F.softplus(-logits) + across * F.softplus(logits)
    return total.sum() / (inside.sum() + across.sum()).clamp_min(1e-6)
