"""Agglomeration with average linkage, and what it makes of a graph of regions."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_paf._progress import Progress, part
from napari_paf.regions.graph import RegionGraph

REPORT_EVERY = 1000
"""Ties looked at between two reports of progress; some milliseconds."""

Tie = tuple[float, int]


def agglomerate(
    graph: RegionGraph,
    seed: NDArray[np.int64],
    enough: int | None,
    report: Progress,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Merge the most strongly tied objects, again and again, and return the merges.

    Objects never merge if they have different seeds, or if both have `enough` pixels.
    """
    ties, queue = _ties(graph, part(report, 0, 0.1))
    report = part(report, 0.1, 1)
    owner, size = seed.tolist(), graph.size.tolist()
    heapify(queue)  # entries go out of date, and are skipped when they come out
    pairs: list[tuple[int, int]] = []
    affinities: list[float] = []
    gone = 0  # ties: in the end, none is left
    for taken in count(1):
        if taken % REPORT_EVERY == 0:
            report(gone / len(graph.pair), "merging regions")
        if not queue:
            break
        negative, a, b = heappop(queue)
        tie = ties[a].get(b)
        if tie is None or -tie[0] / tie[1] != negative:
            continue
        if (owner[a] and owner[b] and owner[a] != owner[b]) or (
            enough is not None and size[a] >= enough and size[b] >= enough
        ):
            del ties[a][b], ties[b][a]  # and so for ever: sizes only grow
            gone += 1
            continue
        pairs.append((a, b))
        affinities.append(-negative)
        if len(ties[a]) < len(ties[b]):
            a, b = b, a
        owner[a] = owner[a] or owner[b]
        size[a] += size[b]
        before = len(ties[a]) + len(ties[b]) - 1
        del ties[a][b], ties[b][a]
        for c, (sum_b, border_b) in ties[b].items():
            sum_a, border_a = ties[a].get(c, (0.0, 0))
            tie = (sum_a + sum_b, border_a + border_b)
            ties[a][c] = ties[c][a] = tie
            del ties[c][b]
            heappush(queue, (-tie[0] / tie[1], min(a, c), max(a, c)))
        ties[b] = {}
        gone += before - len(ties[a])
    report(1.0, "merging regions")
    # Rounding can make a mean rise in its last bit.
    falling = np.minimum.accumulate(np.array(affinities, np.float64))
    return np.array(pairs, np.int64).reshape(-1, 2), falling


def _ties(
    graph: RegionGraph, report: Progress
) -> tuple[list[dict[int, Tie]], list[tuple[float, int, int]]]:
    """Return what each region is tied to, and all ties with their negative means.

    A tie is the sum of affinities, and the number of them.
    """
    ties: list[dict[int, Tie]] = [{} for _ in graph.label]
    queue: list[tuple[float, int, int]] = []
    n, step = len(graph.pair), 50 * REPORT_EVERY
    for start in range(0, n, step):
        some = slice(start, start + step)
        pair, border = graph.pair[some].tolist(), graph.border[some]
        total = graph.affinity[some] * border
        tie_of_each = zip(total.tolist(), border.tolist(), strict=True)
        for (a, b), tie in zip(pair, tie_of_each, strict=True):
            ties[a][b] = ties[b][a] = tie
            queue.append((-tie[0] / tie[1], a, b))
        report(min(start + step, n) / n, "merging regions")
    return ties, queue


def connected(n: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what each of `n` things is connected to: numbers in order of the first."""
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (n, n))
    _, found = connected_components(links, directed=False)
    _, first, which = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[which])


def of_objects(seed: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the seed of every object; those of its regions are all the same."""
    seeds = np.zeros(found.max(initial=-1) + 1, np.int64)
    np.maximum.at(seeds, found, seed)
    return seeds


def contract(graph: RegionGraph, found: NDArray[np.int64]) -> RegionGraph:
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
