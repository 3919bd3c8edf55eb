"""The window on the queue of one block: the edges whose turn has come, in buckets.

Bucket by bucket they are looked through: dropped, put aside, moved to a later bucket or
log, or put into a heap, from which they are taken in order.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._bundles import Bundles, best_edge
from napari_paf.clustering._compiled import inlined_kernel, kernel
from napari_paf.clustering._gains import (
    Lanes,
    balance_gain,
    entropy_gain,
    entropy_gains,
    new_lanes,
)
from napari_paf.clustering._queue import (
    Queue,
    depth,
    drop_chunk,
    last_chunk,
    log_at,
    number_of,
    put,
    put_anew,
    write_item,
)
from napari_paf.clustering._state import (
    Components,
    Forest,
    Problem,
    above,
    outer_size,
)

WINDOW = 8_192
"""Most items in a window, unless a single log has more."""

ITEMS_PER_BUCKET = 8
"""Enough to look at several items at once, few enough to sort at no cost."""

LANES = 8
"""Edges whose gains are computed at once: about a bucket of them."""


class Window(NamedTuple):
    """What is being looked at: the items of some logs, in a row of buckets."""

    items: Any
    following: Any  # the next item in the same bucket, or -1
    head: Any  # of the list of every bucket: an item, or -1
    heap: Any  # items of one bucket, the best first
    keys: Any  # and their gains
    edge: Any  # by item: the edge it stands for in the heap, or -1 if not found yet
    pixels: Any  # and how many pixels it joined when last looked at, 0 if not found yet
    scratch: Any  # for items being looked at: how deep they lie, then what they gain
    lanes: Lanes  # for the edges of some of them
    n_most: int  # items in it, unless a single log has more


class Span(NamedTuple):
    """The part of the queue that a window is opened on."""

    start: int  # the first log
    end: float  # the log after the last, or infinity if there is none
    per_log: float  # buckets
    n_buckets: int


def new_window(queue: Queue) -> Window:
    """Return a window for a filled queue.

    Room for the worst case costs nothing: memory never touched is never given.
    """
    n_items = int(queue.count.sum())
    return Window(
        items=np.empty(n_items, queue.pool.dtype),
        following=np.empty(n_items, np.int32),
        head=np.empty(WINDOW // ITEMS_PER_BUCKET + 1, np.int32),
        heap=np.empty(n_items, np.int32),
        keys=np.empty(n_items, np.float64),
        edge=np.empty(n_items, queue.pool.dtype["edge"]),
        pixels=np.empty(n_items, np.int32),
        scratch=np.empty(n_items, np.float64),
        lanes=new_lanes(LANES),
        n_most=WINDOW,
    )


@kernel
def open_window(
    problem: Problem,
    forest: Forest,
    components: Components,
    queue: Queue,
    window: Window,
    span: Span,
    stop: int,
) -> None:
    """Empty the logs of a span, up to `stop`, into the buckets of the window.

    What gains less by now goes to a later log.
    """
    _, merged, _, size, waits = components
    trade_off, n_inside = problem.trade_off, problem.n_inside
    size_terms, steps = problem.size_terms, problem.steps
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    pool, n_logs = queue.pool, queue.n_logs
    window.head[: span.n_buckets] = -1
    n_window = 0
    for log in range(span.start, stop):
        while queue.count[log] > 0:
            first, last = last_chunk(queue, log)
            for at in range(first, last):
                a, b = merged[pool[at]["a"]], pool[at]["b"]
                size_i = size_j = size[a]
                if b >= 0:
                    b = merged[b]
                    if a == b:
                        continue
                    if waits[a] and waits[b]:
                        put_anew(queue, n_logs, pool, at, a, b)
                        continue
                    size_j = size[b]
                elif waits[a]:
                    put_anew(queue, n_logs, pool, at, a, b)
                    continue
                else:
                    edge = pool[at]["edge"]
                    if edge >= 0:
                        outer = (edge >> bits) + steps[edge & mask]
                        size_j = outer_size(forest, outer)
                    else:
                        size_i = outer_size(forest, ~edge >> bits)
                balance = balance_gain(size_i, size_j, n_inside, size_terms)
                deep = depth(queue, pool[at]["entropy"] + trade_off * balance)
                target = log_at(queue, deep)
                if target >= stop:
                    put_anew(queue, target, pool, at, a, b)
                    continue
                entropy, edge = pool[at]["entropy"], pool[at]["edge"]
                write_item(window.items, n_window, entropy, edge, a, b)
                _link(window, n_window, _bucket(span, deep))
                n_window += 1
            drop_chunk(queue, log)


@kernel
def _bucket(span: Span, deep: float) -> int:
    """Return the bucket of a window for a depth in the queue."""
    place = max(deep - span.start, 0.0) * span.per_log
    return int(min(place, span.n_buckets - 1.0))


@kernel
def _link(window: Window, item: int, bucket: int) -> None:
    """Put an item of the window into a bucket."""
    window.following[item] = window.head[bucket]
    window.head[bucket] = item


@kernel
def moves_on(
    queue: Queue, window: Window, span: Span, bucket: int, item: int, deep: float
) -> bool:
    """Move an item of the window behind `bucket` if it lies deeper in the queue.

    Returns whether it does.
    """
    if deep >= span.end:
        put(queue, log_at(queue, deep), window.items, item)
        return True
    target = _bucket(span, deep)
    if target > bucket:
        _link(window, item, target)
        return True
    return False


@inlined_kernel
def look_through(
    problem: Problem,
    forest: Forest,
    components: Components,
    queue: Queue,
    bundles: Bundles,
    window: Window,
    span: Span,
    bucket: int,
) -> int:
    """Empty a bucket into the heap but for what has to wait or gains less by now.

    In several small loops: what an item needs lies far apart in memory, and is fetched
    for many of them side by side if nothing is decided meanwhile that is hard to guess.
    Returns how many items are in the heap, which is not yet in order.
    """
    _, merged, _, size, waits = components
    items, following, head, heap, keys, number, pixels, scratch, lanes, _ = window
    weights, total, trade_off = problem.weights, problem.total, problem.trade_off
    n_inside, size_terms, steps = problem.n_inside, problem.size_terms, problem.steps
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    loop = forest.loop
    n_listed = 0
    next_item = head[bucket]
    head[bucket] = -1
    while next_item >= 0:
        item = next_item
        next_item = following[item]
        a, b = merged[items[item]["a"]], items[item]["b"]
        balance, deep = 0.0, -math.inf
        if b >= 0:
            b = merged[b]
            if a == b:
                continue
            if waits[a] and waits[b]:
                put(queue, queue.n_logs, items, item)
                continue
            balance = trade_off * balance_gain(size[a], size[b], n_inside, size_terms)
            deep = depth(queue, items[item]["entropy"] + balance)
        elif waits[a]:
            put(queue, queue.n_logs, items, item)
            continue
        heap[n_listed], keys[n_listed], scratch[n_listed] = item, balance, deep
        n_listed += 1
    n_found = 0
    for place in range(n_listed):
        item = heap[place]
        if moves_on(queue, window, span, bucket, item, scratch[place]):
            continue
        heap[n_found], keys[n_found] = item, keys[place]
        n_found += 1
    for first in range(0, n_found, LANES):
        n = min(n_found - first, LANES)
        for lane in range(n):
            # What leaves the block or is a bundle has a lane, too, which nobody reads.
            edge = max(items[heap[first + lane]]["edge"], 0)
            i = edge >> bits
            j = i + steps[edge & mask]
            lanes.weight[lane] = weights[edge]
            lanes.loop_i[lane], lanes.loop_j[lane] = loop[i], loop[j]
        entropy_gains(lanes, len(lanes.gain), total)
        for lane in range(n):
            scratch[first + lane] = lanes.gain[lane]
    n_heap = 0
    for place in range(n_found):
        item, balance = heap[place], keys[place]
        edge = items[item]["edge"]
        if items[item]["b"] < 0:
            size_i = size_j = size[merged[items[item]["a"]]]
            i = number_of(edge) >> bits
            j = i + steps[number_of(edge) & mask]
            if edge >= 0:
                size_j = outer_size(forest, j)
            else:
                edge = ~edge
                size_i = outer_size(forest, i)
            balance = trade_off * balance_gain(size_i, size_j, n_inside, size_terms)
            # Gains only shrink, so what another thread lets us see of a loop gives a
            # bound.
            gained = most = entropy_gain(
                weights[edge] / total,
                loop[i],
                loop[j],
            )
        else:
            a, b = merged[items[item]["a"]], merged[items[item]["b"]]
            pixels[item] = size[a] + size[b]
            if edge >= 0:
                gained = most = scratch[place]
            else:
                gained, most, edge = best_edge(problem, forest, bundles, edge, balance)
        items[item]["entropy"] = above(most)
        deep = depth(queue, gained + balance)
        if moves_on(queue, window, span, bucket, item, deep):
            continue
        heap[n_heap], keys[n_heap], number[item] = item, gained + balance, edge
        n_heap += 1
    return n_heap


@kernel
def close_window(
    queue: Queue, window: Window, n_heap: int, bucket: int, n_buckets: int
) -> None:
    """Keep what the window still holds: in the heap and in later buckets."""
    for place in range(n_heap):
        put(queue, queue.n_logs, window.items, window.heap[place])
    for later in range(bucket, n_buckets):
        item = window.head[later]
        while item >= 0:
            put(queue, queue.n_logs, window.items, item)
            item = window.following[item]


@kernel
def sift_down(window: Window, n_heap: int, at: int) -> None:
    """Let the entry at `at` sink to its place in the heap of (gain, item)."""
    keys, heap, edge = window.keys, window.heap, window.edge
    key, item = keys[at], heap[at]
    while True:
        child = 2 * at + 1
        if child >= n_heap:
            break
        right = child + 1
        if right < n_heap and (
            keys[right] > keys[child]
            or (keys[right] == keys[child] and edge[heap[right]] < edge[heap[child]])
        ):
            child = right
        if keys[child] < key or (keys[child] == key and edge[heap[child]] > edge[item]):
            break
        keys[at], heap[at] = keys[child], heap[child]
        at = child
    keys[at], heap[at] = key, item
