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
    waits: NDArray[np.uint8]  # and what each waits for, see `Components`
    items: NDArray[np.void]  # edges between two of them, and edges that leave the block
    bundles: Bundles  # what some of the items stand for


class Pairs(NamedTuple):
    """One component with each of its neighbours, while their edges are bundled."""

    n_edges: Any  # between the two
    bundle: Any  # of these edges, or -1 if they are few
    item: Any  # where the item is that stands for the bundle
    place: Any  # where the next edge of the bundle goes


def new_pairs(n: int) -> Pairs:
    """Return room for what is known of `n` pairs."""
    return Pairs(*(np.empty(n, np.int64) for _ in Pairs._fields))


def leave(
    forest: Forest, components: Components, queue: Queue, bundles: Bundles, n_left: int
) -> Left:
    """Enter the merges of a block in the forest, and return what is left of it.

    The `n_left` components are numbered anew. The queue is emptied; what lies inside a
    component is dropped.
    """
    pixel, waits = np.empty(n_left, np.int32), np.empty(n_left, np.uint8)
    number = np.empty(len(components.pixel), np.uint32)
    _enter(forest, components, pixel, waits, number)
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
    n_items, n_bundles = bundle_items(
        items,
        first[:-1],
        bundles,
        FEW,
        packed,
        np.full(n_left, -1, np.int32),
        np.empty(n_most, np.int32),
        new_pairs(n_most),
    )
    items.resize(n_items, refcheck=False)
    packed.first.resize(n_bundles + 1, refcheck=False)
    packed.entropy.resize(packed.first[-1], refcheck=False)
    packed.edge.resize(packed.first[-1], refcheck=False)
    return Left(pixel, waits, items, packed)


@kernel
def _enter(
    forest: Forest, components: Components, left: Any, left_waits: Any, number: Any
) -> None:
    """Enter the merges of a block in the forest, and number the components left."""
    pixel, merged, _, size, waits = components
    n_left = 0
    for old in range(len(pixel)):
        if merged[old] == old:
            forest.root[pixel[old]] = -size[old]
            left[n_left], left_waits[n_left] = pixel[old], waits[old]
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
            kept = 1  # A number, because a branch that nothing foretells costs more.
            if b >= 0:
                b = number[b]
                a, b = min(a, b), max(a, b)
                kept = int(a != b)
                n_edges += kept * n_edges_of(bundles, edge)
            write_item(pool, n_items, pool[at]["entropy"], edge, a, b)
            n_of[a] += kept
            n_items += kept
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
def bundle_items(
    items: Any,
    first: Any,
    earlier: Bundles,
    few: int,
    bundles: Bundles,
    pair_with: Any,
    pair_of: Any,
    pairs: Pairs,
) -> tuple[int, int]:
    """Let one item stand for many between the same components; move to the front.

    Parameters
    ----------
    items : (n_items,) ndarray
        Sorted by `a`, which is less than `b`, or `b` is -1.
    first : (n + 1,) ndarray
        Where the items of each of `n` components `a` begin.
    earlier : Bundles
        What the items stand for.
    few : int
        Leave fewer edges on their own.
    bundles : Bundles
        Filled: what the items that are left stand for.
    pair_with : (n_components,) ndarray
        Scratch, filled with -1: the number of the pair with component `b`.
    pair_of, pairs : (n_most,) ndarrays
        Scratch for the items of one component: the number of the pair that each
        belongs to, or -1, and what is known of the pairs.

    Returns
    -------
    n_items, n_bundles : int
    """
    n_edges, bundle_of, item_of, place = pairs
    n_items, n_bundles = 0, 0
    for component in range(len(first) - 1):
        start, stop = first[component], first[component + 1]
        n_pairs = 0
        for at in range(start, stop):
            b = items[at]["b"]
            pair_of[at - start] = -1
            if b < 0:
                continue
            if pair_with[b] < 0:
                pair_with[b] = n_pairs
                n_edges[n_pairs] = 0
                n_pairs += 1
            pair = pair_with[b]
            pair_of[at - start] = pair
            n_edges[pair] += n_edges_of(earlier, items[at]["edge"])
        for pair in range(n_pairs):
            bundle_of[pair] = -1
            if n_edges[pair] >= few:
                bundle_of[pair] = n_bundles
                place[pair] = bundles.first[n_bundles]
                n_bundles += 1
                bundles.first[n_bundles] = place[pair] + n_edges[pair]
        for at in range(start, stop):
            a, b = items[at]["a"], items[at]["b"]
            edge, entropy = items[at]["edge"], items[at]["entropy"]
            pair = pair_of[at - start]
            bundle = -1
            if pair >= 0:
                pair_with[b] = -1
                bundle = bundle_of[pair]
            if bundle < 0:
                write_item(items, n_items, entropy, edge, a, b)
                n_items += 1
                continue
            top, to = bundles.first[bundle], place[pair]
            if edge >= 0:
                bundles.entropy[to], bundles.edge[to] = entropy, edge
                place[pair] += 1
            else:
                begin = earlier.first[~edge]
                n = earlier.first[~edge + 1] - begin
                for i in range(n):
                    bundles.entropy[to + i] = earlier.entropy[begin + i]
                    bundles.edge[to + i] = earlier.edge[begin + i]
                place[pair] += n
            if to == top:
                item_of[pair] = n_items
                write_item(items, n_items, entropy, ~bundle, a, b)
                n_items += 1
            elif entropy > items[item_of[pair]]["entropy"]:
                _swap(bundles, top, to)
                items[item_of[pair]]["entropy"] = entropy
    return n_items, n_bundles


@kernel
def _swap(bundles: Bundles, i: int, j: int) -> None:
    """Swap two edges, so that the best of a bundle comes first."""
    entropy, edge = bundles.entropy, bundles.edge
    entropy[i], entropy[j] = entropy[j], entropy[i]
    edge[i], edge[j] = edge[j], edge[i]
