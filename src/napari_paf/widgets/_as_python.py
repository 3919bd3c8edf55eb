"""The lines of Python that compute what a layer of superpixels holds."""

from __future__ import annotations

from typing import Any


def as_python(record: dict[str, Any]) -> str:
    """Return a script, for napari's console, from what a run noted on its layer.

    Parameters
    ----------
    record : dict
        ``layer.metadata["napari_paf"]``.

    Returns
    -------
    code : str
        It leaves the superpixels in ``labels``.
    """
    lines = ["import napari_paf", ""]
    image = f"viewer.layers[{record['image_layer']!r}].data"
    zoom = record.get("zoom") or []
    if any(factor != 1 for factor in zoom):
        lines.append(
            f"# A lower level of the image: its pixels are {zoom[-1]:g} times as wide."
        )
        image = f"next(level for level in {image} if level.shape[:{len(zoom)}] == "
        image += f"{tuple(record['image_shape'])})"
    lines.append(f"image = {image}{_index(record)}")
    options = []
    channel_axis = _channel_axis(record)
    if channel_axis is not None:
        options.append(f"channel_axis={channel_axis}")
    options += [
        f"model={record['model']!r}",
        f"balance={record['balance']!r}",
        f"connectivity={record['connectivity']!r}",
    ]
    if record.get("mask_layer") is not None:
        lines.append(f"mask = viewer.layers[{record['mask_layer']!r}].data")
        options.append("mask=mask")
    if record.get("spacing") is not None:
        options.append(f"spacing={tuple(record['spacing'])!r}")
    options.append(f"device={record['device']!r}")
    name, number, end = "superpixels", record["n_segments"], ")"
    if record["function"] == "superpixel_hierarchy":
        name, number = "superpixel_hierarchy", record["hierarchy_n_segments"]
        end = f").labels({record['n_segments']})"
    lines.append(f"labels = napari_paf.{name}(")
    lines += [f"    {argument}," for argument in ("image", number, *options)]
    lines.append(end)
    return "\n".join(lines) + "\n"


def _index(record: dict[str, Any]) -> str:
    """Return what is taken of the layer's array, as it is written."""
    ndim = len(record["image_shape"])
    window = {axis: (start, stop) for axis, start, stop in record.get("window") or ()}
    position = iter(record["plane"])
    parts = []
    for axis in range(ndim):
        if axis in window:
            parts.append("{}:{}".format(*window[axis]))
        elif axis in record["plane_axes"] or axis in record["loop_axes"]:
            parts.append(":")
        else:
            at = next(position)
            channels = record["channels"]
            if axis == record["channel_axis"] and channels != "view":
                at = ":" if channels == "all" else channels
            parts.append(str(at))
    rgb = record["channel_axis"] is None and record["channels"] is not None
    if rgb:
        parts.append(
            {"red": "0", "green": "1", "blue": "2"}.get(record["channels"], ":3")
        )
    return "" if set(parts) <= {":"} else f"[{', '.join(parts)}]"


def _channel_axis(record: dict[str, Any]) -> int | None:
    if record["channel_axis"] is None:
        return -1 if record["channels"] in ("rgb", "grey") else None
    if record["channels"] != "all":
        return None
    before = range(record["channel_axis"])
    return sum(axis in record["plane_axes"] for axis in before)
