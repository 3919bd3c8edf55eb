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
    """Find the edge of the bundle ``~edge`` that the greedy takes first.

    Every edge of it gains `balance` beside what it gains in entropy rate.

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
        loop[i],
        loop[j],
    )
