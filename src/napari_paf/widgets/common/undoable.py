"""Labels written so that undo brings back what they replace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index

KEPT = (
    "They are in a layer of their own: the earlier ones may have been edited by hand, "
    "and undo could not have brought them back."
)

# Undoing a run needs some 30 bytes for every pixel that changed.
_MOST_PIXELS_TO_UNDO = 2**21


def can_undo(target: Labels, region: Index, labels: NDArray[Any]) -> bool:
    """Whether undo will bring back all that labels replace in a part of a layer."""
    view = target.data[region]
    if not view.any():
        return True  # there is nothing to bring back
    n_changed = int(np.count_nonzero(view != labels))
    return _fits_in(target, labels) and n_changed <= _MOST_PIXELS_TO_UNDO


def _fits_in(target: Labels, labels: NDArray[Any]) -> bool:
    return bool(labels.max(initial=0) <= np.iinfo(target.data.dtype).max)


def write_labels(target: Labels, region: Index, superpixels: NDArray[Any]) -> None:
    """Write the new labels so that undo brings back the old ones, if `can_undo`."""
    view = target.data[region]
    if not _fits_in(target, superpixels):
        data = target.data.astype(superpixels.dtype)
        data[region] = superpixels
        target.data = data
        return
    changed = view != superpixels
    n_changed = int(np.count_nonzero(changed))
    if n_changed > _MOST_PIXELS_TO_UNDO:
        view[...] = superpixels
        target.data = target.data  # tells napari; drops the history
        return
    if n_changed:
        where = iter(np.nonzero(changed))
        indices = tuple(
            np.full(n_changed, part) if isinstance(part, int) else next(where)
            for part in region
        )
        target.data_setitem(indices, superpixels[changed])
