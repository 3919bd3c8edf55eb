"""The queue of one block of the image: its edges, roughly by falling gain.

Edges wait in *logs*, one for each small range of gains. A *window* is opened on as many
logs as fit the cache: what it holds is put into still smaller buckets, to be looked at
again and again. What turns out to gain less than the window reaches goes to the end of
a later log. So of a long queue everything is read and written from front to back, and
nothing has to be found in memory but what lies in the window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._state import Problem

ITEM = np.dtype(
    [("entropy", np.float32), ("edge", np.int32), ("a", np.uint32), ("b", np.int32)],
    align=True,
)
WIDE_ITEM = np.dtype(
    [("entropy", np.float32), ("edge", np.int64), ("a", np.uint32), ("b", np.int32)],
    align=True,
)
"""An edge in a queue: an upper bound of the entropy rate that it gains, its number, and
the components of its two pixels, as numbered in the block. An edge that leaves the
block is stored as its number if its first pixel lies inside, and as ``~number`` if its
second does; the component inside is then `a`, and `b` is -1. Between two components,
``~number`` is that of a bundle of edges. `a` is unsigned, as are other numbers that are
never negative: numba then need not ask whether an index counts from the end."""

CHUNK = 128
"""Logs are chains of chunks of this many items."""

ITEMS_PER_LOG = 4096
"""Mean length of a log: many chunks, and few beside a window."""


class Queue(NamedTuple):
    """Edges of one block, in logs of falling gain.

    Behind these comes one more for what is *kept* for the block's parent.
    """

    pool: Any  # (n_chunks * CHUNK,) the items
    before: Any  # (n_chunks,) the chunk before in the same chain
    last: Any  # (n_logs + 1,) the last chunk of every chain
    count: Any  # (n_logs + 1,) the number of items in it
    free: Any  # (1,) the last chunk of the chain of free ones
    n_logs: int
    top: float  # no gain is larger
    scale: float  # logs per unit of gain


def new_queue(problem: Problem, n_items: int, item: np.dtype[np.void]) -> Queue:
    """Return an empty queue with room for `n_items`."""
    n_logs = max(n_items // ITEMS_PER_LOG, 1)
    # Every log may have a chunk that is not full; one more is being emptied.
    n_chunks = n_items // CHUNK + n_logs + 3
    return Queue(
        pool=np.empty(n_chunks * CHUNK, item),
        before=np.arange(-1, n_chunks - 1, dtype=np.int32),
        last=np.full(n_logs + 1, -1, np.int32),
        count=np.zeros(n_logs + 1, np.int32),
        free=np.full(1, n_chunks - 1, np.int32),
        n_logs=n_logs,
        top=problem.top,
        scale=n_logs / problem.depth if problem.depth > 0.0 else 0.0,
    )


@kernel
def number_of(edge: int) -> int:
    """Return the number of an edge, whichever of its pixels lies inside."""
    return edge if edge >= 0 else ~edge


@kernel
def outer_pixel(problem: Problem, edge: int) -> int:
    """Return the pixel that an edge leads to which leaves a block."""
    bits, mask = problem.slot_bits, (1 << problem.slot_bits) - 1
    if edge >= 0:
        return int((edge >> bits) + problem.steps[edge & mask])
    return ~edge >> bits


@kernel
def depth(queue: Queue, gain: float) -> float:
    """Return how deep in the queue a gain lies, in logs."""
    return max((queue.top - gain) * queue.scale, 0.0)


@kernel
def log_at(queue: Queue, deep: float) -> int:
    """Return the log at a depth; the last one takes all that lies deeper."""
    return int(min(deep, queue.n_logs - 1.0))


@kernel
def claim(queue: Queue, log: int) -> int:
    """Return the place in the pool for one item more in a log."""
    n = queue.count[log]
    if n % CHUNK == 0:
        chunk = queue.free[0]
        queue.free[0] = queue.before[chunk]
        queue.before[chunk] = queue.last[log]
        queue.last[log] = chunk
    queue.count[log] = n + 1
    return int(queue.last[log]) * CHUNK + int(n % CHUNK)


@kernel
def put(queue: Queue, log: int, items: Any, at: int) -> None:
    """Put a copy of an item into a log."""
    put_anew(queue, log, items, at, items[at]["a"], items[at]["b"])


@kernel
def put_anew(queue: Queue, log: int, items: Any, at: int, a: int, b: int) -> None:
    """Put an item into a log, with the numbers that its components have now."""
    entropy, edge = items[at]["entropy"], items[at]["edge"]
    write_item(queue.pool, claim(queue, log), entropy, edge, a, b)


@kernel
def write_item(
    items: Any, place: int, entropy: float, edge: int, a: int, b: int
) -> None:
    """Write an item, field by field, which is faster than the whole record."""
    items[place]["entropy"] = entropy
    items[place]["edge"] = edge
    items[place]["a"] = a
    items[place]["b"] = b


@kernel
def last_chunk(queue: Queue, log: int) -> tuple[int, int]:
    """Return where the items in the last chunk of a log begin and end in the pool."""
    start = int(queue.last[log]) * CHUNK
    return start, start + int((queue.count[log] - 1) % CHUNK) + 1


@kernel
def drop_chunk(queue: Queue, log: int) -> None:
    """Take the last chunk from a log."""
    chunk = queue.last[log]
    queue.last[log] = queue.before[chunk]
    queue.before[chunk] = queue.free[0]
    queue.free[0] = chunk
    queue.count[log] -= (queue.count[log] - 1) % CHUNK + 1
