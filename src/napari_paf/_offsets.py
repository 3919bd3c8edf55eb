"""Neighbour offsets: which pixels an affinity channel joins.

Channel `k` of an affinity array joins pixel ``p`` to ``p + offsets[k]``, in
array-axis order. Each pair of neighbours appears once: the last component
that is not zero is positive.
"""

from __future__ import annotations

from itertools import product

Offset = tuple[int, ...]


def neighbour_offsets(ndim: int, connectivity: int) -> tuple[Offset, ...]:
    """Return the offsets to half of a pixel's neighbours, in channel order.

    Parameters
    ----------
    ndim : int
        Number of spatial axes, 2 or 3.
    connectivity : int
        As in scikit-image: the number of axes along which neighbours may
        differ. 1 is faces only, `ndim` includes corners.

    Returns
    -------
    offsets : tuple of tuple of int
        Faces first, from the last axis to the first; then edges; then
        corners. Within a group, pairs of axes from the last to the first, the
        positive diagonal before the negative one.

    Raises
    ------
    ValueError
        If `ndim` or `connectivity` is out of range.

    Examples
    --------
    >>> neighbour_offsets(2, 2)
    ((0, 1), (1, 0), (1, 1), (-1, 1))
    >>> neighbour_offsets(3, 1)
    ((0, 0, 1), (0, 1, 0), (1, 0, 0))
    >>> [len(neighbour_offsets(3, c)) for c in (1, 2, 3)]
    [3, 9, 13]
    """
    if ndim not in (2, 3):
        raise ValueError(f"ndim={ndim}: images have 2 or 3 spatial axes.")
    if connectivity not in range(1, ndim + 1):
        raise ValueError(
            f"connectivity={connectivity}: choose 1 (faces) to {ndim} (all "
            f"neighbours) for a {ndim}-D image."
        )
    half = [
        offset
        for offset in product((1, 0, -1), repeat=ndim)
        if _last_nonzero(offset) == 1 and offset.count(0) >= ndim - connectivity
    ]
    # Sort by the number of axes involved, then by which axes (last ones first),
    # then positive before negative along the later of the leading axes.
    return tuple(
        sorted(
            half,
            key=lambda o: (
                ndim - o.count(0),
                tuple(-abs(component) for component in reversed(o)),
                tuple(-component for component in reversed(o)),
            ),
        )
    )


def edge_slices(offset: Offset) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the slices of the first and the second pixels of all edges of an offset.

    Examples
    --------
    >>> first, second = edge_slices((-1, 1))
    >>> first
    (slice(1, None, None), slice(0, -1, None))
    >>> second
    (slice(0, -1, None), slice(1, None, None))
    """
    ahead, behind, whole = slice(1, None), slice(0, -1), slice(None)
    first = tuple({0: whole, 1: behind, -1: ahead}[step] for step in offset)
    second = tuple({0: whole, 1: ahead, -1: behind}[step] for step in offset)
    return first, second


def _last_nonzero(offset: Offset) -> int:
    return next((component for component in reversed(offset) if component), 0)
