"""Checks of what a run in the viewer noted about itself, before it is run again."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

COLOURS = ("red", "green", "blue")
_FROM_WHERE = (
    "give what the Superpixels widget wrote into layer.metadata['napari_paf']."
)
# What superpixels are computed with, which is checked when it is used.
_ARGUMENTS = ("model", "balance", "connectivity", "spacing", "device")


def check_record(record: Any) -> None:
    """Raise unless a record says all that is needed to compute superpixels again.

    Parameters
    ----------
    record : dict
        ``layer.metadata["napari_paf"]``, or what was saved of it.

    Raises
    ------
    TypeError, ValueError
        If it is no record, or a damaged one.

    Examples
    --------
    >>> check_record({"n_segments": 300})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: record without balance, channel_axis, ...
    """
    if not isinstance(record, Mapping):
        raise TypeError(f"record of type {type(record).__name__}: {_FROM_WHERE}")
    missing = {*_ARGUMENTS, *_IS_FINE, "unique"} - {*record, "hierarchy_n_segments"}
    if missing:
        raise ValueError(f"record without {', '.join(sorted(missing))}: {_FROM_WHERE}")
    for key, is_fine in _IS_FINE.items():
        if not is_fine(record):
            value = repr(record[key])
            shown = value if len(value) < 60 else f"{value[:60]}..."
            raise ValueError(f"record with a damaged {key}={shown}: {_FROM_WHERE}")


def has_colours(record: Mapping[str, Any]) -> bool:
    """Return whether the image had colours, or channels that were layers.

    Both lie along a last axis, which ``image_shape`` is without.
    """
    return record["channel_axis"] is None and record["channels"] is not None


def n_colours(record: Mapping[str, Any]) -> tuple[int, ...]:
    """Return how many of them the image may have had, opacity among colours."""
    if not has_colours(record):
        return ()
    if record["channels"] == "layers":
        return (1 + len(record["channel_layers"]),)
    return (3, 4)


def _are_integers(value: Any, least: int, below: float = np.inf) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(_is_integer(each, least, below) for each in value)
    )


def _is_integer(value: Any, least: int, below: float = np.inf) -> bool:
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and least <= int(value) < below
    )


def _is_shape(record: Mapping[str, Any]) -> bool:
    shape = record["image_shape"]
    return _are_integers(shape, 1) and len(shape) >= 2


def _are_plane_axes(record: Mapping[str, Any]) -> bool:
    axes, ndim = record["plane_axes"], len(record["image_shape"])
    return (
        _are_integers(axes, 0, ndim)
        and len(axes) in (2, 3)
        and list(axes) == sorted(set(axes))
    )


def _are_loop_axes(record: Mapping[str, Any]) -> bool:
    axes, ndim = record["loop_axes"], len(record["image_shape"])
    if not _are_integers(axes, 0, ndim):
        return False
    both = [*axes, *record["plane_axes"]]
    return len(both) == len(set(both))


def _other_axes(record: Mapping[str, Any]) -> list[int]:
    """Return the axes along which the plane has one place."""
    used = (*record["plane_axes"], *record["loop_axes"])
    return [axis for axis in range(len(record["image_shape"])) if axis not in used]


def _is_channel_axis(record: Mapping[str, Any]) -> bool:
    axis = record["channel_axis"]
    return axis is None or (_is_integer(axis, 0) and axis in _other_axes(record))


def _is_plane(record: Mapping[str, Any]) -> bool:
    plane, axes = record["plane"], _other_axes(record)
    return (
        _are_integers(plane, 0)
        and len(plane) == len(axes)
        and all(
            at < record["image_shape"][axis]
            for at, axis in zip(plane, axes, strict=True)
        )
    )


def _are_channels(record: Mapping[str, Any]) -> bool:
    channels, axis = record["channels"], record["channel_axis"]
    if axis is None:
        if channels == "layers":
            names = record.get("channel_layers")
            return (
                isinstance(names, Sequence)
                and len(names) > 0
                and all(isinstance(name, str) for name in names)
            )
        return channels is None or channels in ("rgb", "grey", *COLOURS)
    n_channels = record["image_shape"][axis]
    return channels in ("all", "view") or _is_integer(channels, 0, n_channels)


def _is_window(record: Mapping[str, Any]) -> bool:
    window = record["window"]
    return window is None or (
        isinstance(window, Sequence)
        and all(
            _are_integers(side, 0)
            and len(side) == 3
            and side[0] in record["plane_axes"]
            and side[1] < side[2] <= record["image_shape"][side[0]]
            for side in window
        )
    )


def _is_zoom(record: Mapping[str, Any]) -> bool:
    zoom = _as_numbers(record["zoom"])
    return zoom.shape == (len(record["image_shape"]),) and bool((zoom > 0).all())


def _are_outlines(record: Mapping[str, Any]) -> bool:
    outlines, ndim = record["outlines"], len(record["image_shape"])
    return outlines is None or (
        isinstance(outlines, Sequence)
        and not isinstance(outlines, str)
        and all(
            outline.ndim == 2 and len(outline) > 0 and outline.shape[1] == ndim
            for outline in map(_as_numbers, outlines)
        )
    )


def _as_numbers(value: Any) -> np.ndarray[Any, Any]:
    """Return an array of floats, with NaN for None; an empty one if it is none."""
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        return np.zeros(0)


# In this order, as later ones rely on those before.
_IS_FINE: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "n_segments": lambda record: _is_integer(record["n_segments"], 1),
    "hierarchy_n_segments": lambda record: _is_integer(
        record.get("hierarchy_n_segments", 1), 1
    ),
    "image_shape": _is_shape,
    "plane_axes": _are_plane_axes,
    "loop_axes": _are_loop_axes,
    "channel_axis": _is_channel_axis,
    "plane": _is_plane,
    "channels": _are_channels,
    "window": _is_window,
    "zoom": _is_zoom,
    "outlines": _are_outlines,
}
