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
from napari_paf.clustering._queue import (
    UNLIMITED,
    Components,
    Forest,
    Problem,
    drain,
    fill_buckets,
)

IDLE = 0.02
"""Share of components that may be left behind though they do not wait."""

ITEMS_PER_BUCKET = 4
"""Enough to look at several items at once, few enough to sort at no cost."""


@kernel
def corner(pixel: Any) -> tuple[int, int, int]:
    """Return a corner of a box as three numbers, to which no references are counted."""
    return pixel[0], pixel[1], pixel[2]


@kernel
def contains(low: Any, high: Any, z: int, y: int, x: int) -> bool:
    """Whether the box from corner `low` to corner `high` contains a pixel."""
    return low[0] <= z < high[0] and low[1] <= y < high[1] and low[2] <= x < high[2]


@kernel
def new_components(pixel: Any, size: Any) -> Components:
    """Return components, none of them merged."""
    n = len(pixel)
    merged, behind = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32)
    return Components(pixel, merged, behind, size, np.zeros(n, np.bool_))


@kernel
def parent_components(forest: Forest, pixel: Any) -> Components:
    """Return what a block's children left as components, numbered in their order."""
    size = np.empty(len(pixel), np.int32)
    for number in range(len(pixel)):
        size[number] = -forest.root[pixel[number]]
        forest.number[pixel[number]] = number
    return new_components(pixel, size)


@kernel
def add_inner(items: Any, n_items: int, inner: Any, first: int) -> int:
    """Add the edges inside a child, whose components are numbered from `first` on."""
    for at in range(len(inner)):
        items[n_items] = inner[at]
        items[n_items]["a"] += first
        items[n_items]["b"] += first
        n_items += 1
    return n_items


@kernel
def add_leaving(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    items: Any,
    n_items: int,
    leaving: Any,
    first: int,
    inside: bool,
) -> int:
    """Add edges that leave a child: those to another child, or those to outside.

    An edge between two children leaves both; it is taken from that of its first pixel.
    """
    shape, root = problem.shape, forest.root
    lowest, highest = corner(low), corner(high)
    mask = (1 << problem.slot_bits) - 1
    for at in range(len(leaving)):
        edge = leaving[at]["edge"]
        number = edge if edge >= 0 else ~edge
        pixel = number >> problem.slot_bits
        if edge >= 0:
            pixel += problem.steps[number & mask]
        row = pixel // shape[2]
        plane = row // shape[1]
        y, x = row - plane * shape[1], pixel - row * shape[2]
        stays = contains(lowest, highest, plane, y, x)
        if stays == inside and (edge >= 0 or not stays):
            items[n_items] = leaving[at]
            items[n_items]["a"] += first
            if inside:
                while root[pixel] >= 0:
                    pixel = root[pixel]
                items[n_items]["b"] = forest.number[pixel]
            n_items += 1
    return n_items


@kernel
def merge_block(
    problem: Problem,
    forest: Forest,
    components: Components,
    items: Any,
    n_own: int,
    earlier_gain: Any,
    n_wanted: int,
    leaves: bool,
    pulse: Any,
) -> Any:
    """Merge in one block what can be merged without looking beyond it.

    Returns the merged edges and their gains and, unless it `leaves` nothing, what is
    left: the pixels that stand for components, the items between two of them, and
    the items that leave the block.
    """
    n_buckets = 16
    while n_buckets * ITEMS_PER_BUCKET < len(items) and n_buckets < 2**22:
        n_buckets *= 2
    queue = fill_buckets(problem, forest, components, items, n_own, n_buckets)
    pixel, merged, _, size, _ = components
    merged_edge = np.empty(len(pixel), items["edge"].dtype)
    merged_gain = np.empty(len(pixel), np.float64)
    n_idle = 0 if n_wanted < UNLIMITED else int(len(pixel) * IDLE)
    n_merged = drain(
        problem,
        forest,
        components,
        queue,
        merged_edge,
        merged_gain,
        earlier_gain,
        n_wanted,
        n_idle,
        pulse,
    )
    edges, gains = merged_edge[:n_merged].copy(), merged_gain[:n_merged].copy()
    if not leaves:
        nothing = items[:0].copy()
        return edges, gains, pixel[:0].copy(), nothing, nothing
    left = np.empty(len(pixel) - n_merged, np.int32)
    number = np.empty(len(pixel), np.int32)
    n_left = 0
    for old in range(len(pixel)):
        if merged[old] == old:
            forest.root[pixel[old]] = -size[old]
            left[n_left] = pixel[old]
            number[old] = n_left
            n_left += 1
        else:
            forest.root[pixel[old]] = pixel[merged[old]]
    items = queue.items
    n_inner = 0
    for at in range(n_own):
        a, b = merged[items[at]["a"]], merged[items[at]["b"]]
        if a != b:
            items[n_inner] = items[at]
            items[n_inner]["a"], items[n_inner]["b"] = number[a], number[b]
            n_inner += 1
    for at in range(n_own, len(items)):
        items[at]["a"] = number[merged[items[at]["a"]]]
    return edges, gains, left, items[:n_inner].copy(), items[n_own:].copy()


class Left(NamedTuple):
    """What a block leaves to its parent."""

    pixel: NDArray[np.int32]  # one for each component
    inner: NDArray[np.void]  # edges between two of them
    leaving: NDArray[np.void]  # edges that leave the block


def merge_parent(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    children: list[Left],
    earlier_gain: Any,
    n_wanted: int,
    leaves: bool,
    pulse: Any,
) -> Any:
    """Merge what the children of a block left; see `merge_block`."""
    pixel = np.concatenate([child.pixel for child in children])
    components = parent_components(forest, pixel)
    first = np.cumsum([0] + [len(child.pixel) for child in children])
    n_most = sum(len(child.inner) + len(child.leaving) for child in children)
    items = np.empty(n_most, children[0].inner.dtype)
    n_items = 0
    for child, number in zip(children, first, strict=False):
        n_items = add_inner(items, n_items, child.inner, number)
    for inside in (True, False):
        if not inside:
            n_own = n_items
        for child, number in zip(children, first, strict=False):
            n_items = add_leaving(
                problem,
                forest,
                low,
                high,
                items,
                n_items,
                child.leaving,
                number,
                inside,
            )
    return merge_block(
        problem,
        forest,
        components,
        items[:n_items],
        n_own,
        earlier_gain,
        n_wanted,
        leaves,
        pulse,
    )
