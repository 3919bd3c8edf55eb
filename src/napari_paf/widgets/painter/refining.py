"""One superpixel made finer or coarser, as its hierarchy would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_paf.widgets.painter.planes import spread
from napari_paf.widgets.superpixels.hierarchies import hierarchy_of

if TYPE_CHECKING:
    from napari.layers import Labels

NO_HIERARCHY = (
    "These superpixels have no hierarchy, which a run of the Superpixels widget makes: "
    "they cannot be made finer or coarser here."
)
OTHER_PLANE = (
    "Only the plane that was divided last can be made finer or coarser: run the "
    "Superpixels widget on this one to change it here."
)


def refine(superpixels: Labels, place: tuple[int, ...], *, finer: bool) -> str:
    """Split the superpixel at a place of a layer, or join it to a neighbour.

    Returns why that cannot be, or an empty string. It is one step of the layer's
    undo history.
    """
    known = hierarchy_of(superpixels)
    if known is None:
        return NO_HIERARCHY
    found = known.at(place)
    if found is None:
        return OTHER_PLANE
    hierarchy, index = found
    data, channel_axis = superpixels.data, known.plane.channel_axis
    # All channels have the same superpixels.
    of_one = tuple(0 if axis == channel_axis else at for axis, at in enumerate(index))
    before = data[of_one]
    change = getattr(hierarchy, "split" if finer else "merge", None)
    if change is None or before.shape != hierarchy.shape:
        return NO_HIERARCHY
    try:
        after = change(before, int(data[place]))
    except ValueError as error:
        return str(error)
    if finer:  # a number that no other plane has either
        new = int(data.max()) + 1
        if new > np.iinfo(data.dtype).max:
            larger = np.promote_types(data.dtype, np.min_scalar_type(new))
            superpixels.data = data = data.astype(larger)
        after = np.where(after != before, data.dtype.type(new), before)
    if channel_axis is not None:
        others = sum(isinstance(at, slice) for at in index[:channel_axis])
        after = np.expand_dims(after, others)
    after = np.broadcast_to(after, data[index].shape)
    changed = np.nonzero(after != data[index])
    superpixels.data_setitem(spread(changed, index), after[changed])
    return ""
