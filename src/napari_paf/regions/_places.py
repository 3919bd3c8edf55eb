"""Where labels are in a list of them: exact for every type of whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._validation import as_array

LARGEST_IN_TABLE = 2**21
"""Labels up to this are looked up in a table, of 16 MB; searching takes far longer."""


def whole_numbers(labels: ArrayLike) -> NDArray[np.integer]:
    """Return labels as an array, or raise: places of others would be made up."""
    array = as_array("labels", labels)
    if array.dtype.kind not in "biu":
        raise TypeError(f"labels of dtype {array.dtype}: give whole numbers.")
    return array


def finder(
    label: NDArray[np.integer],
) -> Callable[[NDArray[Any]], NDArray[np.int64]]:
    """Return a function that tells where labels are in `label`.

    Parameters
    ----------
    label : (n,) ndarray of int
        Labels over 0, rising.

    Returns
    -------
    places_of : callable
        From an array of labels to their places; n for those that `label` is without.
    """
    n = len(label)
    if n == 0 or label[-1] <= LARGEST_IN_TABLE:
        last = int(label[-1]) + 1 if n else 0
        table = np.full(last + 1, n, np.int64)
        table[label] = np.arange(n)

        def look_up(labels: NDArray[Any]) -> NDArray[np.int64]:
            return np.asarray(table.take(labels.astype(np.intp), mode="clip"))

        return look_up

    def search(labels: NDArray[Any]) -> NDArray[np.int64]:
        # NumPy compares int64 with uint64 as float64, which confuses large numbers.
        labels = labels.astype(label.dtype, copy=False)
        places = np.searchsorted(label, labels).astype(np.int64, copy=False)
        known = label[np.minimum(places, n - 1)] == labels
        return np.where(known, places, n)

    return search
