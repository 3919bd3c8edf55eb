"""Intensity normalisation: the same picture gives the same input in every dtype."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Share of the pixels, in percent, that may lie beyond either end of the range.
TAIL = 0.1

PART = 2**18
"""Of the pixels, which are counted at once."""

WIDE = 0.5
"""Share of the range of all channels that a channel is to span. The colours of
photographs do: all of them in BSDS500 train and val."""

ALIKE = 0.5
"""Correlation with a wide channel from which on a narrow one shows the same things, as
the narrow colours of stained tissue do."""

SAMPLE = 2**14
"""Pixels, at most, that are looked at to tell colours from other channels."""


def normalize_channels(image: NDArray[Any]) -> NDArray[np.float32]:
    """Map the channels of an image to -1 ... 1, together if they are colours.

    Colours share one range, which keeps their relations. In that of other channels,
    such as fluorescent stains, the dimmest would drown: then each has its own. They
    are taken for colours if every channel spans half the range of all, or is correlated
    by 0.5 or more with one that does, or is constant.

    Parameters
    ----------
    image : (channel, *spatial) ndarray
        Any real dtype.

    Returns
    -------
    normalized : ndarray of float32
        See `normalize_intensity`.

    Examples
    --------
    >>> stains = np.array([[[0, 0, 900, 900]], [[0, 9, 0, 9]]])
    >>> normalize_channels(stains)[:, 0]
    array([[-1., -1.,  1.,  1.],
           [-1.,  1., -1.,  1.]], dtype=float32)
    """
    if _are_colours(image):
        return normalize_intensity(image)
    return np.stack([normalize_intensity(channel) for channel in image])


def _are_colours(image: NDArray[Any]) -> bool:
    """Return whether no channel would drown in the range of all of them."""
    if len(image) == 1 or image.size == 0:
        return True
    ndim = image.ndim - 1
    step = math.ceil((image[0].size / SAMPLE) ** (1 / ndim))
    some = image[(slice(None), *(slice(None, None, step),) * ndim)]
    large = some.reshape(len(image), -1).astype(np.longdouble)
    # The range of huge values would overflow.
    values = (large / (np.abs(large).max() or 1)).astype(np.float64)
    varied = values[np.ptp(values, axis=1) > 0]
    if len(varied) < 2:
        return True
    whole = _robust_range(varied)
    spans = np.array([_robust_range(channel) for channel in varied])
    wide = spans >= WIDE * whole
    return bool(
        wide.all()
        or (wide.any() and (np.abs(np.corrcoef(varied))[wide].max(0) >= ALIKE).all())
    )


def _robust_range(values: NDArray[np.float64]) -> float:
    """Return the width of the range that `normalize_intensity` maps to -1 ... 1."""
    low, high = np.percentile(values, (TAIL, 100 - TAIL))
    return float(high - low if high > low else np.ptp(values))


def normalize_intensity(image: NDArray[Any]) -> NDArray[np.float32]:
    """Map the robust range of an image to -1 ... 1.

    Parameters
    ----------
    image : ndarray
        Any real dtype and shape. All channels share one range, so that
        colours keep their relations.

    Returns
    -------
    normalized : ndarray of float32
        The percentiles 0.1 and 99.9 become -1 and 1; what lies beyond them is
        limited to -2 ... 2. A constant image becomes 0.

    Examples
    --------
    >>> normalize_intensity(np.array([[0, 0, 50, 100, 100]], np.uint16))
    array([[-1., -1.,  0.,  1.,  1.]], dtype=float32)
    >>> normalize_intensity(np.full((1, 2), 7))
    array([[0., 0.]], dtype=float32)
    """
    if image.dtype.kind in "iu" and image.dtype.itemsize <= 2 and image.size > 2**16:
        # There are fewer values than pixels: look each of them up.
        lowest = int(image.min())
        index = image if lowest == 0 else image.astype(np.int64) - lowest
        flat, n = index.ravel(), int(index.max()) + 1
        # By parts: NumPy counts a copy in the largest integer type.
        counts = np.zeros(n, np.intp)
        for start in range(0, flat.size, PART):
            counts += np.bincount(flat[start : start + PART], minlength=n)
        values = np.arange(lowest, lowest + len(counts), dtype=np.float64)
        return _to_robust_range(values, counts)[index]
    if image.dtype.kind in "iu" and image.dtype.itemsize == 8 and image.size > 0:
        lowest, highest = int(image.min()), int(image.max())
        if max(-lowest, highest) > 2**53:  # float64 would round away small differences
            image = image.astype(np.uint64) - np.uint64(lowest % 2**64)
    if image.dtype.itemsize > 8 and image.size > 0:  # beyond the range of float64
        image = image / (np.abs(image).max() or 1)
    return _to_robust_range(np.array(image, dtype=np.float64))


def _to_robust_range(
    values: NDArray[np.float64], counts: NDArray[np.intp] | None = None
) -> NDArray[np.float32]:
    """Return values mapped by the range of the pixels that have them.

    Parameters
    ----------
    values : ndarray of float64
        Changed in place: of every pixel, or all values there are, rising.
    counts : ndarray of int, optional
        How many pixels have each of the values.
    """
    if values.size == 0:
        return values.astype(np.float32)
    # Divide first: the range of huge values would overflow.
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if largest == 0:
        return np.zeros(values.shape, np.float32)
    values /= largest
    if counts is None:
        low, high = np.percentile(values, (TAIL, 100 - TAIL))
    else:
        low, high = _percentiles(values, counts, (TAIL, 100 - TAIL))
    if not high > low:  # less than 0.1 % stand out: they are all there is
        low, high = values.min(), values.max()
    if not high > low:
        return np.zeros(values.shape, np.float32)
    values -= (low + high) / 2
    values *= 2 / (high - low)
    return np.clip(values, -2, 2, out=values).astype(np.float32)


def _percentiles(
    values: NDArray[np.float64],
    counts: NDArray[np.intp],
    percents: tuple[float, ...],
) -> list[float]:
    """Return what `numpy.percentile` returns of all pixels, from their histogram."""
    last = np.cumsum(counts)  # of every value, one after its last rank
    found = []
    for percent in percents:
        rank = percent / 100 * (last[-1] - 1)
        ranks = (np.floor(rank), np.ceil(rank))
        left, right = values[np.searchsorted(last, ranks, side="right")]
        found.append(_between(left, right, rank % 1))
    return found


def _between(left: float, right: float, share: float) -> float:
    """Return the interpolated value, rounded as `numpy.percentile` does."""
    step = right - left
    return right - step * (1 - share) if share >= 0.5 else left + step * share


def scale_to_unit(image: NDArray[Any]) -> NDArray[np.float32]:
    """Map an image to 0 ... 1, leaving what already has a full range as it is.

    Parameters
    ----------
    image : (channel, *spatial) ndarray
        Any real dtype.

    Returns
    -------
    scaled : ndarray of float32
        8-bit values over 255; booleans, and floating-point values within 0 ... 1,
        as they are. Of anything else the robust range becomes 0 ... 1: see
        `normalize_channels`.

    Examples
    --------
    >>> scale_to_unit(np.array([[0, 51, 255]], np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)
    >>> scale_to_unit(np.array([[-40, 0, 40]], np.int32))
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    if image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if image.dtype == np.bool_:
        return image.astype(np.float32)
    if image.dtype.kind == "f" and image.size and 0 <= image.min() <= image.max() <= 1:
        return image.astype(np.float32)
    scaled = np.clip(normalize_channels(image), -1, 1)
    scaled += 1
    scaled /= 2
    return scaled
