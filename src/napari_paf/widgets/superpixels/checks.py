"""Why a run can't work, in the sentences that the functions themselves use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_paf._validation import (
    check_balance,
    check_connectivity,
    check_image,
    check_mask,
    check_n_segments,
)
from napari_paf.widgets.superpixels.texts import TOO_LARGE

if TYPE_CHECKING:
    from napari_paf.widgets.common.plane import Mask, Plane

# What is larger is looked at when it is run, so that the window never stalls.
_MOST_PIXELS_TO_READ = 2**22
_MOST_PIXELS_AT_ONCE = 2**29


def why_not(
    plane: Plane,
    mask: Mask | None,
    *,
    n_segments: int,
    balance: float | None,
    connectivity: int,
) -> str:
    """Return why superpixels of the plane can't be had, or an empty string.

    Only looks at what costs next to nothing.
    """
    small = plane.n_pixels * plane.n_planes <= _MOST_PIXELS_TO_READ
    n_inside = plane.n_pixels
    if n_inside > _MOST_PIXELS_AT_ONCE:
        return TOO_LARGE.format(" \u00d7 ".join(str(n) for n in plane.shape))
    try:
        if plane.n_pixels == 0 or (small and plane.in_memory):
            for each in plane.planes():
                check_image(*each.read("all"))
        if mask is not None:
            look = small and mask.in_memory
            first = next(plane.planes())
            inside = mask.read(first) if look else np.broadcast_to(np.True_, mask.shape)
            n_inside = int(np.count_nonzero(check_mask(inside, plane.shape)))
        check_n_segments(n_segments, n_inside)
        if balance is not None:
            check_balance(balance)
        check_connectivity(connectivity, len(plane.shape))
    except (TypeError, ValueError) as error:
        return str(error)
    return ""
