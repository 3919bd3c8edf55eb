"""The lines of Python that make the same objects again."""

from __future__ import annotations

from typing import Any


def as_python(record: dict[str, Any]) -> str:
    """Return a script, for napari's console, from what a run noted on its layer.

    Parameters
    ----------
    record : dict
        ``layer.metadata["napari_paf"]`` of the layer of objects.

    Returns
    -------
    code : str
        Calls of the functions where an image was divided as a whole; the widget
        itself, driven by a script, for planes, parts and channels.
    """
    labels = f"viewer.layers[{record['superpixels_layer']!r}]"
    seeds = record["seeds_layer"]
    layer = None if seeds is None else f"viewer.layers[{seeds!r}]"
    threshold, min_size = round(float(record["threshold"]), 6), record["min_size"]
    if not record["whole"]:
        return (
            "_, widget = viewer.window.add_plugin_dock_widget("
            '"napari-paf", "Objects")\n'
            f"widget.labels_layer.value = {labels}\n"
            f"widget.seeds_layer.value = {layer}\n"
            f"widget.threshold.value = {threshold}\n"
            f"widget.min_size.value = {min_size}\n"
            "widget.run()\n"
        )
    options = {name: record[name] for name in ("model", "spacing", "device")}
    if record["channels"] == "rgb":
        options["channel_axis"] = -1
    image = f"viewer.layers[{record['image_layer']!r}].data"
    colours = "[..., :3]" if record["channels"] == "rgb" else ""
    given = f"threshold={threshold}, min_size={min_size}"
    call = f"merge_regions(labels, affinity, {given})"
    if layer is not None:
        call = f"grow_seeds(labels, affinity, seeds, {given})"
    lines = [
        "import numpy as np",
        "import napari_paf",
        "",
        f"image = np.asarray({image}){colours}",
        f"labels = np.asarray({labels}.data)",
        *([] if layer is None else [f"seeds = np.asarray({layer}.data)"]),
        "affinity = napari_paf.predict_affinity(",
        "    image,",
        *(f"    {k}={v!r}," for k, v in options.items() if v is not None),
        ")",
        f"objects = napari_paf.regions.{call}",
    ]
    return "\n".join(lines) + "\n"
