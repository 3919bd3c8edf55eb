"""Other granularities of a result at once, from the hierarchy of its run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.common.targets import region_in

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.plane import Plane
    from napari_paf.widgets.superpixels.request import Hierarchy

EDITED = (
    "The superpixels were edited by hand, so they stay as they are; Run makes new ones."
)

# Of what a run notes: the number, and names, which layers may have changed since.
_NO_MATTER = ("n_segments", "mask_layer", "region")


class Live:
    """The last result of a widget, redrawn when the number changes.

    Holds the layer weakly, and remembers what it drew so that edits by hand
    are noticed and never overwritten.
    """

    def __init__(
        self,
        layer: Labels,
        plane: Plane,
        hierarchy: Hierarchy,
        drawn: NDArray[Any],
        settings: dict[str, Any],
    ) -> None:
        self._layer = ref(layer)
        self._plane = replace(plane, data=None)  # lets go of the image
        self._region = region_in(layer, plane)
        self._hierarchy = hierarchy
        self._drawn = drawn.copy()  # the layer may own the other
        self.settings = settings

    def is_for(self, settings: dict[str, Any]) -> bool:
        """Whether only the number of superpixels differs from the run's."""
        others = dict.fromkeys(_NO_MATTER)
        return {**settings, **others} == {**self.settings, **others}

    def is_of(self, layers: Any) -> bool:
        """Whether the result is still among the layers of a viewer."""
        layer = self._layer()
        return layer is not None and layer in layers

    def shows(self, n_segments: int) -> bool:
        """Whether nothing is left to draw for a number of superpixels."""
        layer = self._layer()
        return layer is None or layer.metadata[KEY]["n_segments"] == n_segments

    def redraw(self, n_segments: int) -> str:
        """Draw `n_segments` superpixels, or return why that cannot be."""
        layer = self._layer()
        if layer is None or self.shows(n_segments):
            return ""
        if not isinstance(layer.data, np.ndarray):
            return EDITED
        view = layer.data[self._region]
        if not _equal(view, self._plane.spread(self._drawn)):
            return EDITED
        try:
            self._draw(layer, n_segments)
        except ValueError as error:
            return str(error)
        record = {
            **layer.metadata[KEY],
            "n_segments": n_segments,
            # A run for n_segments would weigh sizes otherwise and differ.
            "function": "superpixel_hierarchy",
            "hierarchy_n_segments": self.settings["n_segments"],
        }
        layer.metadata = {**layer.metadata, KEY: record}
        return ""

    def _draw(self, layer: Labels, n_segments: int) -> None:
        """Write into the layer's own array, as napari's tools do: that is fastest."""
        from napari_paf.clustering.hierarchy import SuperpixelHierarchy

        data, drawn = layer.data, self._drawn
        if (
            isinstance(self._hierarchy, SuperpixelHierarchy)
            and data.shape == drawn.shape
            and data.dtype == drawn.dtype
            and data.flags.c_contiguous
            and n_segments <= np.iinfo(data.dtype).max
        ):
            self._hierarchy.labels(n_segments, out=data)
            np.copyto(drawn, data)
            layer.data = data  # tells napari; drops the history
            return
        labels = self._hierarchy.labels(n_segments)
        if labels.max(initial=0) > np.iinfo(data.dtype).max:
            data = data.astype(labels.dtype)
        data[self._region] = self._plane.spread(labels)
        self._drawn = labels
        layer.data = data


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays are equal; twice as fast as NumPy's way where it matters."""
    if (
        one.dtype == other.dtype
        and one.nbytes % 8 == 0
        and one.flags.c_contiguous
        and other.flags.c_contiguous
    ):
        one, other = one.reshape(-1).view(np.uint64), other.reshape(-1).view(np.uint64)
    return np.array_equal(one, other)
