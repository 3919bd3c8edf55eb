"""What one thread does with one block of the image.

A block is a box of pixels. In a *leaf* all pixels are on their own (`_leaves`); every
other block takes over what its children left: components that had to wait, the edges
between them, and the edges that leave them. No component reaches beyond its block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._drain import drain
from napari_paf.clustering._gains import balance_gain
from napari_paf.clustering._queue import (
    Queue,
    Store,
    depth,
    drop_chunk,
    join_sealed,
    last_chunk,
    log_at,
    new_queue,
    new_window,
    number_of,
    pixel_inside,
    put_anew,
    rest,
)
from napari_paf.clustering._state import (
    UNLIMITED,
    Components,
    Forest,
    Problem,
    root_of,
)

IDLE = 0.02
"""Share of components that may be left behind though they do not wait."""


def new_components(pixel: NDArray[np.int32], size: NDArray[np.int32]) -> Components:
    """Return components, none of them merged."""
    return Components(
        pixel=pixel,
        merged=np.arange(len(pixel), dtype=np.int32),
        behind=np.arange(len(pixel), dtype=np.int32),
        size=size,
        waits=np.zeros(len(pixel), np.bool_),
    )


class Left(NamedTuple):
    """What a block leaves to its parent."""

    pixel: NDArray[np.int32]  # one for each component
    number: NDArray[np.int32]  # of the component, by the number it had in the block
    queue: Queue  # edges between two of them, and edges that leave the block


class Limit(NamedTuple):
    """How far to go: see `drain`."""

    earlier_gain: NDArray[np.float64]
    n_wanted: int
    leaves: bool  # whether anything is to be left to a parent


NO_LIMIT = Limit(np.empty(0), UNLIMITED, leaves=True)


def merge_block(
    problem: Problem,
    forest: Forest,
    components: Components,
    store: Store,
    queue: Queue,
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], Left]:
    """Merge in one block what can be merged without looking beyond it.

    Returns the merged edges, their gains, and what is left.
    """
    n = len(components.pixel)
    edge = np.empty(n, queue.pool.dtype["edge"])
    gain = np.empty(n, np.float64)
    n_merged = drain(
        problem,
        forest,
        components,
        queue,
        new_window(queue),
        edge,
        gain,
        limit.earlier_gain,
        limit.n_wanted,
        0 if limit.n_wanted < UNLIMITED else int(n * IDLE),
        pulse,
    )
    edge, gain = edge[:n_merged].copy(), gain[:n_merged].copy()
    store.take_back(queue.free)
    left = Left(np.empty(n - n_merged, np.int32), np.empty(n, np.int32), rest(queue))
    if limit.leaves:
        _leave(forest, components, left.pixel, left.number)
    return edge, gain, left


@kernel
def _leave(forest: Forest, components: Components, left: Any, number: Any) -> None:
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


def merge_parent(
    problem: Problem,
    forest: Forest,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    store: Store,
    children: list[Left],
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], Left]:
    """Merge what children left, emptying their list on the way; see `merge_block`."""
    pixel = np.concatenate([child.pixel for child in children])
    forest.number[pixel] = np.arange(len(pixel), dtype=np.int32)
    components = new_components(pixel, -forest.root[pixel])
    n_kept = sum(int(child.queue.count.sum()) for child in children)
    sealed = join_sealed([child.queue.sealed for child in children])
    queue = new_queue(problem, low, high, store, 0, n_kept, sealed)
    first = 0
    while children:
        child = children.pop(0)
        number = child.number
        number += first
        first += len(child.pixel)
        _put_inner(problem, components, queue, child.queue, number)
        _put_leaving(problem, forest, components, queue, child.queue, number)
    return merge_block(problem, forest, components, store, queue, limit, pulse)


@kernel
def _put_inner(
    problem: Problem, components: Components, queue: Queue, child: Queue, number: Any
) -> None:
    """Queue the edges inside a child, with new numbers of its components."""
    size, n_inside = components.size, problem.n_inside
    trade_off, size_terms = problem.trade_off, problem.size_terms
    items = child.pool
    while child.count[0] > 0:
        start, stop = last_chunk(child, 0)
        for at in range(start, stop):
            a, b = number[items[at]["a"]], number[items[at]["b"]]
            balance = trade_off * balance_gain(size[a], size[b], n_inside, size_terms)
            deep = depth(queue, items[at]["entropy"] + balance)
            put_anew(queue, log_at(queue, deep), items, at, a, b)
        drop_chunk(queue, child, 0)


@kernel
def _put_leaving(
    problem: Problem,
    forest: Forest,
    components: Components,
    queue: Queue,
    child: Queue,
    number: Any,
) -> None:
    """Queue edges that leave a child, to another child or to outside the block.

    An edge between two children leaves both; it is taken from that of its first pixel.
    """
    size, n_inside = components.size, problem.n_inside
    trade_off, size_terms = problem.trade_off, problem.size_terms
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    steps, items = problem.steps, child.pool
    while child.count[1] > 0:
        start, stop = last_chunk(child, 1)
        for at in range(start, stop):
            edge = items[at]["edge"]
            outer = number_of(edge) >> bits
            if edge >= 0:
                outer += steps[edge & mask]
            a, b, size_b = number[items[at]["a"]], -1, 1
            if pixel_inside(problem, queue, outer):
                if edge < 0:
                    continue
                b = forest.number[root_of(forest, outer)]
                size_b = size[b]
            balance = trade_off * balance_gain(size[a], size_b, n_inside, size_terms)
            deep = depth(queue, items[at]["entropy"] + balance)
            put_anew(queue, log_at(queue, deep), items, at, a, b)
        drop_chunk(queue, child, 1)
