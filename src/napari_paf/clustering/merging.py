"""The merges of the entropy-rate greedy, found block by block on several threads.

The greedy takes the best edge of the whole image, again and again. An edge that
is the best of all edges at either of its two components will be taken before
any of those, whatever happens elsewhere, because gains only shrink. So such
dominant edges can be taken in any order, block by block; sorted by (gain, edge
number), all edges taken are the greedy's own sequence.

Rounds of growing blocks do it: first tiles of pixels that fit a core's cache, then
blocks of the components that had to wait, then all that is left. Blocks are
shifted from round to round so that yesterday's border is today's interior.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_paf._offsets import neighbour_offsets
from napari_paf._progress import Progress, part, silent
from napari_paf.clustering import _kernels
from napari_paf.clustering.graph import PixelGraph

Result = TypeVar("Result")
Run = Callable[[Callable[..., Result], Sequence[tuple[Any, ...]]], Iterator[Result]]

TILE = {2: (1, 64, 64), 3: (16, 16, 16)}
"""Shape of a tile of the first round: its edges fit a core's cache."""

FEW_EDGES = 60_000
"""Number of waiting edges that are not worth another round of blocks."""

CHUNK = 65_536
"""Pixels, edges or queue steps that a kernel handles between two reports."""

THREADS_VARIABLE = "NAPARI_PAF_NUM_THREADS"
"""Environment variable with the number of threads to use where none is given."""


@dataclass(frozen=True)
class Merges:
    """Edges that the greedy takes, in no particular order.

    Attributes
    ----------
    edge : (n_merges,) ndarray of int32 or int64
        Numbers of the edges.
    gain : (n_merges,) ndarray of float64
        Gain of each when it was taken.
    """

    edge: NDArray[np.signedinteger]
    gain: NDArray[np.float64]

    def first(self, n: int) -> NDArray[np.signedinteger]:
        """Return the `n` edges that the greedy takes first, in no particular order."""
        if n >= len(self.edge):
            return self.edge
        if n == 0:
            return self.edge[:0]
        last_gain = np.partition(self.gain, len(self.gain) - n)[len(self.gain) - n]
        before = self.edge[self.gain > last_gain]
        tied = np.sort(self.edge[self.gain == last_gain])
        return np.concatenate([before, tied[: n - len(before)]])

    def in_order(self) -> NDArray[np.signedinteger]:
        """Return all edges in the order in which the greedy takes them."""
        return self.edge[np.lexsort((self.edge, -self.gain))]


def find_merges(
    graph: PixelGraph,
    n_segments: int,
    balance: float,
    n_wanted: int,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Merges:
    """Find at least the first `n_wanted` merges of the greedy for `n_segments`.

    Parameters
    ----------
    graph : PixelGraph
        Edges and their weights.
    n_segments : int
        Number of superpixels that the trade-off between entropy rate and
        balance is set for.
    balance : float
        How much equal sizes matter.
    n_wanted : int
        Number of merges that must be among those found, if there are so many.
    n_threads : int, optional
        Number of threads. Default: `default_threads()`.
    progress : callable, optional
        Called as ``progress(fraction, description)``; raise from it to cancel.

    Returns
    -------
    merges : Merges
        A set that is closed under the greedy's order up to `n_wanted`.
    """
    progress = progress or silent
    with _thread_pool(n_threads or default_threads()) as run:
        progress(0.0, "Measuring edges")
        problem, forest = _set_up(graph, n_segments, balance, run)
        edges: list[NDArray[np.signedinteger]] = []
        gains: list[NDArray[np.float64]] = []
        waiting = _merge_tiles(
            problem, forest, run, edges, gains, part(progress, 0.1, 0.6)
        )
        block = np.array(TILE[len(graph.shape)], np.int64)
        shift = np.zeros(3, np.int64)
        round_number = 3
        while len(waiting) > FEW_EDGES:
            # The new borders run through the middle of the old blocks.
            shift = np.where(block > 1, (shift + block // 2) % (2 * block), 0)
            block = np.where(block > 1, 2 * block, 1)
            if (block >= np.array(problem.shape)).all():
                break
            waiting = _merge_blocks(
                problem, forest, run, edges, gains, waiting, block, shift, round_number,
                part(progress, 0.6, 0.8),
            )
            round_number += 2
        _merge_rest(
            problem, forest, run, edges, gains, waiting, n_wanted, round_number,
            part(progress, 0.8, 1.0),
        )
    return Merges(np.concatenate(edges), np.concatenate(gains))


def default_threads() -> int:
    """Return the number of threads to use: the environment's, or one a core."""
    setting = os.environ.get(THREADS_VARIABLE, "")
    if setting:
        if not setting.isdecimal() or int(setting) < 1:
            raise ValueError(
                f"{THREADS_VARIABLE}={setting!r}: set it to a number of at least 1."
            )
        return int(setting)
    if hasattr(os, "sched_getaffinity"):  # respects the limits of a container
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _thread_pool(n_threads: int) -> Iterator[Run[Any]]:
    """Yield a function that maps over argument tuples, in order, on threads.

    Whatever is raised between two results drops what has not started and
    leaves only after the kernels under way have returned.
    """
    if n_threads == 1:
        yield lambda function, arguments: (function(*each) for each in arguments)
        return
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="napari-paf")

    def run(
        function: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]
    ) -> Iterator[Result]:
        futures = [pool.submit(function, *each) for each in arguments]
        return (future.result() for future in futures)

    try:
        yield run
    finally:
        pool.shutdown(cancel_futures=True)


def _set_up(
    graph: PixelGraph, n_segments: int, balance: float, run: Run[Any]
) -> tuple[_kernels.Problem, _kernels.Forest]:
    """Return the normalised problem and a forest of single pixels."""
    ndim, n_pixels = len(graph.shape), graph.n_pixels
    offsets = neighbour_offsets(
        ndim, next(c for c in range(1, ndim + 1)
                   if len(neighbour_offsets(ndim, c)) == len(graph.steps))
    )
    loop = np.empty(n_pixels)
    incoming = np.argsort(-graph.steps, kind="stable")
    chunks = [(i, min(i + CHUNK, n_pixels)) for i in range(0, n_pixels, CHUNK)]
    total = math.fsum(
        run(
            _kernels.sum_loops,
            [(graph.weights, graph.steps, incoming, loop, *c) for c in chunks],
        )
    )
    total = total or 1.0  # all weights are zero: any scale will do
    loop /= total
    largest = max(
        run(
            _kernels.largest_entropy_gain,
            [(graph.weights, graph.steps, total, loop, *c) for c in chunks],
        )
    )
    n_inside = graph.n_inside
    size_terms = np.empty(min(n_inside, CHUNK) + 1)
    _kernels.tabulate_sizes(size_terms, n_inside)
    single = _kernels.balance_gain(1, 1, n_inside, size_terms) if n_inside > 1 else 1.0
    trade_off = balance * n_segments * largest / single
    problem = _kernels.Problem(
        weights=graph.weights,
        steps=graph.steps,
        offsets=np.array([(0,) * (3 - ndim) + offset for offset in offsets], np.int64),
        shape=np.array((1,) * (3 - ndim) + graph.shape, np.int64),
        total=total,
        trade_off=trade_off,
        n_inside=n_inside,
        size_terms=size_terms,
        top=largest + trade_off * single,
        # A merge of two superpixels of twice the mean size loses this much balance.
        depth=largest + 4.0 * trade_off / n_segments,
    )
    forest = _kernels.Forest(
        parent=np.arange(n_pixels, dtype=np.int32),
        size=np.ones(n_pixels, np.int32),
        loop=loop,
        waiting=np.zeros(n_pixels, np.uint8),
    )
    return problem, forest


def _merge_tiles(
    problem: _kernels.Problem,
    forest: _kernels.Forest,
    run: Run[Any],
    edges: list[NDArray[np.signedinteger]],
    gains: list[NDArray[np.float64]],
    progress: Progress,
) -> NDArray[np.signedinteger]:
    """Merge pixels tile by tile; return the edges that still join components."""
    edge_type = np.empty(
        0, np.int32 if len(problem.weights) <= np.iinfo(np.int32).max else np.int64
    )
    tile = TILE[2 if problem.shape[0] == 1 else 3]
    corners = product(
        *(range(0, s, t) for s, t in zip(problem.shape, tile, strict=True))
    )
    tasks = []
    for corner in corners:
        low = np.array(corner, np.int64)
        high = np.minimum(low + tile, problem.shape)
        tasks.append((problem, forest, low, high, edge_type))
    waiting = []
    for done, (edge, gain, alive) in enumerate(run(_kernels.merge_tile, tasks), 1):
        edges.append(edge)
        gains.append(gain)
        waiting.append(alive)
        progress(done / len(tasks), "Merging pixels")
    return np.concatenate(waiting)


def _merge_blocks(
    problem: _kernels.Problem,
    forest: _kernels.Forest,
    run: Run[Any],
    edges: list[NDArray[np.signedinteger]],
    gains: list[NDArray[np.float64]],
    waiting: NDArray[np.signedinteger],
    block: NDArray[np.int64],
    shift: NDArray[np.int64],
    round_number: int,
    progress: Progress,
) -> NDArray[np.signedinteger]:
    """Merge components block by block; return the edges that were waiting."""
    edge, gain, blocks = _refresh(problem, forest, run, waiting, block, shift)
    n_blocks = int(np.prod((np.array(problem.shape) + shift - 1) // block + 1))
    start, listed = _kernels.list_blocks(blocks, n_blocks)
    tasks = [
        (problem, forest, edge, gain, blocks, b, listed[start[b] : start[b + 1]],
         round_number)
        for b in range(n_blocks)
        if start[b] < start[b + 1]
    ]
    for done, (edge_, gain_) in enumerate(run(_kernels.merge_block, tasks), 1):
        edges.append(edge_)
        gains.append(gain_)
        progress(done / len(tasks), "Merging across tiles")
    return edge


def _refresh(problem, forest, run, waiting, block, shift):
    chunks = [waiting[i : i + CHUNK] for i in range(0, len(waiting), CHUNK)]
    parts = list(
        run(
            _kernels.refresh,
            [(problem, forest, chunk, block, shift) for chunk in chunks or [waiting]],
        )
    )
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _merge_rest(
    problem, forest, run, edges, gains, waiting, n_wanted, round_number, progress
) -> None:
    """Merge what is left, best edge first, until the wanted merges are certain."""
    everything = np.array(problem.shape)
    edge, gain, _ = _refresh(
        problem, forest, run, waiting, everything, np.zeros(3, np.int64)
    )
    first, second = _kernels.edge_ends(edge, problem.steps)
    earlier = np.sort(np.concatenate(gains))[::-1]
    n_left = len(forest.parent) - len(earlier)
    head = np.empty(_kernels.n_buckets_for(len(edge)), np.int32)
    following = np.empty(len(edge), np.int32)
    heap = np.empty(len(edge), np.int32)
    merged_edge = np.empty(n_left, edge.dtype)
    merged_gain = np.empty(n_left)
    cursor = np.array([0, 0, n_left, 0, 0])
    _kernels.fill_buckets(gain, problem, head, following)
    finished = False
    while not finished:
        finished = _kernels.drain(
            problem, forest, edge, first, second, gain, head, following, heap, cursor,
            merged_edge, merged_gain, round_number, CHUNK, earlier, n_wanted,
        )
        done = (cursor[3] + cursor[4]) / max(n_wanted, 1)
        progress(min(done, 1.0), "Merging the rest")
    edges.append(merged_edge[: cursor[3]])
    gains.append(merged_gain[: cursor[3]])
