"""The Superpixel painter: objects painted superpixel by superpixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.notifications import show_error

from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.results import KEY
from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.painter.as_python import as_python
from napari_paf.widgets.painter.controls import TOOLTIPS, PainterControls
from napari_paf.widgets.painter.hover import Hover
from napari_paf.widgets.painter.keys import Bound
from napari_paf.widgets.painter.strokes import Strokes
from napari_paf.widgets.painter.target import (
    NOTHING_TO_COPY,
    Target,
    new_target,
    why_not,
)
from napari_paf.widgets.painter.undo import UndoKeys

if TYPE_CHECKING:
    from napari import Viewer


class PainterWidget(PainterControls):
    """Paint objects superpixel by superpixel.

    The parameters are attributes with a ``value``.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer to paint in.

    Attributes
    ----------
    superpixels_layer, labels_layer
        Labels layers: what to paint with, and on; None paints on a new layer.
    label
        The label to paint.
    mode
        ``"paint"`` or ``"fill"``.
    only_unlabelled, protect, slice_only
        What is left alone.
    on
        Whether the mouse paints.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-paf", "Superpixel painter"
    ... )  # doctest: +SKIP
    >>> widget.label.value = 3  # doctest: +SKIP
    >>> widget.paint((20, 30), (25, 80))  # doctest: +SKIP
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._strokes: Strokes | None = None
        self._hover = Hover(napari_viewer)
        self._cursor: Any = None  # where it was last, in the world, while painting
        self._keys = Bound(napari_viewer, self)
        self._undo_keys = UndoKeys()
        self._ties.also += [self._keys.release, self._undo_keys.release]
        self._connect()
        self._refresh_layers()

    # What scripts use ------------------------------------------------------

    @property
    def reason(self) -> str:
        """Why nothing can be painted, or an empty string."""
        return why_not(self.superpixels_layer.value, self.labels_layer.value)

    @property
    def message(self) -> str:
        """What the last action did, or what a click would take."""
        return str(self._message.text())

    def paint(self, start: Any, stop: Any = None, *, erase: bool = False) -> int:
        """Paint the superpixels from one point of the world to another, as one stroke.

        Parameters
        ----------
        start, stop : sequence of float
            World coordinates; one point alone paints one superpixel.
        erase : bool, default: False
            Take labels away instead.

        Returns
        -------
        n_changed : int
            How many pixels have changed.
        """
        strokes = self._prepare()
        if strokes is None:
            return 0
        with strokes.target.layer.block_history():
            return self._step(strokes, start, start if stop is None else stop, erase)

    def copy_as_python(self) -> str:
        """Copy the lines that paint the same superpixels again, and return them."""
        code = ""
        if not self.reason and self.labels_layer.value is not None:
            layers = self.superpixels_layer.value, self.labels_layer.value
            code = as_python(Target(*layers))
        if code:
            copy_text(code)
        else:
            show_error(NOTHING_TO_COPY)
        return code

    def refine(self, position: Any, *, finer: bool = True) -> None:
        """Make the superpixel at a point of the world finer, or coarser."""
        strokes = self._prepare()
        if strokes is None:
            return
        label = strokes.at(position)
        reason = strokes.refine(label, finer=finer) if label else ""
        self._show_hover(position)
        if reason:
            self._say(reason)
        elif label:
            self._undo_keys.refined()

    def toggle(self) -> None:
        """Start or stop painting with the mouse."""
        if self.on.isEnabled():
            self.on.toggle()

    def finer(self) -> None:
        """Make the superpixel under the cursor finer."""
        self._refine_under_cursor(finer=True)

    def coarser(self) -> None:
        """Make the superpixel under the cursor coarser."""
        self._refine_under_cursor(finer=False)

    def _refine_under_cursor(self, *, finer: bool) -> None:
        if self._paints() and self._cursor is not None:
            self.refine(self._cursor, finer=finer)

    # Keeping up with the viewer ----------------------------------------------

    def _connect(self) -> None:
        layers = self._viewer.layers
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(
                getattr(layers.events, name), self._refresh_layers
            )
        self._ties.viewer.connect(
            layers.selection.events.active, self._follow_active_layer
        )
        for box in (self.superpixels_layer, self.labels_layer):
            box.changed.connect(self._choose)
        self.label.changed.connect(self._select_label)
        self.on.toggled.connect(self._switch)
        self.copy_button.clicked.connect(lambda: self.copy_as_python())

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        found = []
        for layer in reversed(list(self._viewer.layers)):
            layer = unwrap(layer)
            self._ties.names.connect(layer.events.name, self._refresh_layers)
            if isinstance(layer, Labels) and not self._hover.is_own(layer):
                found.append(layer)
        made = [x for x in found if "n_segments" in (x.metadata.get(KEY) or {})]
        first = (made or found or [None])[0]
        choices = [(layer.name, layer) for layer in found]
        self.superpixels_layer.set_choices(choices, first)
        self.labels_layer.set_choices(choices, None)
        self._choose()

    def _choose(self, value: Any = None) -> None:
        """Take over other layers, or say why that cannot be."""
        self._ties.layers.disconnect()
        self._strokes = None
        target = self.labels_layer.value
        self._undo_keys.follow(target, self.superpixels_layer.value)
        if target is not None:
            self._ties.layers.connect(target.events.selected_label, self._take_label)
            self._ties.layers.connect(target.events.mode, self._hold_camera)
            self._take_label()
        volume = self.superpixels_layer.value is not None and (
            self.superpixels_layer.value.ndim > 2
        )
        self.slice_only.native.setVisible(volume)
        reason = self.reason
        self.on.setEnabled(not reason)
        self.on.setToolTip(reason or TOOLTIPS["on"])
        if reason:
            self.on.setChecked(False)
        self._message.setText(f"\u26a0 {reason}" if reason else "")

    def _take_label(self, event: Any = None) -> None:
        chosen = int(self.labels_layer.value.selected_label)
        if chosen > 0:
            self.label.value = chosen

    def _select_label(self, label: int) -> None:
        if self.labels_layer.value is not None:
            self.labels_layer.value.selected_label = label

    def _follow_active_layer(self, event: Any = None) -> None:
        self._hold_camera()

    # Painting with the mouse ---------------------------------------------------

    def _switch(self, on: bool) -> None:
        callbacks = (
            (self._viewer.mouse_drag_callbacks, self._drag),
            (self._viewer.mouse_move_callbacks, self._move),
            (self._viewer.mouse_wheel_callbacks, self._wheel),
        )
        for registered, callback in callbacks:
            if on and callback not in registered:
                registered.append(callback)
            elif not on and callback in registered:
                registered.remove(callback)
        if on:
            strokes = self._prepare()
            if strokes is not None:
                self._viewer.layers.selection.active = strokes.target.layer
        else:
            self._hover.hide()
        self.on.setText("Painting \u2014 press to stop" if on else "Paint")
        self._hold_camera()

    def _paints(self) -> bool:
        """Whether the mouse paints now: napari's own tools go first."""
        target = self.labels_layer.value
        active = unwrap(self._viewer.layers.selection.active)
        return bool(
            self.on.isChecked()
            and target is not None
            and active is target
            and str(target.mode) == "pan_zoom"
        )

    def _hold_camera(self, event: Any = None) -> None:
        """Keep drags from moving the picture while they paint."""
        target = self.labels_layer.value
        if target is not None and str(target.mode) == "pan_zoom":
            target.mouse_pan = not self._paints()

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self._paints() or event.button != 1:
            return
        strokes = self._prepare()
        if strokes is None:
            return
        erase = "Control" in event.modifiers
        last = event.position
        with strokes.target.layer.block_history():
            self._step(strokes, last, last, erase)
            yield
            while event.type == "mouse_move":
                if self.mode.value == "paint":
                    self._step(strokes, last, event.position, erase)
                last = event.position
                yield

    def _move(self, viewer: Any, event: Any) -> None:
        if self._paints():
            self._cursor = event.position
            self._show_hover(event.position)
        else:
            self._hover.hide()

    def _wheel(self, viewer: Any, event: Any) -> None:
        if self._paints() and "Shift" in event.modifiers:
            self.refine(event.position, finer=float(np.sum(event.delta)) > 0)
            event.handled = True  # or the picture would be zoomed

    def _prepare(self) -> Strokes | None:
        """Return what paints; make the layer to paint on if there is none."""
        if self.reason:
            self._say(self.reason)
            return None
        superpixels = self.superpixels_layer.value
        if self.labels_layer.value is None:
            target = new_target(self._viewer, superpixels)
            target.selected_label = self.label.value
            self.labels_layer.value = target
        if self._strokes is None:
            self._strokes = Strokes(superpixels, self.labels_layer.value)
        self._strokes.pixels()
        return self._strokes

    def _step(self, strokes: Strokes, start: Any, stop: Any, erase: bool) -> int:
        rules: dict[str, Any] = {
            "erase": erase,
            "only_unlabelled": self.only_unlabelled.value,
            "protect": self.protect.value,
            "plane": self._plane(strokes, start) if self.slice_only.value else None,
        }
        if self.mode.value == "fill":
            return strokes.fill(start, self.label.value, **rules)
        return strokes.paint(strokes.along(start, stop), self.label.value, **rules)

    def _plane(self, strokes: Strokes, world: Any) -> dict[int, int]:
        """Return where the plane in view is along the superpixels' other axes."""
        ndim = strokes.superpixels.ndim
        place = np.rint(strokes.position(world)).astype(int)
        shown = [a - (self._viewer.dims.ndim - ndim) for a in self._viewer.dims.order]
        return {axis: int(place[axis]) for axis in shown[:-2] if axis >= 0}

    def _show_hover(self, position: Any) -> None:
        strokes = self._prepare()
        label = 0 if strokes is None else strokes.at(position)
        if strokes is None or not label:
            self._hover.hide()
            return
        pixels = strokes.pixels().of([label])
        self._hover.show(strokes.superpixels, label, pixels)
        noun = "pixel" if len(pixels) == 1 else "pixels"
        self._say(f"A click takes {len(pixels):,} {noun}.")

    def _say(self, text: str) -> None:
        self._message.setText(text)

    def _leave(self) -> None:
        if self.parent() is None:
            self.on.setChecked(False)
        super()._leave()
