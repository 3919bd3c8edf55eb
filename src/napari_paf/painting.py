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
        Where the stroke begins and ends, in pixels; it may lie outside.

    Examples
    --------
    >>> crossed(np.array([[1, 1, 2, 0, 3]]), (0, 1), (0, 4))
    array([1, 2, 3])
    """
    line = np.array(line_nd(np.asarray(start), np.asarray(stop), endpoint=True))
    inside = np.all((line >= 0) & (line.T < labels.shape).T, axis=0)
    found = np.unique(labels[tuple(line[:, inside])])
    return np.asarray(found[found != 0])


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
