"""Painting with superpixels: which pixels a stroke takes, and what they become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.draw import line_nd
from skimage.segmentation import flood

_FEW = 8  # up to an eighth of the pixels are few
_FARTHEST = 1e15  # pixels; beyond, float64 has no tenths


class SuperpixelPixels:
    """The pixels of every superpixel of a label image, found in no time.

    Parameters
    ----------
    labels : ndarray of int
        Superpixels, C-contiguous; 0 is none. Of any number of axes, and any numbers.
        `update` changes them.

    Examples
    --------
    >>> pixels = SuperpixelPixels(np.array([[1, 1, 7], [0, 1, 7]]))
    >>> pixels.of([7])
    array([2, 5])
    """

    def __init__(self, labels: NDArray[Any]) -> None:
        self.labels = labels
        self._sort()

    def _sort(self) -> None:
        flat = self.labels.reshape(-1)
        self._order = np.argsort(flat, kind="stable")
        in_order = flat[self._order]
        starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
        self._known = in_order[starts]
        self._starts = np.append(starts, flat.size)

    def of(self, chosen: Iterable[int]) -> NDArray[np.intp]:
        """Return the flat indices of the pixels of some superpixels, rising."""
        places = [self._place(int(label)) for label in chosen if label != 0]
        parts = [
            self._order[self._starts[at] : self._starts[at + 1]]
            for at in places
            if at is not None
        ]
        if not parts:
            return np.zeros(0, np.intp)
        return np.sort(np.concatenate(parts))

    def _place(self, label: int) -> int | None:
        """Return which of the known labels this is, None if it is none of them."""
        known = self._known
        if len(known) == 0 or not int(known[0]) <= label <= int(known[-1]):
            return None
        # Searched in its own type: otherwise NumPy compares some as float64, which
        # confuses labels above 2**53.
        at = int(np.searchsorted(known, known.dtype.type(label)))
        return at if int(known[at]) == label else None

    def update(self, labels: NDArray[Any]) -> None:
        """Take over other labels of the same image; faster where few have changed.

        Parameters
        ----------
        labels : ndarray of int
            Of the shape and the type of those there were; they are copied.

        Raises
        ------
        ValueError
            If they are of another shape or type.
        """
        if (labels.shape, labels.dtype) != (self.labels.shape, self.labels.dtype):
            raise ValueError(
                f"labels of shape {labels.shape} and type {labels.dtype}: give "
                f"{self.labels.shape} and {self.labels.dtype}, as there were."
            )
        flat, now = self.labels.reshape(-1), labels.reshape(-1)
        differ = np.flatnonzero(flat != now)
        if len(differ) > flat.size // _FEW:
            self.labels = labels.copy()
            self._sort()
            return
        numbers = np.union1d(flat[differ], now[differ])
        moved = np.zeros(flat.shape, bool)  # a union of lists would take far longer
        moved[self.of(numbers)] = moved[differ] = True
        pixels = np.flatnonzero(moved)
        flat[differ] = now[differ]
        untouched = ~np.isin(self._known, numbers)
        parts = {
            int(label): self._order[start:stop]
            for label, start, stop in zip(
                self._known[untouched],
                self._starts[:-1][untouched],
                self._starts[1:][untouched],
                strict=True,
            )
        }
        for label in np.unique(flat[pixels]):
            parts[int(label)] = pixels[flat[pixels] == label]
        self._known = np.array(sorted(parts), self.labels.dtype)
        in_order = [parts[int(label)] for label in self._known]
        self._order = np.concatenate(in_order)
        self._starts = np.cumsum([0, *map(len, in_order)])


def crossed(
    labels: NDArray[Any], start: ArrayLike, stop: ArrayLike
) -> NDArray[np.integer]:
    """Return the superpixels that a straight stroke crosses, 0 left out.

    Parameters
    ----------
    labels : ndarray of int
        Superpixels.
    start, stop : sequence of float
        Where the stroke begins and ends, in pixels; it may lie outside, however far.

    Raises
    ------
    ValueError
        If `start` or `stop` has not one finite number for each axis of the labels.

    Examples
    --------
    >>> crossed(np.array([[1, 1, 2, 0, 3]]), (0, 1), (0, 4))
    array([1, 2, 3])
    """
    ends = _part_inside(
        _checked_point("start", start, labels.ndim),
        _checked_point("stop", stop, labels.ndim),
        labels.shape,
    )
    line = np.array(line_nd(*ends, endpoint=True))
    inside = np.all((line >= 0) & (line.T < labels.shape).T, axis=0)
    found = np.unique(labels[tuple(line[:, inside])])
    return np.asarray(found[found != 0])


def _checked_point(name: str, point: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """Return a point as an array, or raise."""
    place = np.asarray(point, np.float64)
    if place.shape != (ndim,):
        raise ValueError(
            f"{name} of shape {place.shape}: give one number for each of the {ndim} "
            "axes of the labels."
        )
    if not (np.abs(place) <= _FARTHEST).all():
        raise ValueError(
            f"{name}={place.tolist()}: give finite numbers of pixels, up to "
            f"{_FARTHEST:g}."
        )
    return place


def _part_inside(
    start: NDArray[np.float64], stop: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the part of a stroke that lies inside, or near.

    However far the ends are, it is not much longer than the image.
    """
    way = stop - start
    enter, leave = 0.0, 1.0
    for at, by, length in zip(start.tolist(), way.tolist(), shape, strict=True):
        if by:
            near, far = sorted(((-1 - at) / by, (length - at) / by))
            enter, leave = max(enter, near), min(leave, far)
    if enter >= leave:  # it passes by
        return start, start
    return (
        start if enter == 0 else start + enter * way,
        stop if leave == 1 else start + leave * way,
    )


def paintable(
    now: NDArray[Any],
    label: int,
    *,
    erase: bool = False,
    only_unlabelled: bool = False,
    protect: bool = False,
) -> NDArray[np.bool_]:
    """Return which pixels a stroke may change.

    Parameters
    ----------
    now : ndarray of int
        Labels of the pixels now.
    label : int
        The label that is painted with.
    erase : bool, default: False
        Whether labels are taken away.
    only_unlabelled : bool, default: False
        Paint only where there is no label.
    protect : bool, default: False
        Leave other labels alone, also when erasing.

    Examples
    --------
    >>> paintable(np.array([0, 1, 2]), 2, protect=True)
    array([ True, False, False])
    >>> paintable(np.array([0, 1, 2]), 2, erase=True, protect=True)
    array([False, False,  True])
    """
    if erase:
        return np.asarray((now == label) if protect else (now != 0))
    if only_unlabelled or protect:
        return np.asarray(now == 0)
    return np.asarray(now != label)


def painted_whole(
    superpixels: NDArray[Any], labels: NDArray[Any]
) -> dict[int, list[int]]:
    """Return, for each label, the superpixels that have it in all their pixels.

    Parameters
    ----------
    superpixels, labels : ndarray of int
        Of the same shape; 0 is none.

    Examples
    --------
    >>> painted_whole(np.array([1, 1, 2, 3, 3]), np.array([5, 5, 5, 5, 0]))
    {5: [1, 2]}
    """
    numbers = np.unique(superpixels)
    numbers = numbers[numbers != 0]
    lowest = ndimage.minimum(labels, superpixels, numbers)
    whole = (lowest == ndimage.maximum(labels, superpixels, numbers)) & (lowest != 0)
    painted: dict[int, list[int]] = {}
    for label, number in zip(lowest[whole], numbers[whole], strict=True):
        painted.setdefault(int(label), []).append(int(number))
    return dict(sorted(painted.items()))


def same_area(target: NDArray[Any], at: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the connected pixels that have the label of the one at `at`."""
    alike = (target == target[at]).view(np.uint8)  # whatever type labels are of
    area: NDArray[np.bool_] = flood(alike, at, connectivity=1)
    return area
