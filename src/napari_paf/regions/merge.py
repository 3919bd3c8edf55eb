"""Regions merged into objects, the most strongly tied first."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress, part
from napari_paf._validation import as_array, check_min_size
from napari_paf.regions._agglomeration import (
    agglomerate,
    connected,
    contract,
    of_objects,
)
from napari_paf.regions._blocks import blocks, reported
from napari_paf.regions._places import finder, whole_numbers
from napari_paf.regions.graph import RegionGraph, region_adjacency_graph

ROUNDING = 2.0**-23
"""By this share of the threshold, means may be less than it and still count as equal.

Rounding affinities to float32, as they are kept, and adding up to 2**29 of them in
float64 can take no more from a mean.
"""


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

    def objects(
        self,
        threshold: float,
        min_size: int = 0,
        *,
        progress: Progress | None = None,
    ) -> NDArray[np.int64]:
        """Return the object of every region.

        Parameters
        ----------
        threshold : float
            Merges of at least this affinity are made; one that is less by a share
            of up to 2**-23, the rounding of float32, counts as equal.
        min_size : int, optional
            Objects of fewer pixels then join the neighbour that they are tied to most
            strongly, the strongest ties first. Those without a neighbour stay.
        progress : callable, optional
            Called as ``progress(fraction, description)``. Raise from it to cancel.

        Returns
        -------
        objects : (n_regions,) ndarray of int64
            Without seeds, from 1 in the order of the objects' first regions; with
            seeds, the seed that an object has, or 0.
        """
        threshold, min_size = check_threshold(threshold), check_min_size(min_size)
        seeds, report = self.seed, part(progress, 0, 1)
        # Lowered by a share, it still rises with the threshold: lower ones merge more.
        made = self.affinity >= threshold * (1 - ROUNDING)
        found = connected(len(seeds), self.pair[made])
        if min_size > 1 and len(seeds):
            graph = contract(self.graph, found)
            owner = of_objects(seeds, found)
            pairs, _ = agglomerate(graph, owner, min_size, report)
            found = connected(len(graph.label), pairs)[found]
        report(1.0, "joining small objects")
        if seeds.any():
            return of_objects(seeds, found)[found]
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

        Raises
        ------
        TypeError
            If `labels` are not whole numbers.
        """
        labels = whole_numbers(labels)
        places, places_of = np.empty(labels.shape, np.int32), finder(self.graph.label)
        for block in blocks(labels.shape):
            places[block] = places_of(labels[block])
        return places

    def paint(
        self,
        labels: ArrayLike,
        threshold: float,
        min_size: int = 0,
        *,
        progress: Progress | None = None,
    ) -> NDArray[np.unsignedinteger]:
        """Return the label image of the objects.

        Parameters
        ----------
        labels : ndarray of int
            The regions that the tree was made of.
        threshold, min_size, progress
            As in `objects`.

        Returns
        -------
        objects : ndarray of uint16 or uint32
            As large as `labels`; 0 where these are.
        """
        labels = whole_numbers(labels)
        joining, report = part(progress, 0, 0.5), part(progress, 0.5, 1)
        objects = np.append(self.objects(threshold, min_size, progress=joining), 0)
        small = objects.max() <= np.iinfo(np.uint16).max
        table = objects.astype(np.uint16 if small else np.uint32)
        painted = np.empty(labels.shape, table.dtype)
        places_of = finder(self.graph.label)
        for block in reported(labels.shape, report, "painting objects"):
            painted[block] = table[places_of(labels[block])]
        return painted


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
        the default model, 0.02 to 0.1 is right for most images. A mean that is less by
        a share of up to 2**-23, the rounding of float32, counts as equal.
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
    labels = whole_numbers(labels)
    graph = region_adjacency_graph(labels, affinity, progress=part(progress, 0, 0.4))
    tree = merge_tree(graph, progress=part(progress, 0.4, 0.9))
    return tree.paint(labels, threshold, min_size, progress=part(progress, 0.9, 1))


def check_threshold(threshold: Any) -> float:
    """Return `threshold` as a float from 0 to 1, or raise."""
    if isinstance(threshold, bool) or not isinstance(threshold, numbers.Real):
        raise TypeError(f"threshold={threshold!r}: give a number from 0 to 1.")
    if not 0 <= float(threshold) <= 1:
        raise ValueError(f"threshold={threshold!r}: give a number from 0 to 1.")
    return float(threshold)


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
        The seed of each region, 0 for none, up to 2**32 - 1. Objects of different
        seeds never merge.
    progress : callable, optional
        Called as ``progress(fraction, description)``. Raise from it to cancel.

    Returns
    -------
    tree : MergeTree

    Raises
    ------
    TypeError, ValueError
        If `seed` does not fit; the message says what to do.

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
    n = len(graph.label)
    seeds = np.zeros(n, np.int64) if seed is None else _check_seed(seed, n)
    pairs, affinities = agglomerate(graph, seeds, None, part(progress, 0, 1))
    return MergeTree(graph, pairs, affinities, seeds)


def _check_seed(seed: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return the seeds of `n` regions as int64, or raise."""
    seeds, most = as_array("seed", seed), np.iinfo(np.uint32).max
    if seeds.dtype.kind not in "biu" and seeds.size:
        raise TypeError(f"seed of dtype {seeds.dtype}: give whole numbers.")
    if seeds.shape != (n,):
        raise ValueError(
            f"seed of shape {seeds.shape}: give one for each of the {n} regions."
        )
    if n and (seeds.min() < 0 or seeds.max() > most):
        raise ValueError(
            f"seed from {seeds.min()} to {seeds.max()}: give 0 for none, and labels "
            f"up to {most}."
        )
    return seeds.astype(np.int64)
