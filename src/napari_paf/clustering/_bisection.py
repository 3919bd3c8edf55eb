"""The tree of blocks that an image is cut into: halves of halves, down to leaves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class Block:
    """A box of pixels, and the two halves it is made of unless it is small enough.

    Halving the longest side keeps the halves alike, and all blocks of one height
    about equal: threads that share the blocks finish together.

    Parameters
    ----------
    low, high : (3,) ndarray of int64
        The first pixel of the box, and the one after its last.
    leaf_size : int
        Boxes of more pixels are halved.
    parent : Block, optional
        What this is a half of.

    Attributes
    ----------
    low, high, parent
        As the parameters.
    children : list of Block
        Two halves, or none for a leaf.
    height : int
        1 for leaves, more than that of any child for others.
    """

    def __init__(
        self,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        leaf_size: int,
        parent: Block | None = None,
    ) -> None:
        self.low, self.high, self.parent = low, high, parent
        self.children: list[Block] = []
        extent = high - low
        if np.prod(extent) > max(leaf_size, 1):
            axis = int(np.argmax(extent))
            middle = (low[axis] + high[axis]) // 2
            upper, lower = low.copy(), high.copy()
            upper[axis] = lower[axis] = middle
            self.children = [
                Block(low, lower, leaf_size, self),
                Block(upper, high, leaf_size, self),
            ]
        self.height: int = 1 + max((child.height for child in self.children), default=0)

    @property
    def n_pixels(self) -> int:
        """Number of pixels in the box."""
        return int(np.prod(self.high - self.low))

    def leaves(self) -> Iterator[Block]:
        """Yield the leaves so that halves of one block follow each other."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()
