"""Regions merged into objects, the most strongly tied first."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_paf._progress import Progress, part
from napari_paf.regions.graph import RegionGraph, region_adjacency_graph

REPORT_EVERY = 1000
"""Merges between two reports of progress; some milliseconds."""


@dataclass(frozen=True)
class MergeTree:
    """The merges of regions, from the most strongly tied to the least.

    Attributes
    ----------
    label : (n_regions,) ndarray of int64
        Labels of the regions, rising.
    pair : (n_merges, 2) ndarray of int64
        Two regions, as places in `label`, whose objects were merged.
    affinity : (n_merges,) ndarray of float64
        Mean affinity between the two objects, falling.
    seed : (n_regions,) ndarray of int64
        What grew from seeds: the seed of each region, 0 for none. All 0: no seeds.

    Examples
    --------
    >>> labels = [[1, 2, 3]]
    >>> affinity = [[[0.9, 0.2, 0]], [[0, 0, 0]]]
    >>> tree = merge_tree(region_adjacency_graph(labels, affinity))
    >>> [tree.objects(threshold).tolist() for threshold in (1, 0.5, 0.1)]
    [[1, 2, 3], [1, 1, 2], [1, 1, 1]]
    """

    label: NDArray[np.int64]
    pair: NDArray[np.int64]
    affinity: NDArray[np.float64]
    seed: NDArray[np.int64]

    def objects(self, threshold: float) -> NDArray[np.int64]:
        """Return the object of every region.

        Parameters
        ----------
        threshold : float
            Merges of at least this affinity are made.

        Returns
        -------
        objects : (n_regions,) ndarray of int64
            Without seeds, from 1 in the order of the objects' first regions; with
            seeds, the seed that an object has, or 0.
        """
        made = self.pair[self.affinity >= threshold]
        n = len(self.label)
        links = coo_array((np.ones(len(made), bool), (made[:, 0], made[:, 1])), (n, n))
        _, found = connected_components(links, directed=False)
        if not self.seed.any():
            _, first, which = np.unique(found, return_index=True, return_inverse=True)
            rank = np.empty(len(first), np.int64)
            rank[np.argsort(first)] = np.arange(1, len(first) + 1)
            return np.asarray(rank[which])
        seed = np.zeros(n, np.int64)
        np.maximum.at(seed, found, self.seed)  # all seeds of an object are the same
        return np.asarray(seed[found])

    def paint(self, labels: ArrayLike, threshold: float) -> NDArray[np.unsignedinteger]:
        """Return the label image of the objects.

        Parameters
        ----------
        labels : ndarray of int
            The regions that the tree was made of.
        threshold : float
            As in `objects`.

        Returns
        -------
        objects : ndarray of uint16 or uint32
            As large as `labels`; 0 where these are.
        """
        labels = np.asarray(labels)
        objects = self.objects(threshold)
        most = int(objects.max(initial=0))
        dtype = np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32
        table = np.append(objects, 0).astype(dtype)
        place = np.searchsorted(self.label, labels)
        place[(labels == 0)] = len(self.label)
        return np.asarray(table[place])


def merge_regions(
    labels: ArrayLike,
    affinity: ArrayLike,
    *,
    threshold: float = 0.25,
    progress: Progress | None = None,
) -> NDArray[np.unsignedinteger]:
    """Merge regions into objects as long as the affinity between them is high.

    The two objects between which the mean affinity is highest are merged, again and
    again: agglomeration with average linkage, as in [1]_.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Regions, such as from `superpixels`; 0 is none.
    affinity : (n_offsets, [plane,] row, column) array_like
        From 0 to 1, such as from `predict_affinity`.
    threshold : float, optional
        Merge where the mean affinity is at least this. 0 merges all that touches; for
        most images, 0.15 to 0.4 is right.
    progress : callable, optional
        Called as ``progress(fraction, description)``. Raise from it to cancel.

    Returns
    -------
    objects : ([plane,] row, column) ndarray of uint16 or uint32
        From 1, in raster order of the regions' labels; 0 where `labels` is.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    See Also
    --------
    merge_tree : All thresholds at once.
    grow_seeds : Objects from a few labelled pixels.

    References
    ----------
    .. [1] A. Bailoni, C. Pape, N. Hütsch, S. Wolf, T. Beier, A. Kreshuk and F. A.
           Hamprecht, "GASP, a generalized framework for agglomerative clustering of
           signed graphs and its application to instance segmentation", CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 2, 3, 4]])
    >>> affinity = np.zeros((2, 1, 4))
    >>> affinity[0] = [[0.9, 0.1, 0.7, 0]]
    >>> merge_regions(labels, affinity)
    array([[1, 1, 2, 2]], dtype=uint16)
    """
    threshold = check_threshold(threshold)
    graph = region_adjacency_graph(labels, affinity)
    return merge_tree(graph, progress=progress).paint(labels, threshold)


def check_threshold(threshold: Any) -> float:
    """Return `threshold` as a float from 0 to 1, or raise."""
    try:
        value = float(threshold)
    except (TypeError, ValueError):
        raise TypeError(
            f"threshold={threshold!r}: give a number from 0 to 1."
        ) from None
    if not 0 <= value <= 1:
        raise ValueError(f"threshold={threshold!r}: give a number from 0 to 1.")
    return value


def merge_tree(
    graph: RegionGraph,
    seed: ArrayLike | None = None,
    *,
    progress: Progress | None = None,
) -> MergeTree:
    """Merge all regions that are connected, the most strongly tied objects first.

    Parameters
    ----------
    graph : RegionGraph
        Which regions touch.
    seed : (n_regions,) array_like of int, optional
        The seed of each region, 0 for none. Objects of different seeds never merge.
    progress : callable, optional
        Called as ``progress(fraction, description)``. Raise from it to cancel.

    Returns
    -------
    tree : MergeTree

    Notes
    -----
    When objects A and B merge, the mean affinity between them and a third one lies
    between what it was for A and for B. So the affinities of the merges never rise,
    and the merges of at least a threshold are the first ones.

    Examples
    --------
    >>> graph = region_adjacency_graph([[1, 2, 3]], [[[0.9, 0.2, 0]], [[0, 0, 0]]])
    >>> merge_tree(graph).affinity.tolist()
    [0.9, 0.2]
    >>> merge_tree(graph, [5, 0, 6]).affinity.tolist()  # 5 and 6 stay apart
    [0.9]
    """
    report = part(progress, 0, 1)
    n = len(graph.label)
    owner = np.zeros(n, np.int64) if seed is None else np.array(seed, np.int64)
    given = owner.copy()
    ties: list[dict[int, tuple[float, int]]] = [{} for _ in range(n)]
    total = (graph.affinity * graph.border).tolist()
    pair, borders = graph.pair.tolist(), graph.border.tolist()
    for (a, b), tie in zip(pair, zip(total, borders, strict=True), strict=True):
        ties[a][b] = ties[b][a] = tie
    # Entries go out of date, and are skipped when they come out.
    queue = [(-ties[a][b][0] / ties[a][b][1], a, b) for a, b in pair]
    heapify(queue)
    pairs: list[tuple[int, int]] = []
    affinities: list[float] = []
    while queue:
        negative, a, b = heappop(queue)
        tie = ties[a].get(b)
        if tie is None or -tie[0] / tie[1] != negative:
            continue
        if owner[a] and owner[b] and owner[a] != owner[b]:
            del ties[a][b], ties[b][a]
            continue
        pairs.append((a, b))
        affinities.append(-negative)
        if len(ties[a]) < len(ties[b]):
            a, b = b, a
        owner[a] = owner[a] or owner[b]
        del ties[a][b], ties[b][a]
        for c, (sum_b, border_b) in ties[b].items():
            sum_a, border_a = ties[a].get(c, (0.0, 0))
            tie = (sum_a + sum_b, border_a + border_b)
            ties[a][c] = ties[c][a] = tie
            del ties[c][b]
            heappush(queue, (-tie[0] / tie[1], min(a, c), max(a, c)))
        ties[b] = {}
        if len(pairs) % REPORT_EVERY == 0:
            report(len(pairs) / n, "merging regions")
    return MergeTree(
        label=graph.label,
        pair=np.array(pairs, np.int64).reshape(-1, 2),
        # Rounding can make a mean rise in its last bit.
        affinity=np.minimum.accumulate(np.array(affinities, np.float64)),
        seed=given,
    )
