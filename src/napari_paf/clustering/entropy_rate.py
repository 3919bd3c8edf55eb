"""Entropy-rate superpixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress, part
from napari_paf._validation import (
    check_affinity,
    check_balance,
    check_covers_islands,
    check_mask,
    check_n_segments,
)
from napari_paf.clustering._threads import (
    PIECE,
    call_each,
    check_n_threads,
    new_pool,
    pieces,
)
from napari_paf.clustering._tree import join_pairs, label_joined
from napari_paf.clustering.graph import (
    PixelGraph,
    build_graph,
    count_islands,
    edge_ends,
)
from napari_paf.clustering.merging import find_merges


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
        Called as ``progress(fraction, description)`` some twenty times a second. Raise
        from it to cancel: the exception reaches the caller as soon as the threads have
        let go of what they are at, within 0.2 s.

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
    graph, n_segments, ends = merged_pairs(
        affinity,
        n_segments,
        balance,
        connectivity,
        mask,
        n_threads,
        part(progress, 0, 0.97),
    )
    parent, share = own_numbers(graph.shape, graph.mask), part(progress, 0.97, 1)
    for start, stop in pieces(len(ends), PIECE):
        share(start / len(ends), "joining pixels")
        join_pairs(ends, start, stop, parent)
    labels = np.empty(graph.n_pixels, label_dtype(n_segments))
    label_joined(parent, labels)
    share(1, "joining pixels")
    return labels.reshape(graph.shape)


def merged_pairs(
    affinity: ArrayLike,
    n_segments: Any,
    balance: Any,
    connectivity: Any,
    mask: ArrayLike | None,
    n_threads: Any,
    report: Progress,
    *,
    to_the_end: bool = False,
) -> tuple[PixelGraph, int, NDArray[np.int32]]:
    """Check the arguments of a clustering, and find its merges.

    Returns
    -------
    graph : PixelGraph
    n_segments : int
    ends : (n_merges, 2) ndarray of int32
        Pairs of neighbouring pixels whose superpixels are joined: those that leave
        `n_segments`, in no particular order; or all there are until only islands are
        left, `to_the_end`, in the order of the greedy.
    """
    array, connectivity = check_affinity(affinity, connectivity)
    balance = check_balance(balance)
    inside = None if mask is None else check_mask(mask, array.shape[1:])
    n_inside = array[0].size if inside is None else int(np.count_nonzero(inside))
    n_segments = check_n_segments(n_segments, n_inside)
    n_threads = check_n_threads(n_threads)
    merged = 0.87 if to_the_end else 0.97  # of the time
    with new_pool(n_threads) as pool:
        graph = build_graph(array, connectivity, inside, pool, part(report, 0, 0.06))
        n_islands = count_islands(graph, part(report, 0.06, 0.08))
        check_covers_islands(n_segments, n_islands)
        n_wanted = n_inside - (n_islands if to_the_end else n_segments)
        share = part(report, 0.08, merged)
        merges = find_merges(
            graph, n_segments, balance, n_wanted, pool, n_threads, share
        )
        share = part(report, merged, 1)
        if to_the_end:
            edge = merges.in_order(pool, share)
        else:
            wanted = [(n_wanted,)]
            (edge,) = call_each(pool, merges.first, wanted, share, "choosing merges")
    return graph, n_segments, edge_ends(graph, edge)


def own_numbers(
    shape: tuple[int, ...], mask: NDArray[np.bool_] | None
) -> NDArray[np.int32]:
    """Return the number of every pixel, -1 outside the mask."""
    number = np.arange(math.prod(shape), dtype=np.int32)
    if mask is not None:
        number[~mask.ravel()] = -1
    return number


def label_dtype(n_labels: int) -> type[np.unsignedinteger]:
    """Return the smaller of uint16 and uint32 that holds the labels."""
    return np.uint16 if n_labels <= np.iinfo(np.uint16).max else np.uint32
