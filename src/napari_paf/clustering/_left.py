"""What a block leaves to its parent: components, and the edges at them in bundles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._bundles import Bundles, n_edges_of, new_bundles
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._queue import CHUNK, Queue, write_item
from napari_paf.clustering._state import Components, Forest

FEW = 6
"""Fewer edges are no bundle: the way to one edge of a bundle leads through more memory
than the way to an edge alone."""


class Left(NamedTuple):
    """What a block leaves to its parent."""

    pixel: NDArray[np.int32]  # one for each component
    items: NDArray[np.void]  # edges between two of them, and edges that leave the block
    bundles: Bundles  # what some of the items stand for


def leave(
    forest: Forest, components: Components, queue: Queue, bundles: Bundles, n_left: int
) -> Left:
    """Enter the merges of a block in the forest, and return what is left of it.

    The `n_left` components are numbered anew. The queue is emptied; what lies inside a
    component is dropped.
    """
    pixel = np.empty(n_left, np.int32)
    number = np.empty(len(components.pixel), np.int32)
    _enter(forest, components, pixel, number)
    first = np.zeros(n_left + 2, np.int32)
    n_in_chunk = np.zeros(len(queue.before), np.int32)
    n_items, n_edges = _renumber(queue, bundles, number, first[2:], n_in_chunk)
    queue.pool.resize(n_items, refcheck=False)  # in place: memory is given back
    n_most = int(first.max())
    np.cumsum(first, out=first)
    items = np.empty(n_items, queue.pool.dtype)
    _sort(queue, first[1:], items)
    queue.pool.resize(0, refcheck=False)
    packed = new_bundles(n_edges // FEW, n_edges, bundles.edge.dtype)
    n_items, n_bundles = _bundle(
        items,
        first[:-1],
        bundles,
        FEW,
        packed,
        np.full(n_left, -1, np.int32),
        np.empty(n_most, np.int32),
        np.empty(n_most, np.int64),
    )
    items.resize(n_items, refcheck=False)
    packed.first.resize(n_bundles + 1, refcheck=False)
    packed.entropy.resize(packed.first[-1], refcheck=False)
    packed.edge.resize(packed.first[-1], refcheck=False)
    return Left(pixel, items, packed)


@kernel
def _enter(forest: Forest, components: Components, left: Any, number: Any) -> None:
    """Enter the merges of a block in the forest, and number the components left."""
    pixel, merged, _, size, _ = components
    n_left = 0
    for old in range(len(pixel)):
        if merged[old] == old:
            forest.root[pixel[old]] = -size[old]
            left[n_left] = pixel[old]
            number[old] = n_left
            n_left += 1
        else:
            forest.root[pixel[old]] = pixel[merged[old]]
    for old in range(len(pixel)):
        number[old] = number[merged[old]]


@kernel
def _renumber(
    queue: Queue, bundles: Bundles, number: Any, n_of: Any, n_in_chunk: Any
) -> tuple[int, int]:
    """Move what is left in a queue to the front of its pool, with new numbers.

    Counts it by component `a`. Returns how many items it is, and how many edges between
    components they stand for.
    """
    pool = queue.pool
    for log in range(queue.n_logs + 1):
        chunk, n = queue.last[log], queue.count[log]
        while n > 0:
            n_in_chunk[chunk] = (n - 1) % CHUNK + 1
            n -= n_in_chunk[chunk]
            chunk = queue.before[chunk]
    n_items, n_edges = 0, 0
    for chunk in range(len(n_in_chunk)):
        for at in range(chunk * CHUNK, chunk * CHUNK + n_in_chunk[chunk]):
            a, b, edge = number[pool[at]["a"]], pool[at]["b"], pool[at]["edge"]
            if b >= 0:
                b = number[b]
                if a == b:
                    continue
                a, b = min(a, b), max(a, b)
                n_edges += n_edges_of(bundles, edge)
            write_item(pool, n_items, pool[at]["entropy"], edge, a, b)
            n_of[a] += 1
            n_items += 1
    return n_items, n_edges


@kernel
def _sort(queue: Queue, first: Any, items: Any) -> None:
    """Copy the front of a queue's pool to `items`, by component `a`.

    Those of each begin at `first`, which is then where they end.
    """
    pool = queue.pool
    for at in range(len(items)):
        a = pool[at]["a"]
        entropy, edge, b = pool[at]["entropy"], pool[at]["edge"], pool[at]["b"]
        write_item(items, first[a], entropy, edge, a, b)
        first[a] += 1


@kernel
def _bundle(
    items: Any,
    first: Any,
    earlier: Bundles,
    few: int,
    bundles: Bundles,
    head: Any,
    n_edges: Any,
    place: Any,
) -> tuple[int, int]:
    """Let one item stand for many between the same components; move to the front.

    Parameters
    ----------
    items : (n_items,) ndarray
        Sorted by `a`, which is less than `b`, or `b` is -1.
    first : (n_components + 1,) ndarray
        Where the items of each component `a` begin.
    earlier : Bundles
        What the items stand for.
    few : int
        Leave fewer edges on their own.
    bundles : Bundles
        Filled: what the items that are left stand for.
    head : (n_components,) ndarray
        Scratch, filled with -1: the first item with component `b`.
    n_edges, place : (n_most,) ndarray
        Scratch for the items of one component: how many edges the item is to stand
        for, and where the next one of them goes.

    Returns
    -------
    n_items, n_bundles : int
    """
    n_items, n_bundles = 0, 0
    for a in range(len(first) - 1):
        start, stop = first[a], first[a + 1]
        for at in range(start, stop):
            b = items[at]["b"]
            if b >= 0:
                if head[b] < start:
                    head[b] = at
                    n_edges[at - start] = 0
                n_edges[head[b] - start] += n_edges_of(earlier, items[at]["edge"])
        for at in range(start, stop):
            b, edge = items[at]["b"], items[at]["edge"]
            if b < 0 or n_edges[head[b] - start] < few:
                continue
            own = head[b] - start
            if head[b] == at:
                place[own] = bundles.first[n_bundles]
                bundles.first[n_bundles + 1] = place[own] + n_edges[own]
                items[at]["edge"] = ~n_bundles
                n_bundles += 1
            top = bundles.first[~items[head[b]]["edge"]]
            if edge >= 0:
                _add(bundles, top, place[own], items[at]["entropy"], edge)
                place[own] += 1
            else:
                for old in range(earlier.first[~edge], earlier.first[~edge + 1]):
                    entropy = earlier.entropy[old]
                    _add(bundles, top, place[own], entropy, earlier.edge[old])
                    place[own] += 1
        for at in range(start, stop):
            b, edge = items[at]["b"], items[at]["edge"]
            if b < 0 or head[b] == at or n_edges[head[b] - start] < few:
                entropy = items[at]["entropy"]
                if b >= 0 and edge < 0:
                    entropy = bundles.entropy[bundles.first[~edge]]
                write_item(items, n_items, entropy, edge, a, b)
                n_items += 1
    return n_items, n_bundles


@kernel
def _add(bundles: Bundles, top: int, place: int, entropy: float, edge: int) -> None:
    """Add an edge to the bundle that begins at `top`, where the best is kept."""
    if place > top and entropy > bundles.entropy[top]:
        bundles.entropy[place] = bundles.entropy[top]
        bundles.edge[place] = bundles.edge[top]
        place = top
    bundles.entropy[place] = entropy
    bundles.edge[place] = edge
