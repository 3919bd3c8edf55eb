"""Why a run can't work, in the sentences that the functions themselves use."""

from __future__ import annotations

from collections.abc import Sequence
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
    n_inside: Sequence[int] | None,
    *,
    n_segments: int,
    balance: float | None,
    connectivity: int,
) -> str:
    """Return why superpixels of the plane can't be had, or an empty string.

    Only looks at what costs next to nothing. `n_inside` is how many pixels of each
    plane are divided, if that is known.
    """
    n_copied = plane.data.shape[-1] if plane.of_layers else 1
    n_read = plane.n_pixels * plane.n_planes * n_copied
    small = n_read <= _MOST_PIXELS_TO_READ
    if plane.n_pixels > _MOST_PIXELS_AT_ONCE:
        return TOO_LARGE.format(" \u00d7 ".join(str(n) for n in plane.shape))
    try:
        if plane.n_pixels == 0 or (small and plane.in_memory):
            for each in plane.planes():
                check_image(*each.read("all"))
        if mask is not None:
            check_mask(np.broadcast_to(np.True_, mask.shape), plane.shape)
        if n_inside is not None:
            check_mask(np.array(n_inside), (plane.n_planes,))  # that any is inside
        _check_number(n_segments, [plane.n_pixels] if n_inside is None else n_inside)
        if balance is not None:
            check_balance(balance)
        check_connectivity(connectivity, len(plane.shape))
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _check_number(n_segments: int, n_inside: Sequence[int]) -> None:
    """Raise unless each plane with pixels inside has enough of them."""
    least = min(n for n in n_inside if n > 0)
    try:
        check_n_segments(n_segments, least)
    except ValueError as error:
        if len(n_inside) == 1:
            raise
        number = n_inside.index(least) + 1
        raise ValueError(f"Plane {number} of {len(n_inside)}: {error}") from None
