"""Other granularities of a result at once, from the hierarchy of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_paf.widgets.common.records import KEY, record_of
from napari_paf.widgets.common.undoable import follow_undo, replace_data
from napari_paf.widgets.superpixels.hierarchies import hierarchy_of

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_paf.widgets.superpixels.hierarchies import LayerHierarchy

EDITED = (
    "The superpixels were edited by hand, so they stay as they are; Run makes new ones."
)

# Of what a run notes: the number, and names, which layers may have changed since.
_NO_MATTER = ("n_segments", "mask_layer", "channel_layers", "region")


class Live:
    """The last result of a widget, redrawn when the number changes.

    Holds the layer weakly. What can be drawn is known of the layer, not of the widget:
    another widget may have written to it since, and undo taken it back.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = ref(layer)

    def fits(self, settings: dict[str, Any], *, in_view: bool) -> bool:
        """Whether only the number differs from the run whose result the layer has.

        What is in view may have moved on since; then the window is not compared.
        """
        layer = self._layer()
        known = None if layer is None else hierarchy_of(layer)
        if known is None:
            return False
        if known.is_stale:
            return False
        others = dict.fromkeys((*_NO_MATTER, "window") if in_view else _NO_MATTER)
        return {**settings, **others} == {**known.settings, **others}

    def is_of(self, layers: Any) -> bool:
        """Whether the result is still among the layers of a viewer."""
        layer = self._layer()
        return layer is not None and layer in layers

    def shows(self, n_segments: int) -> bool:
        """Whether nothing is left to draw for a number of superpixels."""
        layer = self._layer()
        if layer is None:
            return True
        follow_undo(layer)
        return bool(record_of(layer).get("n_segments") == n_segments)

    def redraw(self, n_segments: int) -> str:
        """Draw `n_segments` superpixels, or return why that cannot be."""
        layer = self._layer()
        known = None if layer is None else hierarchy_of(layer)
        if layer is None or known is None or self.shows(n_segments):
            return ""
        if not known.is_in(layer):
            return EDITED
        try:
            _draw(layer, known, n_segments)
        except ValueError as error:
            return str(error)
        record = {
            **record_of(layer),
            "n_segments": n_segments,
            # A run for n_segments would weigh sizes otherwise and differ.
            "function": "superpixel_hierarchy",
            "hierarchy_n_segments": known.n_segments,
        }
        layer.metadata = {**layer.metadata, KEY: record}
        return ""


def _draw(layer: Labels, known: LayerHierarchy, n_segments: int) -> None:
    """Write into the layer's own array, as napari's tools do: that is fastest."""
    from napari_paf.clustering.hierarchy import SuperpixelHierarchy

    data, drawn = layer.data, known.drawn
    if (
        isinstance(known.hierarchy, SuperpixelHierarchy)
        and data.shape == drawn.shape
        and data.dtype == drawn.dtype
        and data.flags.c_contiguous
        and n_segments <= np.iinfo(data.dtype).max
    ):
        known.hierarchy.labels(n_segments, out=data)
        np.copyto(drawn, data)
        replace_data(layer, data)
        return
    labels = known.hierarchy.labels(n_segments)
    if labels.max(initial=0) > np.iinfo(data.dtype).max:
        data = data.astype(labels.dtype)
    data[known.index] = known.plane.spread(labels)
    known.drawn = labels
    replace_data(layer, data)
