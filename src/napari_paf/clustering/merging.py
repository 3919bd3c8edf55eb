"""The merges of the entropy-rate greedy, found block by block on several threads.

The greedy takes the best edge of the whole image, again and again. An edge that
is the best of all edges at either of its two components will be taken before
any of those, whatever happens elsewhere, because gains only shrink. So such
dominant edges can be taken in any order, block by block; sorted by (gain, edge
number), all edges taken are the greedy's own sequence.

The image is halved again and again into blocks (`_bisection`). First the smallest
ones, which fit a core's cache, merge what they can; then every block goes on with
the components that had to wait in its parts, as soon as these are done.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._progress import Progress, part
from napari_paf.clustering._bisection import Block
from napari_paf.clustering._blocks import NO_LIMIT, Limit, merge_parent
from napari_paf.clustering._gains import (
    balance_gain,
    largest_entropy_gain,
    normalise_loops,
    sum_loops,
    tabulate_sizes,
)
from napari_paf.clustering._held_back import bring_in, floor_of, hold_back
from napari_paf.clustering._leaves import merge_leaf
from napari_paf.clustering._left import Left
from napari_paf.clustering._order import sorted_edges
from napari_paf.clustering._queue import ITEM, WIDE_ITEM
from napari_paf.clustering._state import Forest, Problem
from napari_paf.clustering._threads import REPORT_INTERVAL, call_each, pieces
from napari_paf.clustering.graph import PixelGraph

LEAF = {2: 40_000, 3: 70_000}
"""Most pixels in the smallest blocks, by the number of axes of the image: most of what
is looked at in one fits a core's cache."""

SHARE_AT_WORK = 3
"""One pixel in so many, at most, lies in the smallest blocks that threads are at work
on, be they two or more: such a block needs more memory than one that is done."""

SMALL = 5_000
"""Blocks of so many pixels are small enough whatever their share."""

PIXELS_PER_REGION = 512
"""Mean size of components at which edges are bundled once more: from here on, far more
of them run side by side."""

CHUNK = 16_384
"""Number of pixels that a thread prepares at a time."""

SAMPLED = 64
"""Of many gains, one in so many is looked at to find a bound for the least."""


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
        last_gain = least_gains(self.gain, len(self.gain) - n + 1).max()
        before = self.edge[self.gain > last_gain]
        tied = np.sort(self.edge[self.gain == last_gain])
        return np.concatenate([before, tied[: n - len(before)]])

    def in_order(
        self, pool: ThreadPoolExecutor, report: Progress
    ) -> NDArray[np.signedinteger]:
        """Return all edges in the order in which the greedy takes them."""
        return sorted_edges(self.edge, self.gain, pool, report)


def find_merges(
    graph: PixelGraph,
    n_segments: int,
    balance: float,
    n_wanted: int,
    pool: ThreadPoolExecutor,
    n_threads: int,
    report: Progress,
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
    pool : ThreadPoolExecutor
        The threads that find them.
    n_threads : int
        Number of these threads.
    report : callable
        Called as ``report(fraction, description)``; raise from it to cancel.

    Returns
    -------
    merges : Merges
        A set that is closed under the greedy's order up to `n_wanted`.
    """
    n_left = max(graph.n_inside - n_wanted, 1)
    n_regions = graph.n_inside // PIXELS_PER_REGION
    if 2 * n_left < n_regions:  # for fewer merges, bundling anew would not pay
        n_left = n_regions
    problem, forest = _set_up(
        graph, n_segments, balance, n_left, pool, part(report, 0, 0.05)
    )
    return _merge_blocks(
        problem, forest, n_wanted, n_left, pool, n_threads, part(report, 0.05, 1)
    )


def _set_up(
    graph: PixelGraph,
    n_segments: int,
    balance: float,
    n_left: int,
    pool: ThreadPoolExecutor,
    report: Progress,
) -> tuple[Problem, Forest]:
    """Return the normalised problem and a forest of single pixels."""
    n_pixels, n_inside, missing = graph.n_pixels, graph.n_inside, 3 - len(graph.shape)
    edges = (graph.weights, graph.slot_bits, graph.steps)
    loop, root = np.empty(n_pixels), np.empty(n_pixels, np.int32)

    def over_pixels(
        number: int, function: Callable[..., Any], *arguments: Any
    ) -> list[Any]:
        # Chunks of one size whatever the threads: their order of summing counts.
        chunks = [(*arguments, *chunk) for chunk in pieces(n_pixels, CHUNK)]
        share = part(report, number / 4, (number + 1) / 4)
        return call_each(pool, function, chunks, share, "measuring edges")

    incoming = np.argsort(-graph.steps, kind="stable")
    total = sum(over_pixels(0, sum_loops, *edges, incoming, loop))
    total = total or 1.0  # all weights are zero: any scale will do
    over_pixels(1, _single_pixels, loop, root, total)
    largest = max(over_pixels(2, largest_entropy_gain, *edges, total, loop))
    floor = floor_of(*edges, total, loop)
    if floor > -np.inf:
        over_pixels(3, hold_back, *edges, total, loop, floor)
    size_terms = np.empty(min(n_inside, CHUNK) + 1)
    tabulate_sizes(size_terms, n_inside)
    # With two pixels there is but one merge, and no balance to gain.
    single = balance_gain(1, 1, n_inside, size_terms) if n_inside > 2 else 1.0
    trade_off = balance * n_segments * largest / single
    problem = Problem(
        weights=graph.weights,
        slot_bits=graph.slot_bits,
        steps=graph.steps,
        offsets=np.array([(0,) * missing + offset for offset in graph.offsets]),
        shape=np.array((1,) * missing + graph.shape),
        total=total,
        trade_off=trade_off,
        n_inside=n_inside,
        size_terms=size_terms,
        floor=floor + trade_off * single,
        top=largest + trade_off * single,
        # A merge of two superpixels of twice the mean size loses this much balance.
        depth=largest + 4.0 * trade_off / n_left,
    )
    forest = Forest(
        root=root,
        number=np.empty(n_pixels, np.int32),
        loop=loop,
    )
    return problem, forest


def _single_pixels(
    loop: NDArray[np.float64],
    root: NDArray[np.int32],
    total: float,
    start: int,
    stop: int,
) -> None:
    """Let the pixels from `start` to `stop` be components of a normalised graph."""
    normalise_loops(loop, total, start, stop)
    root[start:stop] = -1


def _merge_blocks(
    problem: Problem,
    forest: Forest,
    n_wanted: int,
    n_left: int,
    pool: ThreadPoolExecutor,
    n_threads: int,
    report: Progress,
) -> Merges:
    """Merge block by block: leaves first, a parent as soon as its children are done.

    The blocks leave `n_left` components. What is wanted beyond is merged by the whole
    image as a block once more, with its edges bundled anew. If edges are held back, all
    that gains more is merged first.
    """
    report(0, "merging pixels")
    n_axes = 2 if problem.shape[0] == 1 else 3
    n_pixels = int(np.prod(problem.shape))
    n_most = n_pixels // (SHARE_AT_WORK * max(n_threads, 2))
    leaf_size = min(LEAF[n_axes], max(n_most, SMALL))
    whole = Block(np.zeros(3, np.int64), problem.shape, leaf_size)
    fits = len(problem.weights) <= np.iinfo(np.int32).max
    item = ITEM if fits else WIDE_ITEM
    # Not by how many there are: some may be later than is wanted.
    goes_on = n_wanted > problem.n_inside - n_left
    # Filled as blocks are done. Memory that is never touched is never given.
    edges = np.empty(problem.n_inside, item["edge"])
    gains = np.empty(problem.n_inside)
    n_merged = 0
    leaves = list(whole.leaves(side_by_side=n_threads > 1))[::-1]
    left: dict[Block, dict[Block, Left]] = {}
    rest: list[Left] = []  # of the whole image
    ready: list[Block] = []
    running: dict[Future[Any], tuple[Block, NDArray[np.int64]]] = {}
    holds_back = problem.floor > -np.inf
    n_before = problem.n_inside - n_left

    def submit(
        block: Block,
        function: Callable[..., Any],
        given: Any,
        limit: Callable[[], Limit],
    ) -> None:
        pulse = np.zeros(2, np.int64)
        future = pool.submit(
            lambda: function(problem, forest, block.boxes, given, limit(), pulse)
        )
        running[future] = (block, pulse)

    def to_the_floor() -> Limit:
        return NO_LIMIT._replace(floor=problem.floor)

    def limit_after(n_wanted: int, *, leaves: bool) -> Callable[[], Limit]:
        # Found by the thread that needs it: millions of gains are looked through.
        done, n_left = gains[:n_merged], problem.n_inside - n_wanted
        return lambda: Limit(*_later_merges(done, n_left, n_wanted), leaves)

    def submit_block(block: Block) -> None:
        limit = to_the_floor
        if block is whole and not holds_back:
            limit = limit_after(n_before, leaves=goes_on)
        if block.children:
            # In the order of the leaves, so that runs repeat themselves exactly.
            children = left.pop(block)
            parts = [children[child] for child in block.children]
            submit(block, merge_parent, parts, limit)
        else:
            submit(block, merge_leaf, item, limit)

    def collect() -> None:
        # In a function of its own, so that nothing keeps hold of what blocks left.
        nonlocal n_merged
        for future in wait(running, REPORT_INTERVAL, FIRST_COMPLETED).done:
            block, _ = running.pop(future)
            edge, gain, more = future.result()
            made = slice(n_merged, n_merged + len(edge))
            edges[made], gains[made] = edge, gain
            n_merged += len(edge)
            if block.parent is None:
                rest.append(more)
                continue
            siblings = left.setdefault(block.parent, {})
            siblings[block] = more
            if len(siblings) == len(block.parent.children):
                ready.append(block.parent)

    def work(report: Progress) -> None:
        while True:
            while len(running) < 2 * n_threads:
                # Parents first, whose children take memory; but leaves if they are the
                # last, lest a thread be left with one while the others wait.
                if leaves and (not ready or len(leaves) <= n_threads):
                    submit_block(leaves.pop())
                elif ready:
                    submit_block(ready.pop())
                else:
                    break
            if not running:
                break
            collect()
            under_way = sum(int(pulse[1]) for _, pulse in running.values())
            fraction = (n_merged + under_way) / max(n_wanted, 1)
            report(min(fraction, 1.0), "merging pixels")

    def go_on(limit: Callable[[], Limit], report: Progress) -> None:
        # The list is emptied by the time that more is left.
        submit(whole, merge_parent, rest, limit)
        work(report)

    try:
        work(part(report, 0, 0.8 if holds_back else 1))
        if holds_back and n_merged < n_wanted:
            share = part(report, 0.8, 0.9)
            rest += bring_in(problem, forest, rest.pop(), pool, n_threads, share)
            report = part(report, 0.9, 1)
            go_on(limit_after(n_before, leaves=goes_on), report)
        if goes_on and not (holds_back and n_merged >= n_wanted):
            go_on(limit_after(n_wanted, leaves=False), report)
    except BaseException:
        for _, pulse in running.values():
            pulse[0] = 1
        raise
    return Merges(edges[:n_merged], gains[:n_merged])


def _later_merges(
    gain: NDArray[np.float64], n_left: int, n_wanted: int
) -> tuple[NDArray[np.float64], int]:
    """Return the least of some gains, falling, and what `n_wanted` is with them alone.

    Of `n` pixels, `m` merges have left ``n - m`` components, which can merge
    ``n - m - 1`` times. So however many of them come before any of the `m` in the
    greedy's order, together with all but the last ``n_left = n - n_wanted`` of the `m`
    they are fewer than the `n_wanted`: only those last ones need to be compared with.
    """
    n_earlier = max(len(gain) - n_left, 0)
    if n_earlier:
        gain = least_gains(gain, n_left)
    return np.sort(gain)[::-1], n_wanted - n_earlier


def least_gains(gain: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the `n` least of at least as many gains, in no particular order."""
    # Of millions, few are left by a bound that a sample says has enough below it.
    sample = gain[::SAMPLED]
    place = 2 * (n // SAMPLED) + SAMPLED
    if place < len(sample):
        below = gain[gain <= np.partition(sample, place)[place]]
        gain = below if len(below) >= n else gain
    return gain if len(gain) == n else np.partition(gain, n)[:n]
