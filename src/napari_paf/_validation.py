"""Checks of what users pass in: one sentence naming argument, value and remedy.

The widgets show the same sentences and disable Run, so every check is cheap
and runs before any work starts.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._offsets import neighbour_offsets

LARGEST_BALANCE = 1000.0
"""What a widget offers and a model may ask for."""

LARGEST_PROPORTION = 1e6
"""Of the sizes of a pixel along two axes."""


def as_array(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return an argument as an array, or raise where its rows differ in length."""
    try:
        return np.asarray(values)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            f"{name}: its rows differ in length; give as many values in each."
        ) from None


def check_min_size(min_size: Any) -> int:
    """Return `min_size` as an int of at least 0, or raise."""
    if isinstance(min_size, bool) or not isinstance(min_size, numbers.Integral):
        raise TypeError(f"min_size={min_size!r}: give a whole number of pixels.")
    if min_size < 0:
        raise ValueError(f"min_size={min_size!r}: give a number of pixels from 0 on.")
    return int(min_size)


def check_label(name: str, label: Any) -> None:
    """Raise unless an argument that stands for a label is an integer or None."""
    if label is not None and not isinstance(label, numbers.Integral):
        raise TypeError(f"{name}={label!r}: give a label, an integer, or None.")


def check_channel_axis(channel_axis: Any, ndim: int) -> int:
    """Return `channel_axis` as an int, or raise if an image of `ndim` axes has none."""
    if isinstance(channel_axis, bool) or not isinstance(channel_axis, numbers.Integral):
        raise TypeError(
            f"channel_axis={channel_axis!r}: give the number of an axis, or None."
        )
    if int(channel_axis) not in range(-ndim, ndim):
        raise ValueError(
            f"channel_axis={channel_axis}: the image has {ndim} axes; give {-ndim} to "
            f"{ndim - 1}."
        )
    return int(channel_axis)


def check_image(image: ArrayLike, channel_axis: Any) -> NDArray[Any]:
    """Return `image` as an array (channel, [plane,] row, column), or raise.

    Parameters
    ----------
    image : ([plane,] row, column[, channel]) array_like
        Of any real dtype.
    channel_axis : int or None
        Axis of the channels; None for an image that has none.

    Returns
    -------
    channels : (n_channels, [plane,] row, column) ndarray
        A view where `image` is an array.

    Raises
    ------
    TypeError, ValueError
        If the shape, dtype or values are not as described.
    """
    array = as_array("image", image)
    if array.dtype.kind not in "fbiu":
        raise TypeError(
            f"image of dtype {array.dtype}: give real numbers; of complex ones, for "
            "example, numpy.abs(image)."
        )
    if channel_axis is None:
        spatial, axes = array.ndim, "(row, column) or (plane, row, column)"
    else:
        check_channel_axis(channel_axis, array.ndim)
        spatial, axes = array.ndim - 1, "two or three axes and the channels"
    if spatial not in (2, 3):
        raise ValueError(
            f"image of shape {array.shape} with channel_axis={channel_axis}: give "
            f"{axes}."
        )
    if array.size == 0:
        raise ValueError(f"image of shape {array.shape} is empty: give some pixels.")
    if array.dtype.kind == "f":
        n_nan = int(np.count_nonzero(np.isnan(array)))
        n_infinite = int(np.count_nonzero(np.isinf(array)))
        if n_nan or n_infinite:
            raise ValueError(
                f"image has {n_nan} NaN and {n_infinite} infinite values: replace "
                "them, for example with numpy.nan_to_num."
            )
    if channel_axis is None:
        if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) >= 32:
            warnings.warn(
                f"image of shape {array.shape} is taken as a volume of "
                f"{array.shape[2]} columns; for a colour image give channel_axis=-1.",
                stacklevel=3,
            )
        return array[np.newaxis]
    return np.moveaxis(array, int(channel_axis), 0)


def check_spacing(spacing: Any, ndim: int) -> tuple[float, ...]:
    """Return `spacing` as `ndim` floats over 0, or raise; None stands for 1."""
    if spacing is None:
        return (1.0,) * ndim
    if (
        isinstance(spacing, str)
        or not isinstance(spacing, Sequence | np.ndarray)
        or np.ndim(spacing) == 0
    ):
        raise TypeError(f"spacing={spacing!r}: give one number over 0 for each axis.")
    if len(spacing) != ndim or not all(
        isinstance(size, numbers.Real) and 0 < float(size) < math.inf
        for size in spacing
    ):
        raise ValueError(
            f"spacing={spacing!r}: give {ndim} finite numbers over 0, one for each "
            "spatial axis."
        )
    sizes = tuple(float(size) for size in spacing)
    if not max(sizes) <= LARGEST_PROPORTION * min(sizes):
        raise ValueError(
            f"spacing={spacing!r}: give sizes in the same unit; one is more than "
            f"{LARGEST_PROPORTION:.0f} times another."
        )
    return sizes


def proportions(sizes: tuple[float, ...], shape: tuple[int, ...]) -> tuple[float, ...]:
    """Return the size of a pixel along each axis as a multiple of the least.

    Along an axis of one pixel there are no neighbours, so its size says nothing: 1.
    Rounded, so that 0.3 to 0.1, which floating point finds a little below 3, gives
    the same as 3 to 1.

    Examples
    --------
    >>> proportions((0.1, 0.3, 0.1), (1, 8, 9)), 0.3 / 0.1
    ((1.0, 3.0, 1.0), 2.9999999999999996)
    """
    seen = [size for size, length in zip(sizes, shape, strict=True) if length > 1]
    least = min(seen, default=1.0)
    return tuple(
        round(size / least, 6) if length > 1 else 1.0
        for size, length in zip(sizes, shape, strict=True)
    )


def check_n_segments(n_segments: Any, n_pixels: int) -> int:
    """Return `n_segments` as an int between 1 and `n_pixels`, or raise."""
    if isinstance(n_segments, bool) or not isinstance(n_segments, numbers.Integral):
        raise TypeError(
            f"n_segments={n_segments!r}: give the number of superpixels as an integer."
        )
    if n_segments < 1:
        raise ValueError(f"n_segments={n_segments}: ask for at least 1 superpixel.")
    if int(n_segments) > n_pixels:
        raise ValueError(
            f"n_segments={n_segments}: there are only {n_pixels} pixels; ask for at "
            "most that many superpixels."
        )
    return int(n_segments)


def check_covers_islands(n_segments: int, n_islands: int) -> None:
    """Raise unless each of `n_islands` separate parts can get a superpixel."""
    if n_segments < n_islands:
        raise ValueError(
            f"n_segments={n_segments}: the mask has {n_islands} separate islands; ask "
            "for at least that many superpixels."
        )


def check_balance(balance: Any) -> float:
    """Return `balance` as a float from 0 to `LARGEST_BALANCE`, or raise."""
    if isinstance(balance, bool) or not isinstance(balance, numbers.Real):
        raise TypeError(
            f"balance={balance!r}: give a number from 0 to {LARGEST_BALANCE:.0f}."
        )
    if not 0 <= float(balance) <= LARGEST_BALANCE:
        raise ValueError(
            f"balance={balance}: give a number from 0 to {LARGEST_BALANCE:.0f}."
        )
    return float(balance)


def check_connectivity(connectivity: Any, ndim: int) -> int:
    """Return `connectivity` as an int between 1 and `ndim`, or raise."""
    if isinstance(connectivity, bool) or not isinstance(connectivity, numbers.Integral):
        raise TypeError(
            f"connectivity={connectivity!r}: give an integer from 1 (faces) to "
            f"{ndim} (all neighbours)."
        )
    neighbour_offsets(ndim, int(connectivity))  # raises when out of range
    return int(connectivity)


def check_mask(mask: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return `mask` as a boolean array of `shape` with a pixel inside, or raise.

    ``None`` stands for all pixels.
    """
    if mask is None:
        return np.ones(shape, dtype=bool)
    array = as_array("mask", mask)
    if array.shape != shape:
        raise ValueError(
            f"mask of shape {array.shape}: the image has shape {shape}; give a mask "
            "of the same shape."
        )
    if array.dtype.kind not in "biu":
        raise TypeError(
            f"mask of dtype {array.dtype}: give a boolean or integer array; pixels "
            "that are not 0 are inside."
        )
    inside: NDArray[np.bool_] = array != 0
    if not inside.any():
        raise ValueError("mask: no pixel is inside; mark at least one.")
    return inside


def check_affinity(
    affinity: ArrayLike, connectivity: Any
) -> tuple[NDArray[np.floating], int]:
    """Return the affinities that `connectivity` uses, and it as an int, or raise.

    Parameters
    ----------
    affinity : (n_offsets, [plane,] row, column) array_like
        Affinities in [0, 1]. Either one channel per axis, or one per neighbour
        offset of at least `connectivity`.
    connectivity : int
        1 to the number of spatial axes.

    Returns
    -------
    affinity : (n, *spatial) ndarray of float32 or float64
        The channels in use: all of them, or one per axis if the channels of
        the diagonals are still to be derived.
    connectivity : int
        The checked connectivity.

    Raises
    ------
    TypeError, ValueError
        If the shape, dtype or range is not as described.
    """
    array = as_array("affinity", affinity)
    if array.dtype.kind not in "fbiu":
        raise TypeError(
            f"affinity of dtype {array.dtype}: give floating-point numbers from 0 to 1."
        )
    if array.ndim not in (3, 4):
        raise ValueError(
            f"affinity of shape {array.shape}: give (n_offsets, row, column) or "
            "(n_offsets, plane, row, column)."
        )
    if array.size == 0:
        raise ValueError(f"affinity of shape {array.shape} is empty: give some pixels.")
    ndim = array.ndim - 1
    connectivity = check_connectivity(connectivity, ndim)
    n_given, n_needed = len(array), len(neighbour_offsets(ndim, connectivity))
    allowed = [len(neighbour_offsets(ndim, c + 1)) for c in range(ndim)]
    if n_given not in allowed or ndim < n_given < n_needed:
        raise ValueError(
            f"affinity has {n_given} channels: for connectivity={connectivity} in "
            f"{ndim}-D give {ndim} (one per axis) or {n_needed} (one per neighbour "
            "offset)."
        )
    array = array[:n_needed]
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(
            f"affinity ranges from {low:g} to {high:g}: give finite values from 0 "
            "(boundary) to 1 (same segment)."
        )
    return array, connectivity
