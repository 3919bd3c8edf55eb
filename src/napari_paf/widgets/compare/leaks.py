"""Leaking superpixels as a layer over those that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap

from napari_paf.widgets.common.layers import moved, placement, unwrap
from napari_paf.widgets.common.records import (
    KEY,
    LEAKS,
    is_a_copy,
    mark_as_own,
    record_of,
)

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray

    from napari_paf.widgets.common.plane import Plane

# Of 0 and 1. A DirectLabelColormap would let napari compile for a second.
_COLOURS = ((0.0, 0.0, 0.0, 0.0), (1.0, 0.1, 0.2, 1.0))


@dataclass(frozen=True)
class Measured:
    """A labels layer that a run was started for, as it was then."""

    layer: Labels
    plane: Plane
    name: str
    place: dict[str, Any]

    @classmethod
    def of(cls, layer: Labels, plane: Plane) -> Measured:
        """Return the layer for a run that starts now."""
        return cls(layer, plane, layer.name, placement(layer))

    def present(self, viewer: Viewer) -> bool:
        """Whether the layer is still in the viewer."""
        return any(unwrap(layer) is self.layer for layer in viewer.layers)


def put_leaks(
    viewer: Viewer, of: Measured, leaks: NDArray[Any], *, visible: bool
) -> Labels:
    """Add the leaking pixels of a layer, or update the layer that has them."""
    place = placement(of.layer) if of.present(viewer) else of.place
    origin = tuple(part if isinstance(part, int) else 0 for part in of.plane.index)
    place = moved(place, origin)
    key = str(of.layer.unique_id)
    for layer in viewer.layers:
        record = record_of(layer)
        if (
            record.get("function") == LEAKS
            and record.get("labels_layer_id") == key
            and not is_a_copy(unwrap(layer))
        ):
            target: Labels = unwrap(layer)
            target.data = leaks
            for name, value in place.items():
                setattr(target, name, value)
            return target
    active = unwrap(viewer.layers.selection.active)
    name = of.layer.name if of.present(viewer) else of.name
    target = Labels(
        leaks,
        name=f"{name} leaking",
        metadata={KEY: {"function": LEAKS, "labels_layer_id": key}},
        colormap=CyclicLabelColormap(colors=_COLOURS),
        visible=visible,
        **place,
    )
    viewer.add_layer(target)
    mark_as_own(target)
    if active is not None:  # what the user works on stays what it was
        viewer.layers.selection.active = active
    return target
