"""Which pixels of a plane are divided: those inside a mask, and inside shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_paf.widgets.common.plane import Mask, Plane
    from napari_paf.widgets.common.region import Box

# What is larger is not counted, so that the window never stalls.
_MOST_PIXELS_TO_COUNT = 2**24


def inside_of(
    plane: Plane, mask: Mask | None, box: Box | None
) -> NDArray[np.bool_] | None:
    """Return which pixels of a plane are divided, None for all; may take long."""
    outlined = None if box is None else box.mask(plane)
    if mask is None:
        return outlined
    marked = np.asarray(mask.read(plane) != 0)
    if outlined is None or marked.shape != outlined.shape:
        return marked
    return np.asarray(marked & outlined)


def count_inside(plane: Plane, mask: Mask | None, box: Box | None) -> list[int] | None:
    """Return how many pixels are divided of each plane of a stack.

    None if that would take long, or if the mask does not fit.
    """
    whole = plane.n_pixels
    if mask is None and (box is None or not box.outlines):
        return [whole] * plane.n_planes
    if whole * plane.n_planes > _MOST_PIXELS_TO_COUNT:
        return None
    if mask is not None and not (mask.in_memory and mask.shape == plane.shape):
        return None
    counts = []
    for each in plane.planes():
        inside = inside_of(each, mask, box)
        counts.append(whole if inside is None else int(np.count_nonzero(inside)))
    return counts
