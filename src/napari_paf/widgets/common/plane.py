"""What of an image layer is divided into superpixels, and the mask that goes along."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.replay import to_grey
from napari_paf.widgets.common.channel_layers import ChannelStack, with_channels
from napari_paf.widgets.common.layers import Index, full_resolution

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.region import Box

# What the colours of an RGB layer can be reduced to.
CHANNELS = ("rgb", "grey", "red", "green", "blue")


@dataclass(frozen=True)
class Plane:
    """A plane of an image layer, a volume, or a stack of planes; whole or a part.

    Attributes
    ----------
    data : array-like
        The layer's array as it was when the plane was chosen; may be lazy. A
        `ChannelStack` of it and those of other layers that are its channels.
    index : tuple of int or slice
        What to take of the axes of `data`, without the colours'.
    spatial : tuple of int
        The two or three axes of what is divided into superpixels.
    stack_shape : tuple of int
        Size of `data` without the colour axis.
    rgb : bool
        Whether a last axis holds colours.
    channel_axis : int or None
        Axis of channels that are not RGB.
    loop : tuple of int
        Axes whose planes are divided one by one.
    zoom : tuple of float
        Pixels of the layer that a pixel of `data` stands for, along each axis: not 1
        for the lower levels of a multiscale layer.
    spacing : tuple of float or None
        Size of a pixel along the spatial axes, where they differ.
    """

    data: Any
    index: Index
    spatial: tuple[int, ...]
    stack_shape: tuple[int, ...]
    rgb: bool
    channel_axis: int | None = None
    loop: tuple[int, ...] = ()
    zoom: tuple[float, ...] = ()
    spacing: tuple[float, ...] | None = None

    def _length(self, axis: int) -> int:
        part = self.index[axis]
        assert isinstance(part, slice)
        return len(range(*part.indices(self.stack_shape[axis])))

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of what is divided into superpixels."""
        return tuple(self._length(axis) for axis in self.spatial)

    def shape_of_all(self) -> tuple[int, ...]:
        """Return the size of the whole plane or volume that this is of."""
        return tuple(self.stack_shape[axis] for axis in self.spatial)

    @property
    def n_pixels(self) -> int:
        """Number of pixels that are divided into superpixels."""
        return math.prod(self.shape)

    @property
    def n_planes(self) -> int:
        """How many planes are divided, one by one."""
        return math.prod(self._length(axis) for axis in self.loop)

    @property
    def in_memory(self) -> bool:
        """Whether reading the plane costs nothing."""
        if isinstance(self.data, ChannelStack):
            return self.data.in_memory
        return isinstance(self.data, np.ndarray)

    @property
    def of_layers(self) -> bool:
        """Whether its channels are layers."""
        return isinstance(self.data, ChannelStack)

    @property
    def bounded(self) -> bool:
        """Whether it is a part of its plane only."""
        return any(isinstance(p, slice) and p.stop is not None for p in self.index)

    @property
    def position(self) -> tuple[int, ...]:
        """Where the plane is along the other axes, first axis first."""
        return tuple(part for part in self.index if isinstance(part, int))

    @property
    def label_index(self) -> Index:
        """What its superpixels are of labels as large as the image: all channels."""
        return tuple(
            slice(None) if axis == self.channel_axis else part
            for axis, part in enumerate(self.index)
        )

    def spread(self, superpixels: NDArray[Any]) -> NDArray[Any]:
        """Return labels of the plane, ready to be written to `label_index`."""
        if self.channel_axis is None:
            return superpixels
        before = self.index[: self.channel_axis]
        axis = sum(isinstance(part, slice) for part in before)
        shape = list(superpixels.shape)
        shape.insert(axis, self.stack_shape[self.channel_axis])
        return np.broadcast_to(np.expand_dims(superpixels, axis), shape)

    def planes(self) -> Iterator[Plane]:
        """Yield what is divided one by one: itself, or the planes of a stack."""
        ranges = [
            range(*self.index[axis].indices(self.stack_shape[axis]))  # type: ignore[union-attr]
            for axis in self.loop
        ]
        for place in product(*ranges):
            index = list(self.index)
            for axis, at in zip(self.loop, place, strict=True):
                index[axis] = at
            yield replace(self, index=tuple(index), loop=())

    def read(self, channels: str | int = "rgb") -> tuple[NDArray[Any], int | None]:
        """Return the pixels and their channel axis; may take long.

        For RGB layers, `channels` is one of `CHANNELS`; opacity is left out. For other
        channels, it is ``"all"``, ``"view"`` or a number. Layers are read all of them.
        """
        if self.of_layers:
            return self.data[self.index], -1
        index = list(self.index)
        if self.channel_axis is not None:
            if channels == "all":
                index[self.channel_axis] = slice(None)
            elif isinstance(channels, int):
                index[self.channel_axis] = channels
        pixels = np.asarray(self.data[tuple(index)])
        if self.channel_axis is not None and channels == "all":
            before = index[: self.channel_axis]
            return pixels, sum(isinstance(part, slice) for part in before)
        if not self.rgb:
            return pixels, None
        colours = pixels[..., :3]
        if channels == "grey":
            return to_grey(colours), None
        if channels in ("red", "green", "blue"):
            return colours[..., ("red", "green", "blue").index(channels)], None
        return colours, -1

    def within(self, box: Box) -> Plane:
        """Return the part of it that lies in a box, in pixels of the layer."""
        index = list(self.index)
        for axis in self.spatial:
            low, high = box.bounds(axis)
            length, zoom = self.stack_shape[axis], self.zoom[axis]
            start = math.floor(min(max(low / zoom, 0), length))
            stop = max(math.ceil(max(min(high / zoom, length), 0)), start)
            if (start, stop) != (0, length):
                index[axis] = slice(start, stop)
        return replace(self, index=tuple(index))

    def describe(self) -> str:
        """Return size and type in a few words."""
        kind = "RGB, " if self.rgb else ""
        if self.of_layers:
            kind = f"{self.data.shape[-1]} channels, "
        lengths = " \u00d7 ".join(str(length) for length in self.shape)
        size = f"{lengths}, {kind}{self.data.dtype}"
        if self.loop:
            return f"{self.n_planes} planes, one by one\n{size}"
        others = [
            f"{part + 1} of {length}"
            for axis, (part, length) in enumerate(
                zip(self.index, self.stack_shape, strict=True)
            )
            if isinstance(part, int) and axis != self.channel_axis
        ]
        if not others:
            return size
        what = "Plane" if len(self.spatial) == 2 else "Volume"
        return f"{what} in view: {', '.join(others)}\n{size}"


EXTENTS = ("plane", "volume", "planes")


def plane_in_view(
    layer: Image,
    dims: Dims,
    *,
    axes: str | None = None,
    extent: str = "plane",
    level: int = 0,
    others: Sequence[Image] = (),
    spatial: tuple[int, ...] | None = None,
) -> Plane:
    """Return the part of `layer` to divide into superpixels.

    Parameters
    ----------
    layer : Image
        The layer's axes are the last ones of the viewer.
    dims : Dims
        When the viewer shows a volume, the plane is the one that it would show in 2-D.
    axes : str, optional
        A letter for each axis; see `guess_axes`. Default: none holds channels.
    extent : {"plane", "volume", "planes"}
        The plane in view; the volume of z, y and x in view; or all planes, one by one.
    level : int
        Of a multiscale layer.
    others : sequence of Image
        Layers that are further channels of it; see `alike`.
    spatial : tuple of int, optional
        The axes of a plane. Default: those that the viewer shows.
    """
    ndim = layer.ndim
    data = layer.data[level] if getattr(layer, "multiscale", False) else layer.data
    full = full_resolution(layer)
    shape = tuple(int(length) for length in data.shape[:ndim])
    zoom = tuple(full.shape[axis] / max(shape[axis], 1) for axis in range(ndim))
    channel_axis = axes.index("c") if axes is not None and "c" in axes else None
    order = [axis - (dims.ndim - ndim) for axis in reversed(dims.order)]
    # While layers come and go, the viewer may have fewer axes than the layer.
    order += [axis for axis in reversed(range(ndim)) if axis not in order]
    order = [axis for axis in order if axis >= 0 and axis != channel_axis]
    spatial = tuple(sorted(order[:2])) if spatial is None else spatial
    if extent == "volume" and axes is not None and "z" in axes:
        spatial = tuple(sorted(axes.index(letter) for letter in "zyx"))
    here = layer.world_to_data(np.asarray(dims.point))
    index: list[int | slice] = [
        slice(None)
        if axis in spatial
        else _clip((here[axis] + 0.5) / zoom[axis] - 0.5, shape[axis])
        for axis in range(ndim)
    ]
    loop: tuple[int, ...] = ()
    if extent == "planes":
        loop = tuple(a for a in range(ndim) if a not in spatial and a != channel_axis)
        for axis in loop:
            index[axis] = slice(None)
    sizes = tuple(abs(float(layer.scale[axis])) * zoom[axis] for axis in spatial)
    alike = max(sizes) <= 1.01 * min(sizes)
    return Plane(
        data=with_channels(data, others),
        index=tuple(index),
        spatial=spatial,
        stack_shape=shape,
        rgb=bool(getattr(layer, "rgb", False)),
        channel_axis=channel_axis,
        loop=loop,
        zoom=zoom,
        spacing=None if alike or min(sizes) == 0 else sizes,
    )


@dataclass(frozen=True)
class Mask:
    """The part of a labels layer that goes with a plane, unread.

    Attributes
    ----------
    name, layer_id : str
        Of the layer.
    data : array-like
        All its labels.
    follows : bool
        Whether it has the size of the image, so that every plane has its own part.
    shape : tuple of int
        Size of the part.
    """

    name: str
    layer_id: str
    data: Any
    follows: bool
    shape: tuple[int, ...]

    @property
    def in_memory(self) -> bool:
        """Whether reading the mask costs nothing."""
        return isinstance(self.data, np.ndarray)

    def read(self, plane: Plane) -> NDArray[Any]:
        """Return the labels of a plane; may take long."""
        if self.follows:
            return np.asarray(self.data[plane.index])
        if self.shape == plane.shape and plane.bounded:
            return np.asarray(
                self.data[tuple(plane.index[axis] for axis in plane.spatial)]
            )
        return np.asarray(self.data)


def mask_of(layer: Labels | None, plane: Plane) -> Mask | None:
    """Return the part of a labels layer that lies on the plane.

    A stack of the image's shape gives the plane in view; anything else gives
    all it has, and the shape is checked with the other arguments.
    """
    if layer is None:
        return None
    data, layer_id = full_resolution(layer), str(layer.unique_id)
    shape = tuple(int(length) for length in data.shape)
    if shape == plane.stack_shape:
        return Mask(layer.name, layer_id, data, True, plane.shape)
    if shape == plane.shape_of_all():
        return Mask(layer.name, layer_id, data, False, plane.shape)
    return Mask(layer.name, layer_id, data, False, shape)


def _clip(coordinate: float, length: int) -> int:
    nearest = math.floor(coordinate + 0.5) if math.isfinite(coordinate) else 0
    return min(max(nearest, 0), max(length - 1, 0))
