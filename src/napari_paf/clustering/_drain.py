"""How the dominant edges of one block are taken from its queue."""

from __future__ import annotations

import math
from typing import Any

from napari_paf.clustering._bisection import depth_of
from napari_paf.clustering._bundles import Bundles, best_edge, gain_inside
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import balance_gain
from napari_paf.clustering._queue import Queue, depth, log_at, outer_pixel, put
from napari_paf.clustering._state import (
    UNLIMITED,
    Components,
    Forest,
    Problem,
    above,
    take_edge,
)
from napari_paf.clustering._window import (
    ITEMS_PER_BUCKET,
    Span,
    Window,
    close_window,
    look_through,
    moves_on,
    open_window,
    sift_down,
)

IDLE = 0.02
"""Give up, leaving the rest to the parent, when no more than this share of components
is yet to wait: the queue is long, and little would come of it."""


@kernel
def drain(
    problem: Problem,
    forest: Forest,
    boxes: Any,
    components: Components,
    queue: Queue,
    bundles: Bundles,
    window: Window,
    merged_edge: Any,
    merged_gain: Any,
    earlier_gain: Any,
    n_wanted: int,
    floor: float,
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
    boxes : (depth, 2, 3) ndarray of int64
        Those of the block and all around it; see `Block`.
    components
        The block's components, of which it alone may merge any.
    queue, bundles, window
        The block's edges. What has not been taken stays there, what waits as *kept*.
    merged_edge, merged_gain : ndarray
        Filled with the edges taken and their gains.
    earlier_gain : (n,) ndarray of float64
        Falling gains of merges made before; with them, `n_wanted` are enough.
    floor : float
        Take only what gains more: edges that are held back may gain as much.
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
    n_open = n_logs if floor == -math.inf else log_at(queue, depth(queue, floor)) + 1
    n_active = 0
    for a in range(len(waits)):
        n_active += waits[a] == 0
    n_idle = 0 if n_wanted < UNLIMITED else int(n_active * IDLE)
    while n_active > n_idle and pulse[0] == 0:
        if n_heap == 0:
            bucket += 1
            if bucket >= span.n_buckets:
                if stop >= n_open:
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
                open_window(problem, forest, components, queue, window, span, stop)
                bucket = 0
            n_heap = look_through(
                problem, forest, components, queue, bundles, window, span, bucket
            )
            for place in range(n_heap // 2 - 1, -1, -1):
                sift_down(window, n_heap, place)
            continue

        item = heap[0]
        a, b = merged[items[item]["a"]], items[item]["b"]
        if b < 0:
            if waits[a] == 0:
                outer = outer_pixel(problem, items[item]["edge"])
                waits[a] = depth_of(problem.shape, boxes, outer)
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
                    moved = moves_on(queue, window, span, bucket, item, deep)
                    if not moved:
                        keys[0], number[item], pixels[item] = gain, edge, n_pixels
                        sift_down(window, n_heap, 0)
                        continue
            if a == b or moved:
                pass
            elif waits[a] or waits[b]:
                if waits[a] == 0:
                    waits[a] = waits[b]
                    n_active -= 1
                elif waits[b] == 0:
                    waits[b] = waits[a]
                    n_active -= 1
                put(queue, n_logs, items, item)
            else:
                if keys[0] <= floor:
                    break
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
    close_window(queue, window, n_heap, bucket, span.n_buckets)
    return n_merged
