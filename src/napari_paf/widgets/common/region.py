"""The part of an image that superpixels are wanted of: what is in view, or a shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.replay import drawn_on, inside_outlines

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from numpy.typing import NDArray

    from napari_paf.widgets.common.plane import Plane

AREAS = ("rectangle", "ellipse", "polygon")  # the shapes that have an inside


@dataclass(frozen=True)
class Box:
    """A box in the pixels of a layer, and the outlines of what lies in it.

    Attributes
    ----------
    low, high : (ndim,) ndarray of float
        Corners of the box.
    outlines : tuple of (n, ndim) ndarray
        Polygons; only what lies inside one of them is wanted. None: the whole box.
        Coordinates are NaN along axes that the shapes do not have.
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
            [outline for outline in self.outlines if _is_on(outline, plane)],
            plane.shape,
            [p.start or 0 if isinstance(p, slice) else p for p in parts],
            [plane.zoom[axis] for axis in plane.spatial],
            plane.spatial,
        )


def _is_on(outline: NDArray[np.float64], plane: Plane) -> bool:
    return drawn_on(outline, plane.index, plane.zoom, plane.channel_axis)


def box_in_view(layer: Image) -> Box:
    """Return what the window shows of a layer."""
    corners = np.asarray(layer.corner_pixels, float)
    if getattr(layer, "multiscale", False):
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])
    return Box(corners[0], corners[1] + 1)


def box_of_shapes(shapes: Shapes, layer: Image, plane: Plane) -> Box | None:
    """Return the box around the shapes on a plane, or around those that are selected.

    None if there is no shape with an area on the plane.
    """
    found = {
        number: _to_layer(_outline(shapes.data[number], kind), shapes, layer)
        for number, kind in enumerate(shapes.shape_type)
        if kind in AREAS
    }
    found = {number: each for number, each in found.items() if _is_on(each, plane)}
    outlines = [found[n] for n in sorted(shapes.selected_data) if n in found]
    outlines = outlines or list(found.values())
    if not outlines:
        return None
    points = np.concatenate(outlines)
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
    everywhere = np.isnan(low)
    low[everywhere], high[everywhere] = -np.inf, np.inf
    return Box(low, high, tuple(outlines), shapes.name)


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
    """Return points of a Shapes layer in pixels of an image layer.

    NaN along axes that the shapes do not have: they are drawn on all planes.
    """
    ndim = layer.ndim
    missing = max(ndim - shapes.ndim, 0)
    result = np.zeros((len(points), ndim))
    for row, point in enumerate(points):
        world = np.asarray(shapes.data_to_world(point), float)
        world = np.concatenate([np.zeros(missing), world])[-ndim:]
        result[row] = layer.world_to_data(world)
    result[:, :missing] = np.nan
    return result
