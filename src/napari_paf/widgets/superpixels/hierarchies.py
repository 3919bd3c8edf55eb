"""The hierarchies of the superpixels in layers, for whichever widget wants them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.common.targets import region_in
from napari_paf.widgets.common.undoable import follow_undo, records_to_come_back
from napari_paf.widgets.superpixels.request import PlaneHierarchies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane
    from napari_paf.widgets.superpixels.request import Hierarchy


@dataclass
class LayerHierarchy:
    """What a layer's superpixels can be at any number of them, and what they are.

    Attributes
    ----------
    hierarchy : Hierarchy
        As it was computed.
    plane : Plane
        What of the image was divided, without the image.
    index : tuple of int or slice
        Which part of the layer's data that is.
    settings : dict
        Those of the run.
    drawn : ndarray of int
        The superpixels as they were written last, so that edits by hand are noticed.
    is_stale : bool
        Whether the image or the mask has other pixels since.
    """

    hierarchy: Hierarchy
    plane: Plane
    index: Index
    settings: dict[str, Any]
    drawn: NDArray[Any]
    is_stale: bool = False

    @property
    def n_segments(self) -> int:
        """The number that the run was asked for."""
        return int(self.settings["n_segments"])

    def is_in(self, layer: Labels) -> bool:
        """Return whether a layer has what was drawn, and nobody has edited it."""
        data = layer.data
        return (
            isinstance(data, np.ndarray)
            and data.ndim == len(self.index)
            and _equal(data[self.index], self.plane.spread(self.drawn))
        )

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
# A layer that is removed takes its hierarchies along: one for each run, by the time
# when it finished, as long as undo or redo can bring its superpixels back.
_known: WeakKeyDictionary[Labels, dict[Any, LayerHierarchy]] = WeakKeyDictionary()
_MOST_PIXELS = 2**24  # of all the runs of a layer, to bound the memory


def remember(
    layer: Labels,
    plane: Plane,
    hierarchy: Hierarchy,
    drawn: NDArray[Any],
    settings: dict[str, Any],
) -> None:
    """Keep the hierarchy of the superpixels in a layer as long as they can be there."""
    plane = replace(plane, data=None)  # lets go of the image
    index = region_in(layer, plane)
    drawn = drawn.copy()  # the layer may own the other
    runs = _known.setdefault(layer, {})
    within_reach = [_run(record) for record in records_to_come_back(layer)]
    n_kept = _MOST_PIXELS // max(drawn.size, 1)
    for other in set(runs).difference(within_reach[-n_kept:] if n_kept else ()):
        del runs[other]
    runs[_run(layer.metadata.get(KEY))] = LayerHierarchy(
        hierarchy, plane, index, settings, drawn
    )
    news.remembered.emit(layer)


def hierarchy_of(layer: Labels) -> LayerHierarchy | None:
    """Return the hierarchy of a layer's superpixels, if it was kept."""
    follow_undo(layer)
    return _known.get(layer, {}).get(_run(layer.metadata.get(KEY)))


def mark_as_stale(layers: Iterable[Labels]) -> None:
    """Note that what layers were made from has other pixels now."""
    for layer in layers:
        for known in _known.get(layer, {}).values():
            known.is_stale = True


def _run(record: Any) -> Any:
    """Return what tells the runs of a layer apart."""
    return record.get("finished") if isinstance(record, dict) else None


def is_as_made(layer: Labels, index: Index | None = None) -> bool:
    """Return whether nobody has edited the superpixels in a part of a layer.

    `index` is the part, None for all. False where that is not known: only the plane
    that was divided last is.
    """
    known = hierarchy_of(layer)
    if known is None or not known.is_in(layer):
        return False
    if index is None:
        return bool(layer.data[known.index].size == layer.data.size)
    return index == known.index


def _equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays are equal; twice as fast as NumPy's way where it matters."""
    if (
        one.shape == other.shape
        and one.dtype == other.dtype
        and one.nbytes % 8 == 0
        and one.flags.c_contiguous
        and other.flags.c_contiguous
    ):
        one, other = one.reshape(-1).view(np.uint64), other.reshape(-1).view(np.uint64)
    return np.array_equal(one, other)
