"""The superpixel under the cursor, shown before it is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_paf.widgets.common.layers import moved, placement, unwrap
from napari_paf.widgets.common.records import KEY, UNDER_CURSOR

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray

NAME = "superpixel under the cursor"


class Hover:
    """A layer as large as one superpixel, that follows the cursor.

    One small layer is kept and moved: a mask of the whole image would cost as much as
    painting does. It is there only while the painter paints.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._shown: tuple[Any, NDArray[np.intp]] | None = None

    def is_own(self, layer: Any) -> bool:
        """Whether a layer is this one."""
        return layer is self._layer

    def show(self, superpixels: Labels, pixels: NDArray[np.intp]) -> None:
        """Show the pixels of a superpixel, by their flat indices."""
        present = any(unwrap(layer) is self._layer for layer in self._viewer.layers)
        if self._shown is not None and present:
            key, before = self._shown
            if key == superpixels.unique_id and np.array_equal(before, pixels):
                return
        where = np.array(np.unravel_index(pixels, superpixels.data.shape))
        low, high = where.min(axis=1), where.max(axis=1) + 1
        mask = np.zeros(high - low, np.uint8)
        mask[tuple((where.T - low).T)] = 1
        place = moved(placement(superpixels), tuple(low))
        if self._layer is None or not present:
            active = self._viewer.layers.selection.active
            record = {KEY: {"function": UNDER_CURSOR}}
            self._layer = Labels(
                mask, name=NAME, opacity=0.45, metadata=record, **place
            )
            self._layer.editable = False
            self._viewer.add_layer(self._layer)
            self._viewer.layers.selection.active = active
        else:
            self._layer.data = mask
            self._layer.translate = place["translate"]
        self._shown = superpixels.unique_id, pixels

    def hide(self) -> None:
        """Take the layer away."""
        layer, self._layer, self._shown = self._layer, None, None
        for present in list(self._viewer.layers):
            if unwrap(present) is layer and layer is not None:
                self._viewer.layers.remove(present)
