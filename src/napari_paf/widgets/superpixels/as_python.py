"""The lines of Python that compute what a layer of superpixels holds."""

from __future__ import annotations

from pprint import pformat
from typing import Any

_NEEDED = (
    "image_shape",
    "plane",
    "plane_axes",
    "loop_axes",
    "channel_axis",
    "channels",
    "channel_layers",
    "window",
    "zoom",
    "spacing",
    "n_segments",
    "hierarchy_n_segments",
    "model",
    "balance",
    "connectivity",
    "mask_layer",
    "outlines",
    "unique",
    "device",
)


def as_python(record: dict[str, Any]) -> str:
    """Return a script, for napari's console, from what a run noted on its layer.

    Parameters
    ----------
    record : dict
        ``layer.metadata["napari_paf"]``.

    Returns
    -------
    code : str
        It leaves the superpixels in ``labels``. One call of `superpixels` where that
        is all there is to it; otherwise `replay` with the record.
    """
    image = f"viewer.layers[{record['image_layer']!r}].data"
    if any(factor != 1 for factor in record["zoom"]):
        shape = tuple(record["image_shape"])
        image = f"next(d for d in {image} if d.shape[:{len(shape)}] == {shape})"
    elif record.get("multiscale"):
        image += "[0]"
    mask = record["mask_layer"]
    masked = "" if mask is None else f"mask = viewer.layers[{mask!r}].data\n"
    plain = not (record["loop_axes"] or record["outlines"] or masked)
    of_layers = record["channels"] == "layers"
    index = _index(record) if plain else ""
    if of_layers:
        names = [record["image_layer"], *record["channel_layers"]]
        layers = "".join(
            f"    viewer.layers[{name!r}].data{index},\n" for name in names
        )
        image = f"np.stack([\n{layers}], axis=-1)"
    if not plain or record["channels"] == "grey":
        kept = {key: record[key] for key in _NEEDED if key in record}
        numpy = "import numpy as np\n" if of_layers else ""
        return (
            f"{numpy}from napari_paf.replay import replay\n\n"
            f"record = {pformat(kept, sort_dicts=False, width=80)}\n"
            f"image = {image}\n{masked}"
            f"labels = replay(image, record{', mask=mask' if masked else ''})\n"
        )
    name, number, end = "superpixels", record["n_segments"], ")"
    if record["function"] == "superpixel_hierarchy":
        name, number = "superpixel_hierarchy", record["hierarchy_n_segments"]
        end = f").labels({record['n_segments']})"
    options = {"channel_axis": _channel_axis(record)}
    for key in ("model", "balance", "connectivity", "spacing", "device"):
        options[key] = record[key]
    lines = ["import numpy as np", "import napari_paf", ""]
    image = image if of_layers else f"np.asarray({image}{index})"
    lines.append(f"image = {image}")
    lines += [f"labels = napari_paf.{name}(", "    image,", f"    {number},"]
    lines += [f"    {k}={v!r}," for k, v in options.items() if v is not None]
    return "\n".join([*lines, end]) + "\n"


def _index(record: dict[str, Any]) -> str:
    """Return what is taken of the layer's array, as it is written."""
    window = {axis: (start, stop) for axis, start, stop in record["window"] or ()}
    channels = record["channels"]
    position = iter(record["plane"])
    parts = []
    for axis in range(len(record["image_shape"])):
        if axis in window:
            parts.append("{}:{}".format(*window[axis]))
        elif axis in record["plane_axes"]:
            parts.append(":")
        else:
            at = next(position)
            if axis == record["channel_axis"] and channels != "view":
                at = ":" if channels == "all" else channels
            parts.append(str(at))
    if record["channel_axis"] is None and channels not in (None, "layers"):
        parts.append({"red": "0", "green": "1", "blue": "2"}.get(channels, ":3"))
    return "" if set(parts) <= {":"} else f"[{', '.join(parts)}]"


def _channel_axis(record: dict[str, Any]) -> int | None:
    if record["channel_axis"] is None:
        return -1 if record["channels"] in ("rgb", "layers") else None
    if record["channels"] != "all":
        return None
    before = range(record["channel_axis"])
    return sum(axis in record["plane_axes"] for axis in before)
