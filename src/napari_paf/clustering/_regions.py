"""The last merges: few regions, joined by many parallel edges.

What an edge gains in balance depends on the regions it joins alone, so of the edges
between one pair of regions only the one that gains most entropy matters, whatever
the regions grow to. One entry for each such bundle of edges is queued, and a bundle
is only looked through when its turn comes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._blocks import Left, Limit
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import balance_gain, entropy_gain
from napari_paf.clustering._state import Forest, Problem, take_edge
from napari_paf.clustering._tree import find

SLACK = 1e-14
"""Share of the largest gain, some fifty times what rounding can change."""


def _bundle(items: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Return items bundled by the pair of components, and where each bundle begins."""
    pair = np.minimum(items["a"], items["b"]).astype(np.int64) << 32
    pair |= np.maximum(items["a"], items["b"])
    order = np.argsort(pair)
    pair = pair[order]
    first = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    return items[order], np.append(first, len(items))


class Bundles(NamedTuple):
    """The queue of bundles."""

    entropy: Any  # no edge of the bundle gains more
    lowest: Any  # number of the edges that gain about as much
    key_gain: Any  # gain of the entry in the heap
    key_edge: Any  # and the number of its edge
    heap: Any  # bundles, the best first


@kernel
def _before(gain_a: float, edge_a: int, gain_b: float, edge_b: int) -> bool:
    """Whether entry `a` of the queue comes before entry `b`."""
    return gain_a > gain_b or (gain_a == gain_b and edge_a < edge_b)


@kernel
def _sink(heap: Any, n_heap: int, at: int, gain: Any, edge: Any) -> None:
    """Let the bundle at `at` sink to its place in the heap."""
    item = heap[at]
    while True:
        child = 2 * at + 1
        if child >= n_heap:
            break
        left, right = heap[child], heap[min(child + 1, n_heap - 1)]
        if _before(gain[right], edge[right], gain[left], edge[left]):
            child += 1
        if not _before(gain[heap[child]], edge[heap[child]], gain[item], edge[item]):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item


def merge_regions(
    problem: Problem,
    forest: Forest,
    left: Left,
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], None]:
    """Go on with what the whole image left, in the greedy's own order.

    Until as many merges are made as the limit says, or one region is left. Returns the
    merged edges, their gains, and nothing left.
    """
    items, first = _bundle(left.items)
    n = len(first) - 1
    bundles = Bundles(
        entropy=np.full(n, np.inf),
        lowest=np.zeros(n, np.int64),
        key_gain=np.full(n, np.inf),
        key_edge=np.zeros(n, np.int64),
        heap=np.arange(n),
    )
    edge, gain = np.empty(n, items.dtype["edge"]), np.empty(n, np.float64)
    n_merged = _drain(
        problem,
        forest,
        np.arange(len(left.pixel)),
        -forest.root[left.pixel],
        items,
        first,
        bundles,
        edge,
        gain,
        limit.earlier_gain,
        limit.n_wanted,
        pulse,
    )
    return edge[:n_merged].copy(), gain[:n_merged].copy(), None


@kernel
def _drain(
    problem: Problem,
    forest: Forest,
    parent: Any,
    size: Any,
    items: Any,
    first: Any,
    bundles: Bundles,
    merged_edge: Any,
    merged_gain: Any,
    earlier_gain: Any,
    n_wanted: int,
    pulse: Any,
) -> int:
    """Merge the regions of the best bundle, again and again; return how often.

    The queue's entry of a bundle is never behind any of its edges: no edge gains
    more, and of those that may gain as much none has a lower number. An entry that
    turns out to be an edge of the bundle as it is now is therefore the best of all.

    Parameters
    ----------
    problem, forest
        What to cluster; of the forest, only the loops are looked at.
    parent, size : (n_regions,) ndarray
        What each region is part of, and its number of pixels; changed.
    items, first : ndarray
        Bundles of edges, as `_bundle` returns them.
    bundles : Bundles
        Their queue.
    merged_edge, merged_gain : ndarray
        Filled with the edges taken and their gains.
    earlier_gain : (n,) ndarray of float64
        Falling gains of merges made before; with them, `n_wanted` are enough.
    pulse : (2,) ndarray of int64
        Set the first to stop; the second tells how many merges have been made.
    """
    entropy, lowest, key_gain, key_edge, heap = bundles
    loop = forest.loop
    weights, total, trade_off = problem.weights, problem.total, problem.trade_off
    n_inside, size_terms, steps = problem.n_inside, problem.size_terms, problem.steps
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    slack = SLACK * problem.top
    n_heap, n_merged, n_earlier = len(heap), 0, 0
    while n_heap > 0 and pulse[0] == 0:
        at = heap[0]
        start, stop = first[at], first[at + 1]
        region_a = find(parent, items[start]["a"])
        region_b = find(parent, items[start]["b"])
        if region_a == region_b:
            n_heap -= 1
            heap[0] = heap[n_heap]
            _sink(heap, n_heap, 0, key_gain, key_edge)
            continue
        # The same sum in two orders: rounding may tell them apart.
        size_a, size_b = size[region_a], size[region_b]
        balance_ab = trade_off * balance_gain(size_a, size_b, n_inside, size_terms)
        balance_ba = trade_off * balance_gain(size_b, size_a, n_inside, size_terms)
        bound = entropy[at] + max(balance_ab, balance_ba)
        if bound < key_gain[at]:
            key_gain[at], key_edge[at] = bound, lowest[at]
            _sink(heap, n_heap, 0, key_gain, key_edge)
            continue

        best_gain, best_edge, most = -np.inf, np.int64(0), -np.inf
        for place in range(start, stop):
            edge = items[place]["edge"]
            i = edge >> bits
            j = i + steps[edge & mask]
            gained = entropy_gain(
                weights[edge] / total, loop[i, 0], loop[i, 1], loop[j, 0], loop[j, 1]
            )
            most = max(most, gained)
            forwards = find(parent, items[place]["a"]) == region_a
            gain = gained + (balance_ab if forwards else balance_ba)
            if gain > best_gain or (gain == best_gain and edge < best_edge):
                best_gain, best_edge = gain, np.int64(edge)
        if best_gain != key_gain[at] or best_edge != key_edge[at]:
            entropy[at] = most
            lowest[at] = best_edge
            for place in range(start, stop):
                edge = items[place]["edge"]
                if edge < lowest[at]:
                    i = edge >> bits
                    j = i + steps[edge & mask]
                    gained = entropy_gain(
                        weights[edge] / total,
                        loop[i, 0],
                        loop[i, 1],
                        loop[j, 0],
                        loop[j, 1],
                    )
                    if gained >= most - slack:
                        lowest[at] = edge
            key_gain[at], key_edge[at] = best_gain, best_edge
            _sink(heap, n_heap, 0, key_gain, key_edge)
            continue

        while n_earlier < len(earlier_gain) and earlier_gain[n_earlier] > best_gain:
            n_earlier += 1
        if n_earlier + n_merged >= n_wanted:
            break
        if size_a < size_b:
            region_a, region_b = region_b, region_a
        size[region_a] += size[region_b]
        parent[region_b] = region_a
        take_edge(problem, forest, int(best_edge))
        merged_edge[n_merged] = best_edge
        merged_gain[n_merged] = best_gain
        n_merged += 1
        pulse[1] = n_merged
    return n_merged
