"""The labels that are painted on, and how superpixels lie on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.widgets.common.layers import placement

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels
    from numpy.typing import NDArray

NOT_IN_MEMORY = (
    "The labels of \u201c{name}\u201d are not in memory: paint on a new layer, or save "
    "the labels and open them again."
)
NO_SUPERPIXELS = "Make superpixels first, with the Superpixels widget."
SAME_LAYER = "Paint on another layer than the superpixels themselves."
OTHER_PIXELS = (
    "\u201c{name}\u201d has other pixels than the superpixels: choose a layer of the "
    "same image, or a new one."
)
ONLY_2D = "Painting with superpixels needs the 2-D view: go back to it to paint."
NOT_ACTIVE = "Select only \u201c{name}\u201d in the layer list to go on painting."
HIDDEN = "\u201c{name}\u201d is hidden: show it to go on painting."
OTHER_TOOL = "Select the hand in the layer controls to paint with superpixels again."
REMOVED = "The labels that were painted on are not there any more."
NOTHING_TO_COPY = "No superpixel is painted yet: there is nothing to copy."


def why_not(superpixels: Labels | None, target: Labels | None) -> str:
    """Return why superpixels cannot be painted on a layer, or an empty string."""
    if superpixels is None:
        return NO_SUPERPIXELS
    if not isinstance(superpixels.data, np.ndarray):
        return NOT_IN_MEMORY.format(name=superpixels.name)
    if target is None:
        return ""
    if target is superpixels:
        return SAME_LAYER
    if not _can_be_painted(target.data):
        return NOT_IN_MEMORY.format(name=target.name)
    if not lies_on(superpixels, target):
        return OTHER_PIXELS.format(name=target.name)
    return ""


def _can_be_painted(data: Any) -> bool:
    """Whether napari can write single pixels of an array, and undo it."""
    module = type(data).__module__.partition(".")[0]
    return isinstance(data, np.ndarray) or module in ("zarr", "tensorstore")


def lies_on(superpixels: Labels, target: Labels) -> bool:
    """Whether pixels of the one lie exactly on pixels of the other."""
    if superpixels.ndim != target.ndim:
        return False
    corners = np.vstack([np.zeros(superpixels.ndim), np.diag(superpixels.data.shape)])
    there = np.array(
        [target.world_to_data(superpixels.data_to_world(corner)) for corner in corners]
    )
    shift = there - corners
    return bool(
        np.allclose(shift, shift[0], atol=0.01)
        and np.allclose(shift[0], np.rint(shift[0]), atol=0.01)
    )


def most_of(target: Labels | None) -> int:
    """Return the largest label that a layer can hold, or a new one could."""
    return int(np.iinfo(np.uint32 if target is None else target.data.dtype).max)


def new_target(viewer: Viewer, superpixels: Labels, label: int) -> Labels:
    """Add an empty labels layer that lies on the superpixels and can hold a label."""
    name = superpixels.name.removesuffix(" superpixels")
    fits = label <= np.iinfo(np.uint16).max
    return viewer.add_labels(
        np.zeros(superpixels.data.shape, np.uint16 if fits else np.uint32),
        name=f"{name} objects",
        **placement(superpixels),
    )


@dataclass(frozen=True)
class Target:
    """Where pixels of a layer of superpixels are in the layer that is painted on."""

    superpixels: Labels
    layer: Labels

    def indices(self, pixels: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        """Return the indices in the target of flat indices in the superpixels.

        Those that the target does not cover are left out.
        """
        where = np.unravel_index(pixels, self.superpixels.data.shape)
        shift, shape = self._shift(), self.layer.data.shape
        if not any(shift) and self.superpixels.data.shape == shape:
            return where
        moved = tuple(axis + step for axis, step in zip(where, shift, strict=True))
        inside = np.ones(len(pixels), bool)
        for axis, length in zip(moved, shape, strict=True):
            inside &= (axis >= 0) & (axis < length)
        return tuple(axis[inside] for axis in moved)

    def labels(self) -> NDArray[Any]:
        """Return the labels now on the pixels of the superpixels, 0 outside."""
        shape, data = self.superpixels.data.shape, self.layer.data
        there = tuple(
            slice(max(step, 0), max(step + length, 0))
            for step, length in zip(self._shift(), shape, strict=True)
        )
        covered = np.asarray(data[there])
        if covered.shape == shape:
            return covered
        labels = np.zeros(shape, covered.dtype)
        here = tuple(
            slice(part.start - step, part.start - step + length)
            for part, step, length in zip(
                there, self._shift(), covered.shape, strict=True
            )
        )
        labels[here] = covered
        return labels

    def _shift(self) -> tuple[int, ...]:
        """Return where the first pixel of the superpixels is in the target."""
        origin = self.superpixels.data_to_world(np.zeros(self.superpixels.ndim))
        return tuple(int(at) for at in np.rint(self.layer.world_to_data(origin)))
