"""The tree of blocks that an image is cut into, down to leaves that fit a cache."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 16
"""Blocks meet at multiples of this where they can. Affinities predicted by a network
are a little weaker across the borders of its coarser pixels: less has to wait there."""

MOST_HALVINGS = 4
"""How often a block is halved to make its parts: 16 of them. Whatever waits is looked
at once in every height of the tree, and a flat tree has few; but the more parts a block
has, the more edges there are for one thread to look at."""


class Block:
    """A box of pixels, and the parts it is made of unless it is a leaf.

    Halving the longest side keeps the halves alike, and all blocks of one height
    about equal: threads that share the blocks finish together.

    Parameters
    ----------
    low, high : (3,) ndarray of int64
        The first pixel of the box, and the one after its last.
    n_halvings : int
        How often it is halved in all, down to the leaves.
    parent : Block, optional
        What this is a part of. The whole, which is part of nothing, has only two
        parts, because one thread alone has to join them.

    Attributes
    ----------
    low, high, parent
        As the parameters.
    children : list of Block
        The parts, none for a leaf.
    n_blocks : int
        The number of blocks in it, from itself down to the leaves.
    height : int
        1 for leaves, more than that of any child for others.
    """

    def __init__(
        self,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        n_halvings: int,
        parent: Block | None = None,
    ) -> None:
        self.low, self.high, self.parent = low, high, parent
        now = min(n_halvings, 1)
        if parent is not None and n_halvings:
            n_heights = math.ceil(n_halvings / MOST_HALVINGS)
            now = math.ceil(n_halvings / n_heights)
        parts = [(low, high)]
        for _ in range(now):
            parts = [half for part in parts for half in _halves(*part)]
        self.children: list[Block] = []
        if len(parts) > 1:
            rest = n_halvings - now
            self.children = [Block(*part, rest, self) for part in parts]
        self.n_blocks: int = 1 + sum(child.n_blocks for child in self.children)
        self.height: int = 1 + max((child.height for child in self.children), default=0)

    def leaves(self) -> Iterator[Block]:
        """Yield the leaves so that parts of one block follow each other."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def cut_into_blocks(shape: NDArray[np.int64], leaf_size: int) -> Block:
    """Return the block of a whole image, cut into leaves of at most about a size."""
    n_halvings = math.ceil(math.log2(max(np.prod(shape) / leaf_size, 1.0)))
    return Block(np.zeros_like(shape), shape, n_halvings)


def _halves(
    low: NDArray[np.int64], high: NDArray[np.int64]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Halve a box across its longest side, unless it is a single pixel."""
    axis = int(np.argmax(high - low))
    if high[axis] - low[axis] < 2:
        return [(low, high)]
    upper, lower = low.copy(), high.copy()
    middle = (low[axis] + high[axis]) // 2
    aligned = (middle + ALIGNMENT // 2) // ALIGNMENT * ALIGNMENT
    upper[axis] = lower[axis] = aligned if low[axis] < aligned < high[axis] else middle
    return [(low, lower), (upper, high)]
