"""The part of an image that superpixels are wanted of: what is in view, or a shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.replay import inside_outlines

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from numpy.typing import NDArray

    from napari_paf.widgets.common.plane import Plane


@dataclass(frozen=True)
class Box:
    """A box in the pixels of a layer, and the outlines of what lies in it.

    Attributes
    ----------
    low, high : (ndim,) ndarray of float
        Corners of the box.
    outlines : tuple of (n, ndim) ndarray
        Polygons; only what lies inside one of them is wanted. None: the whole box.
    name : str
        Of the Shapes layer that they are from; empty for what is in view.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    outlines: tuple[NDArray[np.float64], ...] = ()
    name: str = ""

    def bounds(self, axis: int) -> tuple[float, float]:
        """Return the limits along an axis."""
        return float(self.low[axis]), float(self.high[axis])

    def mask(self, plane: Plane) -> NDArray[np.bool_] | None:
        """Return which pixels of a plane lie inside the outlines, None for all."""
        if not self.outlines:
            return None
        parts = [plane.index[axis] for axis in plane.spatial]
        return inside_outlines(
            self.outlines,
            plane.shape,
            [p.start or 0 if isinstance(p, slice) else p for p in parts],
            [plane.zoom[axis] for axis in plane.spatial],
            plane.spatial,
        )


def box_in_view(layer: Image) -> Box:
    """Return what the window shows of a layer."""
    corners = np.asarray(layer.corner_pixels, float)
    if getattr(layer, "multiscale", False):
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])
    return Box(corners[0], corners[1] + 1)


def box_of_shapes(shapes: Shapes, layer: Image) -> Box | None:
    """Return the box around the selected shapes, or around all of them.

    None if there is no shape with an area.
    """
    chosen = sorted(shapes.selected_data) or range(len(shapes.data))
    outlines = [
        _outline(shapes.data[i], shapes.shape_type[i])
        for i in chosen
        if shapes.shape_type[i] in ("rectangle", "ellipse", "polygon")
    ]
    if not outlines:
        return None
    in_layer = tuple(_to_layer(outline, shapes, layer) for outline in outlines)
    points = np.concatenate(in_layer)
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
    return Box(low, high, in_layer, shapes.name)


def _outline(corners: Any, kind: str) -> NDArray[np.float64]:
    corners = np.array(corners, float)
    if kind != "ellipse":
        return np.array(corners)
    centre = corners.mean(axis=0)
    across, along = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angle) * across + np.sin(angle) * along)


def _to_layer(
    points: NDArray[np.float64], shapes: Shapes, layer: Image
) -> NDArray[np.float64]:
    """Return points of a Shapes layer in pixels of an image layer."""
    ndim = layer.ndim
    result = np.zeros((len(points), ndim))
    for row, point in enumerate(points):
        world = np.asarray(shapes.data_to_world(point), float)
        missing = ndim - len(world)
        world = np.concatenate([np.zeros(max(missing, 0)), world])[-ndim:]
        result[row] = layer.world_to_data(world)
    return result
