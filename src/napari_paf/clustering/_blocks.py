"""What one thread does with one block of the image.

A block is a box of pixels. In a *leaf* all pixels are on their own (`_leaves`); every
other block takes over what its children left: components that had to wait, the edges
between them, and the edges that leave them. No component reaches beyond its block.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._bisection import depth_of
from napari_paf.clustering._bundles import Bundles, append, new_bundles
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._drain import drain
from napari_paf.clustering._gains import balance_gain
from napari_paf.clustering._left import Left, leave
from napari_paf.clustering._queue import (
    Queue,
    claim,
    depth,
    log_at,
    new_queue,
    outer_pixel,
    write_item,
)
from napari_paf.clustering._state import UNLIMITED, Components, Forest, Problem
from napari_paf.clustering._window import new_window


def new_components(
    pixel: NDArray[np.int32], size: NDArray[np.int32], waits: NDArray[np.uint8]
) -> Components:
    """Return components, none of them merged."""
    return Components(
        pixel=pixel,
        merged=np.arange(len(pixel), dtype=np.uint32),
        behind=np.arange(len(pixel), dtype=np.uint32),
        size=size,
        waits=waits,
    )


class Limit(NamedTuple):
    """How far to go: see `drain`."""

    earlier_gain: NDArray[np.float64]
    n_wanted: int
    leaves: bool  # whether anything is to be left to a parent
    floor: float = -math.inf  # leave what gains no more: better may be held back


NO_LIMIT = Limit(np.empty(0), UNLIMITED, leaves=True)


def merge_block(
    problem: Problem,
    forest: Forest,
    boxes: NDArray[np.int64],
    components: Components,
    queue: Queue,
    bundles: Bundles,
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], Left]:
    """Merge in one block what can be merged without looking beyond it.

    Returns the merged edges, their gains, and what is left.
    """
    n = len(components.pixel)
    edge = np.empty(n, queue.pool.dtype["edge"])
    gain = np.empty(n, np.float64)
    n_merged = drain(
        problem,
        forest,
        boxes,
        components,
        queue,
        bundles,
        new_window(queue),
        edge,
        gain,
        limit.earlier_gain,
        limit.n_wanted,
        limit.floor,
        pulse,
    )
    edge.resize(n_merged, refcheck=False)  # in place: memory is given back
    gain.resize(n_merged, refcheck=False)
    if not limit.leaves:
        none = new_bundles(0, 0, edge.dtype)
        pixel, waits = components.pixel[:0].copy(), components.waits[:0].copy()
        return edge, gain, Left(pixel, waits, queue.pool[:0].copy(), none)
    n_left = n - n_merged
    return edge, gain, leave(forest, components, queue, bundles, n_left)


def merge_parent(
    problem: Problem,
    forest: Forest,
    boxes: NDArray[np.int64],
    children: list[Left],
    limit: Limit,
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.signedinteger], NDArray[np.float64], Left]:
    """Merge what children left, emptying their list on the way; see `merge_block`.

    They have bundles of their own, or all of them the same.
    """
    pixel = np.concatenate([child.pixel for child in children])
    forest.number[pixel] = np.arange(len(pixel), dtype=np.int32)
    waits = np.concatenate([child.waits for child in children])
    waits[waits >= len(boxes)] = 0
    components = new_components(pixel, -forest.root[pixel], waits)
    n_items = sum(len(child.items) for child in children)
    queue = new_queue(problem, n_items, children[0].items.dtype)
    bundles = children[0].bundles
    shared = all(child.bundles is bundles for child in children)
    if not shared:
        n_bundles = sum(len(child.bundles.first) - 1 for child in children)
        n_edges = sum(len(child.bundles.edge) for child in children)
        bundles = new_bundles(n_bundles, n_edges, bundles.edge.dtype)
    first, first_bundle = 0, 0
    while children:
        child = children.pop(0)
        if not shared:
            append(bundles, first_bundle, child.bundles)
        _put(
            problem,
            forest,
            components,
            queue,
            boxes,
            child.items,
            first,
            first_bundle,
        )
        first += len(child.pixel)
        if not shared:
            first_bundle += len(child.bundles.first) - 1
        del child  # so that its memory is given back before the next one takes more
    return merge_block(problem, forest, boxes, components, queue, bundles, limit, pulse)


@kernel
def _put(
    problem: Problem,
    forest: Forest,
    components: Components,
    queue: Queue,
    boxes: Any,
    items: Any,
    first: int,
    first_bundle: int,
) -> None:
    """Queue the edges of a child.

    Its components are numbered from `first` on, its bundles from `first_bundle` on.
    An edge between two children leaves both; it is taken from that of its first pixel.
    What goes on waiting is kept as it is.
    """
    size, waits, n_inside = components.size, components.waits, problem.n_inside
    trade_off, size_terms = problem.trade_off, problem.size_terms
    for at in range(len(items)):
        a, b, size_b = first + items[at]["a"], items[at]["b"], 1
        edge = items[at]["edge"]
        if b >= 0:
            b += first
            size_b = size[b]
            if edge < 0:
                edge -= first_bundle
        else:
            outer = outer_pixel(problem, edge)
            if depth_of(problem.shape, boxes, outer) == len(boxes):
                if edge < 0:
                    continue
                b = forest.number[_root_of(forest, outer)]
                size_b = size[b]
        entropy, log = items[at]["entropy"], queue.n_logs
        if waits[a] == 0 or (b >= 0 and waits[b] == 0):
            balance = trade_off * balance_gain(size[a], size_b, n_inside, size_terms)
            log = log_at(queue, depth(queue, entropy + balance))
        write_item(queue.pool, claim(queue, log), entropy, edge, a, b)


@kernel
def _root_of(forest: Forest, pixel: int) -> int:
    """Return the pixel that stands for the component of a pixel."""
    while forest.root[pixel] >= 0:
        pixel = forest.root[pixel]
    return pixel
