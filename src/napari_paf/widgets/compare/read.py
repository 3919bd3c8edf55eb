"""Which pixels of ground truth and image lie on the superpixels of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.widgets.common.layers import Index, full_resolution

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

_MOST_PIXELS_OFF = 0.25


@dataclass(frozen=True)
class Beside:
    """A layer's array, and where the pixels of a labels layer lie in it.

    Attributes
    ----------
    name : str
        Of the layer.
    data : array-like
        May be lazy.
    origin : tuple of int
        Where the first pixel of the labels lies, along their axes.
    annotators : bool
        Whether a first axis more than the labels have holds annotators.
    rgb : bool
        Whether a last axis more holds colours.
    """

    name: str
    data: Any
    origin: tuple[int, ...]
    annotators: bool = False
    rgb: bool = False

    def read(self, index: Index, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return the pixels at `index` of labels of `shape`."""
        moved: list[int | slice] = []
        for part, start, length in zip(index, self.origin, shape, strict=True):
            if isinstance(part, slice):
                first, last, _ = part.indices(length)
                moved.append(slice(first + start, last + start))
            else:
                moved.append(part + start)
        if self.annotators:
            moved.insert(0, slice(None))
        pixels = np.asarray(self.data[tuple(moved)])
        return pixels[..., :3] if self.rgb else pixels  # without opacity

    @property
    def in_memory(self) -> bool:
        """Whether reading costs nothing."""
        return isinstance(self.data, np.ndarray)


def shape_of(layer: Labels | Image) -> tuple[int, ...]:
    """Return the number of pixels along each axis, without that of colours."""
    shape = tuple(int(length) for length in full_resolution(layer).shape)
    return shape[:-1] if getattr(layer, "rgb", False) else shape


def beside(labels: Labels, other: Labels | Image) -> Beside | None:
    """Return how to read `other` where `labels` are, None if it does not cover them.

    Layers of one size go pixel by pixel, wherever they are shown. A larger layer
    must lie so that the pixels of the labels are pixels of it.
    """
    rgb = bool(getattr(other, "rgb", False))
    shape, there = shape_of(labels), shape_of(other)
    origin: tuple[int, ...] | None = (0,) * len(shape)
    annotators = False
    if shape != there:
        annotators = not hasattr(other, "rgb") and there[1:] == shape
        if not annotators:
            origin = _origin(labels, other, shape, there)
    if origin is None:
        return None
    return Beside(other.name, full_resolution(other), origin, annotators, rgb)


def _origin(
    labels: Labels,
    other: Labels | Image,
    shape: tuple[int, ...],
    there: tuple[int, ...],
) -> tuple[int, ...] | None:
    if len(shape) != len(there):
        return None
    corners = [np.zeros(len(shape)), np.array(shape) - 1.0]
    first, last = (
        np.asarray(other.world_to_data(labels.data_to_world(corner)))
        for corner in corners
    )
    origin = np.rint(first)
    off = max(np.abs(first - origin).max(), np.abs(last - origin - corners[1]).max())
    inside = (origin >= 0).all() and (origin + shape <= there).all()
    if off > _MOST_PIXELS_OFF or not inside:
        return None
    return tuple(int(start) for start in origin)
