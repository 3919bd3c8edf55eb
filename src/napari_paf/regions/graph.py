"""The region adjacency graph: which regions touch, and how strongly they are tied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._offsets import Offset, edge_slices, neighbour_offsets


@dataclass(frozen=True)
class RegionGraph:
    """Regions, and the pairs of them that touch.

    Attributes
    ----------
    label : (n_regions,) ndarray of int64
        Labels of the regions, rising; 0 is none.
    size : (n_regions,) ndarray of int64
        Number of pixels of each.
    pair : (n_pairs, 2) ndarray of int64
        Two regions that touch, as places in `label`, the lower one first; in rising
        order.
    border : (n_pairs,) ndarray of int64
        Number of pairs of neighbouring pixels, one in each region.
    affinity : (n_pairs,) ndarray of float64
        Their mean affinity, from 0 (a boundary) to 1 (one object).

    Examples
    --------
    >>> graph = region_adjacency_graph([[4, 4, 9]], [[[0.9, 0.2, 0]], [[0, 0, 0]]])
    >>> graph.label.tolist(), graph.size.tolist()
    ([4, 9], [2, 1])
    >>> graph.pair.tolist(), graph.affinity.tolist()
    ([[0, 1]], [0.2])
    """

    label: NDArray[np.int64]
    size: NDArray[np.int64]
    pair: NDArray[np.int64]
    border: NDArray[np.int64]
    affinity: NDArray[np.float64]


def region_adjacency_graph(labels: ArrayLike, affinity: ArrayLike) -> RegionGraph:
    """Return which regions of a label image touch, and the mean affinity between them.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        A region for every label but 0, such as from `superpixels`.
    affinity : (n_offsets, [plane,] row, column) array_like
        From 0 to 1, such as from `predict_affinity`: a channel for each neighbour
        offset of a connectivity. Which pixels are neighbours follows from it.

    Returns
    -------
    graph : RegionGraph

    Raises
    ------
    TypeError, ValueError
        If the arrays do not fit each other; the message says what to do.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 1, 2], [3, 3, 2]])
    >>> affinity = np.full((2, 2, 3), 0.5)
    >>> affinity[1] = 0.25  # from a row to the next
    >>> graph = region_adjacency_graph(labels, affinity)
    >>> graph.label[graph.pair].tolist()
    [[1, 2], [1, 3], [2, 3]]
    >>> graph.border.tolist(), graph.affinity.tolist()
    ([1, 2, 1], [0.5, 0.25, 0.5])
    """
    labels, channels = check_regions(labels, affinity)
    label, region = _number(labels)
    pairs, values = [], []
    for offset, channel in zip(_offsets_of(channels), channels, strict=True):
        first, second = edge_slices(offset)
        one, other = region[first], region[second]
        at = np.flatnonzero((one != other) & (one > 0) & (other > 0))
        one, other = one.reshape(-1)[at] - 1, other.reshape(-1)[at] - 1
        low, high = np.minimum(one, other), np.maximum(one, other)
        pairs.append(low * len(label) + high)
        values.append(channel[first].reshape(-1)[at])
    codes, which, border = np.unique(
        np.concatenate(pairs), return_inverse=True, return_counts=True
    )
    total = np.bincount(
        which.reshape(-1), np.concatenate(values).astype(np.float64), len(codes)
    )
    low, high = np.divmod(codes, max(len(label), 1))
    return RegionGraph(
        label=label,
        size=np.bincount(region.reshape(-1), minlength=len(label) + 1)[1:],
        pair=np.stack([low, high], axis=1),
        border=border.astype(np.int64),
        affinity=total / border,
    )


def check_regions(
    labels: ArrayLike, affinity: ArrayLike
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Return labels and affinities as arrays that go together, or raise."""
    labels, channels = np.asarray(labels), np.asarray(affinity)
    if labels.dtype.kind not in "biu":
        raise TypeError(f"labels of dtype {labels.dtype}: give whole numbers.")
    if labels.ndim not in (2, 3):
        raise ValueError(
            f"labels of shape {labels.shape}: give (row, column) or (plane, row, "
            "column)."
        )
    if labels.size == 0 or labels.min() < 0:
        raise ValueError(
            "labels are empty: give some pixels."
            if labels.size == 0
            else f"labels down to {labels.min()}: give 0 for none, and numbers over 0."
        )
    counts = [len(neighbour_offsets(labels.ndim, c + 1)) for c in range(labels.ndim)]
    if channels.shape[1:] != labels.shape or channels.shape[0] not in counts:
        raise ValueError(
            f"affinity of shape {channels.shape}: labels of shape {labels.shape} need "
            f"(n, {', '.join(map(str, labels.shape))}) with n one of {counts}."
        )
    if not (channels.min() >= 0 and channels.max() <= 1):  # NaN fails both
        raise ValueError(
            f"affinity ranges from {channels.min():g} to {channels.max():g}: give "
            "finite values from 0 (boundary) to 1 (same object)."
        )
    return labels, channels


def _offsets_of(channels: NDArray[np.floating]) -> tuple[Offset, ...]:
    """Return the neighbour offset of every channel."""
    ndim = channels.ndim - 1
    most = neighbour_offsets(ndim, ndim)
    return most[: len(channels)]  # those of a lower connectivity come first


def _number(
    labels: NDArray[np.integer],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels in use, and for each pixel its place among them, from 1."""
    label, place = np.unique(labels, return_inverse=True)
    region = place.reshape(labels.shape).astype(np.int64)
    if label[0] != 0:
        return label.astype(np.int64), region + 1
    return label[1:].astype(np.int64), region
