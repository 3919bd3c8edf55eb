"""Compiled kernels of entropy-rate clustering: functions over flat arrays only.

Pixels are raster indices and edges are ``pixel * n_offsets + k``. A component
is named by its root in `Forest.parent`. Nothing here starts threads: callers
run kernels on disjoint sets of components, with the GIL released.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

OUTSIDE = -1  # stands for the far end of an edge that leaves its block
UNLIMITED = 2**62


class Problem(NamedTuple):
    """What is to be clustered; kernels only read it."""

    weights: Any  # (n_pixels * n_offsets,) affinities, negative where no edge is
    steps: Any  # (n_offsets,) raster distance between the ends of an edge
    offsets: Any  # (n_offsets, 3) the same as steps along each axis
    shape: Any  # (3,) planes, rows, columns
    total: float  # sum of all weights at all pixels
    trade_off: float  # lambda, what a unit of balance is worth in entropy rate
    n_inside: int  # pixels inside the mask
    size_terms: Any  # f(size / n_inside) of the smaller sizes
    top: float  # no gain is larger
    depth: float  # buckets span the gains from top down to top - depth


class Forest(NamedTuple):
    """What has been merged so far: one entry a pixel, shared by all threads."""

    parent: Any  # union-find forest
    size: Any  # pixels of a component, at its root
    loop: Any  # what is left of the self-loop of each pixel
    waiting: Any  # at roots: number of the last round in which it had to wait


@njit(cache=True, nogil=True, inline="always")
def xlog2x(x: float) -> float:
    """Return x log2 x, continued by 0 at 0."""
    return x * math.log2(x) if x > 0.0 else 0.0


@njit(cache=True, nogil=True, inline="always")
def entropy_gain(weight: float, loop_i: float, loop_j: float) -> float:
    """Gain in entropy rate of adding an edge between two pixels."""
    if weight == 0.0:
        return 0.0
    c_i, c_j = loop_i - weight, loop_j - weight
    return (
        xlog2x(weight + c_i)
        + xlog2x(weight + c_j)
        - xlog2x(c_i)
        - xlog2x(c_j)
        - 2.0 * xlog2x(weight)
    )


@njit(cache=True, nogil=True, inline="always")
def size_term(size: int, n_inside: int, table: Any) -> float:
    """Return f(size / n_inside), looked up where the table reaches."""
    return table[size] if size < len(table) else xlog2x(size / n_inside)


@njit(cache=True, nogil=True, inline="always")
def balance_gain(s: int, t: int, n_inside: int, table: Any) -> float:
    """Gain in balance of joining components of `s` and `t` pixels."""
    return (
        -size_term(s + t, n_inside, table)
        + size_term(s, n_inside, table)
        + size_term(t, n_inside, table)
        + 1.0
    )


@njit(cache=True, nogil=True)
def tabulate_sizes(table: Any, n_inside: int) -> None:
    """Fill `table` with f(size / n_inside)."""
    for s in range(len(table)):
        table[s] = xlog2x(s / n_inside)


@njit(cache=True, nogil=True, inline="always")
def find(parent: Any, pixel: int) -> int:
    """Return the root of a pixel's component, halving the path on the way."""
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel


@njit(cache=True, nogil=True, inline="always")
def find_read_only(parent: Any, pixel: int) -> int:
    """Return the root of a pixel's component, changing nothing."""
    while parent[pixel] != pixel:
        pixel = parent[pixel]
    return pixel


@njit(cache=True, nogil=True)
def sum_loops(
    weights: Any, steps: Any, incoming: Any, loop: Any, start: int, stop: int
) -> float:
    """Sum the weights at each of the pixels from `start` to `stop`; return their total.

    `incoming` lists the offsets in the order of the numbers of the edges that
    end in a pixel, so that every sum has one order whoever computes it: first
    the edges that start before the pixel, then its own, then those after it.
    """
    n_offsets = len(steps)
    total = 0.0
    for pixel in range(start, stop):
        own = 0.0
        for k in incoming:
            if steps[k] > 0 and pixel >= steps[k]:
                weight = weights[(pixel - steps[k]) * n_offsets + k]
                if weight > 0:
                    own += weight
        for k in range(n_offsets):
            weight = weights[pixel * n_offsets + k]
            if weight > 0:
                own += weight
        for k in incoming:
            if steps[k] < 0 and pixel - steps[k] < len(loop):
                weight = weights[(pixel - steps[k]) * n_offsets + k]
                if weight > 0:
                    own += weight
        loop[pixel] = own
        total += own
    return total


@njit(cache=True, nogil=True)
def largest_entropy_gain(
    weights: Any, steps: Any, total: float, loop: Any, start: int, stop: int
) -> float:
    """Return the largest entropy gain of the edges of the pixels `start` to `stop`."""
    n_offsets = len(steps)
    largest = 0.0
    for pixel in range(start, stop):
        for k in range(n_offsets):
            weight = weights[pixel * n_offsets + k]
            if weight > 0:
                gain = entropy_gain(
                    weight / total, loop[pixel], loop[pixel + steps[k]]
                )
                largest = max(largest, gain)
    return largest


@njit(cache=True, nogil=True, inline="always")
def _before(gain_a: float, edge_a: int, gain_b: float, edge_b: int) -> bool:
    """Whether the greedy takes edge a before edge b."""
    return gain_a > gain_b or (gain_a == gain_b and edge_a < edge_b)


@njit(cache=True, nogil=True)
def _sift_down(heap: Any, n_heap: int, at: int, gain: Any, edge: Any) -> None:
    """Let the item at `at` sink to its place in the heap."""
    item = heap[at]
    item_gain, item_edge = gain[item], edge[item]
    while True:
        child = 2 * at + 1
        if child >= n_heap:
            break
        if child + 1 < n_heap and _before(
            gain[heap[child + 1]],
            edge[heap[child + 1]],
            gain[heap[child]],
            edge[heap[child]],
        ):
            child += 1
        if not _before(gain[heap[child]], edge[heap[child]], item_gain, item_edge):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item


@njit(cache=True, nogil=True)
def n_buckets_for(n_items: int) -> int:
    """Return a power of two near a quarter of the items: short lists, few empty."""
    n_buckets = 16
    while n_buckets * 4 < n_items and n_buckets < 65536:
        n_buckets *= 2
    return n_buckets


@njit(cache=True, nogil=True, inline="always")
def _bucket(gain: float, problem: Problem, n_buckets: int) -> int:
    if problem.depth <= 0.0:
        return 0
    position = (problem.top - gain) / problem.depth * n_buckets
    if position <= 0.0:
        return 0
    return int(position) if position < n_buckets else n_buckets - 1


@njit(cache=True, nogil=True)
def fill_buckets(gain: Any, problem: Problem, head: Any, following: Any) -> None:
    """Sort items into buckets of falling gain, each a linked list."""
    head[:] = -1
    for item in range(len(gain) - 1, -1, -1):
        bucket = _bucket(gain[item], problem, len(head))
        following[item] = head[bucket]
        head[bucket] = item


@njit(cache=True, nogil=True)
def drain(
    problem: Problem,
    forest: Forest,
    edge: Any,
    first: Any,
    second: Any,
    gain: Any,
    head: Any,
    following: Any,
    heap: Any,
    cursor: Any,
    merged_edge: Any,
    merged_gain: Any,
    round_number: int,
    max_steps: int,
    earlier_gain: Any,
    n_wanted: int,
) -> bool:
    """Take the dominant edges of a block from its queue, best first.

    An edge may be taken when it is the best of all edges at either of its
    components. The queue hands edges out by falling upper bound of their gain,
    so an edge that comes out with its gain up to date is dominant unless one of
    its components *waits*: for an edge that leaves the block, or for another
    component that waits.

    The queue is a row of buckets with a heap over the current one. `cursor`
    holds what survives between calls: the current bucket, the size of the heap,
    how many components do not wait, how many merges were made, and how many of
    `earlier_gain` (falling) come before the present gain.

    Returns whether the block is finished: nothing is left to take, or
    `n_wanted` merges, earlier ones included, come before all that is left.
    """
    bucket, n_heap, n_active, n_merged, n_earlier = cursor
    parent, size, loop, waiting = forest
    finished = False
    for _ in range(max_steps):
        if n_active == 0:
            finished = True
            break
        if n_heap == 0:
            while bucket < len(head) and head[bucket] < 0:
                bucket += 1
            if bucket == len(head):
                finished = True
                break
            item = head[bucket]
            head[bucket] = -1
            while item >= 0:
                heap[n_heap] = item
                n_heap += 1
                item = following[item]
            for at in range(n_heap // 2 - 1, -1, -1):
                _sift_down(heap, n_heap, at, gain, edge)

        item = heap[0]
        i, j = first[item], second[item]
        root_i = find(parent, i)
        root_j = root_i if j == OUTSIDE else find(parent, j)
        if (
            j == OUTSIDE
            or waiting[root_i] == round_number
            or waiting[root_j] == round_number
        ):
            if waiting[root_i] != round_number:
                waiting[root_i] = round_number
                n_active -= 1
            if waiting[root_j] != round_number:
                waiting[root_j] = round_number
                n_active -= 1
        elif root_i != root_j:
            weight = problem.weights[edge[item]] / problem.total
            fresh = entropy_gain(
                weight, loop[i], loop[j]
            ) + problem.trade_off * balance_gain(
                size[root_i], size[root_j], problem.n_inside, problem.size_terms
            )
            if fresh < gain[item]:
                gain[item] = fresh
                target = _bucket(fresh, problem, len(head))
                if target <= bucket:
                    _sift_down(heap, n_heap, 0, gain, edge)
                    continue
                following[item] = head[target]
                head[target] = item
            else:
                while n_earlier < len(earlier_gain) and (
                    earlier_gain[n_earlier] > gain[item]
                ):
                    n_earlier += 1
                if n_earlier + n_merged >= n_wanted:
                    finished = True
                    break
                if size[root_i] < size[root_j]:
                    root_i, root_j = root_j, root_i
                parent[root_j] = root_i
                size[root_i] += size[root_j]
                loop[i] -= weight
                loop[j] -= weight
                merged_edge[n_merged] = edge[item]
                merged_gain[n_merged] = gain[item]
                n_merged += 1
                n_active -= 1
        n_heap -= 1
        heap[0] = heap[n_heap]
        if n_heap > 1:
            _sift_down(heap, n_heap, 0, gain, edge)
    cursor[0] = bucket
    cursor[1] = n_heap
    cursor[2] = n_active
    cursor[3] = n_merged
    cursor[4] = n_earlier
    return finished


@njit(cache=True, nogil=True)
def _drain_all(
    problem: Problem,
    forest: Forest,
    edge: Any,
    first: Any,
    second: Any,
    gain: Any,
    n_components: int,
    round_number: int,
) -> Any:
    """Queue the edges of a block and drain it; return merged edges and gains."""
    n_edges = len(gain)
    head = np.empty(n_buckets_for(n_edges), np.int32)
    following = np.empty(n_edges, np.int32)
    heap = np.empty(n_edges, np.int32)
    merged_edge = np.empty(n_components, edge.dtype)
    merged_gain = np.empty(n_components, np.float64)
    cursor = (0, 0, n_components, 0, 0)
    cursor_array = np.array(cursor)
    fill_buckets(gain, problem, head, following)
    drain(
        problem,
        forest,
        edge,
        first,
        second,
        gain,
        head,
        following,
        heap,
        cursor_array,
        merged_edge,
        merged_gain,
        round_number,
        UNLIMITED,
        merged_gain[:0],
        UNLIMITED,
    )
    n_merged = cursor_array[3]
    return merged_edge[:n_merged].copy(), merged_gain[:n_merged].copy()


@njit(cache=True, nogil=True)
def merge_tile(
    problem: Problem, forest: Forest, low: Any, high: Any, edge_type: Any
) -> Any:
    """Merge single pixels inside the tile from corner `low` to corner `high`.

    Returns the merged edges, their gains, and the edges that start in the tile
    and still join two components.
    """
    weights, steps, offsets, shape = problem[:4]
    loop, parent = forest.loop, forest.parent
    n_offsets = len(steps)
    extent = high - low
    n_tile = extent[0] * extent[1] * extent[2]
    n_edges = n_tile * n_offsets
    for k in range(n_offsets):  # and those that come in from outside
        n_edges += n_tile
        inner = 1
        for axis in range(3):
            inner *= extent[axis] - abs(offsets[k, axis])
        n_edges -= inner
    edge = np.empty(n_edges, edge_type.dtype)
    first = np.empty(n_edges, np.int32)
    second = np.empty(n_edges, np.int32)
    gain = np.empty(n_edges, np.float64)
    single = problem.trade_off * balance_gain(
        1, 1, problem.n_inside, problem.size_terms
    )

    n_edges = 0
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            for x in range(low[2], high[2]):
                pixel = (z * shape[1] + y) * shape[2] + x
                for k in range(n_offsets):
                    weight = weights[pixel * n_offsets + k]
                    if weight < 0:
                        continue
                    other = pixel + steps[k]
                    inside = (
                        low[0] <= z + offsets[k, 0] < high[0]
                        and low[1] <= y + offsets[k, 1] < high[1]
                        and low[2] <= x + offsets[k, 2] < high[2]
                    )
                    edge[n_edges] = pixel * n_offsets + k
                    first[n_edges] = pixel
                    second[n_edges] = other if inside else OUTSIDE
                    gain[n_edges] = single + entropy_gain(
                        weight / problem.total, loop[pixel], loop[other]
                    )
                    n_edges += 1
    n_own = n_edges
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            rim = z in (low[0], high[0] - 1) or y in (low[1], high[1] - 1)
            # Inside a row, only its two ends have neighbours outside the tile.
            stride = 1 if rim else max(1, extent[2] - 1)
            for x in range(low[2], high[2], stride):
                pixel = (z * shape[1] + y) * shape[2] + x
                for k in range(n_offsets):
                    start_z = z - offsets[k, 0]
                    start_y = y - offsets[k, 1]
                    start_x = x - offsets[k, 2]
                    if (
                        low[0] <= start_z < high[0]
                        and low[1] <= start_y < high[1]
                        and low[2] <= start_x < high[2]
                    ):
                        continue
                    if (
                        0 <= start_z < shape[0]
                        and 0 <= start_y < shape[1]
                        and 0 <= start_x < shape[2]
                    ):
                        other = pixel - steps[k]
                        weight = weights[other * n_offsets + k]
                        if weight < 0:
                            continue
                        edge[n_edges] = other * n_offsets + k
                        first[n_edges] = pixel
                        second[n_edges] = OUTSIDE
                        gain[n_edges] = single + entropy_gain(
                            weight / problem.total, loop[other], loop[pixel]
                        )
                        n_edges += 1

    merged_edge, merged_gain = _drain_all(
        problem, forest, edge, first, second, gain[:n_edges], n_tile, 1
    )
    n_alive = 0
    for item in range(n_own):
        if second[item] == OUTSIDE or (
            find(parent, first[item]) != find(parent, second[item])
        ):
            edge[n_alive] = edge[item]
            n_alive += 1
    return merged_edge, merged_gain, edge[:n_alive].copy()


@njit(cache=True, nogil=True)
def refresh(problem: Problem, forest: Forest, edge: Any, block: Any, shift: Any) -> Any:
    """Drop edges inside a component; find the gain and the blocks of the others.

    A component belongs to the block its root lies in; blocks are a grid of
    boxes of shape `block`, shifted by `shift`. Only reads what is shared.

    Returns the edges that are left, their gains, and the blocks of their ends.
    """
    weights, steps, _, shape = problem[:4]
    parent, size, loop, _ = forest
    n_offsets = len(steps)
    kept = np.empty(len(edge), edge.dtype)
    gain = np.empty(len(edge), np.float64)
    blocks = np.empty((len(edge), 2), np.int32)
    n_rows = (shape[1] + shift[1] - 1) // block[1] + 1
    n_columns = (shape[2] + shift[2] - 1) // block[2] + 1
    n_kept = 0
    for item in range(len(edge)):
        i = edge[item] // n_offsets
        j = i + steps[edge[item] % n_offsets]
        root_i, root_j = find_read_only(parent, i), find_read_only(parent, j)
        if root_i == root_j:
            continue
        kept[n_kept] = edge[item]
        gain[n_kept] = entropy_gain(
            weights[edge[item]] / problem.total, loop[i], loop[j]
        ) + problem.trade_off * balance_gain(
            size[root_i], size[root_j], problem.n_inside, problem.size_terms
        )
        for end in range(2):
            root = root_i if end == 0 else root_j
            x = root % shape[2]
            y = root // shape[2] % shape[1]
            z = root // (shape[2] * shape[1])
            z, y, x = z + shift[0], y + shift[1], x + shift[2]
            blocks[n_kept, end] = (
                z // block[0] * n_rows + y // block[1]
            ) * n_columns + x // block[2]
        n_kept += 1
    return kept[:n_kept].copy(), gain[:n_kept].copy(), blocks[:n_kept].copy()


@njit(cache=True, nogil=True)
def list_blocks(blocks: Any, n_blocks: int) -> Any:
    """List the edges of every block; one between two blocks is in both lists.

    Returns where each block's list starts, and the lists one after another.
    """
    start = np.zeros(n_blocks + 1, np.int64)
    for item in range(len(blocks)):
        start[blocks[item, 0] + 1] += 1
        if blocks[item, 1] != blocks[item, 0]:
            start[blocks[item, 1] + 1] += 1
    start = np.cumsum(start)
    position = start[:-1].copy()
    listed = np.empty(start[-1], np.int32)
    for item in range(len(blocks)):
        for end in range(2):
            block = blocks[item, end]
            if end == 0 or block != blocks[item, 0]:
                listed[position[block]] = item
                position[block] += 1
    return start, listed


@njit(cache=True, nogil=True)
def merge_block(
    problem: Problem,
    forest: Forest,
    all_edge: Any,
    all_gain: Any,
    all_blocks: Any,
    block: int,
    listed: Any,
    round_number: int,
) -> Any:
    """Merge the components of one block; return the merged edges and their gains.

    `round_number` grows by at least 2 from round to round.
    """
    parent, waiting = forest.parent, forest.waiting
    n_offsets = len(problem.steps)
    edge = np.empty(len(listed), all_edge.dtype)
    first = np.empty(len(listed), np.int32)
    second = np.empty(len(listed), np.int32)
    gain = np.empty(len(listed), np.float64)
    n_components = 0
    for at in range(len(listed)):
        item = listed[at]
        edge[at] = all_edge[item]
        gain[at] = all_gain[item]
        first[at] = edge[at] // n_offsets
        second[at] = first[at] + problem.steps[edge[at] % n_offsets]
        if all_blocks[item, 0] != block:
            first[at], second[at] = second[at], OUTSIDE
        elif all_blocks[item, 1] != block:
            second[at] = OUTSIDE
        for pixel in (first[at], second[at]):
            if pixel != OUTSIDE:
                root = find(parent, pixel)
                if waiting[root] != round_number - 1:  # seen for the first time
                    waiting[root] = round_number - 1
                    n_components += 1
    return _drain_all(
        problem, forest, edge, first, second, gain, n_components, round_number
    )


@njit(cache=True, nogil=True)
def edge_ends(edge: Any, steps: Any) -> Any:
    """Return the first and second pixels of edges."""
    first = np.empty(len(edge), np.int32)
    second = np.empty(len(edge), np.int32)
    for item in range(len(edge)):
        first[item] = edge[item] // len(steps)
        second[item] = first[item] + steps[edge[item] % len(steps)]
    return first, second


@njit(cache=True, nogil=True)
def count_components(weights: Any, steps: Any, parent: Any) -> int:
    """Return into how many components all edges together join the pixels."""
    n_components = len(parent)
    for pixel in range(len(parent)):
        for k in range(len(steps)):
            if weights[pixel * len(steps) + k] >= 0:
                root_i = find(parent, pixel)
                root_j = find(parent, pixel + steps[k])
                if root_i != root_j:
                    parent[max(root_i, root_j)] = min(root_i, root_j)
                    n_components -= 1
    return n_components


@njit(cache=True, nogil=True)
def grow_tree(edge: Any, steps: Any, absorber: Any, when: Any) -> None:
    """Join the ends of edges, in order, each component named by its first pixel.

    For every pixel that ceases to be a first pixel, `absorber` tells the first
    pixel of the component that takes it in, always an earlier one, and `when`
    the place of the edge.
    """
    root = np.arange(len(absorber)).astype(absorber.dtype)
    for item in range(len(edge)):
        i = edge[item] // len(steps)
        root_i = find(root, i)
        root_j = find(root, i + steps[edge[item] % len(steps)])
        if root_i > root_j:
            root_i, root_j = root_j, root_i
        root[root_j] = root_i
        absorber[root_j] = root_i
        when[root_j] = item


@njit(cache=True, nogil=True)
def cut_tree(absorber: Any, when: Any, n_merges: int, labels: Any) -> int:
    """Label the components after the first `n_merges` merges; return how many.

    One pass suffices: a pixel that has been taken in has the label of its
    absorber, which lies before it. Where `absorber` is negative (outside the
    mask) the label is 0.
    """
    n_labels = 0
    for pixel in range(len(absorber)):
        if absorber[pixel] < 0:
            labels[pixel] = 0
        elif when[pixel] < n_merges:
            labels[pixel] = labels[absorber[pixel]]
        else:
            n_labels += 1
            labels[pixel] = n_labels
    return n_labels
