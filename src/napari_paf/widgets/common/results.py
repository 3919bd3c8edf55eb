"""Put superpixels into the viewer, as a layer of the image they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Labels

from napari_paf.widgets.common.layers import at_level, moved, placement, unwrap
from napari_paf.widgets.common.records import KEY, is_a_copy, mark_as_own, record_of
from napari_paf.widgets.common.targets import find_target, fits_in_memory
from napari_paf.widgets.common.undoable import (
    can_undo,
    follow_undo,
    replace_data,
    write_labels,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane


@dataclass(frozen=True)
class Source:
    """The image that a run was started from, as it was then.

    Attributes
    ----------
    layer : Image
        The layer; by the end it may be renamed, changed or gone.
    plane : Plane
        What of it was used.
    name : str
        Its name at the start.
    place : dict
        Where it was.
    """

    layer: Image
    plane: Plane
    name: str
    place: dict[str, Any]

    @classmethod
    def of(cls, layer: Image, plane: Plane) -> Source:
        """Return the source for a run that starts now."""
        return cls(layer, plane, layer.name, placement(layer))


class Placed(NamedTuple):
    """Where superpixels went.

    Attributes
    ----------
    layer : Labels
        That has them.
    remark : str
        What became of the image meanwhile, if anything.
    kept : bool
        Whether earlier ones were kept, since they may have been edited by hand.
    """

    layer: Labels
    remark: str
    kept: bool


def results_of(viewer: Viewer, image: Image) -> list[Labels]:
    """Return the layers made from an image layer, without copies, the newest last."""
    own = []
    for layer in map(unwrap, viewer.layers):
        if isinstance(layer, Labels):
            follow_undo(layer)
            made = record_of(layer).get("image_layer_id") == str(image.unique_id)
            if made and not is_a_copy(layer):
                own.append(layer)
    return sorted(own, key=lambda layer: str(layer.metadata[KEY].get("finished")))


def put_superpixels(
    viewer: Viewer,
    source: Source,
    superpixels: NDArray[Any],
    record: dict[str, Any],
    *,
    changed: bool,
    keep_previous: bool,
    outlines: bool,
    is_as_made: Callable[[Labels, Index | None], bool],
) -> Placed:
    """Add the superpixels of a plane, or update the layer that has them.

    Edits by hand are never lost: what undo could not bring back is replaced only where
    it is known to be as the plugin made it.

    Parameters
    ----------
    viewer, source, superpixels, record, outlines
        Where, of what, which, what to note about them, and how to show a new layer.
    changed : bool
        Whether pixels of the image were seen to change during the run.
    keep_previous : bool
        Whether to add a layer in any case.
    is_as_made : callable
        Tells of a layer and a part of it, None for all, whether nobody has edited it.

    Notes
    -----
    Must be called in the window's thread.
    """
    image, plane = source.layer, source.plane
    remark, place = _what_happened(viewer, source, changed)
    place = at_level(place, plane.zoom)
    superpixels = plane.spread(superpixels)
    record = {
        **record,
        "image_layer": source.name,
        "image_layer_id": str(image.unique_id),
        "image_path": image.source.path,
        "image_shape": list(plane.stack_shape),
        "multiscale": bool(image.multiscale),
        "finished": datetime.now(UTC).isoformat(),
    }
    earlier = [] if keep_previous else results_of(viewer, image)
    target, region = find_target(earlier, plane, record, superpixels.shape)
    kept = target is not None and not (
        (region is not None and can_undo(target, region, superpixels))
        or is_as_made(target, region)
    )
    if target is None or kept:
        data, place = _as_a_layer(plane, superpixels, place)
        target = _add_layer(viewer, source, data, record, place, outlines)
    elif region is None:
        data, place = _as_a_layer(plane, superpixels, place)
        replace_data(target, data)
        target.metadata = {**target.metadata, KEY: record}
        _move(target, place)
    else:
        if plane.bounded:
            place = moved(place, _origin(plane))
        else:
            record = _with_planes(record, target)
            if tuple(target.data.shape) != plane.stack_shape:
                place = {}
        write_labels(target, region, superpixels, record)
        _move(target, place)
    mark_as_own(target)
    return Placed(target, remark, kept)


def _move(target: Labels, place: dict[str, Any]) -> None:
    for name, value in place.items():
        setattr(target, name, value)


def _what_happened(
    viewer: Viewer, source: Source, changed: bool
) -> tuple[str, dict[str, Any]]:
    """Return a sentence on the image's fate during the run, and its place."""
    image = source.layer
    if not any(unwrap(layer) is image for layer in viewer.layers):
        return (
            f"The image \u201c{source.name}\u201d was removed during the run; "
            "its superpixels are kept.",
            source.place,
        )
    levels = image.data if image.multiscale else [image.data]
    data = source.plane.data
    used = data.arrays[0] if source.plane.of_layers else data
    if changed or not any(level is used for level in levels):
        return (
            f"The image \u201c{image.name}\u201d changed during the run; the "
            "superpixels are those of the image as it was.",
            source.place,
        )
    return "", placement(image)


def _as_a_layer(
    plane: Plane, superpixels: NDArray[Any], place: dict[str, Any]
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return data and place of a layer: of all of the image, unless that is too much.

    The superpixels of a part get a layer that is no larger than the part.
    """
    if plane.bounded or not (
        superpixels.shape == plane.stack_shape or fits_in_memory(plane)
    ):
        index = plane.label_index
        single = tuple(axis for axis, p in enumerate(index) if isinstance(p, int))
        return np.expand_dims(superpixels, single), moved(place, _origin(plane))
    # Memory of the planes that stay empty is never touched.
    data = np.zeros(plane.stack_shape, superpixels.dtype)
    data[plane.label_index] = superpixels
    return data, place


def _origin(plane: Plane) -> tuple[int, ...]:
    """Return where in the image the first pixel of a plane is."""
    return tuple(
        p if isinstance(p, int) else p.indices(length)[0]
        for p, length in zip(plane.label_index, plane.stack_shape, strict=True)
    )


def _add_layer(
    viewer: Viewer,
    source: Source,
    data: NDArray[Any],
    record: dict[str, Any],
    place: dict[str, Any],
    outlines: bool,
) -> Labels:
    present = any(unwrap(layer) is source.layer for layer in viewer.layers)
    name = source.layer.name if present else source.name
    layer = Labels(data, name=f"{name} superpixels", metadata={KEY: record}, **place)
    layer.contour = 1 if outlines else 0  # before it is drawn for the first time
    viewer.add_layer(layer)
    return layer


def _with_planes(record: dict[str, Any], target: Labels) -> dict[str, Any]:
    """Keep the records of the other planes that are in the same layer."""
    old = target.metadata[KEY]
    if not record["plane"] or len(old["plane"]) != len(record["plane"]):
        return record
    others = {tuple(r["plane"]): r for r in old.get("other_planes", [])}
    others[tuple(old["plane"])] = {
        key: value for key, value in old.items() if key != "other_planes"
    }
    others.pop(tuple(record["plane"]), None)
    return {**record, "other_planes": list(others.values())}
