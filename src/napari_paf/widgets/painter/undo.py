"""napari's undo keys, for what the painter does to two layers in turn."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from app_model.types import KeyCode, KeyMod

from napari_paf.widgets.common.events import Connections
from napari_paf.widgets.common.napari_history import to_redo, to_undo
from napari_paf.widgets.painter.keys import relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence, Sequence

    from napari.layers import Labels

    from napari_paf.widgets.common.napari_history import Edit

UNDO = KeyMod.CtrlCmd | KeyCode.KeyZ
REDO = KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.KeyZ


class _Step(NamedTuple):
    """Something done to a layer, by an edit that napari keeps of it."""

    layer: Labels
    edit: Edit


class UndoKeys:
    """Undo and redo on the painted layer, also of superpixels made finer or coarser.

    Every layer of napari has a history of its own, and the keys go to the active one.
    While somebody paints, that is the painted layer, but finer and coarser change the
    superpixels below it. This remembers which of the two was changed when.

    Of the superpixels, only what the painter itself did is taken back, and only while
    it is what their own undo would take back: runs and edits by hand are theirs.
    """

    def __init__(self) -> None:
        self._target: Labels | None = None
        self._superpixels: Labels | None = None
        self._connections = Connections()
        self._is_refining = False
        self._done: deque[_Step] = deque(maxlen=100)  # as napari keeps of a layer
        self._undone: list[_Step] = []
        self._bound: list[Any] = []

    def follow(self, target: Labels | None, superpixels: Labels | None) -> None:
        """Take over the keys of a layer, and give back those of the one before."""
        if target is self._target and superpixels is self._superpixels:
            return
        self.release()
        if target is None or superpixels is None or target is superpixels:
            return
        self._target, self._superpixels = target, superpixels
        for layer in (target, superpixels):
            self._connections.connect(layer.events.paint, self._on_paint)
            self._connections.connect(layer.events.data, self._on_data)
        for key, method in ((UNDO, self.undo), (REDO, self.redo)):
            try:
                target.bind_key(key, relay(method))
            except ValueError:
                continue  # somebody has bound it to something else
            self._bound.append(key)

    @contextmanager
    def refining(self) -> Iterator[None]:
        """Note what is done to the superpixels meanwhile as the painter's own."""
        self._is_refining = True
        try:
            yield
        finally:
            self._is_refining = False

    def undo(self) -> None:
        """Take back what was done last, in whichever of the two layers."""
        step, target = _next(self._done, to_undo), self._target
        if step is None and target is not None:  # what was done before
            step = _Step(target, next(iter(to_undo(target)), None))
        if step is not None:
            self._undone.append(step)
            step.layer.undo()

    def redo(self) -> None:
        """Do again what was taken back last."""
        step = _next(self._undone, to_redo)
        if step is not None:
            self._done.append(step)
            step.layer.redo()

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
        if event.source is self._target or self._is_refining:
            self._done.append(_Step(event.source, event.value[0]))
            self._undone.clear()

    def _on_data(self, event: Any) -> None:
        """Forget what was done to an array that is another one now."""
        for steps in (self._done, self._undone):
            kept = [step for step in steps if step.layer is not event.source]
            steps.clear()
            steps.extend(kept)


def _next(
    steps: MutableSequence[_Step], of_layer: Callable[[Labels], Sequence[Edit]]
) -> _Step | None:
    """Return the last step that is its layer's next one, and drop those after it.

    They were taken back or done again without the painter, or something else was done
    to their layer since.
    """
    while steps:
        step = steps.pop()
        if any(edit is step.edit for edit in of_layer(step.layer)):
            return step
    return None
