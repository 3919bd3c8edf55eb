"""What a run notes on the layer that it makes, and finding that layer again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_paf.widgets.common.layers import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer

KEY = "napari_paf"  # in layer.metadata

# Functions, in records, of layers that only show something of other layers.
LEAKS = "leaking_pixels"
UNDER_CURSOR = "superpixel_under_cursor"


def record_of(layer: Any) -> dict[str, Any]:
    """Return how a layer was made, empty if nobody knows."""
    record = layer.metadata.get(KEY)
    return record if isinstance(record, dict) else {}


def labels_in(viewer: Viewer) -> list[Labels]:
    """Return the labels layers to choose from, the top one first."""
    layers = [unwrap(layer) for layer in reversed(list(viewer.layers))]
    return [
        layer
        for layer in layers
        if isinstance(layer, Labels)
        and record_of(layer).get("function") not in (LEAKS, UNDER_CURSOR)
    ]


def with_present_names(
    viewer: Viewer, record: dict[str, Any], write: Callable[[dict[str, Any]], str]
) -> str:
    """Return a script about the layers in a record, by the names they have now.

    Parameters
    ----------
    viewer : Viewer
    record : dict
        With a ``..._layer_id`` beside each ``..._layer``, and a list of ids beside
        ``channel_layers``.
    write : callable
        Returns the script for a record.

    Returns
    -------
    code : str
        It begins with a remark where a layer is not there any more.
    """
    names: dict[Any, str] = {
        str(layer.unique_id): layer.name for layer in viewer.layers
    }
    remarks = []

    def present(name: str | None, layer_id: str | None) -> str | None:
        if layer_id in names:
            return names[layer_id]
        if name in names.values():
            remarks.append(
                f"# The layer {name!r} was removed, and another one has its "
                "name:\n# if that does not hold the same, write the right name below.\n"
            )
        elif name is not None:
            remarks.append(
                f"# The layer {name!r} is not in the viewer any more: open it "
                "again, under this name.\n"
            )
        return name

    for key in [key for key in record if key.endswith("_layer")]:
        record = {**record, key: present(record[key], record.get(f"{key}_id"))}
    if record.get("channel_layers"):
        both = zip(record["channel_layers"], record["channel_layers_id"], strict=True)
        record = {**record, "channel_layers": [present(*each) for each in both]}
    return "".join(remarks) + write(record)


def mark_as_own(layer: Labels) -> None:
    """Note in the record of a layer that it is the one, and no copy of it."""
    record = {**layer.metadata[KEY], "layer_id": str(layer.unique_id)}
    layer.metadata = {**layer.metadata, KEY: record}


def is_a_copy(layer: Labels) -> bool:
    """Return whether the user has duplicated a result: a copy is never written to."""
    own = str(layer.unique_id)
    return bool(layer.metadata[KEY].get("layer_id", own) != own)


def axes_across(superpixels: Labels) -> tuple[int, ...]:
    """Return the axes along which no superpixel of a layer extends.

    Planes that were divided one by one may have the same numbers, which then stand for
    other superpixels in every plane.
    """
    record = record_of(superpixels)
    if "plane_axes" not in record:
        return ()  # not ours: a number is one superpixel, wherever it is
    along = {*record["plane_axes"], record.get("channel_axis")}
    return tuple(axis for axis in range(superpixels.ndim) if axis not in along)
