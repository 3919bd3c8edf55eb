"""The region adjacency graph: which regions touch, and how strongly they are tied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._offsets import Offset, edge_slices, neighbour_offsets
from napari_paf._progress import Progress, part
from napari_paf._validation import as_array
from napari_paf.regions._blocks import Tally, reported
from napari_paf.regions._places import finder, whole_numbers


@dataclass(frozen=True)
class RegionGraph:
    """Regions, and the pairs of them that touch.

    Attributes
    ----------
    label : (n_regions,) ndarray of int64 or uint64
        Labels of the regions, rising; 0 is none. Of uint64 if some need it.
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

    label: NDArray[np.int64] | NDArray[np.uint64]
    size: NDArray[np.int64]
    pair: NDArray[np.int64]
    border: NDArray[np.int64]
    affinity: NDArray[np.float64]


def region_adjacency_graph(
    labels: ArrayLike, affinity: ArrayLike, *, progress: Progress | None = None
) -> RegionGraph:
    """Return which regions of a label image touch, and the mean affinity between them.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        A region for every label but 0, such as from `superpixels`.
    affinity : (n_offsets, [plane,] row, column) array_like
        From 0 to 1, such as from `predict_affinity`: a channel for each neighbour
        offset of a connectivity. Which pixels are neighbours follows from it.
    progress : callable, optional
        Called as ``progress(fraction, description)``. Raise from it to cancel.

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
    labels, channels = check_regions(labels, affinity, part(progress, 0, 0.1))
    label, size = _sizes(labels, part(progress, 0.1, 0.2))
    codes, border, total = _borders(labels, channels, label, part(progress, 0.2, 0.95))
    graph = RegionGraph(
        label=label,
        size=size,
        pair=np.stack(np.divmod(codes, max(len(label), 1)), axis=1),
        border=border,
        affinity=total / border,
    )
    part(progress, 0, 1)(1.0, "finding regions that touch")
    return graph


def check_regions(
    labels: ArrayLike, affinity: ArrayLike, progress: Progress
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Return labels and affinities as arrays that go together, or raise."""
    labels, channels = whole_numbers(labels), as_array("affinity", affinity)
    if channels.dtype.kind not in "fbiu":
        raise TypeError(f"affinity of dtype {channels.dtype}: give real numbers.")
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
    low, high = _range(channels, progress)
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(
            f"affinity ranges from {low:g} to {high:g}: give finite values from 0 "
            "(boundary) to 1 (same object)."
        )
    return labels, channels


def _offsets_of(channels: NDArray[np.floating]) -> tuple[Offset, ...]:
    """Return the neighbour offset of every channel."""
    ndim = channels.ndim - 1
    most = neighbour_offsets(ndim, ndim)
    return most[: len(channels)]  # those of a lower connectivity come first


def _range(channels: NDArray[np.floating], progress: Progress) -> tuple[float, float]:
    """Return the lowest and the highest affinity; NaN if there is one."""
    ends = [
        (channels[block].min(), channels[block].max())
        for block in reported(channels.shape, progress, "checking the affinity")
    ]
    return np.min([low for low, _ in ends]), np.max([high for _, high in ends])


def _sizes(
    labels: NDArray[np.integer], progress: Progress
) -> tuple[NDArray[np.int64] | NDArray[np.uint64], NDArray[np.int64]]:
    """Return the labels in use, without 0, and how many pixels each has."""
    sizes = Tally()
    for block in reported(labels.shape, progress, "measuring regions"):
        sizes.add(labels[block].reshape(-1))
    label, size, _ = sizes.result()
    some = slice(1 if label[0] == 0 else 0, None)
    if int(label[-1]) > np.iinfo(np.int64).max:
        return label[some].astype(np.uint64), size[some]
    return label[some].astype(np.int64), size[some]


def _borders(
    labels: NDArray[np.integer],
    channels: NDArray[np.floating],
    label: NDArray[np.integer],
    progress: Progress,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs of regions that touch, and for each how many pixels do.

    A pair of places in `label` is one number, lower place * number of labels + higher
    place. Last comes the sum of the affinities for each pair.
    """
    places_of, borders, n = finder(label), Tally(), len(channels)
    for number, offset in enumerate(_offsets_of(channels)):
        share = part(progress, number / n, (number + 1) / n)
        first, second = edge_slices(offset)
        one, other, values = labels[first], labels[second], channels[number][first]
        for block in reported(one.shape, share, "finding regions that touch"):
            a, b = one[block].reshape(-1), other[block].reshape(-1)
            at = np.flatnonzero((a != b) & (a != 0) & (b != 0))
            a, b = places_of(a[at]), places_of(b[at])
            codes = np.minimum(a, b) * len(label) + np.maximum(a, b)
            borders.add(codes, values[block].reshape(-1)[at])
    return borders.result()
