"""What the painter does to layers, in their own undo histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.painting import SuperpixelPixels, crossed, paintable, same_area
from napari_paf.widgets.painter.target import Target
from napari_paf.widgets.superpixels.hierarchies import hierarchy_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index

NO_HIERARCHY = (
    "These superpixels have no hierarchy, which a run of the Superpixels widget makes: "
    "they cannot be made finer or coarser here."
)


class Strokes:
    """Paints on one layer with the superpixels of another.

    Parameters
    ----------
    superpixels, target : Labels
        The pixels of one on those of the other; the superpixels in memory.
    """

    def __init__(self, superpixels: Labels, target: Labels) -> None:
        self.target = Target(superpixels, target)
        self._pixels: SuperpixelPixels | None = None

    @property
    def superpixels(self) -> Labels:
        """The layer of superpixels."""
        return self.target.superpixels

    def pixels(self) -> SuperpixelPixels:
        """Return the pixels of the superpixels as they are now."""
        data = np.ascontiguousarray(self.superpixels.data)
        known = self._pixels
        if (
            known is None
            or known.labels.shape != data.shape
            or known.labels.dtype != data.dtype
        ):
            self._pixels = known = SuperpixelPixels(data.copy())
        elif not np.array_equal(known.labels, data):
            known.update(data)
        return known

    def position(self, world: Any) -> NDArray[np.float64]:
        """Return where a point of the world is in the pixels of the superpixels."""
        return np.asarray(self.superpixels.world_to_data(world), float)

    def at(self, world: Any) -> int:
        """Return the superpixel at a point, or 0."""
        data = self.superpixels.data
        place = np.rint(self.position(world)).astype(int)
        inside = (place >= 0).all() and (place < data.shape).all()
        return int(data[tuple(place)]) if inside else 0

    def along(self, start: Any, stop: Any) -> NDArray[np.integer]:
        """Return the superpixels that a stroke between two points crosses."""
        ends = self.position(start), self.position(stop)
        return crossed(self.superpixels.data, *ends)

    def paint(
        self,
        chosen: Iterable[int],
        label: int,
        *,
        erase: bool = False,
        only_unlabelled: bool = False,
        protect: bool = False,
        plane: dict[int, int] | None = None,
    ) -> int:
        """Give superpixels a label, or take theirs away; return how many pixels change.

        `plane` limits it to the pixels at these places along these axes.
        """
        assert self._pixels is not None
        pixels = self._pixels.of(chosen)
        if plane:
            where = np.unravel_index(pixels, self.superpixels.data.shape)
            for axis, at in plane.items():
                keep = where[axis] == at
                pixels, where = pixels[keep], tuple(w[keep] for w in where)
        indices = self.target.indices(pixels)
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
        plane: dict[int, int] | None = None,
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
            at if axis in (plane or {}) else slice(None)
            for axis, at in enumerate(place)
        )
        within = tuple(
            at for at, part in zip(place, index, strict=True) if part == slice(None)
        )
        area = same_area(np.asarray(layer.data[index]), within)
        layer.data_setitem(_spread(np.nonzero(area), index), 0 if erase else label)
        return int(np.count_nonzero(area))

    def refine(self, label: int, *, finer: bool) -> str:
        """Split a superpixel, or join it to a neighbour; return why not, if not."""
        known = hierarchy_of(self.superpixels)
        split = getattr(known and known.hierarchy, "split", None)
        if known is None or split is None:
            return NO_HIERARCHY
        layer = self.superpixels
        part = layer.data[known.index]
        change = split if finer else known.hierarchy.merge  # type: ignore[attr-defined]
        shape = known.hierarchy.shape  # type: ignore[attr-defined]
        if part.shape != shape:
            return NO_HIERARCHY
        try:
            after = change(part, label)
        except ValueError as error:
            return str(error)
        changed = np.nonzero(after != part)
        layer.data_setitem(_spread(changed, known.index), after[changed])
        return ""


def _spread(where: tuple[NDArray[Any], ...], index: Index) -> tuple[NDArray[Any], ...]:
    """Return indices into an array of what is somewhere in a part of it."""
    axes = iter(where)
    return tuple(
        next(axes) + (piece.start or 0)
        if isinstance(piece, slice)
        else np.full(len(where[0]), piece)
        for piece in index
    )
