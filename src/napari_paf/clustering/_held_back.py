"""Edges that are held back until the stronger ones are done.

Gains only fall. So an edge that gains no more than a *floor* at first is not taken
before all that gain more, and until then the merging may go on without it. In a volume,
where up to 26 edges lead away from a pixel, the strongest make most merges. When the
others are needed, many lie inside a component and are never queued at all, and the rest
are bundled before they are queued for the first time.

An edge that is held back has its weight negated. Those of no weight are not held back:
there is no need to, since they gain nothing.
"""

from __future__ import annotations

import math
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf._progress import Progress, part
from napari_paf.clustering import _left
from napari_paf.clustering._bisection import Block
from napari_paf.clustering._bundles import Bundles, append, new_bundles
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import Lanes, entropy_gains, new_lanes
from napari_paf.clustering._left import Left, Pairs, bundle_items, new_pairs
from napari_paf.clustering._queue import write_item
from napari_paf.clustering._state import Forest, Problem, above
from napari_paf.clustering._threads import call_each, pieces

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

MANY = 9
"""With fewer edges that begin in a pixel, too many of them are needed at first."""

LARGE = 2**17
"""Smaller images are done before holding back would pay."""

SINGLE = 0.05
"""Share of pixels that may be left without an edge that is not held back."""

AT_FIRST = 0.5
"""Greatest share of edges not held back with which it pays to hold back the others."""

STRETCH = 256
"""Pixels whose edges are measured at a time: what is known of them fits a cache."""

SAMPLE = 2**14
"""So many pixels tell how the gains of all are spread."""

BOX = 2**15
"""Most pixels in the boxes in which edges are bundled."""

CHUNK = 2**17
"""Pixels that are numbered at a time."""

_TASK = "merging pixels"


def floor_of(
    weights: NDArray[np.floating],
    slot_bits: int,
    steps: NDArray[np.int64],
    total: float,
    loop: NDArray[np.float64],
) -> float:
    """Return the entropy rate that edges have to gain lest they be held back.

    Most pixels have an edge that gains more, or they would be left single: the
    components would then be many still when all edges that are held back join them.
    Returns minus infinity if too few would be held back.
    """
    if len(steps) < MANY or len(loop) < LARGE:
        return -math.inf
    # At random, lest all of them lie in one column.
    pixel = np.sort(np.random.default_rng(0).integers(len(loop), size=SAMPLE))
    gain = np.full((len(steps), len(pixel)), -np.inf)
    for k, step in enumerate(steps):
        weight = weights[(pixel << slot_bits) + k]
        here = weight >= 0
        lanes = new_lanes(int(np.count_nonzero(here)))
        lanes.weight[:] = weight[here]
        lanes.loop_i[:] = loop[pixel[here]]
        lanes.loop_j[:] = loop[pixel[here] + step]
        entropy_gains(lanes, len(lanes.gain), total)
        gain[k, here] = lanes.gain
    best = np.sort(gain.max(axis=0))
    best = best[best > -np.inf]
    if not len(best):
        return -math.inf
    least = best[int(SINGLE * len(best))]
    at_first = np.count_nonzero(gain >= least) / np.count_nonzero(gain > -np.inf)
    if at_first > AT_FIRST:
        return -math.inf
    return float(gain.max(initial=-np.inf, where=gain < least))


def hold_back(
    weights: NDArray[np.floating],
    slot_bits: int,
    steps: NDArray[np.int64],
    total: float,
    loop: NDArray[np.float64],
    floor: float,
    start: int,
    stop: int,
) -> None:
    """Hold back edges that gain no more than an entropy rate of `floor`.

    Those that begin in the pixels from `start` to `stop`: their `weights` are negated.
    """
    lanes = new_lanes(STRETCH)
    _hold_back(weights, slot_bits, steps, total, loop, floor, lanes, start, stop)


@kernel
def _hold_back(
    weights: Any,
    slot_bits: int,
    steps: Any,
    total: float,
    loop: Any,
    floor: float,
    lanes: Lanes,
    start: int,
    stop: int,
) -> None:
    """Do the same, as many pixels at a time as there are lanes."""
    for begin in range(start, stop, len(lanes.gain)):
        end = min(begin + len(lanes.gain), stop)
        for k in range(len(steps)):
            # Only pixels that have the neighbour in the array.
            first = max(begin, -steps[k])
            n = max(min(end, len(loop) - steps[k]) - first, 0)
            for at in range(n):
                i = first + at
                j = i + steps[k]
                lanes.weight[at] = max(weights[(i << slot_bits) + k], 0.0)
                lanes.loop_i[at], lanes.loop_j[at] = loop[i], loop[j]
            entropy_gains(lanes, n, total)
            for at in range(n):
                edge = ((first + at) << slot_bits) + k
                sign = 1.0 if lanes.gain[at] > floor else -1.0
                # The lesser of the two, so that what is absent stays below zero.
                weights[edge] = min(sign * weights[edge], weights[edge])


class Scratch(NamedTuple):
    """Where a thread brings in the edges of one box."""

    found: Any  # items, as they are found
    items: Any  # and sorted by component
    first: Any  # where those of each component begin
    pair_of: Any  # see `bundle_items`, as the next two
    pairs: Pairs
    pair_with: Any  # by component: -1
    place: Any  # by component: which of those in the box it is, -1 for others
    lanes: Lanes  # for the edges of one row
    column: Any  # and where they begin


def bring_in(
    problem: Problem,
    forest: Forest,
    left: Left,
    pool: ThreadPoolExecutor,
    n_threads: int,
    report: Progress,
) -> list[Left]:
    """Return what is left of an image, with the edges that were held back.

    Parameters
    ----------
    problem, forest
        What to cluster, and the state of all pixels. Nobody may be at work on it.
    left : Left
        What the block of the whole image left.
    pool : ThreadPoolExecutor
        The threads that do it.
    n_threads : int
        Number of these threads.
    report : callable
        Called as ``report(fraction, description)``; raise from it to cancel.

    Returns
    -------
    parts : list of Left
        The edges, box by box, without components of their own; then `left`. All of
        them with the same bundles.
    """
    n, item = len(left.pixel), left.items.dtype
    forest.number[left.pixel] = np.arange(n, dtype=np.int32)
    chunks = [(forest, *chunk) for chunk in pieces(len(forest.root), CHUNK)]
    call_each(pool, _number_pixels, chunks, part(report, 0, 0.1), _TASK)
    boxes = list(Block(np.zeros(3, np.int64), problem.shape, BOX).leaves())
    jobs = [(problem, forest, box.low, box.high) for box in boxes]
    n_found = call_each(pool, _count, jobs, part(report, 0.1, 0.2), _TASK)

    # Every box has a part of the bundles to itself, which it need not fill.
    n_bundles, n_edges = len(left.bundles.first) - 1, len(left.bundles.edge)
    places = []
    for most in n_found:
        places.append((n_bundles + 1, n_edges))
        n_bundles += most // _left.FEW + 1
        n_edges += most
    bundles = new_bundles(n_bundles, n_edges, left.bundles.edge.dtype)
    append(bundles, 0, left.bundles)
    spare: SimpleQueue[Scratch] = SimpleQueue()
    width = int(max(box.high[2] - box.low[2] for box in boxes))
    for _ in range(min(n_threads, len(boxes))):
        spare.put(_new_scratch(n, max(n_found), width, item))
    parts = [(*job, bundles, *at, spare) for job, at in zip(jobs, places, strict=True)]
    items = call_each(pool, _bring_in, parts, part(report, 0.2, 1), _TASK)
    none = (np.empty(0, np.int32), np.empty(0, np.uint8))
    boxed = [Left(*none, of_box, bundles) for of_box in items]
    return [*boxed, left._replace(bundles=bundles)]


def _new_scratch(
    n_components: int, n_items: int, width: int, item: np.dtype[np.void]
) -> Scratch:
    """Return room for the edges of one box, with rows of `width` pixels."""
    return Scratch(
        found=np.empty(n_items, item),
        items=np.empty(n_items, item),
        first=np.empty(n_items + 1, np.int32),
        pair_of=np.empty(n_items, np.int32),
        pairs=new_pairs(n_items),
        pair_with=np.full(n_components, -1, np.int32),
        place=np.full(n_components, -1, np.int32),
        lanes=new_lanes(width),
        column=np.empty(width, np.int32),
    )


@kernel
def _number_pixels(forest: Forest, start: int, stop: int) -> None:
    """Give the pixels from `start` to `stop` the numbers of their components."""
    root, number = forest.root, forest.number
    for pixel in range(start, stop):
        at = pixel
        while root[at] >= 0:
            at = root[at]
        number[pixel] = number[at]


@kernel
def _count(problem: Problem, forest: Forest, low: Any, high: Any) -> int:
    """Return how many edges in a box join two components, held back or not."""
    steps, offsets = problem.steps, problem.offsets
    shape, number = problem.shape, forest.number
    n_apart = 0
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            for k in range(len(steps)):
                dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
                if not (0 <= z + dz < shape[0] and 0 <= y + dy < shape[1]):
                    continue
                first, last = max(low[2], -dx), min(high[2], shape[2] - dx)
                own = number[row + first : row + last]
                other = number[row + first + steps[k] : row + last + steps[k]]
                for at in range(len(own)):
                    n_apart += own[at] != other[at]
    return n_apart


def _bring_in(
    problem: Problem,
    forest: Forest,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    bundles: Bundles,
    first_bundle: int,
    first_edge: int,
    spare: SimpleQueue[Scratch],
) -> NDArray[np.void]:
    """Return the edges that were held back in a box and do not lie inside components.

    Their bundles are put in place from number `first_bundle` on, and the edges of these
    from `first_edge` on.
    """
    own = bundles._replace(first=bundles.first[first_bundle:])
    own.first[0] = first_edge
    scratch = spare.get()
    try:
        n_found = _find(problem, forest, low, high, scratch)
        n_components = _sort(scratch, n_found)
        n_items, _ = bundle_items(
            scratch.items,
            scratch.first[: n_components + 1],
            new_bundles(0, 0, bundles.edge.dtype),
            _left.FEW,
            own,
            scratch.pair_with,
            scratch.pair_of,
            scratch.pairs,
        )
        items = scratch.items[:n_items].copy()
    finally:
        spare.put(scratch)
    items["edge"][items["edge"] < 0] -= first_bundle
    return items


@kernel
def _find(
    problem: Problem, forest: Forest, low: Any, high: Any, scratch: Scratch
) -> int:
    """Find the edges in a box that join two components, and hold them back no more.

    Returns how many they are.
    """
    weights, bits, steps = problem.weights, problem.slot_bits, problem.steps
    offsets, shape, number = problem.offsets, problem.shape, forest.number
    loop, lanes, column = forest.loop, scratch.lanes, scratch.column
    n_found = 0
    for z in range(low[0], high[0]):
        for y in range(low[1], high[1]):
            row = (z * shape[1] + y) * shape[2]
            for k in range(len(steps)):
                dz, dy, dx = offsets[k, 0], offsets[k, 1], offsets[k, 2]
                if not (0 <= z + dz < shape[0] and 0 <= y + dy < shape[1]):
                    continue
                # Most edges are sorted out before anything is decided.
                n_apart, n = 0, 0
                for x in range(max(low[2], -dx), min(high[2], shape[2] - dx)):
                    column[n_apart] = x
                    n_apart += number[row + x] != number[row + x + steps[k]]
                for place in range(n_apart):
                    i = row + column[place]
                    j = i + steps[k]
                    weight = weights[(i << bits) + k]
                    column[n] = column[place]
                    lanes.weight[n] = -weight
                    lanes.loop_i[n], lanes.loop_j[n] = loop[i], loop[j]
                    n += -math.inf < weight < 0
                entropy_gains(lanes, n, problem.total)
                for place in range(n):
                    i = row + column[place]
                    edge = (i << bits) + k
                    weights[edge] = -weights[edge]
                    a, b = number[i], number[i + steps[k]]
                    a, b = min(a, b), max(a, b)
                    entropy = above(lanes.gain[place])
                    write_item(scratch.found, n_found, entropy, edge, a, b)
                    n_found += 1
    return n_found


@kernel
def _sort(scratch: Scratch, n_found: int) -> int:
    """Sort items by component `a`; return of how many components they are."""
    found, items = scratch.found, scratch.items
    first, place = scratch.first, scratch.place
    n = 0
    for at in range(n_found):
        a = found[at]["a"]
        if place[a] < 0:
            place[a] = n
            n += 1
            first[n] = 0
        first[place[a] + 1] += 1
    first[0] = 0
    for at in range(n):
        first[at + 1] += first[at]
    for at in range(n_found - 1, -1, -1):
        a, b = found[at]["a"], found[at]["b"]
        first[place[a] + 1] -= 1
        entropy, edge = found[at]["entropy"], found[at]["edge"]
        write_item(items, first[place[a] + 1], entropy, edge, a, b)
    for at in range(n_found):
        place[found[at]["a"]] = -1
    # Where each begins has been counted down to from where it ends.
    for at in range(n):
        first[at] = first[at + 1]
    first[n] = n_found
    return n
