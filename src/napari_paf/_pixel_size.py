"""How large the pixels of a TIFF are, in the dialects that say so."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any

POWERS = {"m": 0, "cm": -2, "mm": -3, "\u00b5m": -6, "nm": -9, "\u00c5": -10, "pm": -12}
"""Of ten, in metres: the units of length that OME files have."""


@dataclass(frozen=True)
class PixelSize:
    """What a file says about the size of its pixels.

    Attributes
    ----------
    spacing : tuple of float or None
        Size along each spatial axis, in `unit`.
    unit : str
        Unit of `spacing`.
    resolution : tuple or None
        TIFF's own: pixels per unit along column and row, and the unit's number.
    """

    spacing: tuple[float, ...] | None = None
    unit: str = ""
    resolution: tuple[float, float, int] | None = None


def without_axis(
    spacing: tuple[float, ...] | None, axis: int
) -> tuple[float, ...] | None:
    """Return the sizes along the axes that are left; all of them if `axis` is none."""
    if spacing is None or not -len(spacing) <= axis < len(spacing):
        return spacing
    left = list(spacing)
    del left[axis]
    return tuple(left)


def read_pixel_size(tif: Any, axes: str) -> PixelSize:
    """Return what ImageJ, OME or this package say, and TIFF's own resolution.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    axes : str
        tifffile's letters for the spatial axes of its first image.
    """
    resolution = _resolution(tif.pages.first.tags)
    found: dict[str, Any] = {}
    unit = ""
    if tif.is_imagej and resolution is not None:
        metadata = tif.imagej_metadata or {}
        found = {"X": 1 / resolution[0], "Y": 1 / resolution[1]}
        found["Z"] = metadata.get("spacing")
        unit = str(metadata.get("unit", ""))
    elif tif.is_ome:
        # What a damaged description cannot say does not keep the pixels from being
        # read. Errors of the XML parser are syntax errors.
        with contextlib.suppress(KeyError, TypeError, ValueError, SyntaxError):
            found, unit = _ome_sizes(_first_ome_pixels(tif))
    elif tif.is_shaped:
        (metadata, *_) = tif.shaped_metadata
        spacing = metadata.get("spacing")
        if isinstance(spacing, list) and len(spacing) == len(axes):
            found = dict(zip(axes, spacing, strict=True))
            unit = str(metadata.get("unit", ""))
    return PixelSize(_as_sizes(found, axes), unit, resolution)


def _resolution(tags: Any) -> tuple[float, float, int] | None:
    per_unit = []
    for name in ("XResolution", "YResolution"):
        tag = tags.get(name)
        if tag is None or min(tag.value) <= 0:
            return None
        per_unit.append(tag.value[0] / tag.value[1])
    unit = tags.get("ResolutionUnit")
    return per_unit[0], per_unit[1], 2 if unit is None else int(unit.value)


def _first_ome_pixels(tif: Any) -> dict[str, Any]:
    import tifffile

    images = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]
    pixels: dict[str, Any] = (images[0] if isinstance(images, list) else images)[
        "Pixels"
    ]
    return pixels


def _ome_sizes(pixels: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the size along each axis, all in the unit of X, and that unit."""
    units = {
        axis: str(pixels.get(f"PhysicalSize{axis}Unit", "\u00b5m")) for axis in "XYZ"
    }
    found = {}
    for axis, unit in units.items():
        size = pixels.get(f"PhysicalSize{axis}")
        if size is not None and unit != units["X"]:
            if not {unit, units["X"]} <= POWERS.keys():
                continue  # better no proportions than wrong ones
            size = float(size) * 10.0 ** (POWERS[unit] - POWERS[units["X"]])
        found[axis] = size
    return found, units["X"]


def _as_sizes(found: dict[str, Any], axes: str) -> tuple[float, ...] | None:
    """Return the sizes if there is a good one for each axis."""
    try:
        sizes = tuple(float(found[axis]) for axis in axes)
    except (KeyError, TypeError, ValueError):
        return None
    return sizes if all(0 < size < math.inf for size in sizes) else None
