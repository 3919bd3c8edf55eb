"""Which earlier result a run takes the place of."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.widgets.common.records import KEY

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane

_OF_A_PART = ("plane", "plane_axes", "window", "zoom")  # in records: where it is

# Larger stacks get a layer of the one plane instead of one of their own size.
_MOST_BYTES_OF_STACK = 2**32


def find_target(
    earlier: list[Labels], plane: Plane, record: dict[str, Any], shape: tuple[int, ...]
) -> tuple[Labels | None, Index | None]:
    """Return the result that superpixels take the place of, and which part of it.

    Parameters
    ----------
    earlier : list of Labels
        The results of the image, the newest last.
    plane : Plane
        What was divided.
    record : dict
        What the run notes.
    shape : tuple of int
        Of the labels.

    Returns
    -------
    layer : Labels or None
        None if there is none to update.
    region : tuple of int or slice, or None
        None if all that the layer has is replaced: superpixels of another part, or of
        the image when it had another shape.
    """
    if plane.bounded:
        return _find_part(earlier, plane, record, shape)
    return _find_whole(earlier, plane, record)


def _find_part(
    earlier: list[Labels], plane: Plane, record: dict[str, Any], shape: tuple[int, ...]
) -> tuple[Labels | None, Index | None]:
    """Return the newest result of the same part, or else of any part."""
    parts = [
        layer
        for layer in reversed(earlier)
        if layer.metadata[KEY].get("window")
        and isinstance(layer.data, np.ndarray)
        and layer.ndim == len(plane.index)
    ]
    for layer in parts:
        before, region = layer.metadata[KEY], region_in(layer, plane)
        if layer.data[region].shape == shape and all(
            before.get(key) == record[key] for key in _OF_A_PART
        ):
            return layer, region
    return (parts[0] if parts else None), None


def _find_whole(
    earlier: list[Labels], plane: Plane, record: dict[str, Any]
) -> tuple[Labels | None, Index | None]:
    """Return the newest result that has the plane, and is divided in the same way.

    A plane of a volume's superpixels, or one across other planes, would cut them.
    """
    for layer in reversed(earlier):
        before = layer.metadata[KEY]
        if not isinstance(layer.data, np.ndarray) or before.get("window"):
            continue
        if before.get("plane_axes") != record["plane_axes"]:
            continue
        if layer.ndim != len(plane.index):
            continue  # the image has other axes by now
        if before.get("image_shape") != list(plane.stack_shape):
            if fits_in_memory(plane):
                return layer, None
        elif tuple(layer.data.shape) == plane.stack_shape:
            return layer, region_in(layer, plane)
        elif before.get("plane") == list(plane.position):
            return layer, region_in(layer, plane)
    return None, None


def region_in(target: Labels, plane: Plane) -> Index:
    """Return which part of a result the superpixels of a plane are."""
    if plane.bounded:
        index = plane.label_index
        return tuple(0 if isinstance(part, int) else slice(None) for part in index)
    if tuple(target.data.shape) == plane.stack_shape:
        return plane.label_index
    return tuple(0 if isinstance(at, int) else at for at in plane.label_index)


def fits_in_memory(plane: Plane) -> bool:
    """Whether a result may be as large as the stack that the plane is of."""
    return prod(plane.stack_shape) * 4 <= _MOST_BYTES_OF_STACK
