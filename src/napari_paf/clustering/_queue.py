"""The queue of one block of the image, and how dominant edges are taken from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import balance_gain, entropy_gain, xlog2x

UNLIMITED = 2**62

ITEM = np.dtype(
    [("gain", np.float64), ("edge", np.int32), ("following", np.int32)], align=True
)
WIDE_ITEM = np.dtype(
    [("gain", np.float64), ("edge", np.int64), ("following", np.int32)], align=True
)
"""An edge in a queue: an upper bound of its gain, its number, and the next item in
the same bucket. An edge that leaves the block is stored as its number if its first
pixel lies inside, and as ``~number`` if its second does."""


class Problem(NamedTuple):
    """What is to be clustered; kernels only read it."""

    weights: Any  # (n_pixels << slot_bits,) affinities, negative where no edge is
    slot_bits: int  # edges are numbered (pixel << slot_bits) + offset number
    steps: Any  # (n_offsets,) raster distance between the ends of an edge
    offsets: Any  # (n_offsets, 3) the same along each axis
    shape: Any  # (3,) planes, rows, columns
    total: float  # sum of all weights at all pixels
    trade_off: float  # lambda, what a unit of balance is worth in entropy rate
    n_inside: int  # pixels inside the mask
    size_terms: Any  # f(size / n_inside) of the smaller sizes
    top: float  # no gain is larger
    depth: float  # buckets span the gains from top down to top - depth


class Forest(NamedTuple):
    """What has been merged so far: one entry a pixel, shared by all threads."""

    root: Any  # the pixel that stands for the component a pixel is in
    next_pixel: Any  # the pixels of a component in a ring
    tally: Any  # (n_pixels, 2), at roots: the component's number of pixels, and
    # the last round in which it had to wait
    loop: Any  # (n_pixels, 2) what is left of each pixel's self-loop, and f of it


@kernel
def _bucket(gain: float, top: float, scale: float, n_buckets: int) -> int:
    """Return the bucket of a gain; the last takes all that lies deeper."""
    return int(min(max((top - gain) * scale, 0.0), n_buckets - 1.0))


@kernel
def bucket_scale(problem: Problem, n_buckets: int) -> float:
    """Return how many buckets there are per unit of gain."""
    return n_buckets / problem.depth if problem.depth > 0.0 else 0.0


@kernel
def sort_items(items: Any, problem: Problem, n_buckets: int) -> Any:
    """Sort items into buckets of falling gain, keeping their order within one.

    Returns the sorted items and where each bucket starts.
    """
    top, scale = problem.top, bucket_scale(problem, n_buckets)
    start = np.zeros(n_buckets + 1, np.int32)
    for at in range(len(items)):
        start[_bucket(items[at]["gain"], top, scale, n_buckets) + 1] += 1
    for bucket in range(n_buckets):
        start[bucket + 1] += start[bucket]
    position = start[:-1].copy()
    in_order = np.empty_like(items)
    for at in range(len(items)):
        bucket = _bucket(items[at]["gain"], top, scale, n_buckets)
        in_order[position[bucket]]["gain"] = items[at]["gain"]
        in_order[position[bucket]]["edge"] = items[at]["edge"]
        position[bucket] += 1
    return in_order, start


@kernel
def _number(edge: int) -> int:
    """Return the number of an edge, whichever of its pixels lies inside."""
    return edge if edge >= 0 else ~edge


@kernel
def _tie_before(items: Any, a: int, b: int) -> bool:
    """Whether the greedy takes item `a` before item `b`, their gains being equal."""
    return _number(items[a]["edge"]) < _number(items[b]["edge"])


@kernel
def _sift_down(keys: Any, heap: Any, n_heap: int, at: int, items: Any) -> None:
    """Let the entry at `at` sink to its place in the heap of (gain, item)."""
    key, item = keys[at], heap[at]
    while True:
        child = 2 * at + 1
        if child >= n_heap:
            break
        right = child + 1
        if right < n_heap and (
            keys[right] > keys[child]
            or (
                keys[right] == keys[child]
                and _tie_before(items, heap[right], heap[child])
            )
        ):
            child = right
        if keys[child] < key or (
            keys[child] == key and not _tie_before(items, heap[child], item)
        ):
            break
        keys[at], heap[at] = keys[child], heap[child]
        at = child
    keys[at], heap[at] = key, item


@kernel
def drain(
    problem: Problem,
    forest: Forest,
    items: Any,
    n_own: int,
    start: Any,
    leaving_start: Any,
    n_components: int,
    round_number: int,
    merged_edge: Any,
    merged_gain: Any,
    earlier_gain: Any,
    n_wanted: int,
    n_idle: int,
    pulse: Any,
) -> int:
    """Take the dominant edges of a block from its queue, best first.

    An edge may be taken when it is the best of all edges at either of its
    components. The queue hands edges out by falling upper bound of their gain,
    so an edge that comes out with its gain up to date is dominant unless one of
    its components *waits*: for an edge that leaves the block, or for another
    component that waits.

    The queue is a row of buckets. A bucket is first looked through once: what
    lies inside a component is dropped, what is out of date moves to the list of
    a later bucket, and the rest goes to a heap, to be taken in order.

    Parameters
    ----------
    problem, forest
        What to cluster, and the state that the block owns its components of.
    items : (n_items,) ndarray of ITEM
        The block's edges: first `n_own` between its components, then those that
        leave it, each sorted into buckets that start at `start` and, counted
        from `n_own`, at `leaving_start`.
    n_components : int
        Number of components of the block.
    round_number : int
        Marks what waits; no earlier round had it.
    merged_edge, merged_gain : ndarray
        Filled with the edges taken and their gains.
    earlier_gain : (n,) ndarray of float64
        Falling gains of merges made before; with them, `n_wanted` are enough.
    n_idle : int
        Give up, leaving the rest to the next round, when no more components than
        this do not wait yet: the queue is long, and little would come of it.
    pulse : (2,) ndarray of int64
        Set the first to stop; the second tells how many merges have been made.

    Returns
    -------
    n_merged : int
    """
    root, next_pixel, tally, loop = forest
    weights, total, trade_off = problem.weights, problem.total, problem.trade_off
    n_inside, size_terms, steps = problem.n_inside, problem.size_terms, problem.steps
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    n_buckets = len(start) - 1
    top, scale = problem.top, bucket_scale(problem, n_buckets)
    head = np.full(n_buckets, -1, np.int32)  # items that moved to a bucket
    # Room for the worst case costs nothing: memory never touched is never given.
    # (Arrays replaced inside the loop would be counted references at every step.)
    keys = np.empty(len(items), np.float64)
    heap = np.empty(len(items), np.int32)
    bucket, n_heap, n_merged, n_earlier = -1, 0, 0, 0
    n_active = n_components
    n_at_load = 0
    while n_active > n_idle and pulse[0] == 0:
        if n_heap == 0:
            bucket += 1
            if bucket == n_buckets:
                break
            n_at_load = n_merged
            at, stop = start[bucket], start[bucket + 1]
            following = head[bucket]
            source = 0
            while True:
                if at == stop:
                    if source == 0:
                        source = 1
                        at = n_own + leaving_start[bucket]
                        stop = n_own + leaving_start[bucket + 1]
                        continue
                    if following < 0:
                        break
                    item = following
                    following = items[item]["following"]
                else:
                    item = at
                    at += 1
                edge = items[item]["edge"]
                if edge < 0:
                    edge = ~edge
                i = edge >> bits
                j = i + steps[edge & mask]
                root_i, root_j = root[i], root[j]
                loop_term_i, loop_term_j = loop[i, 1], loop[j, 1]
                if item < n_own:
                    if root_i == root_j or (
                        tally[root_i, 1] == round_number
                        and tally[root_j, 1] == round_number
                    ):
                        continue
                else:
                    # Another thread may be at work at one end. Whatever it lets us
                    # see was true a moment ago, and gains only shrink; but a loop
                    # and its f may be of different moments, so f is taken anew.
                    loop_term_i, loop_term_j = xlog2x(loop[i, 0]), xlog2x(loop[j, 0])
                fresh = entropy_gain(
                    weights[edge] / total,
                    loop[i, 0],
                    loop_term_i,
                    loop[j, 0],
                    loop_term_j,
                ) + trade_off * balance_gain(
                    tally[root_i, 0], tally[root_j, 0], n_inside, size_terms
                )
                if fresh < items[item]["gain"]:
                    items[item]["gain"] = fresh
                    target = _bucket(fresh, top, scale, n_buckets)
                    if target > bucket:
                        items[item]["following"] = head[target]
                        head[target] = item
                        continue
                keys[n_heap] = items[item]["gain"]
                heap[n_heap] = item
                n_heap += 1
            for place in range(n_heap // 2 - 1, -1, -1):
                _sift_down(keys, heap, n_heap, place, items)
            continue

        item = heap[0]
        edge = items[item]["edge"]
        leads_in = edge < 0
        if leads_in:
            edge = ~edge
        i = edge >> bits
        j = i + steps[edge & mask]
        root_i, root_j = root[i], root[j]
        if item >= n_own:
            if leads_in:
                root_i = root_j
            else:
                root_j = root_i
            if tally[root_i, 1] != round_number:
                tally[root_i, 1] = round_number
                n_active -= 1
        elif root_i != root_j:
            if n_merged > n_at_load:  # what was up to date may not be any more
                fresh = entropy_gain(
                    weights[edge] / total,
                    loop[i, 0],
                    loop[i, 1],
                    loop[j, 0],
                    loop[j, 1],
                ) + trade_off * balance_gain(
                    tally[root_i, 0], tally[root_j, 0], n_inside, size_terms
                )
                if fresh < keys[0]:
                    items[item]["gain"] = fresh
                    keys[0] = fresh
                    if _bucket(fresh, top, scale, n_buckets) <= bucket:
                        _sift_down(keys, heap, n_heap, 0, items)
                        continue
            if _bucket(keys[0], top, scale, n_buckets) > bucket:
                target = _bucket(keys[0], top, scale, n_buckets)
                items[item]["following"] = head[target]
                head[target] = item
            elif tally[root_i, 1] == round_number or tally[root_j, 1] == round_number:
                for waiting in (root_i, root_j):
                    if tally[waiting, 1] != round_number:
                        tally[waiting, 1] = round_number
                        n_active -= 1
            else:
                while n_earlier < len(earlier_gain) and (
                    earlier_gain[n_earlier] > keys[0]
                ):
                    n_earlier += 1
                if n_earlier + n_merged >= n_wanted:
                    break
                if tally[root_i, 0] < tally[root_j, 0]:
                    root_i, root_j = root_j, root_i
                tally[root_i, 0] += tally[root_j, 0]
                pixel = root_j
                while root[pixel] != root_i:
                    root[pixel] = root_i
                    pixel = next_pixel[pixel]
                behind = next_pixel[root_i]
                next_pixel[root_i] = next_pixel[root_j]
                next_pixel[root_j] = behind
                weight = weights[edge] / total
                for pixel in (i, j):
                    loop[pixel, 0] -= weight
                    loop[pixel, 1] = xlog2x(loop[pixel, 0])
                merged_edge[n_merged] = edge
                merged_gain[n_merged] = keys[0]
                n_merged += 1
                n_active -= 1
                pulse[1] = n_merged
        n_heap -= 1
        if n_heap > 0:
            keys[0], heap[0] = keys[n_heap], heap[n_heap]
            _sift_down(keys, heap, n_heap, 0, items)
    return n_merged
