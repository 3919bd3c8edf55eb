"""Merges in the order of the greedy: by falling gain, and ties by the edge's number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._progress import Progress, part
from napari_paf.clustering._compiled import kernel
from napari_paf.clustering._threads import PIECE, call_each, pieces

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_SORTING = "sorting merges"


def sorted_edges(
    edge: NDArray[np.signedinteger],
    gain: NDArray[np.float64],
    pool: ThreadPoolExecutor,
    report: Progress,
) -> NDArray[np.signedinteger]:
    """Return the numbers of edges (n_merges,) in the order of the greedy.

    Runs of `PIECE` merges are sorted first. Then two neighbouring runs become one,
    again and again. Every part of such a run can be made by itself, so all threads have
    work until the end, and nothing takes long.
    """
    n, length = len(edge), PIECE
    edge, gain = edge.copy(), gain.copy()
    n_rounds = 1 + max(0, -(-n // PIECE) - 1).bit_length()

    shares = (part(report, i / n_rounds, (i + 1) / n_rounds) for i in range(n_rounds))
    runs = [(edge[start:stop], gain[start:stop]) for start, stop in pieces(n, PIECE)]
    call_each(pool, sort_run, runs, next(shares), _SORTING)
    while length < n:
        merged_edge, merged_gain = np.empty_like(edge), np.empty_like(gain)
        parts = [
            (edge, gain, first, first + length, last, *piece, merged_edge, merged_gain)
            for first in range(0, n, 2 * length)
            for last in [min(first + 2 * length, n)]
            for piece in pieces(last - first, PIECE)
        ]
        call_each(pool, merge_runs, parts, next(shares), _SORTING)
        edge, gain = merged_edge, merged_gain
        length *= 2
    return edge


def sort_run(edge: NDArray[np.signedinteger], gain: NDArray[np.float64]) -> None:
    """Sort merges in place: the numbers and the gains of their edges, (n_merges,)."""
    # Blocks take their edges by roughly falling gain, so that long runs are sorted: of
    # those, the stable sort makes use.
    order = np.argsort(-gain, kind="stable")
    edge[:], gain[:] = edge[order], gain[order]
    same = gain[1:] == gain[:-1]
    if not same.any():
        return
    # Sorting by two keys takes ten times as long as sorting by one made of both.
    tie = np.append(0, np.cumsum(~same))
    bits = int(edge.max()).bit_length()
    if int(tie[-1]).bit_length() + bits > 63:
        edge[:] = edge[np.lexsort((edge, -gain))]
    else:
        both = np.sort((tie << bits) | edge, kind="stable")
        edge[:] = both & ((1 << bits) - 1)


@kernel
def merge_runs(
    edge: Any,
    gain: Any,
    first: int,
    middle: int,
    last: int,
    start: int,
    stop: int,
    merged_edge: Any,
    merged_gain: Any,
) -> None:
    """Make a part of one run of two.

    The two runs go from `first` to `middle` and from there to `last`; the part of what
    they become goes from `start` to `stop`, counted from `first`.
    """
    if middle >= last:  # a last run without a neighbour
        for at in range(first + start, first + stop):
            merged_edge[at], merged_gain[at] = edge[at], gain[at]
        return
    i = first + _n_from_first(edge, gain, first, middle, last, start)
    j = middle + start - (i - first)
    for at in range(first + start, first + stop):
        if i < middle and (j >= last or _comes_before(edge, gain, i, j)):
            merged_edge[at], merged_gain[at] = edge[i], gain[i]
            i += 1
        else:
            merged_edge[at], merged_gain[at] = edge[j], gain[j]
            j += 1


@kernel
def _n_from_first(
    edge: Any, gain: Any, first: int, middle: int, last: int, n: int
) -> int:
    """Return how many of the `n` that come first are of the first of two runs."""
    low, high = max(0, n - (last - middle)), min(n, middle - first)
    while low < high:
        half = (low + high) // 2
        if _comes_before(edge, gain, first + half, middle + n - half - 1):
            low = half + 1
        else:
            high = half
    return low


@kernel
def _comes_before(edge: Any, gain: Any, i: int, j: int) -> bool:
    """Return whether the greedy takes one merge before another."""
    return bool(gain[i] > gain[j] or (gain[i] == gain[j] and edge[i] < edge[j]))
