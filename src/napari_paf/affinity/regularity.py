"""Where an image says nothing, superpixels follow nested rectangles.

Inside a flat region all affinities are alike, so the order in which the clustering
joins pixels there is arbitrary, and so are the shapes: mazes that are hard to paint
with. Making affinities a little weaker across the sides of nested rectangles, the
weaker the larger the rectangle, leaves real boundaries as they are and gives flat
regions compact superpixels of whatever size is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_paf._offsets import Offset

SMALLEST = 4
"""Side of the smallest squares, in pixels of the least size."""

LEVELS = 9
"""Squares are doubled so often: the largest are 1024 pixels wide."""


def regularize(
    affinity: NDArray[np.float32],
    offsets: tuple[Offset, ...],
    strength: float,
    spacing: tuple[float, ...],
) -> None:
    """Weaken affinities, in place, across the sides of nested boxes.

    Boxes of sides 4, 8, 16, ... are halved along one axis after the other. An edge
    across a side of the `k`-th smallest kind is multiplied by ``(1 - strength)**k``.

    Parameters
    ----------
    affinity : (n_offsets, *spatial) ndarray of float32
        Changed in place.
    offsets : tuple of tuple of int
        Of the channels.
    strength : float
        From 0 (nothing happens) to below 1.
    spacing : tuple of float
        Size of a pixel along each axis, as multiples of the least: boxes are as long
        along all of them.

    Examples
    --------
    >>> affinity = np.ones((1, 2, 16), np.float32)
    >>> regularize(affinity, ((0, 1),), 0.1, (1.0, 1.0))
    >>> [round(float(value), 2) for value in affinity[0, 0, :9]]
    [1.0, 1.0, 1.0, 0.9, 1.0, 1.0, 1.0, 0.73, 1.0]
    """
    if strength == 0:
        return
    shape = affinity.shape[1:]
    ndim = len(shape)
    halved = [axis for axis in range(ndim) if shape[axis] > 1]
    factors = []  # along each axis, of the step from a position to the next
    for axis, length in enumerate(shape):
        if length == 1:
            factors.append(np.ones(1, np.float32))
            continue
        position = np.arange(length + 1) * spacing[axis]
        level = np.zeros(length, np.int64)
        for k in range(LEVELS):
            box = position // (SMALLEST << k)
            level[box[1:] != box[:-1]] = k + 1
        # Among the sides of one level, those across the last axis come first.
        order = len(halved) - halved.index(axis)
        rank = np.where(level > 0, (level - 1) * len(halved) + order, 0)
        factors.append(((1 - strength) ** rank).astype(np.float32))
    for k, offset in enumerate(offsets):
        least = np.ones((1,) * ndim, np.float32)
        for axis, step in enumerate(offset):
            if step:
                along = factors[axis] if step > 0 else np.roll(factors[axis], 1)
                broadcast = [1] * ndim
                broadcast[axis] = -1
                least = np.minimum(least, along.reshape(broadcast))
        affinity[k] *= least
