"""The tree of blocks that an image is cut into, down to leaves that fit a cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._compiled import kernel

ALIGNMENT = 16
"""Blocks meet at multiples of this where they can. Affinities predicted by a network
are a little weaker across the borders of its coarser pixels: less has to wait there."""


class Block:
    """A box of pixels, and the parts it is made of unless it is small enough.

    Halving the longest side keeps the halves alike, and all blocks of one height
    about equal: threads that share the blocks finish together. A block is halved along
    every axis, because whatever waits is looked at once a height; the whole only into
    two halves, because one thread alone has to join its parts.

    Parameters
    ----------
    low, high : (3,) ndarray of int64
        The first pixel of the box, and the one after its last.
    leaf_size : int
        Boxes of more pixels are halved.
    parent : Block, optional
        What this is a part of.

    Attributes
    ----------
    low, high, parent
        As the parameters.
    children : list of Block
        The parts, none for a leaf.
    boxes : (depth, 2, 3) ndarray of int64
        `low` and `high` of all blocks from the whole down to this one, whose depth is
        their number: that of the whole is 1.
    """

    def __init__(
        self,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        leaf_size: int,
        parent: Block | None = None,
    ) -> None:
        self.low, self.high, self.parent = low, high, parent
        around = [] if parent is None else list(parent.boxes)
        self.boxes: NDArray[np.int64] = np.array([*around, (low, high)])
        parts = [(low, high)]
        n_axes = 3 if high[0] - low[0] > 1 else 2
        for _ in range(1 if parent is None else n_axes):
            parts = [half for part in parts for half in _halves(*part, leaf_size)]
        self.children: list[Block] = []
        if len(parts) > 1:
            self.children = [Block(*part, leaf_size, self) for part in parts]

    @property
    def n_pixels(self) -> int:
        """Number of pixels in the box."""
        return int(np.prod(self.high - self.low))

    def leaves(self, *, side_by_side: bool = False) -> Iterator[Block]:
        """Yield the leaves so that parts of one block follow each other.

        With `side_by_side`, those of the children take turns: then the children can
        be done by several threads at the same time.
        """
        if not self.children:
            yield self
        elif side_by_side:
            turns = zip_longest(*(child.leaves() for child in self.children))
            yield from (leaf for turn in turns for leaf in turn if leaf is not None)
        else:
            for child in self.children:
                yield from child.leaves()


@kernel
def contains(low: Any, high: Any, z: int, y: int, x: int) -> bool:
    """Whether the box from corner `low` to corner `high` contains a pixel."""
    return low[0] <= z < high[0] and low[1] <= y < high[1] and low[2] <= x < high[2]


@kernel
def depth_of(shape: Any, boxes: Any, pixel: int) -> int:
    """Return the depth of the least of the blocks with these `boxes` around a pixel.

    They are part of an image of this `shape`; all pixels of it lie in the whole.
    """
    row = pixel // shape[2]
    z = row // shape[1]
    y, x = row - z * shape[1], pixel - row * shape[2]
    depth = len(boxes)
    while not contains(boxes[depth - 1, 0], boxes[depth - 1, 1], z, y, x):
        depth -= 1
    return depth


def _halves(
    low: NDArray[np.int64], high: NDArray[np.int64], leaf_size: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Halve a box across its longest side, unless it is small enough."""
    if np.prod(high - low) <= max(leaf_size, 1):
        return [(low, high)]
    axis = int(np.argmax(high - low))
    upper, lower = low.copy(), high.copy()
    middle = (low[axis] + high[axis]) // 2
    aligned = (middle + ALIGNMENT // 2) // ALIGNMENT * ALIGNMENT
    upper[axis] = lower[axis] = aligned if low[axis] < aligned < high[axis] else middle
    return [(low, lower), (upper, high)]
