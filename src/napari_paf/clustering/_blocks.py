"""What one thread does with one block of the image.

A block is a box of pixels. In a *leaf* all pixels are on their own; every other
block takes over what its children left: components that had to wait, the edges
between them, and the edges that leave them. No component reaches beyond its block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import (
    balance_gain,
    entropy_gain,
    entropy_gains,
    xlog2x,
)
from napari_paf.clustering._queue import (
    UNLIMITED,
    Forest,
    Problem,
    drain,
    sort_items,
)

IDLE = 0.02
"""Share of components that may be left behind though they do not wait."""

ITEMS_PER_BUCKET = 4
"""Enough to look at several items at once, few enough to sort at no cost."""


@kernel
def _contains(low: Any, high: Any, z: int, y: int, x: int) -> bool:
    """Whether the box from corner `low` to corner `high` contains a pixel."""
    return low[0] <= z < high[0] and low[1] <= y < high[1] and low[2] <= x < high[2]


@kernel
def _row_gains(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    z: int,
    y: int,
    k: int,
    gain: Any,
    scratch: Any,
) -> None:
    """Compute the entropy gains of one row's edges to neighbour `k`.

    They are -inf where there is no edge that stays in the box.
    """
    weights, bits, step = problem.weights, problem.slot_bits, problem.steps[k]
    offset, shape, loop = problem.offsets[k], problem.shape, forest.loop
    gain[:] = -np.inf
    if not (low[0] <= z + offset[0] < high[0] and low[1] <= y + offset[1] < high[1]):
        return
    first = max(0, -offset[2])
    last = len(gain) - max(0, offset[2])
    start = (z * shape[1] + y) * shape[2] + low[2] + first
    n = last - first
    weight = scratch[0]
    loop_i, term_i, loop_j, term_j = scratch[1], scratch[2], scratch[3], scratch[4]
    for at in range(n):
        i = start + at
        weight[at] = max(weights[(i << bits) + k], 0.0) / problem.total
        loop_i[at], term_i[at] = loop[i, 0], loop[i, 1]
        loop_j[at], term_j[at] = loop[i + step, 0], loop[i + step, 1]
    entropy_gains(weight[:n], loop_i, term_i, loop_j, term_j, gain[first:last])
    for at in range(n):
        if weights[((start + at) << bits) + k] < 0:
            gain[first + at] = -np.inf


@kernel
def leaf_items(
    problem: Problem, forest: Forest, low: Any, high: Any, no_items: Any
) -> Any:
    """Return the edges of a box of single pixels, and how many stay inside it."""
    weights, bits = problem.weights, problem.slot_bits
    steps, offsets, shape = problem.steps, problem.offsets, problem.shape
    loop, total = forest.loop, problem.total
    balance = problem.trade_off * balance_gain(
        1, 1, problem.n_inside, problem.size_terms
    )
    extent = high - low
    n_pixels = extent[0] * extent[1] * extent[2]
    n_items = 0
    for k in range(len(steps)):
        inner = 1
        for axis in range(3):
            inner *= max(0, extent[axis] - abs(offsets[k, axis]))
        n_items += 2 * n_pixels - inner
    items = np.empty(n_items, no_items.dtype)

    n_items = 0
    gains = np.empty((len(steps), extent[2]))
    scratch = np.empty((5, extent[2]))
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            for k in range(len(steps)):
                _row_gains(problem, forest, low, high, z, y, k, gains[k], scratch)
            for x in range(low[2], high[2]):
                for k in range(len(steps)):
                    gain = gains[k, x - low[2]]
                    if gain > -np.inf:
                        items[n_items]["edge"] = ((row + x) << bits) + k
                        items[n_items]["gain"] = balance + gain
                        n_items += 1
    n_own = n_items
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            rim = y in (low[1], high[1] - 1) or (
                shape[0] > 1 and z in (low[0], high[0] - 1)
            )
            # Inside a row, only its two ends have neighbours outside the box.
            stride = 1 if rim else max(1, extent[2] - 1)
            for x in range(low[2], high[2], stride):
                pixel = (z * shape[1] + y) * shape[2] + x
                for k in range(len(steps)):
                    dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
                    edge = (pixel << bits) + k
                    if weights[edge] >= 0 and not _contains(
                        low, high, z + dz, y + dy, x + dx
                    ):
                        items[n_items]["edge"] = edge
                        other = pixel + steps[k]
                        items[n_items]["gain"] = balance + entropy_gain(
                            weights[edge] / total,
                            loop[pixel, 0],
                            loop[pixel, 1],
                            loop[other, 0],
                            xlog2x(loop[other, 0]),
                        )
                        n_items += 1
                    edge = ((pixel - steps[k]) << bits) + k
                    if (
                        0 <= z - dz < shape[0]
                        and 0 <= y - dy < shape[1]
                        and 0 <= x - dx < shape[2]
                        and not _contains(low, high, z - dz, y - dy, x - dx)
                        and weights[edge] >= 0
                    ):
                        items[n_items]["edge"] = ~edge
                        other = pixel - steps[k]
                        items[n_items]["gain"] = balance + entropy_gain(
                            weights[edge] / total,
                            loop[pixel, 0],
                            loop[pixel, 1],
                            loop[other, 0],
                            xlog2x(loop[other, 0]),
                        )
                        n_items += 1
    return items[:n_items], n_own


@kernel
def parent_items(
    problem: Problem, low: Any, high: Any, inner: Any, leaving: Any, no_items: Any
) -> Any:
    """Return the edges of a block from those of its children, as `leaf_items` does.

    An edge between two children is in the `leaving` of both; it is taken from
    the child of its first pixel.
    """
    shape = problem.shape
    mask = (1 << problem.slot_bits) - 1
    items = np.empty(len(inner) + len(leaving), no_items.dtype)
    n_items = len(inner)
    items[:n_items] = inner
    still_leaving = np.empty(len(leaving), np.int32)
    n_leaving = 0
    for at in range(len(leaving)):
        edge = leaving[at]["edge"]
        number = edge if edge >= 0 else ~edge
        pixel = number >> problem.slot_bits
        if edge >= 0:
            pixel += problem.steps[number & mask]
        row = pixel // shape[2]
        plane = row // shape[1]
        if not _contains(
            low, high, plane, row - plane * shape[1], pixel - row * shape[2]
        ):
            still_leaving[n_leaving] = at
            n_leaving += 1
        elif edge >= 0:
            items[n_items] = leaving[at]
            n_items += 1
    n_own = n_items
    for at in still_leaving[:n_leaving]:
        items[n_items] = leaving[at]
        n_items += 1
    return items[:n_items], n_own


@kernel
def merge_parent(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    inner: Any,
    leaving: Any,
    n_components: int,
    round_number: int,
    earlier_gain: Any,
    n_wanted: int,
    pulse: Any,
) -> Any:
    """Merge what the children of a block left; see `merge_block`."""
    items, n_own = parent_items(problem, low, high, inner, leaving, inner)
    return merge_block(
        problem,
        forest,
        items,
        n_own,
        n_components,
        round_number,
        earlier_gain,
        n_wanted,
        pulse,
    )


@kernel
def merge_block(
    problem: Problem,
    forest: Forest,
    items: Any,
    n_own: int,
    n_components: int,
    round_number: int,
    earlier_gain: Any,
    n_wanted: int,
    pulse: Any,
) -> Any:
    """Merge in one block what can be merged without looking beyond it.

    Returns the merged edges and their gains, and the items that are left: those
    between two components of the block, and those that leave it.
    """
    n_buckets = 16
    while n_buckets * ITEMS_PER_BUCKET < len(items) and n_buckets < 2**22:
        n_buckets *= 2
    own, start = sort_items(items[:n_own], problem, n_buckets)
    leaving, leaving_start = sort_items(items[n_own:], problem, n_buckets)
    items[:n_own] = own
    items[n_own:] = leaving
    merged_edge = np.empty(n_components, items["edge"].dtype)
    merged_gain = np.empty(n_components, np.float64)
    n_merged = drain(
        problem,
        forest,
        items,
        n_own,
        start,
        leaving_start,
        n_components,
        round_number,
        merged_edge,
        merged_gain,
        earlier_gain,
        n_wanted,
        0 if n_wanted < UNLIMITED else int(n_components * IDLE),
        pulse,
    )
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    root, steps = forest.root, problem.steps
    n_inner = 0
    for at in range(n_own):
        edge = items[at]["edge"]
        i = edge >> bits
        j = i + steps[edge & mask]
        if root[i] != root[j]:
            items[n_inner] = items[at]
            n_inner += 1
    return (
        merged_edge[:n_merged].copy(),
        merged_gain[:n_merged].copy(),
        items[:n_inner].copy(),
        items[n_own:].copy(),
    )


@kernel
def merge_leaf(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    no_items: Any,
    earlier_gain: Any,
    n_wanted: int,
    pulse: Any,
) -> Any:
    """Merge single pixels in a box; see `merge_block`."""
    items, n_own = leaf_items(problem, forest, low, high, no_items)
    extent = high - low
    n_pixels = extent[0] * extent[1] * extent[2]
    return merge_block(
        problem, forest, items, n_own, n_pixels, 1, earlier_gain, n_wanted, pulse
    )
