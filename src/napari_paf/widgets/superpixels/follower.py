"""The Superpixels widget's eyes: what is in view, and whether it can be divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Shapes
from qtpy.QtCore import QTimer

from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.axes import guess_axes, why_not_axes
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.plane import mask_of, plane_in_view
from napari_paf.widgets.common.preferences import REMEMBERED_VALUES, preferred_device
from napari_paf.widgets.common.region import AREAS, box_in_view, box_of_shapes
from napari_paf.widgets.common.results import results_of
from napari_paf.widgets.superpixels.checks import why_not
from napari_paf.widgets.superpixels.controls import SuperpixelControls
from napari_paf.widgets.superpixels.hierarchies import mark_as_stale
from napari_paf.widgets.superpixels.inside import count_inside
from napari_paf.widgets.superpixels.texts import (
    DEVICES,
    NO_IMAGE,
    NO_SHAPE,
    NO_SHAPE_HERE,
)

if TYPE_CHECKING:
    from napari import Viewer

    from napari_paf.widgets.common.plane import Mask, Plane
    from napari_paf.widgets.common.region import Box
    from napari_paf.widgets.common.warmup import Backends
    from napari_paf.widgets.superpixels.live import Live

_SETTLED_MS = 100  # after panning and zooming


class SuperpixelFollower(SuperpixelControls):
    """Keeps the controls up to date with the viewer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self._plane: Plane | None = None
        self._box: Box | None = None
        self._counted: tuple[Any, list[int] | None] | None = None
        self._live: Live | None = None
        self._changed_since_start = False  # of a run: its layers, or the choice of them
        self._pixels_changed = False  # since then
        self._recheck = QTimer(self)
        self._recheck.setSingleShot(True)
        self._recheck.timeout.connect(self._update)
        self._offer_backends(warmup.known)

    def _follow(self) -> None:
        layers, dims = self._viewer.layers, self._viewer.dims
        for name in ("inserted", "removed", "reordered"):
            emitter = getattr(layers.events, name)
            self._ties.viewer.connect(emitter, self._refresh_layers)
        active = layers.selection.events.active
        self._ties.viewer.connect(active, self._refresh_layers)
        for name in ("current_step", "order", "ndisplay"):
            self._ties.viewer.connect(getattr(dims.events, name), self._update)
        camera = getattr(self._viewer, "scene", self._viewer).camera  # since napari 0.9
        for name in ("center", "zoom"):
            emitter = getattr(camera.events, name)
            self._ties.viewer.connect(emitter, self._look_later)
        for control in (self.image_layer, self.mask_layer):
            control.changed.connect(self._watch_layers)
        self.region.changed.connect(self._watch_region)
        self.channel_layers.changed.connect(self._update)
        for name in ("n_segments", "balance", "connectivity", "channels", "unique"):
            getattr(self, name).changed.connect(self._update)
        for name in ("extent", "region", "level", "axes"):
            getattr(self, name).changed.connect(self._offer_again)

    def _take_over(self, record: dict[str, Any]) -> None:
        """Set the controls to what a record says."""
        wanted = record.get("image_layer_id")
        for image in self.image_layer.choices:
            if image is not None and str(image.unique_id) == wanted:
                self.image_layer.value = image
        if record["loop_axes"]:
            extent = "planes"
        else:
            extent = "volume" if len(record["plane_axes"]) == 3 else "plane"
        image = self.image_layer.value
        values = {"axes": record["axes"], "extent": extent}
        if image is not None and image.multiscale:
            shapes = [list(data.shape[: image.ndim]) for data in image.data]
            if record["image_shape"] in shapes:
                values["level"] = shapes.index(record["image_shape"])
        names = ("channels", "model", "balance", "connectivity", "device", "unique")
        values |= {name: record[name] for name in (*names, "n_segments")}
        for mask in self.mask_layer.choices:
            wanted = record.get("mask_layer_id")
            if mask is None or str(mask.unique_id) == wanted:
                values["mask_layer"] = mask
        if "region" in record:
            for region in self.region.choices:
                if record["region"] == getattr(region, "name", region):
                    values["region"] = region
        for name, value in values.items():
            control = getattr(self, name)
            choices = getattr(control, "choices", None)
            if name == "model" or choices is None or value in choices:
                control.value = value
        wanted = record.get("channel_layers_id") or ()
        self.channel_layers.value = [
            layer
            for layer in self.channel_layers.choices
            if str(layer.unique_id) in wanted
        ]

    def _look_later(self, event: Any = None) -> None:
        if self.region.value == "view":
            self._recheck.start(_SETTLED_MS)

    def _watch_region(self, value: Any = None) -> None:
        self._ties.region.disconnect()
        shapes = self.region.value
        if isinstance(shapes, Shapes):
            self._ties.region.connect(shapes.events.data, self._redrawn_shapes)
            self._ties.region.connect(shapes.events.highlight, self._redrawn_shapes)

    def _redrawn_shapes(self, event: Any = None) -> None:
        self._recheck.start(_SETTLED_MS)

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
            if isinstance(unwrap(layer), Image):  # it may be, or become, a channel
                for name in ("data", "scale", "translate"):
                    emitter = getattr(layer.events, name)
                    self._ties.names.connect(emitter, self._on_other_image)
        self.image_layer.refresh()
        self.mask_layer.refresh()
        self._offer_for(self.image_layer.value)
        if self._live is not None and not self._live.is_of(self._viewer.layers):
            self._live = None  # gives its memory back
        self._update()

    def _offer_again(self, value: Any = None) -> None:
        """Offer what there is to choose from by now, and look again."""
        self._offer_for(self.image_layer.value)
        self._update()

    def _watch_layers(self, value: Any = None) -> None:
        """Follow what happens to the chosen layers' data."""
        self._live, self._changed_since_start = None, True
        self._ties.layers.disconnect()
        image, mask = self.image_layer.value, self.mask_layer.value
        if image is not None:
            self._ties.layers.connect(image.events.data, self._update_soon)
            self._ties.layers.connect(image.events.scale, self._update_soon)
            self._ties.layers.connect(image.events.axis_labels, self._guess_axes)
            self._guess_axes()
        if mask is not None:
            self._ties.layers.connect(mask.events.data, self._update_soon)
            self._ties.layers.connect(mask.events.labels_update, self._update_soon)
        self._update()

    def _on_other_image(self, event: Any) -> None:
        changed = unwrap(event.source)
        ticked = any(changed is layer for layer in self.channel_layers.value)
        if ticked and event.type == "data":
            self._update_soon()
        else:
            self._recheck.start(0)

    def _guess_axes(self, event: Any = None) -> None:
        layer = self.image_layer.value
        self.axes.value = guess_axes(layer.ndim, layer.axis_labels)
        self._offer_again()

    def _update_soon(self, event: Any = None) -> None:
        self._live, self._changed_since_start = None, True  # made from other pixels
        self._pixels_changed = True
        self._counted = None
        layer = self.image_layer.value
        if layer is not None:
            mark_as_stale(results_of(self._viewer, layer))
        if layer is not None and layer.ndim != len(self.axes.value):
            self._guess_axes()
        self._recheck.start(0)

    def _update(self, event: Any = None) -> None:
        """Look at what is in view and whether superpixels of it can be had."""
        self._offer_channel_layers(self.image_layer.value)
        self._plane, self._box, reason = self._look()
        mask = counts = None
        if self._plane is not None:
            mask = mask_of(self.mask_layer.value, self._plane)
            counts = self._count(self._plane, mask, self._box)
        self._show_plane(self._plane, self.image_layer.value, counts)
        if self._plane is not None and not reason:
            reason = why_not(
                self._plane,
                mask,
                counts,
                n_segments=self.n_segments.value,
                balance=self.balance.value,
                connectivity=self.connectivity.value,
            )
        self._panel.set_reason(reason)

    def _count(
        self, plane: Plane, mask: Mask | None, box: Box | None
    ) -> list[int] | None:
        """Return how many pixels of each plane are divided, if that is soon known."""
        outlines = () if box is None else box.outlines
        key = (
            (plane.index, plane.spatial, plane.loop, plane.stack_shape, plane.zoom),
            mask and (id(mask.data), mask.follows, mask.shape),
            tuple(outline.tobytes() for outline in outlines),
        )
        if self._counted is None or self._counted[0] != key:
            self._counted = key, count_inside(plane, mask, box)
        return self._counted[1]

    def _look(self) -> tuple[Plane | None, Box | None, str]:
        """Return what is to be divided, or why that cannot be said."""
        layer = self.image_layer.value
        if layer is None:
            return None, None, NO_IMAGE
        reason = why_not_axes(self.axes.value, layer.ndim)
        if reason:
            return None, None, reason
        plane = plane_in_view(
            layer,
            self._viewer.dims,
            axes=self.axes.value,
            extent=self.extent.value,
            level=self.level.value or 0,
            others=self.channel_layers.value,
        )
        region = self.region.value
        if region is None:
            return plane, None, ""
        if region == "view":
            box = box_in_view(layer)
        else:
            found = box_of_shapes(region, layer, plane)
            if found is None:
                elsewhere = any(kind in AREAS for kind in region.shape_type)
                why = NO_SHAPE_HERE.format(region.name) if elsewhere else NO_SHAPE
                return None, None, why
            box = found
        return plane.within(box), box, ""

    def _offer_backends(self, backends: Backends) -> None:
        self.model.set_names(backends.models)
        fallback = REMEMBERED_VALUES.get("device", preferred_device(backends.devices))
        self.device.set_choices(
            ((DEVICES.get(name, name), name) for name in backends.devices),
            fallback if fallback in backends.devices else "auto",
        )
