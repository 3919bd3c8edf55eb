"""The hierarchies of the superpixels in layers, for whichever widget wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.common.targets import region_in
from napari_paf.widgets.superpixels.request import PlaneHierarchies

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane
    from napari_paf.widgets.superpixels.request import Hierarchy


@dataclass(frozen=True)
class LayerHierarchy:
    """What a layer's superpixels can be at any number of them.

    Attributes
    ----------
    hierarchy : Hierarchy
        As it was computed.
    plane : Plane
        What of the image was divided, without the image.
    index : tuple of int or slice
        Which part of the layer's data that is.
    n_segments : int
        The number that was asked for.
    """

    hierarchy: Hierarchy
    plane: Plane
    index: Index
    n_segments: int

    def labels(self, n_segments: int) -> NDArray[Any]:
        """Return `n_segments` superpixels, ready to be written to `index`."""
        return self.plane.spread(self.hierarchy.labels(n_segments))

    def at(self, place: tuple[int, ...]) -> tuple[Hierarchy, Index] | None:
        """Return the hierarchy of the plane or volume that a place lies in.

        Parameters
        ----------
        place : tuple of int
            In the layer's data.

        Returns
        -------
        hierarchy, index : Hierarchy, tuple of int or slice
            The one plane's own in a stack of them, and which part of the layer's data
            that is. None if it was not kept: that is the plane divided last.
        """
        loop = self.plane.loop
        index = tuple(
            place[axis] if axis in loop else part
            for axis, part in enumerate(self.index)
        )
        if any(
            isinstance(part, int) and part != at
            for part, at in zip(index, place, strict=True)
        ):
            return None
        if not isinstance(self.hierarchy, PlaneHierarchies):
            return self.hierarchy, index
        lengths = self.hierarchy.shape[: len(loop)]
        number = np.ravel_multi_index([place[axis] for axis in loop], lengths)
        of_plane = self.hierarchy.planes[int(number)]
        return None if of_plane is None else (of_plane, index)


class _News(QObject):
    """Tells of superpixels whose hierarchy is known by now."""

    remembered = Signal(object)  # the layer


news = _News()
# A layer that is removed takes its hierarchy along.
_known: WeakKeyDictionary[Labels, LayerHierarchy] = WeakKeyDictionary()


def remember(
    layer: Labels, plane: Plane, hierarchy: Hierarchy, n_segments: int
) -> None:
    """Keep the hierarchy of the last superpixels in a layer as long as the layer."""
    plane = replace(plane, data=None)  # lets go of the image
    _known[layer] = LayerHierarchy(
        hierarchy, plane, region_in(layer, plane), n_segments
    )
    news.remembered.emit(layer)


def hierarchy_of(layer: Labels) -> LayerHierarchy | None:
    """Return the hierarchy of a layer's superpixels, if it was kept."""
    return _known.get(layer)


def is_as_made(layer: Labels, index: Index | None = None) -> bool:
    """Return whether nobody has edited the superpixels in a part of a layer.

    `index` is the part, None for all. False where that is not known: only the plane
    that was divided last is.
    """
    known = _known.get(layer)
    if known is None or not isinstance(layer.data, np.ndarray):
        return False
    now = layer.data[known.index]
    if now.size < layer.data.size if index is None else index != known.index:
        return False
    made = known.labels(layer.metadata[KEY]["n_segments"])
    return bool(np.array_equal(now, made))
