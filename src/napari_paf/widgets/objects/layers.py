"""The layers around a run of the Objects widget: its image, and its result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_paf.widgets.common.channel_layers import layers_of_ids, with_channels
from napari_paf.widgets.common.layers import placement, unwrap
from napari_paf.widgets.common.records import KEY, is_a_copy, mark_as_own, record_of
from napari_paf.widgets.common.undoable import can_undo, follow_undo, write_labels

if TYPE_CHECKING:
    from weakref import ref

    from napari import Viewer
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane

FUNCTIONS = ("merge_regions", "grow_seeds")


def with_image(viewer: Viewer, plane: Plane, record: dict[str, Any]) -> Plane | None:
    """Return a plane with the pixels of its image, if that is still in the viewer.

    Its channels that are layers must be, too.
    """
    others = layers_of_ids(viewer, record.get("channel_layers_id") or ())
    if others is None:
        return None
    for layer in viewer.layers:
        image = unwrap(layer)
        if (
            isinstance(image, Image)
            and str(image.unique_id) == record["image_layer_id"]
        ):
            for data in image.data if image.multiscale else [image.data]:
                shapes = {tuple(each.data.shape) for each in others}
                if tuple(data.shape[: image.ndim]) == plane.stack_shape and (
                    shapes <= {plane.stack_shape}
                ):
                    return replace(plane, data=with_channels(data, others))
    return None


def still_fits(plane: Plane, index: Index, shape: tuple[int, ...]) -> bool:
    """Whether labels of a shape can hold, at an index, what a plane was divided in."""
    if len(shape) != len(index):
        return False
    wanted = [
        len(range(*part.indices(length)))
        for part, length in zip(plane.label_index, plane.stack_shape, strict=True)
        if isinstance(part, slice)
    ]
    held = [n for n, at in zip(shape, index, strict=True) if isinstance(at, slice)]
    inside = all(
        at < n for n, at in zip(shape, index, strict=True) if isinstance(at, int)
    )
    return held == wanted and inside


@dataclass(frozen=True)
class Origin:
    """The superpixels that a run was started from, as they were then."""

    key: str
    name: str
    place: dict[str, Any]
    shape: tuple[int, ...]
    index: Index

    @classmethod
    def of(cls, layer: Labels, index: Index) -> Origin:
        """Return the origin for a run that starts now."""
        name = layer.name.removesuffix(" superpixels")
        shape = tuple(layer.data.shape)
        return cls(str(layer.unique_id), name, placement(layer), shape, index)


def objects_of(viewer: Viewer, key: str) -> Labels | None:
    """Return the layer with the objects of a layer of superpixels, if there is one."""
    for layer in reversed(list(viewer.layers)):
        layer = unwrap(layer)
        if not isinstance(layer, Labels):
            continue
        follow_undo(layer)
        record = record_of(layer)
        if (
            record.get("function") in FUNCTIONS
            and record.get("superpixels_layer_id") == key
            and not is_a_copy(layer)
        ):
            return layer
    return None


@dataclass(frozen=True)
class Drawn:
    """Objects as they were drawn last, so that edits by hand are noticed."""

    layer: ref[Labels]
    index: Index
    labels: NDArray[Any]

    def is_in(self, layer: Labels) -> bool:
        """Return whether a layer still has them, and nobody has edited them."""
        data = layer.data
        return bool(
            self.layer() is layer
            and isinstance(data, np.ndarray)
            and data.ndim == len(self.index)
            and np.array_equal(data[self.index], self.labels)
        )


def put_objects(
    viewer: Viewer,
    origin: Origin,
    objects: NDArray[Any],
    record: dict[str, Any],
    drawn: Drawn | None,
) -> tuple[Labels, bool]:
    """Add the objects, or update the layer that has them.

    What undo could not bring back is replaced only if it is as it was drawn.

    Returns
    -------
    layer : Labels
        That has them.
    kept : bool
        Whether earlier objects were kept, since they may have been edited by hand.

    Notes
    -----
    Must be called in the window's thread.
    """
    target, kept = objects_of(viewer, origin.key), False
    if (
        target is not None
        and isinstance(target.data, np.ndarray)
        and target.data.shape == origin.shape
    ):
        as_drawn = drawn is not None and drawn.is_in(target)
        if as_drawn or can_undo(target, origin.index, objects):
            write_labels(target, origin.index, objects, record)
            mark_as_own(target)
            return target, False
        kept = True
    data = np.zeros(origin.shape, objects.dtype)
    data[origin.index] = objects
    layer = Labels(
        data, name=f"{origin.name} objects", metadata={KEY: record}, **origin.place
    )
    viewer.add_layer(layer)
    mark_as_own(layer)
    return layer, kept
