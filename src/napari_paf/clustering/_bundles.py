"""Edges between the same two components, kept together.

What an edge gains in balance depends on the components it joins alone. So of the edges
between two components only the one that gains most entropy matters, whatever the
components grow to. A block leaves one item for all of them, a *bundle*, which is only
looked through when its turn comes: an image has few pairs of neighbouring components,
but many edges between them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import entropy_gain
from napari_paf.clustering._state import Forest, Problem, above

FEW = 6
"""Fewer edges are no bundle: the way to one edge of a bundle leads through more memory
than the way to an edge alone."""


class Bundles(NamedTuple):
    """The edges of all bundles of a block, one bundle after the other.

    An item of the queue stands for the bundle of number `n` if its edge is ``~n``.
    """

    first: Any  # (n_bundles + 1,) where the edges of each begin
    entropy: Any  # (n_edges,) an upper bound of the entropy rate that each gains
    edge: Any  # (n_edges,) and its number


def new_bundles(n_bundles: int, n_edges: int, edge: np.dtype[Any]) -> Bundles:
    """Return bundles with room for as many, none of them filled."""
    return Bundles(
        first=np.zeros(n_bundles + 1, np.int64),
        entropy=np.empty(n_edges, np.float32),
        edge=np.empty(n_edges, edge),
    )


def append(bundles: Bundles, at: int, more: Bundles) -> None:
    """Copy other bundles to those from number `at` on."""
    first = bundles.first[at]
    bundles.first[at + 1 : at + len(more.first)] = first + more.first[1:]
    bundles.entropy[first : first + len(more.edge)] = more.entropy
    bundles.edge[first : first + len(more.edge)] = more.edge


@kernel
def n_edges_of(bundles: Bundles, edge: int) -> int:
    """Return how many edges an item between two components stands for."""
    if edge >= 0:
        return 1
    return int(bundles.first[~edge + 1] - bundles.first[~edge])


@kernel
def best_edge(
    problem: Problem, forest: Forest, bundles: Bundles, edge: int, balance: float
) -> tuple[float, float, int]:
    """Find the edge that an item between two components of the block stands for.

    Of a bundle it is the one that the greedy takes first; it gains `balance` beside.

    Returns
    -------
    gained : float
        What it gains in entropy rate.
    most : float
        What no edge of the bundle gains more than: rounding may hide that one does.
    number : int
        Its number.
    """
    entropy, numbers = bundles.entropy, bundles.edge
    first, last = bundles.first[~edge], bundles.first[~edge + 1]
    best = gained = most = -math.inf
    number, best_at = -1, first
    for at in range(first, last):
        if entropy[at] + balance < best:
            continue
        candidate = gain_inside(problem, forest, numbers[at])
        entropy[at] = above(candidate)
        most = max(most, candidate)
        total = candidate + balance
        if total > best or (total == best and numbers[at] < number):
            best, gained, number, best_at = total, candidate, int(numbers[at]), at
    # The next time it spares most of the others being looked at.
    entropy[first], entropy[best_at] = entropy[best_at], entropy[first]
    numbers[first], numbers[best_at] = numbers[best_at], numbers[first]
    return gained, most, number


@kernel
def gain_inside(problem: Problem, forest: Forest, edge: int) -> float:
    """Return the entropy gain of an edge that lies inside the block."""
    loop = forest.loop
    i = edge >> problem.slot_bits
    j = i + problem.steps[edge & ((1 << problem.slot_bits) - 1)]
    return entropy_gain(
        problem.weights[edge] / problem.total,
        loop[i, 0],
        loop[i, 1],
        loop[j, 0],
        loop[j, 1],
    )


@kernel
def bundle(
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
                items[n_items]["entropy"] = entropy
                items[n_items]["edge"] = edge
                items[n_items]["a"] = a
                items[n_items]["b"] = b
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
