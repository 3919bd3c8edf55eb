"""Arrays from whatever an image or its labels are given as."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_paf._image_io import read_image, read_labels
from napari_paf._validation import as_array


class Source(NamedTuple):
    """An image or labels, read.

    Attributes
    ----------
    data : ndarray
    channel_axis : int or None
        Axis of the channels, where the source says which.
    spacing : tuple of float or None
        Size of a pixel along each other axis, where the source says it.
    """

    data: NDArray[Any]
    channel_axis: int | None = None
    spacing: tuple[float, ...] | None = None


def read_source(source: Any, *, labels: bool = False) -> Source:
    """Return the array that a file, a layer or an array-like holds.

    Parameters
    ----------
    source : path-like, napari layer or array_like
        Of a layer with several resolution levels, the finest; of colours, without
        opacity.
    labels : bool, default: False
        Whether it is a label image, which has no channels.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is not there, or does not hold what it should.

    Examples
    --------
    >>> read_source([[1, 2]]).data
    array([[1, 2]])
    """
    if isinstance(source, str | os.PathLike):
        if labels:
            return Source(read_labels(source))
        image = read_image(source)
        return Source(image.data, image.channel_axis, image.size.spacing)
    # napari's layers are known by what they have: this room does not import napari.
    if hasattr(source, "data") and hasattr(source, "multiscale"):
        data = source.data[0] if source.multiscale else source.data
        if not labels and getattr(source, "rgb", False):
            return Source(np.asarray(data[..., :3]), -1, _scale(source))
        return Source(np.asarray(data), spacing=_scale(source))
    return Source(as_array("labels" if labels else "image", source))


def _scale(layer: Any) -> tuple[float, ...]:
    return tuple(abs(float(size)) for size in layer.scale)
