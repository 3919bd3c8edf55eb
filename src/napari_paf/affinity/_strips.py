"""Feature maps made strip by strip: as from the whole at once, in less time and memory.

The intermediate maps of a strip stay in the cache, and in memory that the next strip
uses again: on a processor, fetching fresh memory takes longer than much arithmetic.
Strips are cut along the first spatial axis only, so that they lie together.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from napari_paf._progress import Progress

LARGEST_ON_CPU = 2**20
"""Elements of a map of one strip: 4 MiB."""

LARGEST_ON_CARD = 2**24
"""Elements of a map of one strip: enough to keep all of a graphics card busy."""

LEAST_HALOS = 16
"""Rows of a strip, as a multiple of its halo: what overlaps is computed twice."""


def rows_of_strip(per_row: int, halo: int, device: torch.device) -> int:
    """Return how many rows of `per_row` elements to make at once: an even number."""
    largest = LARGEST_ON_CPU if device.type == "cpu" else LARGEST_ON_CARD
    return max(largest // per_row, LEAST_HALOS * halo) // 2 * 2


def in_strips(
    make: Callable[[slice], Tensor],
    n_rows: int,
    rows: int,
    halo: int,
    progress: Progress,
) -> Tensor:
    """Return a map of `n_rows` rows from what `make` says of some of them.

    Parameters
    ----------
    make : callable
        From a slice of rows to their map (batch, channel, row, ...). Within `halo` of
        an end that is not one of the whole, what it says does not matter.
    n_rows : int
    rows : int
        Of a strip, without its halo.
    halo : int
        If `rows` is even too, strips begin at even rows.
    progress : callable
        Called after each strip.

    Examples
    --------
    >>> image = torch.arange(12.0).reshape(1, 1, 6, 2)
    >>> double = in_strips(lambda s: 2 * image[:, :, s], 6, 2, 2, lambda *_: None)
    >>> bool((double == 2 * image).all())
    True
    """
    n_strips = -(-n_rows // rows)
    if n_strips <= 1:
        whole = make(slice(0, n_rows))
        progress(1.0, "")
        return whole
    rows = -(-n_rows // n_strips)
    rows += rows % 2
    whole = torch.empty(0)
    for start in range(0, n_rows, rows):
        stop, first = min(start + rows, n_rows), max(start - halo, 0)
        part = make(slice(first, min(stop + halo, n_rows)))
        if start == 0:
            batch, channels, _, *others = part.shape
            # Channels last, as convolutions on a processor like it.
            empty = part.new_empty((batch, n_rows, *others, channels))
            whole = empty.movedim(-1, 1)
        whole[:, :, start:stop] = part[:, :, start - first : stop - first]
        progress(stop / n_rows, "")
    return whole
