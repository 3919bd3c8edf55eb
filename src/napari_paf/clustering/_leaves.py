"""Blocks of single pixels, where the merging begins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._bisection import contains
from napari_paf.clustering._blocks import Limit, merge_block, new_components
from napari_paf.clustering._bundles import new_bundles
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import (
    Lanes,
    balance_gain,
    entropy_gain,
    entropy_gains,
    new_lanes,
)
from napari_paf.clustering._left import Left
from napari_paf.clustering._queue import (
    Queue,
    claim,
    depth,
    log_at,
    new_queue,
    write_item,
)
from napari_paf.clustering._state import Forest, Problem, above


def merge_leaf(
    problem: Problem,
    forest: Forest,
    boxes: NDArray[np.int64],
    item: np.dtype[np.void],
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], Left]:
    """Merge single pixels in a box; see `merge_block`."""
    low, high = boxes[-1]
    z, y, x = np.ogrid[tuple(map(slice, low, high))]
    shape = problem.shape
    pixel = ((z * shape[1] + y) * shape[2] + x).ravel().astype(np.int32)
    size, waits = np.ones(len(pixel), np.int32), np.zeros(len(pixel), np.uint8)
    components = new_components(pixel, size, waits)
    extent = high - low
    inner = np.prod(np.maximum(extent - np.abs(problem.offsets), 0), axis=1)
    n_items = int((2 * len(pixel) - inner).sum())  # an edge inside has two ends here
    queue = new_queue(problem, n_items, item)
    lanes, column = new_lanes(extent[2]), np.empty(extent[2], np.int32)
    _put_inner(problem, forest, low, high, queue, lanes, column)
    _put_leaving(problem, forest, low, high, queue)
    bundles = new_bundles(0, 0, item["edge"])
    return merge_block(problem, forest, boxes, components, queue, bundles, limit, pulse)


@kernel
def _put_inner(
    problem: Problem,
    forest: Forest,
    low: Any,
    high: Any,
    queue: Queue,
    lanes: Lanes,
    column: Any,
) -> None:
    """Queue the edges inside a box; `lanes` and `column` have room for a row."""
    bits, offsets, shape = problem.slot_bits, problem.offsets, problem.shape
    weights, loop = problem.weights, forest.loop
    height, width = high[1] - low[1], high[2] - low[2]
    balance = _balance_of_pixels(problem)
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2] + low[2]
            own = ((z - low[0]) * height + y - low[1]) * width
            for k in range(len(offsets)):
                dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
                if not (low[0] <= z + dz < high[0] and low[1] <= y + dy < high[1]):
                    continue
                step, own_step = problem.steps[k], (dz * height + dy) * width + dx
                # What is absent or held back is sorted out without a branch.
                n = 0
                for x in range(max(0, -dx), width - max(0, dx)):
                    column[n] = x
                    n += weights[((row + x) << bits) + k] >= 0
                for at in range(n):
                    i = row + column[at]
                    j = i + step
                    lanes.weight[at] = weights[(i << bits) + k]
                    lanes.loop_i[at], lanes.loop_j[at] = loop[i], loop[j]
                entropy_gains(lanes, n, problem.total)
                for at in range(n):
                    x, gain = column[at], lanes.gain[at]
                    log = log_at(queue, depth(queue, gain + balance))
                    edge, a = ((row + x) << bits) + k, own + x
                    place = claim(queue, log)
                    write_item(queue.pool, place, above(gain), edge, a, a + own_step)


@kernel
def _put_leaving(
    problem: Problem, forest: Forest, low: Any, high: Any, queue: Queue
) -> None:
    """Queue the edges that lead out of a box."""
    weights, bits = problem.weights, problem.slot_bits
    steps, offsets, shape = problem.steps, problem.offsets, problem.shape
    loop, total = forest.loop, problem.total
    balance = _balance_of_pixels(problem)
    height, width = high[1] - low[1], high[2] - low[2]
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            own = ((z - low[0]) * height + y - low[1]) * width - low[2]
            rim = y in (low[1], high[1] - 1) or (
                shape[0] > 1 and z in (low[0], high[0] - 1)
            )
            # Inside a row, only its two ends have neighbours outside the box.
            stride = 1 if rim else max(1, width - 1)
            for x in range(low[2], high[2], stride):
                pixel = row + x
                for k in range(len(steps)):
                    dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
                    for sign in (1, -1):
                        oz, oy, ox = z + sign * dz, y + sign * dy, x + sign * dx
                        if contains(low, high, oz, oy, ox) or not (
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
                            loop[pixel],
                            loop[other],
                        )
                        edge = edge if sign > 0 else ~edge
                        place = claim(
                            queue, log_at(queue, depth(queue, gain + balance))
                        )
                        write_item(queue.pool, place, above(gain), edge, own + x, -1)


@kernel
def _balance_of_pixels(problem: Problem) -> float:
    """Return what joining two single pixels gains in balance."""
    return problem.trade_off * balance_gain(1, 1, problem.n_inside, problem.size_terms)
