"""Large arrays piece by piece, so that temporaries stay small and work can end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._progress import Progress

PIXELS_PER_BLOCK = 2**20
"""Pixels between two reports of progress; some hundredths of a second."""

Block = tuple[slice, ...]


def blocks(shape: tuple[int, ...]) -> list[Block]:
    """Cut an array into blocks of at most `PIXELS_PER_BLOCK`, in raster order."""
    room, cuts = PIXELS_PER_BLOCK, []
    for n in reversed(shape):
        step = max(1, min(n, room))
        cuts.append([slice(i, min(i + step, n)) for i in range(0, n, step)])
        room //= step
    return list(product(*reversed(cuts)))


def reported(
    shape: tuple[int, ...], progress: Progress, description: str
) -> Iterator[Block]:
    """Yield the blocks of an array, and report each one as soon as it is done."""
    cut = blocks(shape)
    for number, block in enumerate(cut, 1):
        yield block
        progress(number / len(cut), description)


class Tally:
    """How often there is each of many keys, and the sum of its values.

    Keys come piece by piece, and only the different ones of a piece are kept. Sums are
    made in float64: first those of each piece in the order in which values come, then
    those of the pieces in theirs. So the same pieces give the same sums everywhere.
    """

    def __init__(self) -> None:
        self._keys: list[NDArray[Any]] = []
        self._counts: list[NDArray[np.float64]] = []
        self._sums: list[NDArray[np.float64]] = []
        self._held, self._most = 0, PIXELS_PER_BLOCK

    def add(self, keys: NDArray[Any], values: NDArray[Any] | None = None) -> None:
        """Count a piece; without `values`, all sums are 0."""
        if values is None:
            values = np.zeros(len(keys))
        self._keep(*_summed(keys, np.ones(len(keys)), values))
        # Joined when there are twice as many as after the last time: this bounds the
        # memory and takes, all in all, no longer than joining once at the end.
        if self._held > self._most:
            self._join()
            self._most = max(PIXELS_PER_BLOCK, 2 * self._held)

    def result(
        self,
    ) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
        """Return all keys, rising, how often there was each, and the sum for each.

        Without any piece, the keys are an empty array of int64.
        """
        if not self._keys:
            self.add(np.zeros(0, np.int64))
        self._join()
        return self._keys[0], self._counts[0].astype(np.int64), self._sums[0]

    def _keep(
        self,
        keys: NDArray[Any],
        counts: NDArray[np.float64],
        sums: NDArray[np.float64],
    ) -> None:
        self._keys.append(keys)
        self._counts.append(counts)
        self._sums.append(sums)
        self._held += len(keys)

    def _join(self) -> None:
        if len(self._keys) == 1:
            return
        pieces = self._keys, self._counts, self._sums
        joined = _summed(*(np.concatenate(piece) for piece in pieces))
        self._keys, self._counts, self._sums, self._held = [], [], [], 0
        self._keep(*joined)


def _summed(
    keys: NDArray[Any], counts: NDArray[np.float64], values: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Return the different keys, rising, and the sums of their counts and values."""
    # Stable, which is fast: keys come in long rising runs, as neighbouring pixels and
    # pieces that are in order do. And so values are summed in the order they come in.
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    values = values[order].astype(np.float64, copy=False)
    first = np.ones(len(keys), bool)
    first[1:] = keys[1:] != keys[:-1]
    if first.all():
        return keys, counts, values
    which, found = np.cumsum(first) - 1, keys[first]
    total = np.asarray(np.bincount(which, counts, len(found)), np.float64)
    return found, total, np.asarray(np.bincount(which, values, len(found)), np.float64)
