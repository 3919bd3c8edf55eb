"""Places in planes of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index


def only_in(
    where: Sequence[NDArray[np.intp]], plane: Mapping[int, int]
) -> NDArray[np.bool_] | slice:
    """Return which places lie in a plane, given by where it is along some axes."""
    keep: NDArray[np.bool_] | slice = slice(None)
    for axis, at in plane.items():
        inside = where[axis] == at
        keep = inside if isinstance(keep, slice) else keep & inside
    return keep


def spread(where: tuple[NDArray[Any], ...], index: Index) -> tuple[NDArray[Any], ...]:
    """Return indices into an array of places in the part of it at an index."""
    axes = iter(where)
    return tuple(
        next(axes) + (piece.start or 0)
        if isinstance(piece, slice)
        else np.full(len(where[0]), piece)
        for piece in index
    )
