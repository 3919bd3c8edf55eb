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
        self._seen: NDArray[Any] | None = None

    @property
    def superpixels(self) -> Labels:
        """The layer of superpixels."""
        return self.target.superpixels

    def pixels(self) -> SuperpixelPixels:
        """Return the pixels of the superpixels as they are now."""
        data = np.ascontiguousarray(self.superpixels.data)
        seen = self._seen
        if self._pixels is None or seen is None or not np.array_equal(data, seen):
            self._seen = data.copy()
            self._pixels = SuperpixelPixels(self._seen)
        return self._pixels

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

    def fill(self, world: Any, label: int) -> int:
        """Give the connected area of one label under a point another label."""
        layer = self.target.layer
        place = tuple(np.rint(layer.world_to_data(world)).astype(int))
        if not all(0 <= p < n for p, n in zip(place, layer.data.shape, strict=True)):
            return 0
        if layer.data[place] == label:
            return 0
        indices = np.nonzero(same_area(np.asarray(layer.data), place))
        layer.data_setitem(indices, label)
        return len(indices[0])

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
        where = iter(changed)
        indices = tuple(
            np.full(len(changed[0]), piece)
            if isinstance(piece, int)
            else next(where) + (piece.start or 0)
            for piece in known.index
        )
        layer.data_setitem(indices, after[changed])
        return ""
