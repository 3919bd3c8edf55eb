"""The queue of one block of the image: its edges, roughly by falling gain.

Edges wait in *logs*, one for each small range of gains. A *window* is opened on as many
logs as fit the cache: what it holds is put into still smaller buckets, to be looked at
again and again. What turns out to gain less than the window reaches goes to the end of
a later log. So of a long queue everything is read and written from front to back, and
nothing has to be found in memory but what lies in the window.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._state import Problem

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
second does; the component inside is then `a`, and `b` is -1."""

CHUNK = 128
"""Logs are chains of chunks of this many items."""

ITEMS_PER_LOG = 4096
"""Mean length of a log: many chunks, and few beside a window."""

WINDOW = 16_384
"""Most items in a window, unless a single log has more."""

ITEMS_PER_BUCKET = 8
"""Enough to look at several items at once, few enough to sort at no cost."""


class Store:
    """Room for the queues of all blocks of one run, from any thread.

    What a block is done with the next one takes, so that most memory is touched for
    the first time but once a run: the system asks more for that than an item is worth.

    Parameters
    ----------
    n_items : int
        Number of items to begin with, in all leaves.
    n_blocks, height : int
        Number of blocks, and of those that are each part of the next.
    item : dtype
        `ITEM` or `WIDE_ITEM`.

    Attributes
    ----------
    pool : (n_chunks * CHUNK,) ndarray of `item`
        The items of all queues.
    before : (n_chunks,) ndarray of int32
        The chunk before in the same chain, or -1.
    """

    def __init__(
        self, n_items: int, n_blocks: int, height: int, item: np.dtype[np.void]
    ) -> None:
        # A log may have a chunk that is not full; of the blocks of one height, all
        # logs are of so many items, but for one in each block.
        n_chunks = n_items // CHUNK + height * (n_items // ITEMS_PER_LOG) + 7 * n_blocks
        # Memory never touched is never given: take from the front what is new.
        self.pool = np.empty(n_chunks * CHUNK, item)
        self.before = np.arange(1, n_chunks + 1, dtype=np.int32)
        self.before[-1] = -1
        self._free = np.zeros(1, np.int32)
        self._lock = Lock()

    def give(self, n_chunks: int) -> NDArray[np.int32]:
        """Return the last chunk of a chain of `n_chunks`, as an array of one."""
        chain = np.empty(1, np.int32)
        with self._lock:
            _cut(self.before, self._free, chain, n_chunks)
        return chain

    def take_back(self, chain: NDArray[np.int32]) -> None:
        """Take a chain of chunks back."""
        with self._lock:
            _join(self.before, self._free, chain)


@kernel
def _cut(before: Any, free: Any, chain: Any, n_chunks: int) -> None:
    """Cut a chain of `n_chunks` from the chain `free`."""
    chain[0] = first = free[0]
    for _ in range(n_chunks - 1):
        first = before[first]
    free[0] = before[first]
    before[first] = -1


@kernel
def _join(before: Any, free: Any, chain: Any) -> None:
    """Join a chain to the end of the chain `free`."""
    first = chain[0]
    if first < 0:
        return
    while before[first] >= 0:
        first = before[first]
    before[first] = free[0]
    free[0] = chain[0]


class Sealed(NamedTuple):
    """Logs that smaller blocks did not come to.

    The numbers of components in their items are out of date, and that an edge leaves
    the block may be too: only the edge itself tells.
    """

    deep: Any  # (n,) how deep the best item may lie, in gain below `Problem.top`
    last: Any  # (n,) the last chunk
    count: Any  # (n,) the number of items

    @classmethod
    def none(cls) -> Sealed:
        """Return no logs."""
        return cls(np.empty(0), np.empty(0, np.int32), np.empty(0, np.int32))


class Queue(NamedTuple):
    """Edges of one block, in logs of falling gain.

    Behind these come two logs for what is *kept* for the block's parent: edges inside
    the block, and edges that leave it.
    """

    low: Any  # (3,) the first pixel of the block
    high: Any  # (3,) and the one after its last

    pool: Any  # the items of all queues
    before: Any  # of every chunk, the chunk before in the same chain
    last: Any  # (n_logs + 2,) the last chunk of every chain
    count: Any  # (n_logs + 2,) the number of items in it
    free: Any  # (1,) the last chunk of the chain of free ones
    sealed: Sealed  # the deepest first
    n_sealed: Any  # (1,) how many of them are left
    n_logs: int
    top: float  # no gain is larger
    scale: float  # logs per unit of gain


class Window(NamedTuple):
    """What is being looked at: the items of some logs, in a row of buckets."""

    items: Any
    following: Any  # the next item in the same bucket, or -1
    head: Any  # of the list of every bucket: an item, or -1
    heap: Any  # items of one bucket, the best first
    keys: Any  # and their gains
    n_most: int  # items in it, unless a single log has more


def new_queue(
    problem: Problem,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    store: Store,
    n_new: int,
    n_kept: int = 0,
    sealed: Sealed | None = None,
) -> Queue:
    """Return an empty queue.

    Parameters
    ----------
    problem
        What to cluster.
    low, high : (3,) ndarray of int64
        The box that is the block.
    store : Store
        Where chunks come from.
    n_new, n_kept : int
        Number of items to come, without and with their chunks.
    sealed : Sealed, optional
        Logs to open when their turn comes.
    """
    sealed = sealed or Sealed.none()
    order = np.argsort(-sealed.deep, kind="stable")
    n_logs = max((n_new + n_kept + int(sealed.count.sum())) // ITEMS_PER_LOG, 1)
    # Every log may have a chunk that is not full; one more is being emptied.
    n_chunks = n_new // CHUNK + n_logs + 3
    return Queue(
        low=low,
        high=high,
        pool=store.pool,
        before=store.before,
        last=np.full(n_logs + 2, -1, np.int32),
        count=np.zeros(n_logs + 2, np.int32),
        free=store.give(n_chunks),
        sealed=Sealed(*(column[order] for column in sealed)),
        n_sealed=np.full(1, len(order)),
        n_logs=n_logs,
        top=problem.top,
        scale=n_logs / problem.depth if problem.depth > 0.0 else 0.0,
    )


def new_window(queue: Queue) -> Window:
    """Return a window for a filled queue.

    Room for the worst case costs nothing: memory never touched is never given.
    """
    n_items = int(queue.count.sum() + queue.sealed.count.sum())
    return Window(
        items=np.empty(n_items, queue.pool.dtype),
        following=np.empty(n_items, np.int32),
        head=np.empty(WINDOW // ITEMS_PER_BUCKET + 1, np.int32),
        heap=np.empty(n_items, np.int32),
        keys=np.empty(n_items, np.float64),
        n_most=WINDOW,
    )


@kernel
def number_of(edge: int) -> int:
    """Return the number of an edge, whichever of its pixels lies inside."""
    return edge if edge >= 0 else ~edge


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
def put(queue: Queue, log: int, items: Any, at: int) -> int:
    """Put a copy of an item into a log; return its place in the pool."""
    place = claim(queue, log)
    _copy_item(queue.pool, place, items, at)
    return place


@kernel
def put_anew(queue: Queue, log: int, items: Any, at: int, a: int, b: int) -> None:
    """Put an item into a log, with the numbers that its components have now."""
    place = put(queue, log, items, at)
    queue.pool[place]["a"] = a
    queue.pool[place]["b"] = b


@kernel
def _copy_item(to: Any, place: int, items: Any, at: int) -> None:
    """Copy an item, field by field, which is faster than the whole record."""
    to[place]["entropy"] = items[at]["entropy"]
    to[place]["edge"] = items[at]["edge"]
    to[place]["a"] = items[at]["a"]
    to[place]["b"] = items[at]["b"]


@kernel
def last_chunk(chains: Any, at: int) -> tuple[int, int]:
    """Return where the items in the last chunk of a chain begin and end in the pool.

    The chain is a log of a `Queue`, or one of `Sealed`.
    """
    start = int(chains.last[at]) * CHUNK
    return start, start + int((chains.count[at] - 1) % CHUNK) + 1


@kernel
def drop_chunk(queue: Queue, chains: Any, at: int) -> None:
    """Take the last chunk from a chain; it is free for the queue to use."""
    chunk = chains.last[at]
    chains.last[at] = queue.before[chunk]
    queue.before[chunk] = queue.free[0]
    queue.free[0] = chunk
    chains.count[at] -= (chains.count[at] - 1) % CHUNK + 1


@kernel
def pixel_inside(problem: Problem, queue: Queue, pixel: int) -> bool:
    """Whether the block contains a pixel."""
    row = pixel // problem.shape[2]
    plane = row // problem.shape[1]
    y, x = row - plane * problem.shape[1], pixel - row * problem.shape[2]
    return contains(queue.low, queue.high, plane, y, x)


@kernel
def contains(low: Any, high: Any, z: int, y: int, x: int) -> bool:
    """Whether the box from corner `low` to corner `high` contains a pixel."""
    return low[0] <= z < high[0] and low[1] <= y < high[1] and low[2] <= x < high[2]


@kernel
def _tie_before(items: Any, a: int, b: int) -> bool:
    """Whether the greedy takes item `a` before item `b`, their gains being equal."""
    return number_of(items[a]["edge"]) < number_of(items[b]["edge"])


@kernel
def sift_down(window: Window, n_heap: int, at: int) -> None:
    """Let the entry at `at` sink to its place in the heap of (gain, item)."""
    keys, heap, items = window.keys, window.heap, window.items
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


def rest(queue: Queue) -> Queue:
    """Return a queue of no logs, with what is kept and sealed in one that is done."""
    n_logs, n_sealed = queue.n_logs, int(queue.n_sealed[0])
    unopened = np.flatnonzero(queue.count[:n_logs])
    deep = unopened / queue.scale if queue.scale > 0.0 else np.zeros(len(unopened))
    own = Sealed(deep, queue.last[unopened], queue.count[unopened])
    return queue._replace(
        last=queue.last[n_logs:].copy(),
        count=queue.count[n_logs:].copy(),
        n_logs=0,
        sealed=join_sealed([Sealed(*(x[:n_sealed] for x in queue.sealed)), own]),
    )


def join_sealed(sealed: list[Sealed]) -> Sealed:
    """Return sealed logs of several queues together."""
    return Sealed(*map(np.concatenate, zip(*sealed, strict=True)))


def copy_chain(store: Any, last: int, n_items: int) -> NDArray[np.void]:
    """Return a copy of the items in a chain."""
    items = np.empty(n_items, store.pool.dtype)
    _copy(store.pool, store.before, last, items)
    return items


@kernel
def _copy(pool: Any, before: Any, chunk: int, items: Any) -> None:
    """Copy the items of a chain, chunk by chunk, from the last one on."""
    stop = len(items)
    while stop > 0:
        start = (stop - 1) // CHUNK * CHUNK
        first = int(chunk) * CHUNK
        for at in range(stop - start):
            _copy_item(items, start + at, pool, first + at)
        chunk, stop = before[chunk], start
