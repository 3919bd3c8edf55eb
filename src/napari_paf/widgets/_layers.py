"""Image layers: the 2-D plane in view, and where it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

Index = tuple[int | slice, ...]

# What the colours of an RGB layer can be reduced to.
CHANNELS = ("rgb", "grey", "red", "green", "blue")
_LUMINANCE = (0.2125, 0.7154, 0.0721)  # Rec. 709


def unwrap(obj: Any) -> Any:
    """Return the napari object itself where a plugin was given a proxy."""
    return getattr(obj, "__wrapped__", obj)


def full_resolution(layer: Layer) -> Any:
    """Return the array of a layer, the largest of a multiscale one."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


@dataclass(frozen=True)
class Plane:
    """A 2-D plane of an image layer.

    Attributes
    ----------
    data : array-like
        The layer's array as it was when the plane was chosen; may be lazy.
    index : tuple of int or slice
        What to take of the spatial axes of `data`; two slices, the plane's.
    shape : (rows, columns)
        Size of the plane.
    stack_shape : tuple of int
        Size of the layer without the colour axis.
    rgb : bool
        Whether a last axis holds colours.
    """

    data: Any
    index: Index
    shape: tuple[int, int]
    stack_shape: tuple[int, ...]
    rgb: bool

    @property
    def n_pixels(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    @property
    def in_memory(self) -> bool:
        """Whether reading the plane costs nothing."""
        return isinstance(self.data, np.ndarray)

    @property
    def position(self) -> tuple[int, ...]:
        """Where the plane is along the other axes, first axis first."""
        return tuple(part for part in self.index if isinstance(part, int))

    def read(self, channels: str = "rgb") -> tuple[NDArray[Any], int | None]:
        """Return the pixels and their channel axis; may take long.

        For RGB layers, `channels` is one of `CHANNELS`; opacity is left out.
        """
        pixels = np.asarray(self.data[self.index])
        if not self.rgb:
            return pixels, None
        colours = pixels[..., :3]
        if channels == "rgb":
            return colours, -1
        if channels == "grey":
            return _grey(colours), None
        return colours[..., CHANNELS.index(channels) - CHANNELS.index("red")], None

    def describe(self) -> str:
        """Return size and type in a few words."""
        rows, columns = self.shape
        kind = "RGB, " if self.rgb else ""
        size = f"{rows} \u00d7 {columns}, {kind}{self.data.dtype}"
        others = [
            f"{part + 1} of {length}"
            for part, length in zip(self.index, self.stack_shape, strict=True)
            if isinstance(part, int)
        ]
        if not others:
            return size
        return f"Plane in view: {', '.join(others)}\n{size}"


def plane_in_view(layer: Image, dims: Dims) -> Plane:
    """Return the plane of `layer` that the viewer shows.

    The layer's axes are the last ones of the viewer. When the viewer shows a
    volume, the plane is the one that it would show in 2-D.
    """
    data = full_resolution(layer)
    ndim = layer.ndim
    shape = tuple(int(length) for length in data.shape[:ndim])
    axes = [axis - (dims.ndim - ndim) for axis in reversed(dims.order)]
    shown = sorted([axis for axis in axes if axis >= 0][:2])
    here = layer.world_to_data(np.asarray(dims.point))
    index = tuple(
        slice(None) if axis in shown else _clip(here[axis], shape[axis])
        for axis in range(ndim)
    )
    return Plane(
        data=data,
        index=index,
        shape=(shape[shown[0]], shape[shown[1]]),
        stack_shape=shape,
        rgb=bool(getattr(layer, "rgb", False)),
    )


@dataclass(frozen=True)
class Mask:
    """The part of a labels layer that goes with a plane, unread."""

    name: str
    data: Any
    index: Index | None
    shape: tuple[int, ...]

    @property
    def in_memory(self) -> bool:
        """Whether reading the mask costs nothing."""
        return isinstance(self.data, np.ndarray)

    def read(self) -> NDArray[Any]:
        """Return the labels; may take long."""
        return np.asarray(self.data if self.index is None else self.data[self.index])


def mask_of(layer: Labels | None, plane: Plane) -> Mask | None:
    """Return the part of a labels layer that lies on the plane.

    A stack of the image's shape gives the plane in view; anything else gives
    all it has, and the shape is checked with the other arguments.
    """
    if layer is None:
        return None
    data = full_resolution(layer)
    shape = tuple(int(length) for length in data.shape)
    if shape == plane.stack_shape:
        return Mask(layer.name, data, plane.index, plane.shape)
    return Mask(layer.name, data, None, shape)


def placement(layer: Layer) -> dict[str, Any]:
    """Return the keyword arguments that put a new layer where `layer` is."""
    return {
        "scale": np.array(layer.scale),
        "translate": np.array(layer.translate),
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "units": tuple(layer.units),
        "axis_labels": tuple(layer.axis_labels),
    }


def moved(place: dict[str, Any], origin: tuple[int, ...]) -> dict[str, Any]:
    """Return the placement of the part of a layer that begins at pixel `origin`."""
    pixels_to_physical = Affine(
        scale=place["scale"],
        rotate=place["rotate"],
        shear=place["shear"],
        ndim=len(origin),
    ).linear_matrix
    shift = pixels_to_physical @ np.asarray(origin, dtype=float)
    return {**place, "translate": place["translate"] + shift}


def _clip(coordinate: float, length: int) -> int:
    nearest = math.floor(coordinate + 0.5) if math.isfinite(coordinate) else 0
    return min(max(nearest, 0), max(length - 1, 0))


def _grey(colours: NDArray[Any]) -> NDArray[Any]:
    grey: NDArray[Any] = colours.astype(np.float64) @ np.array(_LUMINANCE)
    if colours.dtype.kind in "biu":
        grey = np.rint(grey)
    return grey.astype(colours.dtype, copy=False)
