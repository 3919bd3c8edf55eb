"""The hand-made affinity of entropy-rate superpixels: differences of intensity."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._offsets import edge_slices, neighbour_offsets
from napari_paf._validation import (
    check_connectivity,
    check_image,
    check_spacing,
    proportions,
)
from napari_paf.affinity.normalize import scale_to_unit


def gradient_affinity(
    image: ArrayLike,
    *,
    sigma: float = 5 / 255,
    connectivity: int = 1,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Return affinities from the differences between neighbouring pixels.

    The similarity that entropy-rate superpixels were published with [1]_: ``exp(-(d
    l)**2 / (2 sigma**2))``, with `d` the mean over the channels of the absolute
    difference of two neighbours and `l` their distance.

    Parameters
    ----------
    image : ([plane,] row, column[, channel]) array_like
        Of any real dtype. 8-bit values are taken as shares of 255, floating-point
        values within 0 to 1 as they are; of anything else the robust range
        (percentiles 0.1 and 99.9) is mapped to 0 to 1. Colours share one range;
        other channels, in which one would drown, have a range each.
    sigma : float, optional
        Difference, as a share of the full range, at which the affinity has fallen
        to 0.61; more than 0.
    connectivity : int, optional
        Number of axes along which neighbours may differ, from 1 to the number of
        spatial axes.
    channel_axis : int, optional
        Axis of the channels. Default: the image has none.
    spacing : sequence of float, optional
        Size of a pixel along each spatial axis. Distances count in units of the
        smallest. Default: all are 1.

    Returns
    -------
    affinity : (n_offsets, [plane,] row, column) ndarray of float32
        0 (boundary) to 1 (same); 0 where the neighbour lies outside.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    References
    ----------
    .. [1] M.-Y. Liu, O. Tuzel, S. Ramalingam and R. Chellappa, "Entropy Rate
           Superpixel Segmentation", CVPR 2011, section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_paf import gradient_affinity
    >>> image = np.array([[0, 0, 9, 9]], np.uint8)
    >>> gradient_affinity(image).round(2)[0]
    array([[1. , 0.2, 1. , 0. ]], dtype=float32)
    """
    channels = check_image(image, channel_axis)
    ndim = channels.ndim - 1
    sigma = _check_sigma(sigma)
    connectivity = check_connectivity(connectivity, ndim)
    lengths = np.array(proportions(check_spacing(spacing, ndim), channels.shape[1:]))
    values = scale_to_unit(channels)
    offsets = neighbour_offsets(ndim, connectivity)
    affinity = np.zeros((len(offsets), *values.shape[1:]), np.float32)
    for k, offset in enumerate(offsets):
        first, second = edge_slices(offset)
        difference = np.zeros(affinity[k][first].shape, np.float32)
        for channel in values:
            difference += np.abs(channel[first] - channel[second])
        scale = math.hypot(*(lengths * offset)) / (sigma * len(values))
        difference *= scale
        difference *= difference
        affinity[k][first] = np.exp(difference / -2)
    return affinity


def _check_sigma(sigma: Any) -> float:
    if isinstance(sigma, bool) or not isinstance(sigma, numbers.Real):
        raise TypeError(f"sigma={sigma!r}: give a number over 0.")
    value = float(sigma)
    if not 0 < value < math.inf:
        raise ValueError(f"sigma={sigma}: give a finite number over 0.")
    return value
