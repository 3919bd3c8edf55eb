"""Losses on affinity logits: cross-entropy, and what the superpixels get wrong.

A pair of neighbours counts as "inside" (both in one segment) with one weight
and as "across" (a boundary between them) with another. Where annotators
disagree, both are above 0: the loss is the mean of the losses on every
annotator's own map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch.nn.functional as F

from napari_paf.training.targets import affinity_targets, pair_slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_paf._offsets import Offset

LeakageForm = Literal["published", "capped", "share"]


def affinity_loss(
    logits: Tensor,
    inside: Tensor,
    across: Tensor,
    *,
    boundary_weight: float = 8.0,
) -> Tensor:
    """Return the weighted cross-entropy of affinities.

    Parameters
    ----------
    logits, inside, across : Tensor
        Of one shape: the network's output, and the weights of every pair as a
        pair inside a segment and as one across a boundary. Both are 0 for
        pairs about which nothing is known.
    boundary_weight : float, default: 8.0
        Further weight of the pairs across boundaries. They are few: with 1,
        the network would call almost everything connected.

    Returns
    -------
    loss : Tensor
        ``sum(weight * cross-entropy) / sum(weight)``, a scalar.
    """
    across = across * boundary_weight
    total = inside * F.softplus(-logits) + across * F.softplus(logits)
    return total.sum() / (inside.sum() + across.sum()).clamp_min(1e-6)


def leakage(
    superpixels: NDArray[Any],
    truth: NDArray[Any],
    *,
    unlabelled: int | None = None,
    form: LeakageForm = "published",
    cap: float = 64.0,
) -> NDArray[np.float32]:
    """Return how many pixels leak out at every pixel of a true boundary.

    Parameters
    ----------
    superpixels, truth : (*spatial) ndarray of int
        Label images, not negative.
    unlabelled : int, optional
        Value in `truth` of pixels that do not count.
    form : {"published", "capped", "share"}, default: "published"
        ``"published"``: pixels of the superpixel that are not in the segment it
        overlaps most, which grows with the area of the superpixels.
        ``"capped"``: the same, `cap` at most, divided by `cap`.
        ``"share"``: divided by the size of the superpixel.
    cap : float, default: 64.0
        Used by ``"capped"``.

    Returns
    -------
    leakage : (*spatial) ndarray of float32
        0 for pixels that have all their neighbours along the axes in the same
        segment.

    References
    ----------
    .. [1] W.-C. Tu et al., "Learning superpixels with segmentation-aware
           affinity loss", CVPR 2018, equations 4 and 5.

    Examples
    --------
    >>> leakage(np.array([[1, 1, 1, 1, 2]]), np.array([[5, 5, 5, 6, 6]]))
    array([[0., 0., 1., 1., 0.]], dtype=float32)
    """
    counted = np.ones(truth.shape, bool) if unlabelled is None else truth != unlabelled
    _, segment = np.unique(truth, return_inverse=True)
    segment = segment.reshape(truth.shape)
    n_segments = int(segment.max(initial=0)) + 1
    n_superpixels = int(superpixels.max(initial=0)) + 1
    pairs = superpixels.astype(np.int64) * n_segments + segment
    overlap = np.bincount(pairs[counted], minlength=n_superpixels * n_segments)
    overlap = overlap.reshape(n_superpixels, n_segments)
    size = overlap.sum(axis=1)
    lost = (size - overlap.max(axis=1)).astype(np.float32)
    if form == "capped":
        lost = np.minimum(lost, cap) / np.float32(cap)
    elif form == "share":
        lost /= np.maximum(size, 1)

    faces = np.eye(truth.ndim, dtype=int)
    same, known = affinity_targets(truth, [*map(tuple, faces)], unlabelled=unlabelled)
    boundary = np.zeros(truth.shape, bool)
    for offset, differs in zip(faces, (same == 0) & (known > 0), strict=True):
        first, second = pair_slices(tuple(offset))
        boundary[first] |= differs[first]
        boundary[second] |= differs[first]
    return np.where(boundary, lost[superpixels], np.float32(0))


def segmentation_aware(
    inside: NDArray[np.float32],
    across: NDArray[np.float32],
    superpixels: NDArray[Any],
    truth: NDArray[Any],
    *,
    unlabelled: int | None = None,
    form: LeakageForm = "share",
    strength: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one annotator's weights, raised where superpixels leak.

    Every pair of a pixel and its neighbour is weighted ``1 + strength *
    leakage`` of that pixel.

    Parameters
    ----------
    inside, across : (n_offsets, *spatial) ndarray of float32
        Weights for `affinity_loss`.
    superpixels, truth, unlabelled, form
        As in `leakage`.
    strength : float, default: 1.0

    Returns
    -------
    inside, across : (n_offsets, *spatial) ndarray of float32
    """
    lost = leakage(superpixels, truth, unlabelled=unlabelled, form=form)
    factor = 1 + np.float32(strength) * lost
    return inside * factor, across * factor


def pair_weights(
    labels: NDArray[Any],
    offsets: Sequence[Offset],
    *,
    unlabelled: int | None = None,
    background_weight: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one annotator's weights `inside` and `across` for `affinity_loss`.

    Parameters
    ----------
    labels, offsets, unlabelled, background_weight
        As in `affinity_targets`.

    Returns
    -------
    inside, across : (n_offsets, *spatial) ndarray of float32

    Examples
    --------
    >>> inside, across = pair_weights(np.array([[1, 1, 2]]), [(0, 1)])
    >>> inside.tolist(), across.tolist()
    ([[[1.0, 0.0, 0.0]]], [[[0.0, 1.0, 0.0]]])
    """
    target, weight = affinity_targets(
        labels, offsets, unlabelled=unlabelled, background_weight=background_weight
    )
    return weight * target, weight * (1 - target)
