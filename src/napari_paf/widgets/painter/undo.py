"""napari's undo keys, for what the painter does to two layers in turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from app_model.types import KeyCode, KeyMod

from napari_paf.widgets.common.events import Connections
from napari_paf.widgets.painter.keys import relay

if TYPE_CHECKING:
    from napari.layers import Labels

UNDO = KeyMod.CtrlCmd | KeyCode.KeyZ
REDO = KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ


class UndoKeys:
    """Undo and redo on the painted layer, also of superpixels made finer or coarser.

    Every layer of napari has a history of its own, and the keys go to the active one.
    While somebody paints, that is the painted layer, but finer and coarser change the
    superpixels below it. This remembers which of the two was changed when.
    """

    def __init__(self) -> None:
        self._target: Labels | None = None
        self._superpixels: Labels | None = None
        self._connections = Connections()
        self._done: deque[Labels] = deque(maxlen=200)  # napari keeps 100 of a layer
        self._undone: list[Labels] = []
        self._bound: list[Any] = []

    def follow(self, target: Labels | None, superpixels: Labels | None) -> None:
        """Take over the keys of a layer, and give back those of the one before."""
        if target is self._target and superpixels is self._superpixels:
            return
        self.release()
        if target is None or superpixels is None or target is superpixels:
            return
        self._target, self._superpixels = target, superpixels
        self._connections.connect(target.events.paint, self._on_paint)
        for layer in (target, superpixels):
            self._connections.connect(layer.events.data, self._on_data)
        for key, method in ((UNDO, self.undo), (REDO, self.redo)):
            try:
                target.bind_key(key, relay(method))
            except ValueError:
                continue  # somebody has bound it to something else
            self._bound.append(key)

    def refined(self) -> None:
        """Take note that superpixels were made finer or coarser just now."""
        if self._superpixels is not None:
            self._done.append(self._superpixels)
            self._undone.clear()

    def undo(self) -> None:
        """Take back what was done last, in whichever of the two layers."""
        layer = self._done.pop() if self._done else self._target
        if layer is not None:
            self._undone.append(layer)
            layer.undo()

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self._undone:
            layer = self._undone.pop()
            self._done.append(layer)
            layer.redo()

    def release(self) -> None:
        """Give the keys back, and forget."""
        self._connections.disconnect()
        for key in self._bound:
            if self._target is not None:
                self._target.bind_key(key, None)
        self._bound.clear()
        self._done.clear()
        self._undone.clear()
        self._target = self._superpixels = None

    def _on_paint(self, event: Any) -> None:
        """Note a stroke, ours or one by hand; napari tells once for each."""
        if self._target is not None:
            self._done.append(self._target)
            self._undone.clear()

    def _on_data(self, event: Any) -> None:
        """Forget what was done to an array that is another one now."""
        for steps in (self._done, self._undone):
            kept = [layer for layer in steps if layer is not event.source]
            steps.clear()
            steps.extend(kept)
