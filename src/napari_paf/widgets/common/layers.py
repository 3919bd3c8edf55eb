"""Layers: their array, and where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

if TYPE_CHECKING:
    from napari.layers import Layer

Index = tuple[int | slice, ...]


def unwrap(obj: Any) -> Any:
    """Return the napari object itself where a plugin was given a proxy."""
    return getattr(obj, "__wrapped__", obj)


def full_resolution(layer: Layer) -> Any:
    """Return the array of a layer, the largest of a multiscale one."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


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


def at_level(place: dict[str, Any], zoom: tuple[float, ...]) -> dict[str, Any]:
    """Return the placement of a lower level, whose pixels are `zoom` times as large."""
    if all(factor == 1 for factor in zoom):
        return place
    shifted = moved(place, tuple((factor - 1) / 2 for factor in zoom))
    return {**shifted, "scale": place["scale"] * np.array(zoom)}


def moved(place: dict[str, Any], origin: tuple[float, ...]) -> dict[str, Any]:
    """Return the placement of the part of a layer that begins at pixel `origin`."""
    pixels_to_physical = Affine(
        scale=place["scale"],
        rotate=place["rotate"],
        shear=place["shear"],
        ndim=len(origin),
    ).linear_matrix
    shift = pixels_to_physical @ np.asarray(origin, dtype=float)
    return {**place, "translate": place["translate"] + shift}
