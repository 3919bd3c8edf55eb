"""Entropy-rate superpixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress, part
from napari_paf._validation import (
    check_affinity,
    check_balance,
    check_mask,
    check_n_segments,
)
from napari_paf.clustering._tree import cut_tree, grow_tree
from napari_paf.clustering.graph import build_graph
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
    """Cluster pixels into superpixels by maximising the entropy rate."""
    array, connectivity = check_affinity(affinity, connectivity)
    balance = check_balance(balance)
    inside = None if mask is None else check_mask(mask, array.shape[1:])
    n_inside = array[0].size if inside is None else int(np.count_nonzero(inside))
    n_segments = check_n_segments(n_segments, n_inside)
    graph = build_graph(array, connectivity, inside)
    n_wanted = n_inside - n_segments
    merges = find_merges(
        graph, n_segments, balance, n_wanted, n_threads=n_threads, progress=progress
    )
    absorber = np.arange(graph.n_pixels, dtype=np.int32)
    when = np.full(graph.n_pixels, n_inside, np.int32)
    if inside is not None:
        absorber[~inside.ravel()] = -1
    grow_tree(merges.first(n_wanted), graph.slot_bits, graph.steps, absorber, when)
    dtype = np.uint16 if n_segments <= np.iinfo(np.uint16).max else np.uint32
    labels = np.empty(graph.n_pixels, dtype)
    cut_tree(absorber, when, n_wanted, labels)
    return labels.reshape(graph.shape)
