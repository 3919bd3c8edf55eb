"""The Superpixel painter's eyes: which layers there are, and which are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.records import axes_across, labels_in, record_of
from napari_paf.widgets.painter.controls import TOOLTIPS, PainterControls
from napari_paf.widgets.painter.hover import Hover
from napari_paf.widgets.painter.target import (
    HIDDEN,
    NOT_ACTIVE,
    ONLY_2D,
    OTHER_TOOL,
    REMOVED,
    most_of,
    why_not,
)
from napari_paf.widgets.painter.undo import UndoKeys
from napari_paf.widgets.superpixels.hierarchies import news

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels


class PainterFollower(PainterControls):
    """Keeps the controls up to date with the viewer, and the viewer ready to paint."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._hover = Hover(viewer)
        self._held: Labels | None = None  # whose drags do not move the picture
        self._picked = self._guessing = False  # whether somebody chose superpixels
        self._is_waiting = False  # for something to be done to the painted layer
        self._undo_keys = UndoKeys()
        self._ties.also.append(self._undo_keys.release)

    @property
    def reason(self) -> str:
        """Why nothing can be painted, or an empty string."""
        return why_not(self.superpixels_layer.value, self.labels_layer.value)

    @property
    def message(self) -> str:
        """What the last action did, or what a click would take."""
        return str(self._message.text())

    def _follow(self) -> None:
        layers = self._viewer.layers
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(
                getattr(layers.events, name), self._refresh_layers
            )
        self._ties.viewer.connect(layers.selection.events.active, self._on_active)
        self._ties.viewer.connect(news.remembered, self._choose)
        self._ties.viewer.connect(self._viewer.dims.events.ndisplay, self._on_display)
        self.superpixels_layer.changed.connect(self._on_superpixels)
        self.labels_layer.changed.connect(self._on_target)
        self.label.changed.connect(self._select_label)
        self._refresh_layers()

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
        found = labels_in(self._viewer)
        made = [layer for layer in found if "n_segments" in record_of(layer)]
        choices = [(layer.name, layer) for layer in found]
        painted = self.labels_layer.value
        self.labels_layer.set_choices(choices, None)
        removed = painted is not None and self.labels_layer.value is None
        # What somebody paints with stays, whatever else is made meanwhile.
        painting = self.labels_layer.value is not None or self.on.isChecked()
        self._guessing = True
        try:
            self.superpixels_layer.set_choices(choices, (made or found or [None])[0])
            if made and not (self._picked or painting):
                self.superpixels_layer.value = made[0]
        finally:
            self._guessing = False
        self._choose()
        if removed and self.on.isChecked():
            self.on.setChecked(False)
            self._say(REMOVED)

    def _on_superpixels(self, superpixels: Labels | None) -> None:
        if not self._guessing:
            self._picked = superpixels is not None
        self._choose()

    def _choose(self, value: Any = None) -> None:
        """Take over other layers, or say why that cannot be."""
        self._ties.layers.disconnect()
        target = self.labels_layer.value
        self._undo_keys.follow(target, self.superpixels_layer.value)
        if target is not None:
            self._ties.layers.connect(target.events.selected_label, self._take_label)
            self._ties.layers.connect(target.events.mode, self._on_active)
            self._ties.layers.connect(target.events.visible, self._on_active)
            self.label.max = max(most_of(target), most_of(None))
            self._take_label()
        most = most_of(target)
        self.label.value = min(self.label.value, most)
        self.label.max = most
        superpixels = self.superpixels_layer.value
        across = () if superpixels is None else axes_across(superpixels)
        volumes = superpixels is not None and superpixels.ndim - len(across) > 2
        self.slice_only.native.setVisible(volumes)
        reason = self.reason
        self.on.setEnabled(not reason)
        self.on.setToolTip(reason or TOOLTIPS["on"])
        if reason:
            self.on.setChecked(False)
        self._hold_camera()
        waiting = self._why_waiting()
        self._is_waiting = bool(waiting)
        self._say(f"\u26a0 {reason}" if reason else waiting)

    def _on_target(self, target: Labels | None) -> None:
        self._choose()
        if target is not None and self.on.isChecked():
            self._viewer.layers.selection.active = target

    def _take_label(self, event: Any = None) -> None:
        chosen = int(self.labels_layer.value.selected_label)
        if chosen > 0:
            self.label.value = chosen

    def _select_label(self, label: int) -> None:
        if self.labels_layer.value is not None:
            self.labels_layer.value.selected_label = label

    def _on_active(self, event: Any = None) -> None:
        """Say why the mouse does not paint although it is to."""
        self._hold_camera()
        waiting = self._why_waiting()
        if waiting or self._is_waiting:
            self._say(waiting)
        self._is_waiting = bool(waiting)

    def _why_waiting(self) -> str:
        """Return what keeps the mouse from painting by now, or an empty string."""
        target = self.labels_layer.value
        if not self.on.isChecked() or target is None:
            return ""
        if self._viewer.dims.ndisplay > 2:
            return ONLY_2D
        active = unwrap(self._viewer.layers.selection.active)
        if active is not target and not self._hover.is_own(active):
            return NOT_ACTIVE.format(name=target.name)
        if not target.visible:
            return HIDDEN.format(name=target.name)
        return "" if str(target.mode) == "pan_zoom" else OTHER_TOOL

    def _on_display(self, event: Any = None) -> None:
        if self.on.isChecked() and self._viewer.dims.ndisplay > 2:
            self._hover.hide()
        self._on_active()

    def _paints(self) -> bool:
        """Whether the mouse paints now: napari's own tools go first."""
        target = self.labels_layer.value
        active = unwrap(self._viewer.layers.selection.active)
        return bool(
            self.on.isChecked()
            and target is not None
            and active is target
            and target.visible
            and self._viewer.dims.ndisplay == 2
            and str(target.mode) == "pan_zoom"
        )

    def _hold_camera(self, event: Any = None) -> None:
        """Keep drags from moving the picture while they paint."""
        target = self.labels_layer.value if self._paints() else None
        if self._held is not None and self._held is not target:
            if str(self._held.mode) == "pan_zoom":
                self._held.mouse_pan = True
        if target is not None:
            target.mouse_pan = False
        self._held = target

    def _say(self, text: str) -> None:
        self._message.setText(text)
