"""What is to be merged, and what has been merged so far."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._gains import rounded_loop

UNLIMITED = 2**62


class Problem(NamedTuple):
    """What is to be clustered.

    Kernels only read it, but for the weights of edges that are held back: these are
    negated (`_held_back`).
    """

    weights: Any  # (n_pixels << slot_bits,) affinities, -inf where no edge is
    slot_bits: int  # edges are numbered (pixel << slot_bits) + offset number
    steps: Any  # (n_offsets,) raster distance between the ends of an edge
    offsets: Any  # (n_offsets, 3) the same along each axis
    shape: Any  # (3,) planes, rows, columns
    total: float  # sum of all weights at all pixels
    trade_off: float  # lambda, what a unit of balance is worth in entropy rate
    n_inside: int  # pixels inside the mask
    size_terms: Any  # f(size / n_inside) of the smaller sizes
    top: float  # no gain is larger
    floor: float  # what is held back gains no more
    depth: float  # queues span the gains from top down to top - depth


class Forest(NamedTuple):
    """What has been merged so far: one entry a pixel, shared by all threads."""

    # Leads, step by step, to the pixel that stands for the component. There: minus the
    # component's number of pixels, or of fewer while a block is at work.
    root: Any
    number: Any  # at roots: the number of the component in the block at work
    loop: Any  # what is left of each pixel's self-loop


class Components(NamedTuple):
    """The components of one block, few enough to stay in the cache."""

    pixel: Any  # what each was when the block began: the root of these pixels
    merged: Any  # the number of the component that each is part of by now
    behind: Any  # the components that were merged, in a ring
    size: Any  # of what is a component still: the number of pixels
    # And the depth of the block in which what it waits for lies inside: until then, it
    # need not be looked at. 0: it does not wait.
    waits: Any


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
def take_edge(problem: Problem, forest: Forest, edge: int) -> None:
    """Take the weight of a merged edge from the self-loops of its two pixels."""
    loop = forest.loop
    weight = problem.weights[edge] / problem.total
    i = edge >> problem.slot_bits
    step = problem.steps[edge & ((1 << problem.slot_bits) - 1)]
    for pixel in (i, i + step):
        loop[pixel] = rounded_loop(loop[pixel] - weight)
