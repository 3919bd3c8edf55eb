"""Compute superpixels again from what a run in the viewer noted about itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import part
from napari_paf._records import COLOURS, check_record, n_colours

if TYPE_CHECKING:
    from napari_paf._progress import Progress

LUMINANCE = (0.2125, 0.7154, 0.0721)  # Rec. 709


def replay(
    image: Any,
    record: dict[str, Any],
    *,
    mask: Any = None,
    progress: Progress | None = None,
) -> NDArray[np.unsignedinteger]:
    """Return the superpixels that the Superpixels widget made from an image.

    Parameters
    ----------
    image : array_like
        All of the image layer's data; of a multiscale image, the level that was used;
        of channels that were layers, the image's first, all of them along a last axis.
    record : dict
        ``layer.metadata["napari_paf"]`` of the layer of superpixels.
    mask : array_like, optional
        All of the mask layer's data, if there was a mask.
    progress : callable, optional
        Called as ``progress(fraction, description)``.

    Returns
    -------
    labels : ndarray of uint16 or uint32
        Of the plane, the volume, the planes or the part that were divided.

    Raises
    ------
    ValueError
        If the record is none of superpixels, or image or mask do not go with it.

    Examples
    --------
    >>> labels = replay(
    ...     viewer.layers["cells"].data,
    ...     viewer.layers["cells superpixels"].metadata["napari_paf"],
    ... )  # doctest: +SKIP
    """
    image = image if hasattr(image, "shape") else np.asarray(image)
    if mask is not None and not hasattr(mask, "shape"):
        mask = np.asarray(mask)
    _check(image, record, mask)
    places = list(product(*_ranges(record)))
    results = []
    for number, place in enumerate(places):
        share = part(progress, number / len(places), (number + 1) / len(places))
        results.append(_one(image, record, mask, place, share))
    if not record["loop_axes"]:
        return results[0]
    return _stacked(results, record)


def _one(
    image: Any, record: dict[str, Any], mask: Any, place: Sequence[int], progress: Any
) -> NDArray[Any]:
    """Return the superpixels of one plane or volume."""
    from napari_paf.pipeline import superpixel_hierarchy

    index = _index(record, place)
    pixels, channel_axis = _pixels(image, index, record)
    spatial = tuple(index[axis] for axis in record["plane_axes"])
    shape = tuple(p.stop - p.start for p in spatial)
    inside = None if mask is None else np.asarray(_part_of(mask, index, record)) != 0
    if record["outlines"]:
        outlines = _inside_outlines(record, index)
        inside = outlines if inside is None else inside & outlines
    if record["loop_axes"] and inside is not None and not inside.any():
        return np.zeros(shape, np.uint16)
    n_segments = record.get("hierarchy_n_segments", record["n_segments"])
    hierarchy = superpixel_hierarchy(
        pixels,
        n_segments,
        model=record["model"],
        balance=record["balance"],
        connectivity=record["connectivity"],
        channel_axis=channel_axis,
        mask=inside,
        spacing=record["spacing"],
        device=record["device"],
        progress=progress,
    )
    return hierarchy.labels(record["n_segments"])


def _inside_outlines(record: dict[str, Any], index: list[Any]) -> NDArray[np.bool_]:
    """Return which pixels lie inside the outlines that were drawn on a plane."""
    axes, zoom, channels = record["plane_axes"], record["zoom"], record["channel_axis"]
    outlines = (np.asarray(outline, float) for outline in record["outlines"])
    return inside_outlines(
        [outline for outline in outlines if drawn_on(outline, index, zoom, channels)],
        [index[axis].stop - index[axis].start for axis in axes],
        [index[axis].start for axis in axes],
        [zoom[axis] for axis in axes],
        axes,
    )


def _check(image: Any, record: dict[str, Any], mask: Any) -> None:
    check_record(record)
    wanted, shape = tuple(record["image_shape"]), tuple(image.shape)
    numbers = n_colours(record)
    further = {(n,) for n in numbers} if numbers else {()}
    if shape[: len(wanted)] != wanted or shape[len(wanted) :] not in further:
        what = "channels" if record["channels"] == "layers" else "colours"
        with_colours = f" and {numbers[0]} {what}" if numbers else ""
        raise ValueError(
            f"image of shape {shape}: the superpixels were made from one of shape "
            f"{wanted}{with_colours}; give that image."
        )
    if (mask is None) != (record.get("mask_layer") is None):
        raise ValueError(
            f"mask: give the labels of {record['mask_layer']!r}, which limited the run."
            if mask is None
            else "mask: the run had none; leave it out."
        )


def _ranges(record: dict[str, Any]) -> list[range]:
    return [range(record["image_shape"][axis]) for axis in record["loop_axes"]]


def _index(record: dict[str, Any], place: Sequence[int]) -> list[Any]:
    """Return a slice or number for each axis of the image, without colours."""
    looped = dict(zip(record["loop_axes"], place, strict=True))
    window = {axis: slice(a, b) for axis, a, b in record["window"] or ()}
    position = iter(record["plane"])
    index: list[Any] = []
    for axis, length in enumerate(record["image_shape"]):
        if axis in record["plane_axes"]:
            index.append(window.get(axis, slice(0, length)))
        elif axis in looped:
            index.append(looped[axis])
        else:
            index.append(next(position))
    return index


def _pixels(
    image: Any, index: list[Any], record: dict[str, Any]
) -> tuple[NDArray[Any], int | None]:
    channels, axis = record["channels"], record["channel_axis"]
    if axis is not None:
        index = list(index)
        if channels == "all":
            index[axis] = slice(None)
            before = sum(isinstance(p, slice) for p in index[:axis])
            return np.asarray(image[tuple(index)]), before
        if channels != "view":
            index[axis] = channels
        return np.asarray(image[tuple(index)]), None
    pixels = np.asarray(image[tuple(index)])
    if channels is None:
        return pixels, None
    if channels == "layers":
        return pixels, -1
    colours = pixels[..., :3]
    if channels == "grey":
        return to_grey(colours), None
    if channels in COLOURS:
        return colours[..., COLOURS.index(channels)], None
    return colours, -1


def _part_of(mask: Any, index: list[Any], record: dict[str, Any]) -> Any:
    shape = tuple(mask.shape)
    plane = tuple(record["image_shape"][axis] for axis in record["plane_axes"])
    if shape == tuple(record["image_shape"]):
        return mask[tuple(index)]
    if shape == plane:
        return mask[tuple(index[axis] for axis in record["plane_axes"])]
    return mask


def _stacked(results: list[NDArray[Any]], record: dict[str, Any]) -> NDArray[Any]:
    """Put the planes together again, counting on from plane to plane if wanted."""
    n_segments = record["n_segments"]
    most = n_segments * (len(results) if record["unique"] else 1)
    dtype = np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32
    stack: NDArray[Any] = np.stack(results).astype(dtype)
    if record["unique"]:
        first = (np.arange(len(results)) * n_segments).astype(dtype)
        stack += first.reshape(-1, *(1,) * (stack.ndim - 1)) * (stack > 0)
    stack = stack.reshape([len(r) for r in _ranges(record)] + list(stack.shape[1:]))
    kept = sorted((*record["loop_axes"], *record["plane_axes"]))
    places = [kept.index(axis) for axis in record["loop_axes"]]
    return np.moveaxis(stack, range(len(places)), places)


def to_grey(colours: ArrayLike) -> NDArray[Any]:
    """Return the brightness of RGB pixels, in their own type.

    Examples
    --------
    >>> to_grey(np.full((1, 2, 3), 7, np.uint8))
    array([[7, 7]], dtype=uint8)
    """
    colours = np.asarray(colours)
    grey: NDArray[Any] = colours.astype(np.float64) @ np.array(LUMINANCE)
    if colours.dtype.kind in "biu":
        grey = np.rint(grey)
    return grey.astype(colours.dtype, copy=False)


def drawn_on(
    outline: NDArray[Any],
    index: Sequence[int | slice],
    zoom: Sequence[float],
    channel_axis: int | None = None,
) -> bool:
    """Return whether a polygon was drawn on a plane, or on one of a stack of them.

    Parameters
    ----------
    outline : (n, ndim) ndarray
        Corners in pixels of the whole image at full resolution; NaN along an axis
        whose planes all share it.
    index : sequence of int or slice
        What the plane is of the image: integers say where it is.
    zoom : sequence of float
        How many pixels at full resolution one pixel is wide, along all axes.
    channel_axis : int, optional
        All channels share what is drawn on one.

    Examples
    --------
    >>> square = np.array([[4, 1, 1], [4, 1, 2], [4, 2, 2], [4, 2, 1]])
    >>> drawn_on(square, np.s_[4, :, :], (1, 1, 1))
    True
    >>> drawn_on(square, np.s_[5, :, :], (1, 1, 1))
    False
    """
    for axis, at in enumerate(index):
        if isinstance(at, slice) or axis == channel_axis:
            continue
        along = np.floor((outline[:, axis] + 0.5) / zoom[axis])
        if not np.isnan(along).any() and not along.min() <= at <= along.max():
            return False
    return True


def inside_outlines(
    outlines: Sequence[NDArray[Any]],
    shape: Sequence[int],
    origin: Sequence[int],
    zoom: Sequence[float],
    axes: Sequence[int],
) -> NDArray[np.bool_]:
    """Return which pixels lie inside polygons that are drawn in their plane.

    Parameters
    ----------
    outlines : sequence of (n, ndim) ndarray
        Corners in pixels of the whole image at full resolution.
    shape : sequence of int
        Size of the result; in a volume, every plane has the same outlines.
    origin : sequence of int
        First pixel along the spatial axes.
    zoom : sequence of float
        How many pixels at full resolution one pixel is wide, along the spatial axes.
    axes : sequence of int
        Which coordinates of the corners belong to the spatial axes.

    Returns
    -------
    inside : (*shape,) ndarray of bool

    Examples
    --------
    >>> square = np.array([[1, 1], [1, 2], [2, 2], [2, 1]])
    >>> inside_outlines([square], (3, 4), (0, 0), (1, 1), (0, 1)).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0]])
    """
    from skimage.draw import polygon2mask

    inside = np.zeros(tuple(shape)[-2:], bool)
    for outline in outlines:
        corners = outline[:, list(axes[-2:])]
        points = (corners + 0.5) / np.asarray(zoom[-2:]) - 0.5 - np.asarray(origin[-2:])
        inside |= polygon2mask(inside.shape, points)
    return np.broadcast_to(inside, tuple(shape))
