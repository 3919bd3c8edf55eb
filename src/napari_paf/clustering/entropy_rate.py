"""Entropy-rate superpixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress
from napari_paf._validation import (
    check_affinity,
    check_balance,
    check_covers_islands,
    check_mask,
    check_n_segments,
)
from napari_paf.clustering._tree import count_components, cut_tree, grow_tree
from napari_paf.clustering.graph import PixelGraph, build_graph, edge_ends
from napari_paf.clustering.merging import check_n_threads, find_merges


def entropy_rate_superpixels(
    affinity: ArrayLike,
    n_segments: int,
    *,
    balance: float = 0.5,
    connectivity: int = 2,
    mask: ArrayLike | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.unsignedinteger]:
    """Cluster pixels into superpixels by maximising the entropy rate.

    Adds edges to the graph of pixels, one after another, so that a random walk
    on it becomes as unpredictable as possible (compact, homogeneous regions)
    and the regions stay alike in size, until `n_segments` regions are left
    [1]_. The result is exactly that of the sequential greedy, whatever the
    number of threads.

    Parameters
    ----------
    affinity : (n_offsets, [plane,] row, column) array_like
        How strongly neighbouring pixels belong together, from 0 (boundary) to 1
        (same segment). ``affinity[k][p]`` joins pixel ``p`` to ``p +
        offsets[k]``. Either one channel per axis, last axis first, with
        diagonals derived as ``1 / sqrt(2)`` times the weaker of the two axes; or
        one channel per neighbour of `connectivity`, used as they are.
    n_segments : int
        Number of superpixels, from the number of islands in `mask` to the number
        of pixels. Exactly so many are returned.
    balance : float, optional
        How much equal sizes matter, from 0 to 1000 (lambda' of [1]_). 0 follows the
        affinities alone; 0.5 suits most images.
    connectivity : int, optional
        Number of axes along which neighbouring pixels may differ, from 1 (shared
        faces) to the number of spatial axes.
    mask : ([plane,] row, column) array_like of bool or int, optional
        Pixels to cluster are those that are not 0. Default: all.
    n_threads : int, optional
        Number of threads. Default: the environment variable
        ``NAPARI_PAF_NUM_THREADS``, or one for each core.
    progress : callable, optional
        Called as ``progress(fraction, description)`` some twenty times a second
        while pixels merge. Raise from it to cancel: the exception reaches the caller
        within 0.1 s for a megapixel; before and after, longer where there are many.

    Returns
    -------
    labels : ([plane,] row, column) ndarray of uint16 or uint32
        1 to `n_segments`, numbered in raster order of the first pixel of each
        superpixel; 0 outside `mask`. Every superpixel is connected.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what
        to do.

    References
    ----------
    .. [1] M.-Y. Liu, O. Tuzel, S. Ramalingam and R. Chellappa, "Entropy Rate
           Superpixel Segmentation", CVPR 2011, equations 3 to 8.

    Examples
    --------
    Two dark columns, a boundary, and two bright columns:

    >>> import numpy as np
    >>> from napari_paf import entropy_rate_superpixels
    >>> affinity = np.ones((2, 3, 4))
    >>> affinity[0, :, 1] = 0.01
    >>> entropy_rate_superpixels(affinity, 2)
    array([[1, 1, 2, 2],
           [1, 1, 2, 2],
           [1, 1, 2, 2]], dtype=uint16)
    """
    graph, n_segments, balance = check_clustering(
        affinity, n_segments, balance, connectivity, mask
    )
    n_wanted = graph.n_inside - n_segments
    merges = find_merges(
        graph,
        n_segments,
        balance,
        n_wanted,
        n_threads=check_n_threads(n_threads),
        progress=progress,
    )
    absorber, when = single_pixels(graph)
    root = np.arange(graph.n_pixels, dtype=np.int32)
    grow_tree(edge_ends(graph, merges.first(n_wanted)), root, absorber, when)
    labels = np.empty(graph.n_pixels, label_dtype(n_segments))
    cut_tree(absorber, when, n_wanted, labels)
    return labels.reshape(graph.shape)


def check_clustering(
    affinity: ArrayLike,
    n_segments: Any,
    balance: Any,
    connectivity: Any,
    mask: ArrayLike | None,
) -> tuple[PixelGraph, int, float]:
    """Return the graph to cluster and the checked arguments, or raise."""
    array, connectivity = check_affinity(affinity, connectivity)
    balance = check_balance(balance)
    shape = array.shape[1:]
    inside = None if mask is None else check_mask(mask, shape)
    n_inside = int(np.prod(shape)) if inside is None else int(np.count_nonzero(inside))
    n_segments = check_n_segments(n_segments, n_inside)
    graph = build_graph(array, connectivity, inside)
    check_covers_islands(n_segments, n_islands(graph))
    return graph, n_segments, balance


def n_islands(graph: PixelGraph) -> int:
    """Return the least number of superpixels: one for each part of the mask."""
    if graph.mask is None:
        return 1
    parent = np.arange(graph.n_pixels, dtype=np.int32)
    n_components = count_components(graph.weights, graph.slot_bits, graph.steps, parent)
    return int(n_components) - (graph.n_pixels - graph.n_inside)


def single_pixels(
    graph: PixelGraph,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a tree in which nothing has been merged: absorbers, and when."""
    absorber = np.arange(graph.n_pixels, dtype=np.int32)
    if graph.mask is not None:
        absorber[~graph.mask.ravel()] = -1
    never = np.iinfo(np.int32).max
    return absorber, np.full(graph.n_pixels, never, np.int32)


def label_dtype(n_labels: int) -> type[np.unsignedinteger]:
    """Return the smaller of uint16 and uint32 that holds the labels."""
    return np.uint16 if n_labels <= np.iinfo(np.uint16).max else np.uint32
