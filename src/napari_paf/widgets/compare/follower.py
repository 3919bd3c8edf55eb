"""The Compare widget's eyes: which layers there are, and what can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QTimer

from napari_paf.widgets.common.axes import guess_axes
from napari_paf.widgets.common.plane import plane_in_view
from napari_paf.widgets.common.records import labels_in, record_of
from napari_paf.widgets.common.undoable import news
from napari_paf.widgets.compare.controls import CompareControls
from napari_paf.widgets.compare.layers import (
    guess_labels,
    guess_truth,
    is_part,
    own_planes,
)
from napari_paf.widgets.compare.read import beside, shape_of
from napari_paf.widgets.compare.request import Side
from napari_paf.widgets.compare.texts import (
    CHANGED,
    NO_CHOICE,
    NO_HIERARCHY,
    NO_LABELS,
    NO_TRUTH,
    NOTHING_YET,
    OTHER_PLANES,
    OTHER_QUESTION,
    both,
    other_size,
    plane_by_plane,
    too_large,
)
from napari_paf.widgets.superpixels.hierarchies import hierarchy_of
from napari_paf.widgets.train.pairs import layers_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets.common.plane import Plane
    from napari_paf.widgets.compare.request import Row

_MOST_PIXELS_AT_ONCE = 2**29


class CompareFollower(CompareControls):
    """Keeps the controls up to date with the viewer."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.results: list[Row] = []
        self.curves: list[list[Row]] = []
        self._changed = ""  # the name of a layer that did, since the last run
        self._image_picked = self._extent_picked = self._guessing = False
        self._question: object = None  # what results and curves answer
        self._recheck = QTimer(self)
        self._recheck.setSingleShot(True)
        self._recheck.timeout.connect(self._update)

    def _follow(self) -> None:
        self._ties.viewer.connect(news.undone, self._on_undone)
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(getattr(events, name), self._refresh_layers)
        for name in ("current_step", "order"):
            emitter = getattr(self._viewer.dims.events, name)
            self._ties.viewer.connect(emitter, self._update_soon)
        self.labels_layer.changed.connect(self._guess_others)
        self.truth_layer.changed.connect(self._on_truth)
        self.image_layer.changed.connect(self._on_image)
        self.extent.changed.connect(self._on_extent)
        self.tolerance.changed.connect(self._update_soon)
        # magicgui tells of no change to None, which is one of the two choices.
        self.unlabelled.native.currentIndexChanged.connect(self._update_soon)
        self._refresh_layers()

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
        self._guess_labels()
        self._guess_others()

    def _guess_labels(self) -> None:
        """Tick what looks like superpixels, unless it was ticked as the truth."""
        layers, truths = labels_in(self._viewer), []
        if self.truth_layer.picked:
            truths = self.truth_layer.value
        free = [x for x in layers if not any(x is truth for truth in truths)]
        self.labels_layer.offer(layers, guess_labels(free))

    def _guess_others(self) -> None:
        """Tick the ground truth and the image that go with the labels."""
        layers, chosen = labels_in(self._viewer), self.labels_layer.value
        self.truth_layer.offer(layers, guess_truth(layers, chosen))
        self._guessing = True
        try:
            self.image_layer.refresh()
            if self.image_layer.value is None:
                self._image_picked = False
            if chosen and not self._image_picked:
                self.image_layer.value = self._guess_image(chosen[0])
            self._offer_extents(chosen, picked=self._extent_picked)
        finally:
            self._guessing = False
        self._watch_layers()

    def _guess_image(self, labels: Labels) -> Image | None:
        images = layers_of(self._viewer, Image)
        own = record_of(labels).get("image_layer_id")
        made_from = [x for x in images if str(x.unique_id) == own]
        fitting = [x for x in images if beside(labels, x) is not None]
        return next(iter(x for x in (*made_from, *fitting) if x in fitting), None)

    def _on_truth(self) -> None:
        if self.truth_layer.picked:
            self._guess_labels()
        self._watch_layers()

    def _on_image(self, image: Image | None) -> None:
        if not self._guessing:
            self._image_picked = image is not None
            self._watch_layers()

    def _on_extent(self, extent: str) -> None:
        if not self._guessing:
            self._extent_picked = True
        self._update_soon()

    def _watch_layers(self) -> None:
        """Follow what happens to the chosen layers' data."""
        self._ties.layers.disconnect()
        for layer in (*self.labels_layer.value, *self.truth_layer.value):
            for name in ("data", "labels_update"):
                emitter = getattr(layer.events, name)
                self._ties.layers.connect(emitter, self._on_data)
        if self.image_layer.value is not None:
            self._ties.layers.connect(self.image_layer.value.events.data, self._on_data)
        self._update()

    def _on_undone(self, layer: Labels) -> None:
        if any(layer is x for x in (*self.labels_layer.value, *self.truth_layer.value)):
            self._changed = layer.name
            self._recheck.start(0)

    def _on_data(self, event: Any = None) -> None:
        self._changed = str(getattr(event.source, "name", ""))
        self._recheck.start(0)

    def _update_soon(self, event: Any = None) -> None:
        self._recheck.start(0)

    def _update(self) -> None:
        """Look at whether what is ticked can be measured."""
        _, reason = self._sides(self.labels_layer.value, curve=False)
        self._panel.set_reason(reason)
        running = self._run is not None
        if self._rows() and not running and not reason:
            if self._changed:
                self._panel.set_running(False, CHANGED.format(self._changed))
            elif self._ask() != self._question:
                self._panel.set_running(False, OTHER_QUESTION)
            elif self._panel.message.text() == OTHER_QUESTION:  # no longer
                self._panel.set_running(False, self._outcome)
        self.show_why_no_curve(self._why_no_curve(), running)
        self.show_why_no_copy("" if self._rows() else NOTHING_YET)

    def _why_no_curve(self) -> str:
        with_one = [x for x in self.labels_layer.value if hierarchy_of(x) is not None]
        if self.reason or not with_one:
            return self.reason or NO_HIERARCHY
        return "" if self._with_curves() else OTHER_PLANES

    def _with_curves(self) -> list[Labels]:
        """Return the ticked layers with a hierarchy of all that is measured."""
        found = []
        for layer in self.labels_layer.value:
            known = hierarchy_of(layer)
            if known is not None and is_part(
                self._plane_of(layer).index, known.index, layer.data.shape
            ):
                found.append(layer)
        return found

    def _plane_of(self, layer: Labels) -> Plane:
        axes = guess_axes(layer.ndim, layer.axis_labels).replace("c", "t")
        return plane_in_view(
            layer,
            self._viewer.dims,
            axes=axes,
            extent=self.extent.value or "plane",
            spatial=own_planes(layer),
        )

    def _sides(self, layers: list[Labels], *, curve: bool) -> tuple[list[Side], str]:
        """Return what is to be measured, or why it cannot be."""
        truths, image = self.truth_layer.value, self.image_layer.value
        if not labels_in(self._viewer):
            return [], NO_LABELS
        if not layers:
            return [], NO_CHOICE
        if not truths:
            return [], NO_TRUTH
        sides = []
        for layer in layers:
            found = []
            for truth in truths:
                if truth is layer:
                    return [], both(layer.name)
                at = beside(layer, truth)
                if at is None:
                    shape = shape_of(truth)
                    return [], other_size("ground truth", truth.name, shape, layer.name)
                found.append(at)
            seen = None if image is None else beside(layer, image)
            if image is not None and seen is None:
                shape = shape_of(image)
                return [], other_size("image", image.name, shape, layer.name)
            if self.extent.value == "volume" and own_planes(layer) is not None:
                return [], plane_by_plane(layer.name)
            sizes = hierarchy_of(layer) if curve else None
            plane = self._plane_of(layer)
            if plane.n_pixels > _MOST_PIXELS_AT_ONCE:
                return [], too_large(layer.name, plane.shape)
            sides.append(Side(layer.name, plane, tuple(found), seen, sizes))
        return sides, ""

    def _ask(self) -> object:
        """Return what is asked, to see whether it is the same as before."""
        layers = (*self.labels_layer.value, None, *self.truth_layer.value)
        planes = (self._plane_of(layer).index for layer in self.labels_layer.value)
        return (
            [id(layer) for layer in (*layers, self.image_layer.value)],
            [str(index) for index in planes],
            self.unlabelled.value,
            self.tolerance.value,
        )

    def _rows(self) -> list[Row]:
        return [*self.results, *(row for curve in self.curves for row in curve)]
