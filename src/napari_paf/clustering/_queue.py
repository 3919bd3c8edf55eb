"""The queue of one block of the image, and how dominant edges are taken from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import balance_gain, entropy_gain, xlog2x

UNLIMITED = 2**62

ITEM = np.dtype(
    [("entropy", np.float32), ("edge", np.int32), ("a", np.int32), ("b", np.int32)],
    align=True,
)
WIDE_ITEM = np.dtype(
    [("entropy", np.float32), ("edge", np.int64), ("a", np.int32), ("b", np.int32)],
    align=True,
)
"""An edge in a queue: an upper bound of the entropy rate that it gains, its number, and
the components of its two pixels, as numbered in the block. An edge that leaves the
block is stored as its number if its first pixel lies inside, and as ``~number`` if its
second does; the component inside is then `a`, and `b` means nothing."""


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

    # Leads, step by step, to the pixel that stands for the component. There: minus the
    # component's number of pixels, or of fewer while a block is at work.
    root: Any
    number: Any  # at roots: the number of the component in the block at work
    loop: Any  # (n_pixels, 2) what is left of each pixel's self-loop, and f of it


class Components(NamedTuple):
    """The components of one block, few enough to stay in the cache."""

    pixel: Any  # what each was when the block began: the root of these pixels
    merged: Any  # the number of the component that each is part of by now
    behind: Any  # the components that were merged, in a ring
    size: Any  # of what is a component still: the number of pixels
    waits: Any  # and whether it has to wait for what is outside the block


class Queue(NamedTuple):
    """Edges of one block, in a row of buckets of falling gain."""

    items: Any
    n_own: int  # the first ones are the block's own; those behind leave it
    head: Any  # of the list of every bucket: an item, or -1
    following: Any  # the next item in the same bucket, or -1


@kernel
def above(gain: float) -> Any:
    """Return a number that is above a gain, even when it is stored in 4 bytes."""
    return np.float32(gain + abs(gain) * 3e-7 + 1e-37)


@kernel
def outer_size(forest: Forest, pixel: int) -> int:
    """Return the size of a component outside the block, or less.

    Another thread may be at work there. Whatever it lets us see was true a moment ago.
    """
    root = forest.root
    at = root[pixel]  # looked at once a step: it may change in between
    while at >= 0:
        at = root[at]
    return -at


@kernel
def _bucket(gain: float, top: float, scale: float, n_buckets: int) -> int:
    """Return the bucket of a gain; the last takes all that lies deeper."""
    return int(min(max((top - gain) * scale, 0.0), n_buckets - 1.0))


@kernel
def bucket_scale(problem: Problem, n_buckets: int) -> float:
    """Return how many buckets there are per unit of gain."""
    return n_buckets / problem.depth if problem.depth > 0.0 else 0.0


@kernel
def _number(edge: int) -> int:
    """Return the number of an edge, whichever of its pixels lies inside."""
    return edge if edge >= 0 else ~edge


@kernel
def fill_buckets(
    problem: Problem,
    forest: Forest,
    components: Components,
    items: Any,
    n_own: int,
    n_buckets: int,
) -> Queue:
    """Put every item into a bucket."""
    top, scale = problem.top, bucket_scale(problem, n_buckets)
    trade_off, n_inside = problem.trade_off, problem.n_inside
    # Taken out of the loop, which would count a reference to them at every step.
    size, size_terms, steps = components.size, problem.size_terms, problem.steps
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    head = np.full(n_buckets, -1, np.int32)
    following = np.empty(len(items), np.int32)
    for item in range(len(items)):
        size_a = size[items[item]["a"]]
        if item < n_own:
            size_b = size[items[item]["b"]]
        else:
            edge = items[item]["edge"]
            outer = _number(edge) >> bits
            if edge >= 0:
                outer += steps[edge & mask]
            size_b = outer_size(forest, outer)
        bound = items[item]["entropy"] + trade_off * balance_gain(
            size_a, size_b, n_inside, size_terms
        )
        bucket = _bucket(bound, top, scale, n_buckets)
        following[item] = head[bucket]
        head[bucket] = item
    return Queue(items, n_own, head, following)


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
    components: Components,
    queue: Queue,
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

    A bucket is first looked through once: what lies inside a component is
    dropped, what is out of date moves to a later bucket, and the rest goes to a
    heap, to be taken in order. Most of what is out of date shows by the sizes of
    the two components alone.

    Parameters
    ----------
    problem, forest
        What to cluster, and the state of all pixels.
    components
        The block's components, of which it alone may merge any.
    queue
        The block's edges.
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
    _, merged, behind, size, waits = components
    items, n_own, head, following = queue
    loop = forest.loop
    weights, total, trade_off = problem.weights, problem.total, problem.trade_off
    n_inside, size_terms, steps = problem.n_inside, problem.size_terms, problem.steps
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    n_buckets = len(head)
    top, scale = problem.top, bucket_scale(problem, n_buckets)
    # Room for the worst case costs nothing: memory never touched is never given.
    # (Arrays replaced inside the loop would be counted references at every step.)
    keys = np.empty(len(items), np.float64)
    heap = np.empty(len(items), np.int32)
    bucket, n_heap, n_merged, n_earlier = -1, 0, 0, 0
    n_active = len(merged)
    n_at_load = 0
    while n_active > n_idle and pulse[0] == 0:
        if n_heap == 0:
            bucket += 1
            if bucket == n_buckets:
                break
            n_at_load = n_merged
            next_item = head[bucket]
            while next_item >= 0:
                item = next_item
                next_item = following[item]
                a = merged[items[item]["a"]]
                edge = items[item]["edge"]
                if item < n_own:
                    b = merged[items[item]["b"]]
                    if a == b or (waits[a] and waits[b]):
                        continue
                    balance = trade_off * balance_gain(
                        size[a], size[b], n_inside, size_terms
                    )
                    bound = items[item]["entropy"] + balance
                    target = _bucket(bound, top, scale, n_buckets)
                    if target > bucket:
                        following[item] = head[target]
                        head[target] = item
                        continue
                    i = edge >> bits
                    j = i + steps[edge & mask]
                    loop_term_i, loop_term_j = loop[i, 1], loop[j, 1]
                else:
                    if waits[a]:
                        continue
                    size_i = size_j = size[a]
                    i = _number(edge) >> bits
                    j = i + steps[_number(edge) & mask]
                    if edge >= 0:
                        size_j = outer_size(forest, j)
                    else:
                        edge = ~edge
                        size_i = outer_size(forest, i)
                    balance = trade_off * balance_gain(
                        size_i, size_j, n_inside, size_terms
                    )
                    # Gains only shrink, so what another thread lets us see of a loop
                    # gives a bound; but a loop and its f may be of different moments.
                    loop_term_i, loop_term_j = xlog2x(loop[i, 0]), xlog2x(loop[j, 0])
                gained = entropy_gain(
                    weights[edge] / total,
                    loop[i, 0],
                    loop_term_i,
                    loop[j, 0],
                    loop_term_j,
                )
                items[item]["entropy"] = above(gained)
                target = _bucket(gained + balance, top, scale, n_buckets)
                if target > bucket:
                    following[item] = head[target]
                    head[target] = item
                    continue
                keys[n_heap] = gained + balance
                heap[n_heap] = item
                n_heap += 1
            for place in range(n_heap // 2 - 1, -1, -1):
                _sift_down(keys, heap, n_heap, place, items)
            continue

        item = heap[0]
        a = merged[items[item]["a"]]
        if item >= n_own:
            if not waits[a]:
                waits[a] = True
                n_active -= 1
        else:
            b = merged[items[item]["b"]]
            if a != b and not (waits[a] and waits[b]):
                edge = items[item]["edge"]
                i = edge >> bits
                j = i + steps[edge & mask]
                target = bucket
                if n_merged > n_at_load:  # what was up to date may not be any more
                    gained = entropy_gain(
                        weights[edge] / total,
                        loop[i, 0],
                        loop[i, 1],
                        loop[j, 0],
                        loop[j, 1],
                    )
                    fresh = gained + trade_off * balance_gain(
                        size[a], size[b], n_inside, size_terms
                    )
                    if fresh < keys[0]:
                        items[item]["entropy"] = above(gained)
                        target = _bucket(fresh, top, scale, n_buckets)
                        if target == bucket:
                            keys[0] = fresh
                            _sift_down(keys, heap, n_heap, 0, items)
                            continue
                if target > bucket:
                    following[item] = head[target]
                    head[target] = item
                elif waits[a] or waits[b]:
                    waits[a] = waits[b] = True
                    n_active -= 1
                else:
                    while n_earlier < len(earlier_gain) and (
                        earlier_gain[n_earlier] > keys[0]
                    ):
                        n_earlier += 1
                    if n_earlier + n_merged >= n_wanted:
                        break
                    if size[a] < size[b]:
                        a, b = b, a
                    size[a] += size[b]
                    part = b
                    while merged[part] != a:
                        merged[part] = a
                        part = behind[part]
                    behind[a], behind[b] = behind[b], behind[a]
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
