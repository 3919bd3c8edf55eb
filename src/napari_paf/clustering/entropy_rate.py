"""Entropy-rate superpixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress
from napari_paf._validation import (
    check_affinity,
    check_balance,
    check_mask,
    check_n_segments,
)
from napari_paf.clustering import _kernels
from napari_paf.clustering.graph import build_graph


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
    labels, left = _kernels.greedy(
        graph.weights, graph.steps, graph.n_inside, n_segments, balance
    )
    if left > n_segments:
        raise ValueError(
            f"n_segments={n_segments}: the mask has {left} separate islands; ask for "
            "at least that many superpixels."
        )
    labels = labels.reshape(graph.shape)
    if inside is not None:  # pixels outside were numbered too
        labels[~inside] = 0
        _, labels = np.unique(labels, return_inverse=True)
        labels = labels.reshape(graph.shape)
        if inside.all():
            labels = labels + 1
    dtype = np.uint16 if n_segments <= np.iinfo(np.uint16).max else np.uint32
    return labels.astype(dtype)
