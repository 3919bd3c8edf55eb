"""The Superpixel painter: objects painted superpixel by superpixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error

from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.painter.as_python import as_python
from napari_paf.widgets.painter.follower import PainterFollower
from napari_paf.widgets.painter.keys import Bound
from napari_paf.widgets.painter.strokes import Strokes
from napari_paf.widgets.painter.target import (
    NOTHING_TO_COPY,
    Target,
    new_target,
)

if TYPE_CHECKING:
    from napari import Viewer


class PainterWidget(PainterFollower):
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
        super().__init__(napari_viewer)
        self._strokes: Strokes | None = None
        self._cursor: Any = None  # where it was last, in the world, while painting
        self._keys = Bound(napari_viewer, self)
        self._ties.also.append(self._keys.release)
        self.on.toggled.connect(self._switch)
        self.copy_button.clicked.connect(lambda: self.copy_as_python())
        self._follow()

    # What scripts use ------------------------------------------------------

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
        strokes.look_at(start)
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
        with self._undo_keys.refining():
            reason = strokes.refine(position, finer=finer) if label else ""
        self._show_hover(position)
        if reason:
            self._say(reason)

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

    def _choose(self, value: Any = None) -> None:
        super()._choose(value)
        if self._strokes is not None:
            target = self._strokes.target
            chosen = self.superpixels_layer.value, self.labels_layer.value
            if (target.superpixels, target.layer) != chosen:
                self._strokes = None  # gives its memory back

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
        self._on_active()

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        if not self._paints() or event.button != 1:
            return
        strokes = self._prepare()
        if strokes is None:
            return
        erase = "Control" in event.modifiers
        last = event.position
        strokes.look_at(last)
        with strokes.target.layer.block_history():
            self._step(strokes, last, last, erase)
            yield
            while True:
                moved = not np.array_equal(event.position, last)
                if moved and self.mode.value == "paint":
                    self._step(strokes, last, event.position, erase)
                if event.type != "mouse_move":
                    break
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
            target = new_target(self._viewer, superpixels, self.label.value)
            target.selected_label = self.label.value
            self.labels_layer.value = target
        if self._strokes is None:
            self._strokes = Strokes(superpixels, self.labels_layer.value)
        return self._strokes

    def _step(self, strokes: Strokes, start: Any, stop: Any, erase: bool) -> int:
        strokes.look_at(start, again=False)
        rules: dict[str, Any] = {
            "erase": erase,
            "only_unlabelled": self.only_unlabelled.value,
            "protect": self.protect.value,
            "plane": strokes.plane_at(start, self._axes_across(strokes)),
        }
        if self.mode.value == "fill":
            return strokes.fill(start, self.label.value, **rules)
        return strokes.paint(strokes.along(start, stop), self.label.value, **rules)

    def _axes_across(self, strokes: Strokes) -> tuple[int, ...]:
        """Return the superpixels' axes across the plane in view, if it limits them."""
        if not self.slice_only.value:
            return ()
        dims = self._viewer.dims
        shown = [axis - (dims.ndim - strokes.superpixels.ndim) for axis in dims.order]
        return tuple(axis for axis in shown[:-2] if axis >= 0)

    def _show_hover(self, position: Any) -> None:
        strokes = self._prepare()
        label = 0 if strokes is None else strokes.at(position)
        if strokes is None or not label or self.mode.value == "fill":
            self._hover.hide()
            return
        strokes.look_at(position)
        plane = strokes.plane_at(position, self._axes_across(strokes))
        pixels = strokes.taken([label], plane)
        self._hover.show(strokes.superpixels, pixels)
        noun = "pixel" if len(pixels) == 1 else "pixels"
        self._say(f"A click takes {len(pixels):,} {noun}.")

    def _leave(self) -> None:
        if self.parent() is None:
            self.on.setChecked(False)
        super()._leave()
