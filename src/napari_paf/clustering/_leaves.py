"""Blocks of single pixels, where the merging begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_paf.clustering._blocks import (
    contains,
    corner,
    merge_block,
    new_components,
)
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import entropy_gain, entropy_gains, xlog2x
from napari_paf.clustering._queue import Components, Forest, Problem, above


@kernel
def _row_gains(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    z: int,
    y: int,
    gains: Any,
    scratch: Any,
) -> None:
    """Compute the entropy gains of the edges that start in one row of a box.

    `gains` has a row for every offset, -inf where there is no edge that stays inside.
    """
    weights, bits, steps = problem.weights, problem.slot_bits, problem.steps
    offsets, shape, total = problem.offsets, problem.shape, problem.total
    loop = forest.loop
    weight = scratch[0]
    loop_i, term_i, loop_j, term_j = scratch[1], scratch[2], scratch[3], scratch[4]
    gains[:] = -np.inf
    for k in range(len(steps)):
        dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
        if not (low[0] <= z + dz < high[0] and low[1] <= y + dy < high[1]):
            continue
        first = max(0, -dx)
        last = gains.shape[1] - max(0, dx)
        start = (z * shape[1] + y) * shape[2] + low[2] + first
        n = last - first
        step = steps[k]
        for at in range(n):
            i = start + at
            weight[at] = max(weights[(i << bits) + k], 0.0) / total
            loop_i[at], term_i[at] = loop[i, 0], loop[i, 1]
            loop_j[at], term_j[at] = loop[i + step, 0], loop[i + step, 1]
        gain = gains[k, first:last]
        entropy_gains(weight[:n], loop_i, term_i, loop_j, term_j, gain)
        for at in range(n):
            if weights[((start + at) << bits) + k] < 0:
                gain[at] = -np.inf


@kernel
def leaf_components(problem: Problem, low: Any, high: Any) -> Components:
    """Return the pixels of a box as components, numbered in raster order."""
    shape = problem.shape
    extent = high - low
    pixel = np.empty(extent[0] * extent[1] * extent[2], np.int32)
    n = 0
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            for x in range(low[2], high[2]):
                pixel[n] = row + x
                n += 1
    return new_components(pixel, np.ones(n, np.int32))


@kernel
def leaf_items(
    problem: Problem, forest: Forest, low: Any, high: Any, no_items: Any
) -> Any:
    """Return the edges of a box of single pixels, and how many stay inside it."""
    weights, bits = problem.weights, problem.slot_bits
    steps, offsets, shape = problem.steps, problem.offsets, problem.shape
    loop, total = forest.loop, problem.total
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
    lowest, highest = corner(low), corner(high)
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            own = ((z - low[0]) * extent[1] + y - low[1]) * extent[2] - low[2]
            _row_gains(problem, forest, low, high, z, y, gains, scratch)
            for x in range(low[2], high[2]):
                for k in range(len(steps)):
                    gain = gains[k, x - low[2]]
                    if gain > -np.inf:
                        step = offsets[k, 0] * extent[1] + offsets[k, 1]
                        step = step * extent[2] + offsets[k, 2]
                        items[n_items]["entropy"] = above(gain)
                        items[n_items]["edge"] = ((row + x) << bits) + k
                        items[n_items]["a"] = own + x
                        items[n_items]["b"] = own + x + step
                        n_items += 1
    n_own = n_items
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            own = ((z - low[0]) * extent[1] + y - low[1]) * extent[2] - low[2]
            rim = y in (low[1], high[1] - 1) or (
                shape[0] > 1 and z in (low[0], high[0] - 1)
            )
            # Inside a row, only its two ends have neighbours outside the box.
            stride = 1 if rim else max(1, extent[2] - 1)
            for x in range(low[2], high[2], stride):
                pixel = row + x
                for k in range(len(steps)):
                    dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
                    for sign in (1, -1):
                        oz, oy, ox = z + sign * dz, y + sign * dy, x + sign * dx
                        if contains(lowest, highest, oz, oy, ox) or not (
                            0 <= oz < shape[0]
                            and 0 <= oy < shape[1]
                            and 0 <= ox < shape[2]
                        ):
                            continue
                        other = pixel + sign * steps[k]
                        edge = ((pixel if sign > 0 else other) << bits) + k
                        if weights[edge] < 0:
                            continue
                        gain = entropy_gain(
                            weights[edge] / total,
                            loop[pixel, 0],
                            loop[pixel, 1],
                            loop[other, 0],
                            xlog2x(loop[other, 0]),
                        )
                        items[n_items]["entropy"] = above(gain)
                        items[n_items]["edge"] = edge if sign > 0 else ~edge
                        items[n_items]["a"] = own + x
                        items[n_items]["b"] = -1
                        n_items += 1
    return items[:n_items], n_own


@kernel
def merge_leaf(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    no_items: Any,
    earlier_gain: Any,
    n_wanted: int,
    leaves: bool,
    pulse: Any,
) -> Any:
    """Merge single pixels in a box; see `merge_block`."""
    items, n_own = leaf_items(problem, forest, low, high, no_items)
    return merge_block(
        problem,
        forest,
        leaf_components(problem, low, high),
        items,
        n_own,
        earlier_gain,
        n_wanted,
        leaves,
        pulse,
    )
