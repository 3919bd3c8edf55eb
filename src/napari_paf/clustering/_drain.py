"""How the dominant edges of one block are taken from its queue."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from napari_paf.clustering._bundles import Bundles, best_edge, gain_inside
from napari_paf.clustering._compiled import inlined_kernel, kernel
from napari_paf.clustering._gains import (
    balance_gain,
    entropy_gain,
    entropy_gains,
    xlog2x,
)
from napari_paf.clustering._queue import (
    ITEMS_PER_BUCKET,
    LANES,
    Queue,
    Window,
    depth,
    drop_chunk,
    last_chunk,
    log_at,
    number_of,
    put,
    put_anew,
    sift_down,
    write_item,
)
from napari_paf.clustering._state import (
    Components,
    Forest,
    Problem,
    above,
    outer_size,
    take_edge,
)


class Span(NamedTuple):
    """The part of the queue that a window is opened on."""

    start: int  # the first log
    end: float  # the log after the last, or infinity if there is none
    per_log: float  # buckets
    n_buckets: int


@kernel
def _open(
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
def _moves_on(
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
def _look_through(
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
        if _moves_on(queue, window, span, bucket, item, scratch[place]):
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
            lanes.loop_i[lane], lanes.term_i[lane] = loop[i, 0], loop[i, 1]
            lanes.loop_j[lane], lanes.term_j[lane] = loop[j, 0], loop[j, 1]
        entropy_gains(lanes, total)
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
            # Gains only shrink, so what another thread lets us see of a loop
            # gives a bound; but a loop and its f may be of different moments.
            gained = most = entropy_gain(
                weights[edge] / total,
                loop[i, 0],
                xlog2x(loop[i, 0]),
                loop[j, 0],
                xlog2x(loop[j, 0]),
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
        if _moves_on(queue, window, span, bucket, item, deep):
            continue
        heap[n_heap], keys[n_heap], number[item] = item, gained + balance, edge
        n_heap += 1
    return n_heap


@kernel
def _close(
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
def drain(
    problem: Problem,
    forest: Forest,
    components: Components,
    queue: Queue,
    bundles: Bundles,
    window: Window,
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

    A bucket of the window is first looked through once: what lies inside a component
    is dropped, what waits is kept for the parent, what is out of date moves to a
    later bucket, and the rest goes to a heap, to be taken in order. Most of what is
    out of date shows by the sizes of the two components alone.

    Parameters
    ----------
    problem, forest
        What to cluster, and the state of all pixels.
    components
        The block's components, of which it alone may merge any.
    queue, bundles, window
        The block's edges. What has not been taken stays there, what waits as *kept*.
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
    items, _, head, heap, keys, number, pixels, _, _, n_most = window
    trade_off, n_inside = problem.trade_off, problem.n_inside
    size_terms, n_logs = problem.size_terms, queue.n_logs
    span, stop, bucket = Span(0, 0.0, 0.0, 0), 0, 0
    n_heap, n_merged, n_earlier = 0, 0, 0
    n_active = len(merged)
    while n_active > n_idle and pulse[0] == 0:
        if n_heap == 0:
            bucket += 1
            if bucket >= span.n_buckets:
                if stop == n_logs:
                    break
                start, n_window = stop, 0
                while stop < n_logs and (
                    stop == start or n_window + queue.count[stop] <= n_most
                ):
                    n_window += queue.count[stop]
                    stop += 1
                n_buckets = min(n_window // ITEMS_PER_BUCKET + 1, len(head))
                end = float(stop) if stop < n_logs else math.inf
                span = Span(start, end, n_buckets / (stop - start), n_buckets)
                _open(problem, forest, components, queue, window, span, stop)
                bucket = 0
            n_heap = _look_through(
                problem, forest, components, queue, bundles, window, span, bucket
            )
            for place in range(n_heap // 2 - 1, -1, -1):
                sift_down(window, n_heap, place)
            continue

        item = heap[0]
        a, b = merged[items[item]["a"]], items[item]["b"]
        if b < 0:
            if not waits[a]:
                waits[a] = True
                n_active -= 1
            put(queue, n_logs, items, item)
        else:
            b = merged[b]
            moved = False
            n_pixels = size[a] + size[b]
            if a != b and not (waits[a] and waits[b]) and n_pixels != pixels[item]:
                # One of the two has grown: what was up to date may not be any more.
                balance = trade_off * balance_gain(
                    size[a], size[b], n_inside, size_terms
                )
                edge = items[item]["edge"]
                bound = items[item]["entropy"] + balance
                if edge >= 0:
                    gained = gain_inside(problem, forest, edge)
                    gain = gained + balance
                    items[item]["entropy"] = above(gained)
                elif bound < keys[0]:
                    # Looked through when its turn comes, which is before its equals.
                    gain, edge, n_pixels = bound, -1, 0
                else:
                    gained, most, edge = best_edge(
                        problem, forest, bundles, edge, balance
                    )
                    gain = gained + balance
                    items[item]["entropy"] = above(most)
                if gain < keys[0] or edge != number[item]:
                    deep = depth(queue, gain)
                    moved = _moves_on(queue, window, span, bucket, item, deep)
                    if not moved:
                        keys[0], number[item], pixels[item] = gain, edge, n_pixels
                        sift_down(window, n_heap, 0)
                        continue
            if a == b or moved:
                pass
            elif waits[a] or waits[b]:
                n_active -= not (waits[a] and waits[b])
                waits[a] = waits[b] = True
                put(queue, n_logs, items, item)
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
                take_edge(problem, forest, number[item])
                merged_edge[n_merged] = number[item]
                merged_gain[n_merged] = keys[0]
                n_merged += 1
                n_active -= 1
                pulse[1] = n_merged
        n_heap -= 1
        if n_heap > 0:
            keys[0], heap[0] = keys[n_heap], heap[n_heap]
            sift_down(window, n_heap, 0)
    _close(queue, window, n_heap, bucket, span.n_buckets)
    return n_merged
