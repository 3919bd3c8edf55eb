"""What the painter does to layers, in their own undo histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.painting import SuperpixelPixels, crossed, paintable, same_area
from napari_paf.widgets.common.records import axes_across
from napari_paf.widgets.painter.planes import only_in, spread
from napari_paf.widgets.painter.refining import refine
from napari_paf.widgets.painter.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index

Plane = dict[int, int]  # where it is along the axes that it does not extend along


class Strokes:
    """Paints on one layer with the superpixels of another.

    Parameters
    ----------
    superpixels, target : Labels
        The pixels of one on those of the other; the superpixels in memory.
    """

    def __init__(self, superpixels: Labels, target: Labels) -> None:
        self.target = Target(superpixels, target)
        self._index: Index = ()  # of what was looked at last
        self._pixels: SuperpixelPixels | None = None  # of that

    @property
    def superpixels(self) -> Labels:
        """The layer of superpixels."""
        return self.target.superpixels

    def look_at(self, world: Any, *, again: bool = True) -> None:
        """Take over the superpixels as they are now, before those at a point are taken.

        Only those of its plane where they end there: a stack may be large. Those that
        were looked at already are only looked at `again` if they may have changed.
        """
        layer, place = self.superpixels, self._place(world)
        across = axes_across(layer)
        if any(not 0 <= place[axis] < layer.data.shape[axis] for axis in across):
            self._pixels = None
            return
        index = tuple(
            place[axis] if axis in across else slice(None) for axis in range(layer.ndim)
        )
        known = self._pixels
        if known is not None and index == self._index and not again:
            return
        data = np.ascontiguousarray(layer.data[index])
        if (
            known is None
            or self._index != index
            or known.labels.shape != data.shape
            or known.labels.dtype != data.dtype
        ):
            self._index, self._pixels = index, SuperpixelPixels(data.copy())
        elif not np.array_equal(known.labels, data):
            known.update(data)

    def position(self, world: Any) -> NDArray[np.float64]:
        """Return where a point of the world is in the pixels of the superpixels."""
        return np.asarray(self.superpixels.world_to_data(world), float)

    def at(self, world: Any) -> int:
        """Return the superpixel at a point, or 0."""
        data = self.superpixels.data
        place = self._place(world)
        inside = all(0 <= at < n for at, n in zip(place, data.shape, strict=True))
        return int(data[place]) if inside else 0

    def _place(self, world: Any) -> tuple[int, ...]:
        return tuple(int(at) for at in np.rint(self.position(world)))

    def plane_at(self, world: Any, across: Iterable[int] = ()) -> Plane:
        """Return the plane of a point that strokes stay in: none in a whole volume.

        `across` are axes to stay in one place of, besides those along which no
        superpixel extends.
        """
        place = self._place(world)
        axes = {*axes_across(self.superpixels), *across}
        return {axis: place[axis] for axis in sorted(axes)}

    def along(self, start: Any, stop: Any) -> NDArray[np.integer]:
        """Return the superpixels that a stroke between two points crosses.

        It stays in the plane that it begins in.
        """
        ends = self.position(start), self.position(stop)
        for axis in axes_across(self.superpixels):
            ends[1][axis] = ends[0][axis]
        return crossed(self.superpixels.data, *ends)

    def taken(self, chosen: Iterable[int], plane: Plane) -> NDArray[np.intp]:
        """Return the flat indices of the pixels of superpixels in a plane."""
        if self._pixels is None:
            return np.zeros(0, np.intp)
        pixels = self._pixels.of(chosen)
        if not plane:
            return pixels
        seen = np.unravel_index(pixels, self._pixels.labels.shape)
        where = spread(seen, self._index)
        where = tuple(axis[only_in(where, plane)] for axis in where)
        return np.ravel_multi_index(where, self.superpixels.data.shape)

    def paint(
        self,
        chosen: Iterable[int],
        label: int,
        *,
        erase: bool = False,
        only_unlabelled: bool = False,
        protect: bool = False,
        plane: Plane,
    ) -> int:
        """Give superpixels a label, or take theirs away; return how many pixels change.

        Only what of them lies in a plane, as `plane_at` gives it.
        """
        indices = self.target.indices(self.taken(chosen, plane))
        layer = self.target.layer
        may = paintable(
            layer.data[indices],
            label,
            erase=erase,
            only_unlabelled=only_unlabelled,
            protect=protect,
        )
        indices = tuple(axis[may] for axis in indices)
        if len(indices[0]):
            layer.data_setitem(indices, 0 if erase else label)
        return len(indices[0])

    def fill(
        self,
        world: Any,
        label: int,
        *,
        erase: bool = False,
        only_unlabelled: bool = False,
        protect: bool = False,
        plane: Plane,
    ) -> int:
        """Do to the connected area of one label under a point what a stroke would."""
        layer = self.target.layer
        place = tuple(np.rint(layer.world_to_data(world)).astype(int))
        if not all(0 <= p < n for p, n in zip(place, layer.data.shape, strict=True)):
            return 0
        may = paintable(
            np.array([layer.data[place]]),
            label,
            erase=erase,
            only_unlabelled=only_unlabelled,
            protect=protect,
        )
        if not may[0]:
            return 0
        index = tuple(
            at if axis in plane else slice(None) for axis, at in enumerate(place)
        )
        within = tuple(
            at for at, part in zip(place, index, strict=True) if part == slice(None)
        )
        area = same_area(np.asarray(layer.data[index]), within)
        layer.data_setitem(spread(np.nonzero(area), index), 0 if erase else label)
        return int(np.count_nonzero(area))

    def refine(self, world: Any, *, finer: bool) -> str:
        """Make the superpixel at a point finer or coarser, or return why not."""
        return refine(self.superpixels, self._place(world), finer=finer)
