"""Affinity targets from label images: which neighbours share a segment.

The convention is the one of the whole package: 1 = same segment, 0 = boundary,
and channel ``k`` at pixel ``p`` is the pair of ``p`` and ``p + offsets[k]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_paf._offsets import Offset

Slices = tuple[slice, ...]


def pair_slices(offset: Offset) -> tuple[Slices, Slices]:
    """Return the slices of the first and of the second pixels of all pairs.

    Examples
    --------
    >>> first, second = pair_slices((-1, 1))
    >>> image = np.arange(6).reshape(2, 3)
    >>> image[first], image[second]
    (array([[3, 4]]), array([[1, 2]]))
    """
    first = tuple(slice(max(0, -step), -step if step > 0 else None) for step in offset)
    second = tuple(slice(max(0, step), step if step < 0 else None) for step in offset)
    return first, second


def affinity_targets(
    labels: NDArray[Any],
    offsets: Sequence[Offset],
    *,
    unlabelled: int | None = None,
    background_weight: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the affinities should be, and how much each of them counts.

    Parameters
    ----------
    labels : (*spatial) ndarray of int
        Label image. Different values are different segments, 0 included.
    offsets : sequence of tuple of int
        The pairs to look at, one channel each.
    unlabelled : int, optional
        Value of pixels nobody has labelled. Pairs with such an end are masked:
        nothing is known about them.
    background_weight : float, default: 1.0
        Weight of pairs with both ends 0, from 0 to 1. Less than 1 where 0 may
        hide structures, such as objects of a kind that was not annotated.

    Returns
    -------
    target : (n_offsets, *spatial) ndarray of float32
        1 where both ends have the same label, else 0.
    weight : (n_offsets, *spatial) ndarray of float32
        1 for known pairs, 0 for masked ones and where the neighbour lies
        outside the image.

    Examples
    --------
    >>> target, weight = affinity_targets(np.array([[1, 1, 2]]), [(0, 1)])
    >>> target, weight
    (array([[[1., 0., 0.]]], dtype=float32), array([[[1., 1., 0.]]], dtype=float32))
    """
    target = np.zeros((len(offsets), *labels.shape), np.float32)
    weight = np.zeros_like(target)
    known = None if unlabelled is None else labels != unlabelled
    for channel, offset in enumerate(offsets):
        first, second = pair_slices(offset)
        same = labels[first] == labels[second]
        target[channel][first] = same
        weight[channel][first] = (
            1 if known is None else (known[first] & known[second]).astype(np.float32)
        )
        if background_weight != 1:
            hidden = same & (labels[first] == 0)
            weight[channel][first] *= np.where(
                hidden, np.float32(background_weight), np.float32(1)
            )
    if known is not None:
        target *= weight > 0
    return target, weight
