"""Objects that grow from a few labelled pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress, part
from napari_paf._validation import as_array, check_min_size
from napari_paf.regions._blocks import Tally, reported
from napari_paf.regions._places import finder, whole_numbers
from napari_paf.regions.graph import RegionGraph, region_adjacency_graph
from napari_paf.regions.merge import check_threshold, merge_tree

SEEDS = 2**32
"""Seeds are labels below this, so that region and seed fit into one number."""


def grow_seeds(
    labels: ArrayLike,
    affinity: ArrayLike,
    seeds: ArrayLike,
    *,
    threshold: float = 0.0,
    min_size: int = 0,
    progress: Progress | None = None,
) -> NDArray[np.unsignedinteger]:
    """Grow objects from labelled pixels, region by region.

    As `merge_regions`, but two objects with different seeds never merge: each region
    ends with the seed that it is tied to most strongly, over whichever regions.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Regions, such as from `superpixels`; 0 is none.
    affinity : (n_offsets, [plane,] row, column) array_like
        From 0 to 1, such as from `predict_affinity`.
    seeds : ([plane,] row, column) array_like of int
        Labels of the objects on some pixels of each, up to 2**32 - 1, 0 elsewhere;
        strokes will do.
        A region belongs to the seed that has most pixels in it.
    threshold : float, optional
        Grow only over borders with at least this mean affinity, as in `merge_regions`.
    min_size : int, optional
        Objects of fewer pixels then join the neighbour that they are tied to most
        strongly, unless both have seeds.
    progress : callable, optional
        Called as ``progress(fraction, description)``. Raise from it to cancel.

    Returns
    -------
    objects : ([plane,] row, column) ndarray of uint16 or uint32
        The labels of the seeds; 0 where no seed has grown.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 2, 3, 4]])
    >>> affinity = np.zeros((2, 1, 4))
    >>> affinity[0] = [[0.9, 0.1, 0.2, 0]]
    >>> grow_seeds(labels, affinity, [[7, 0, 0, 5]])
    array([[7, 7, 5, 5]], dtype=uint16)
    """
    threshold, min_size = check_threshold(threshold), check_min_size(min_size)
    labels = whole_numbers(labels)
    seeds = check_seeds(seeds, labels.shape)
    graph = region_adjacency_graph(labels, affinity, progress=part(progress, 0, 0.4))
    seed = seeds_of_regions(graph, labels, seeds, part(progress, 0.4, 0.45))
    tree = merge_tree(graph, seed, progress=part(progress, 0.45, 0.9))
    return tree.paint(labels, threshold, min_size, progress=part(progress, 0.9, 1))


def seeds_of_regions(
    graph: RegionGraph,
    labels: ArrayLike,
    seeds: ArrayLike,
    progress: Progress | None = None,
) -> NDArray[np.int64]:
    """Return the seed of each region: the one with most pixels in it, 0 for none.

    Of seeds with as many pixels, the lowest counts.
    """
    labels = whole_numbers(labels)
    seeds = check_seeds(seeds, labels.shape)
    pixels, places_of = Tally(), finder(graph.label)
    for block in reported(labels.shape, part(progress, 0, 1), "looking for seeds"):
        region, seed = labels[block].reshape(-1), seeds[block].reshape(-1)
        at = np.flatnonzero((seed > 0) & (region > 0))
        _check_largest(seed[at])
        pixels.add(places_of(region[at]) * SEEDS + seed[at].astype(np.int64))
    codes, counts, _ = pixels.result()
    if len(codes) == 0:
        raise ValueError(
            "seeds are 0 on every region: label some pixels of each object."
        )
    place, value = np.divmod(codes, SEEDS)
    seed_of = np.zeros(len(graph.label), np.int64)
    # From the fewest pixels to the most, the lowest seed last: the last one stays.
    order = np.lexsort((-value, counts))
    seed_of[place[order]] = value[order]
    return seed_of


def check_seeds(seeds: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.integer]:
    """Return seeds as an array of `shape`, none below 0, or raise.

    Only those on regions count, so how large they are is looked at later.
    """
    array = as_array("seeds", seeds)
    if array.dtype.kind not in "biu":
        raise TypeError(f"seeds of dtype {array.dtype}: give whole numbers.")
    if array.shape != shape:
        raise ValueError(
            f"seeds of shape {array.shape}: give one for each pixel of the labels, "
            f"{shape}."
        )
    if array.dtype.kind == "i" and array.min(initial=0) < 0:
        raise ValueError(
            f"seeds down to {array.min()}: give 0 for none, and labels over 0."
        )
    return array


def _check_largest(seeds: NDArray[np.integer]) -> None:
    """Raise where labels of seeds are too large for a label image of 32 bits."""
    if seeds.size and seeds.max() >= SEEDS:
        raise ValueError(f"seeds up to {seeds.max()}: give labels up to {SEEDS - 1}.")
