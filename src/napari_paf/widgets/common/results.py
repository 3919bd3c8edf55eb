"""Put superpixels into the viewer, as a layer of the image they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_paf.widgets.common.layers import at_level, moved, placement, unwrap

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_paf.widgets.common.plane import Plane

KEY = "napari_paf"  # in layer.metadata
_OF_A_PART = ("plane", "plane_axes", "window", "zoom")  # in records: where it is

# Undoing a run needs some 30 bytes for every pixel that changed.
_MOST_PIXELS_TO_UNDO = 2**21
# Larger stacks get a layer of the one plane instead of one of their own size.
_MOST_BYTES_OF_STACK = 2**32


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


def mark_as_own(layer: Labels) -> None:
    """Note in the record of a layer that it is the one, and no copy of it."""
    record = {**layer.metadata[KEY], "layer_id": str(layer.unique_id)}
    layer.metadata = {**layer.metadata, KEY: record}


def is_a_copy(layer: Labels) -> bool:
    """Return whether the user has duplicated a result: a copy is never written to."""
    own = str(layer.unique_id)
    return bool(layer.metadata[KEY].get("layer_id", own) != own)


def results_of(viewer: Viewer, image: Image) -> list[Labels]:
    """Return the layers made from an image layer, without copies, the newest last."""
    own = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Labels)
        and isinstance(layer.metadata.get(KEY), dict)
        and layer.metadata[KEY].get("image_layer_id") == str(image.unique_id)
        and not is_a_copy(unwrap(layer))
    ]
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
) -> tuple[Labels, str]:
    """Add the superpixels of a plane, or update the layer that has them.

    `changed` says that the pixels were seen to change during the run. Returns
    the layer and what the user should know, if anything. Must be called in the
    window's thread.
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
    put = _put_part if plane.bounded else _put_whole
    target = put(viewer, source, superpixels, record, place, earlier, outlines)
    mark_as_own(target)
    return target, remark


def _put_whole(
    viewer: Viewer,
    source: Source,
    superpixels: NDArray[Any],
    record: dict[str, Any],
    place: dict[str, Any],
    earlier: list[Labels],
    outlines: bool,
) -> Labels:
    """Show the superpixels of whole planes in a layer as large as the image."""
    plane = source.plane
    target, region = _find_target(earlier, plane)
    if target is None:
        return _add(viewer, source, superpixels, record, place, outlines)
    if region is None:  # the image has another shape by now
        target.data = _array_for(plane, superpixels)
        target.metadata = {**target.metadata, KEY: record}
    else:
        write_labels(target, region, superpixels)
        target.metadata = {**target.metadata, KEY: _with_planes(record, target)}
    if tuple(target.data.shape) == plane.stack_shape:
        for name, value in place.items():
            setattr(target, name, value)
    return target


def _put_part(
    viewer: Viewer,
    source: Source,
    superpixels: NDArray[Any],
    record: dict[str, Any],
    place: dict[str, Any],
    earlier: list[Labels],
    outlines: bool,
) -> Labels:
    """Show the superpixels of a part as a layer that is no larger than the part."""
    plane = source.plane
    axes = tuple(i for i, p in enumerate(plane.label_index) if isinstance(p, int))
    data = np.expand_dims(superpixels, axes)
    origin = tuple(
        p if isinstance(p, int) else p.indices(length)[0]
        for p, length in zip(plane.label_index, plane.stack_shape, strict=True)
    )
    place = moved(place, origin)
    for target in reversed(earlier):
        before = target.metadata[KEY]
        if before.get("window") and isinstance(target.data, np.ndarray):
            same = all(before.get(key) == record[key] for key in _OF_A_PART)
            if same and target.data.shape == data.shape:
                everything = (slice(None),) * data.ndim
                write_labels(target, everything, data)  # so that undo brings it back
            else:
                target.data = data
            target.metadata = {**target.metadata, KEY: record}
            for name, value in place.items():
                setattr(target, name, value)
            return target
    return _add_layer(viewer, source, data, record, place, outlines)


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
    if changed or not any(level is source.plane.data for level in levels):
        return (
            f"The image \u201c{image.name}\u201d changed during the run; the "
            "superpixels are those of the image as it was.",
            source.place,
        )
    return "", placement(image)


def _find_target(
    earlier: list[Labels], plane: Plane
) -> tuple[Labels | None, tuple[int | slice, ...] | None]:
    """Return the newest result that has the plane, and which part of it that is.

    The part is None where a result was made when the image had another shape.
    """
    for layer in reversed(earlier):
        record = layer.metadata[KEY]
        if not isinstance(layer.data, np.ndarray) or record.get("window"):
            continue
        if record.get("image_shape") != list(plane.stack_shape):
            if _fits_in_memory(plane):
                return layer, None
        elif tuple(layer.data.shape) == plane.stack_shape:
            return layer, region_in(layer, plane)
        elif record.get("plane") == list(plane.position):
            return layer, region_in(layer, plane)
    return None, None


def region_in(target: Labels, plane: Plane) -> tuple[int | slice, ...]:
    """Return which part of a result the superpixels of a plane are."""
    if plane.bounded:
        index = plane.label_index
        return tuple(0 if isinstance(part, int) else slice(None) for part in index)
    if tuple(target.data.shape) == plane.stack_shape:
        return plane.label_index
    return tuple(0 if isinstance(at, int) else at for at in plane.label_index)


def _fits_in_memory(plane: Plane) -> bool:
    return prod(plane.stack_shape) * 4 <= _MOST_BYTES_OF_STACK


def _array_for(plane: Plane, superpixels: NDArray[Any]) -> NDArray[Any]:
    """Return labels of the size of the layer, 0 in all planes but one."""
    if superpixels.shape == plane.stack_shape:
        return np.array(superpixels)
    # Memory of the planes that stay empty is never touched.
    data = np.zeros(plane.stack_shape, superpixels.dtype)
    data[plane.label_index] = superpixels
    return data


def _add(
    viewer: Viewer,
    source: Source,
    superpixels: NDArray[Any],
    record: dict[str, Any],
    place: dict[str, Any],
    outlines: bool,
) -> Labels:
    plane = source.plane
    if superpixels.shape == plane.stack_shape or _fits_in_memory(plane):
        data = _array_for(plane, superpixels)
    else:
        axes = tuple(i for i, p in enumerate(plane.label_index) if isinstance(p, int))
        data = np.expand_dims(superpixels, axes)
        origin = tuple(p if isinstance(p, int) else 0 for p in plane.label_index)
        place = moved(place, origin)
    return _add_layer(viewer, source, data, record, place, outlines)


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


def write_labels(
    target: Labels, region: tuple[int | slice, ...], superpixels: NDArray[Any]
) -> None:
    """Write the new labels so that undo brings back the old ones."""
    view = target.data[region]
    fits = superpixels.max() <= np.iinfo(target.data.dtype).max
    if not fits:
        data = target.data.astype(superpixels.dtype)
        data[region] = superpixels
        target.data = data
        return
    changed = view != superpixels
    n_changed = int(np.count_nonzero(changed))
    if n_changed > _MOST_PIXELS_TO_UNDO:
        view[...] = superpixels
        target.data = target.data  # tells napari; drops the history
        return
    if n_changed:
        where = iter(np.nonzero(changed))
        indices = tuple(
            np.full(n_changed, part) if isinstance(part, int) else next(where)
            for part in region
        )
        target.data_setitem(indices, superpixels[changed])


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
