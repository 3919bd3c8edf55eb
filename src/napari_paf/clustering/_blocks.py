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
from napari_paf.clustering._drain import Rest, drain
from napari_paf.clustering._gains import balance_gain
from napari_paf.clustering._queue import (
    Queue,
    Window,
    depth,
    drop_chunk,
    last_chunk,
    log_at,
    new_queue,
    new_window,
    put_anew,
)
from napari_paf.clustering._state import UNLIMITED, Components, Forest, Problem

IDLE = 0.02
"""Share of components that may be left behind though they do not wait."""


@kernel
def contains(low: Any, high: Any, z: int, y: int, x: int) -> bool:
    """Whether the box from corner `low` to corner `high` contains a pixel."""
    return low[0] <= z < high[0] and low[1] <= y < high[1] and low[2] <= x < high[2]


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
    inner: NDArray[np.void]  # edges between two of them
    leaving: NDArray[np.void]  # edges that leave the block


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
    window = new_window(queue)
    n_merged, rest = drain(
        problem,
        forest,
        components,
        queue,
        window,
        edge,
        gain,
        limit.earlier_gain,
        limit.n_wanted,
        0 if limit.n_wanted < UNLIMITED else int(n * IDLE),
        pulse,
    )
    edge, gain = edge[:n_merged].copy(), gain[:n_merged].copy()
    if not limit.leaves:
        return edge, gain, Left(components.pixel[:0], *2 * [queue.pool[:0]])
    pixel, number = np.empty(n - n_merged, np.int32), np.empty(n, np.int32)
    _leave(forest, components, pixel, number)
    left = Left(
        pixel,
        inner=np.empty(len(window.items), queue.pool.dtype),
        leaving=np.empty(len(window.items), queue.pool.dtype),
    )
    counts = _gather(queue, window, rest, number, left.inner, left.leaving)
    for items, count in zip((left.inner, left.leaving), counts, strict=True):
        items.resize(count, refcheck=False)  # in place: gives back what is not needed
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


@kernel
def _gather(
    queue: Queue, window: Window, rest: Rest, number: Any, inner: Any, leaving: Any
) -> tuple[int, int]:
    """Collect what has not been taken, with the numbers of the components left.

    Edges inside a component are left out. Returns how many edges lie inside the block,
    and how many leave it.
    """
    n = (0, 0)
    for log in range(rest.log, queue.n_logs + 2):
        while queue.count[log] > 0:
            first, last = last_chunk(queue, log)
            for at in range(first, last):
                n = _leave_item(queue.pool, at, number, inner, leaving, n)
            drop_chunk(queue, log)
    for place in range(rest.n_heap):
        n = _leave_item(window.items, window.heap[place], number, inner, leaving, n)
    for bucket in range(rest.bucket, rest.n_buckets):
        item = window.head[bucket]
        while item >= 0:
            n = _leave_item(window.items, item, number, inner, leaving, n)
            item = window.following[item]
    return n


@kernel
def _leave_item(
    items: Any, at: int, number: Any, inner: Any, leaving: Any, n: tuple[int, int]
) -> tuple[int, int]:
    """Copy one item behind the others; return how many there are now."""
    n_inner, n_leaving = n
    a, b = number[items[at]["a"]], items[at]["b"]
    if b < 0:
        leaving[n_leaving]["entropy"] = items[at]["entropy"]
        leaving[n_leaving]["edge"] = items[at]["edge"]
        leaving[n_leaving]["a"] = a
        return n_inner, n_leaving + 1
    b = number[b]
    if a == b:
        return n
    inner[n_inner]["entropy"] = items[at]["entropy"]
    inner[n_inner]["edge"] = items[at]["edge"]
    inner[n_inner]["a"] = a
    inner[n_inner]["b"] = b
    return n_inner + 1, n_leaving


def merge_parent(
    problem: Problem,
    forest: Forest,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    children: list[Left],
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], Left]:
    """Merge what children left, emptying their list on the way; see `merge_block`."""
    pixel = np.concatenate([child.pixel for child in children])
    forest.number[pixel] = np.arange(len(pixel), dtype=np.int32)
    components = new_components(pixel, -forest.root[pixel])
    n_items = sum(len(child.inner) + len(child.leaving) for child in children)
    queue = new_queue(problem, n_items, children[0].inner.dtype)
    first = 0
    while children:
        child = children.pop(0)
        _put_inner(problem, components, queue, child.inner, first)
        _put_leaving(
            problem, forest, components, queue, low, high, child.leaving, first
        )
        first += len(child.pixel)
        del child  # so that its memory is given back before the next one takes more
    return merge_block(problem, forest, components, queue, limit, pulse)


@kernel
def _put_inner(
    problem: Problem, components: Components, queue: Queue, items: Any, first: int
) -> None:
    """Queue the edges inside a child, whose components are numbered from `first` on."""
    size, n_inside = components.size, problem.n_inside
    trade_off, size_terms = problem.trade_off, problem.size_terms
    for at in range(len(items)):
        a, b = first + items[at]["a"], first + items[at]["b"]
        balance = trade_off * balance_gain(size[a], size[b], n_inside, size_terms)
        deep = depth(queue, items[at]["entropy"] + balance)
        put_anew(queue, log_at(queue, deep), items, at, a, b)


@kernel
def _put_leaving(
    problem: Problem,
    forest: Forest,
    components: Components,
    queue: Queue,
    low: Any,
    high: Any,
    items: Any,
    first: int,
) -> None:
    """Queue edges that leave a child, to another child or to outside the block.

    An edge between two children leaves both; it is taken from that of its first pixel.
    """
    size, n_inside = components.size, problem.n_inside
    trade_off, size_terms = problem.trade_off, problem.size_terms
    shape, steps, root = problem.shape, problem.steps, forest.root
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    for at in range(len(items)):
        edge = items[at]["edge"]
        if edge >= 0:
            pixel = (edge >> bits) + steps[edge & mask]
        else:
            pixel = ~edge >> bits
        row = pixel // shape[2]
        plane = row // shape[1]
        y, x = row - plane * shape[1], pixel - row * shape[2]
        a, b, size_b = first + items[at]["a"], -1, 1
        if contains(low, high, plane, y, x):
            if edge < 0:
                continue
            while root[pixel] >= 0:
                pixel = root[pixel]
            b = forest.number[pixel]
            size_b = size[b]
        balance = trade_off * balance_gain(size[a], size_b, n_inside, size_terms)
        deep = depth(queue, items[at]["entropy"] + balance)
        put_anew(queue, log_at(queue, deep), items, at, a, b)
