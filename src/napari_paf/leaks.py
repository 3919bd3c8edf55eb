"""Where superpixels leak across the segments of a ground truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._agreement import Superpixels, Truths, agreements

__all__ = ["leaking_pixels"]


def leaking_pixels(
    labels: ArrayLike,
    truths: Truths,
    *,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Return which pixels lie outside the segment that their superpixel belongs to.

    A superpixel belongs to the segment that it overlaps most; of equals, to that of
    the lowest value. The mean over the pixels that count is 1 minus
    `achievable_segmentation_accuracy`.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Superpixels.
    truths : ([annotator,] [plane,] row, column) array_like of int
        Ground truth, from one or several annotators.
    unlabelled : int, optional
        Value in `truths` that means "not annotated"; such pixels do not leak.
        Default: every value is a segment.
    mask : ([plane,] row, column) array_like of bool, optional
        Pixels that count. Default: all.

    Returns
    -------
    leaking : ([plane,] row, column) ndarray of float32
        The share of the annotators for whom a pixel leaks, 0 to 1.

    Raises
    ------
    TypeError, ValueError
        As in `napari_paf.metrics.achievable_segmentation_accuracy`.

    Examples
    --------
    >>> from napari_paf.leaks import leaking_pixels
    >>> leaking_pixels([[1, 1, 1, 2]], [[1, 1, 2, 2]])
    array([[0., 0., 1., 0.]], dtype=float32)
    """
    superpixels = Superpixels.read(labels, mask)
    leaking = np.zeros(superpixels.codes.shape, np.float32)
    n_annotators = 0
    for pair in agreements(superpixels, truths, unlabelled):
        _, _, partner, *_ = pair.overlap
        # Outside the mask the code -1 takes the last one's segment; not counted.
        counts = (pair.truth >= 0) & (superpixels.codes >= 0)
        leaking += counts & (pair.truth != partner[superpixels.codes])
        n_annotators += 1
    leaking /= np.float32(n_annotators)
    return leaking.reshape(superpixels.shape)
