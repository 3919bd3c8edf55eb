"""Regions merged into objects, the most strongly tied first."""

from __future__ import annotations

import numbers
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
    graph : RegionGraph
        The regions.
    pair : (n_merges, 2) ndarray of int64
        Two regions, as places in ``graph.label``, whose objects were merged.
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

    graph: RegionGraph
    pair: NDArray[np.int64]
    affinity: NDArray[np.float64]
    seed: NDArray[np.int64]

    def objects(self, threshold: float, min_size: int = 0) -> NDArray[np.int64]:
        """Return the object of every region.

        Parameters
        ----------
        threshold : float
            Merges of at least this affinity are made.
        min_size : int, optional
            Objects of fewer pixels then join the neighbour that they are tied to most
            strongly, the strongest ties first. Those without a neighbour stay.

        Returns
        -------
        objects : (n_regions,) ndarray of int64
            Without seeds, from 1 in the order of the objects' first regions; with
            seeds, the seed that an object has, or 0.
        """
        seeds = self.seed
        found = _connected(len(seeds), self.pair[self.affinity >= threshold])
        if min_size > 1 and len(seeds):
            graph = _contract(self.graph, found)
            pairs, _ = _agglomerate(graph, _of_objects(seeds, found), min_size)
            found = _connected(len(graph.label), pairs)[found]
        if seeds.any():
            return _of_objects(seeds, found)[found]
        return found + 1

    def places(self, labels: ArrayLike) -> NDArray[np.int32]:
        """Return for each pixel where its region is in ``graph.label``.

        Parameters
        ----------
        labels : ndarray of int
            The regions that the tree was made of.

        Returns
        -------
        places : ndarray of int32
            As large as `labels`; one beyond the last region where these are 0.
        """
        labels = np.asarray(labels)
        places = np.searchsorted(self.graph.label, labels).astype(np.int32)
        places[labels == 0] = len(self.graph.label)
        return places

    def paint(
        self, labels: ArrayLike, threshold: float, min_size: int = 0
    ) -> NDArray[np.unsignedinteger]:
        """Return the label image of the objects.

        Parameters
        ----------
        labels : ndarray of int
            The regions that the tree was made of.
        threshold, min_size
            As in `objects`.

        Returns
        -------
        objects : ndarray of uint16 or uint32
            As large as `labels`; 0 where these are.
        """
        objects = np.append(self.objects(threshold, min_size), 0)
        small = objects.max() <= np.iinfo(np.uint16).max
        table = objects.astype(np.uint16 if small else np.uint32)
        return np.asarray(table[self.places(labels)])


def merge_regions(
    labels: ArrayLike,
    affinity: ArrayLike,
    *,
    threshold: float = 0.06,
    min_size: int = 0,
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
        Merge where the mean affinity is at least this. 0 merges all that touches; with
        the default model, 0.02 to 0.1 is right for most images.
    min_size : int, optional
        Objects of fewer pixels then join the neighbour that they are tied to most
        strongly.
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
    >>> merge_regions(labels, affinity, threshold=0.5)
    array([[1, 1, 2, 2]], dtype=uint16)
    """
    threshold, min_size = check_threshold(threshold), check_min_size(min_size)
    graph = region_adjacency_graph(labels, affinity)
    return merge_tree(graph, progress=progress).paint(labels, threshold, min_size)


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


def check_min_size(min_size: Any) -> int:
    """Return `min_size` as an int of at least 0, or raise."""
    if isinstance(min_size, bool) or not isinstance(min_size, numbers.Integral):
        raise TypeError(f"min_size={min_size!r}: give a whole number of pixels.")
    if min_size < 0:
        raise ValueError(f"min_size={min_size!r}: give a number of pixels from 0 on.")
    return int(min_size)


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
    seeds = np.zeros(len(graph.label), np.int64)
    if seed is not None:
        seeds[:] = seed
    pairs, affinities = _agglomerate(graph, seeds, None, progress)
    return MergeTree(graph, pairs, affinities, seeds)


def _agglomerate(
    graph: RegionGraph,
    seed: NDArray[np.int64],
    enough: int | None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge the most strongly tied objects, again and again, and return the merges.

    Objects never merge if they have different seeds, or if both have `enough` pixels.
    """
    report = part(progress, 0, 1)
    n = len(graph.label)
    owner, size = seed.tolist(), graph.size.tolist()
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
        if (owner[a] and owner[b] and owner[a] != owner[b]) or (
            enough is not None and size[a] >= enough and size[b] >= enough
        ):
            del ties[a][b], ties[b][a]  # and so for ever: sizes only grow
            continue
        pairs.append((a, b))
        affinities.append(-negative)
        if len(ties[a]) < len(ties[b]):
            a, b = b, a
        owner[a] = owner[a] or owner[b]
        size[a] += size[b]
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
    # Rounding can make a mean rise in its last bit.
    falling = np.minimum.accumulate(np.array(affinities, np.float64))
    return np.array(pairs, np.int64).reshape(-1, 2), falling


def _connected(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each of `n` things is connected to: numbers in order of the first."""
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (n, n))
    _, found = connected_components(links, directed=False)
    _, first, which = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[which])


def _of_objects(seed: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the seed of every object; those of its regions are all the same."""
    seeds = np.zeros(found.max(initial=-1) + 1, np.int64)
    np.maximum.at(seeds, found, seed)
    return seeds


def _contract(graph: RegionGraph, found: NDArray[np.int64]) -> RegionGraph:
    """Return the graph of objects, from that of the regions they are made of."""
    n = int(found.max(initial=-1)) + 1
    ends = np.sort(found[graph.pair], axis=1)
    between = ends[:, 0] != ends[:, 1]
    codes, which = np.unique(
        ends[between, 0] * n + ends[between, 1], return_inverse=True
    )
    border = np.bincount(which, graph.border[between], len(codes))
    total = (graph.affinity * graph.border)[between]
    return RegionGraph(
        label=np.arange(1, n + 1),
        size=np.bincount(found, graph.size, n).astype(np.int64),
        pair=np.stack(np.divmod(codes, max(n, 1)), axis=1),
        border=border.astype(np.int64),
        affinity=np.bincount(which, total, len(codes)) / border,
    )
